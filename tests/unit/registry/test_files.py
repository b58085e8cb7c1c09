"""Registry files: what spreadsheets and editors make of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.records import StationRecord
from chargepoint_driver.registry import build, read_csv, read_file

HEAD = (
    "Volttron Point Name,Attribute Name,Register Name,Port #,Type,Units,Starting Value,Writable,"
    "Notes"
)
LOAD = "load,portLoad,LoadRegister,1,float,kw,,FALSE,"


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "device.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_csv(path)

    return read


def names(rows):
    registry = build(rows, "device.csv", "1:1")
    assert registry.faults == []
    return list(registry.points)


@pytest.mark.parametrize(
    "content",
    [
        f"{HEAD}\n{LOAD}\n",
        f"{HEAD}\n{LOAD}",
        f"{HEAD}\r\n{LOAD}\r\n",
        f"\ufeff{HEAD}\n{LOAD}\n",
        f'\ufeff"{HEAD.replace(",", chr(34) + "," + chr(34))}"\n{LOAD}\n',
        f'"{HEAD.replace(",", chr(34) + "," + chr(34))}"\n{LOAD}\n',
        f"{HEAD.upper()}\n{LOAD}\n",
        f"{HEAD.replace(',', ' , ')}\n{LOAD.replace(',', ' , ')}\n",
        f"{HEAD},group\n{LOAD},slow\n",
        f"{HEAD}\nload,portLoad,LoadRegister,1\n",
    ],
)
def test_spellings_of_one_registry(content, read):
    assert names(read(content)) == ["load"]


def test_blank_lines_are_passed_over_and_line_numbers_stay_true(read):
    rows = read(f"{HEAD}\n\n{LOAD}\n,,,,,,,,\n , \n{',' * 20}\n{LOAD}\n\n")
    assert [line for line, _ in rows] == [3, 7]


def test_a_cell_of_several_lines_counts_its_last_line(read):
    rows = read(f'{HEAD}\n{LOAD}"two\nlines"\n{LOAD}\n')
    assert [line for line, _ in rows] == [3, 4]


def test_an_empty_registry_has_no_points(read):
    assert read(f"{HEAD}\n") == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "row 1: no column Volttron Point Name and no column Attribute Name"),
        ("\n\n", "row 1: no column"),
        ("{}", "row 1: no column"),
        (HEAD.replace(",", ";"), "row 1: no column"),
        (HEAD.replace("Attribute Name", "Attribute"), "row 1: no column Attribute Name;"),
        (f'{HEAD}\n{LOAD}\nx"y,"z', "row 3: not CSV"),
        (f'{HEAD}\n"never closed\n{LOAD}\n', "row 2: not CSV"),
        (f"{HEAD}\n{'x' * 200_000},a\n", "row 2: not CSV"),
        (b"\xff\xfe\x00\x01", "cannot be read"),
        (HEAD.encode("utf-16"), "cannot be read"),
        (f"{HEAD}\nGerät".encode("latin-1"), "cannot be read"),
    ],
)
def test_what_is_no_registry(content, problem, read):
    with pytest.raises(ConfigurationError) as caught:
        read(content)
    assert "device.csv: " in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_is_not_there(name, tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_csv(tmp_path / name)


def test_a_column_that_stands_twice_is_a_warning(tmp_path):
    path = tmp_path / "device.csv"
    path.write_text(f"{HEAD},notes\n{LOAD},second\n")
    rows, warnings = read_file(path)
    assert [str(warning) for warning in warnings] == [
        f"{path}: row 1: Notes: stands twice, and the last one counts; remove one"
    ]
    assert [row["Notes"] for _, row in rows] == ["second"]


def test_the_shipped_registry_can_record_pricing_times():
    path = Path(__file__).parents[3] / "registry_configs" / "chargepoint.csv"
    registry = build(read_csv(path), "chargepoint.csv", "1:1")
    assert (registry.faults, registry.warnings) == ([], [])
    times = {"startTime": "08:00:00", "endTime": "18:00:00"}
    for name, time in times.items():
        pricing = registry.points[f"Pricing.{name}"]
        assert pricing.value_of(StationRecord("1:1", times)) == time
        assert registry.points[name].attribute.register == "ChargingSessionRegister"
