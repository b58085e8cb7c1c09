"""The file of cost centres: its content, and each fault with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargepoint_driver.billing.cost_centres import CostCentres
from chargepoint_driver.errors import ConfigurationError


def read(tmp_path: Path, text: str, name: str = "centres.csv") -> CostCentres:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return CostCentres.read(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.csv", "id_tag,cost_centre\n04A1,4711\n 04b2 ,Sales\n"),
        ("c.csv", "\ufeffcost_centre;id_tag\r\n4711;04A1\r\nSales;04b2\r\n\r\n"),
        ("c.csv", 'id_tag,cost_centre\n"04A1","4711"\n,\n04b2,Sales'),
        ("c.json", '{"04A1": 4711, "04b2": "Sales"}'),
        ("C.JSON", '\ufeff {"04A1": "4711", " 04b2": "Sales "}'),
    ],
)
def test_csv_and_json(tmp_path: Path, name: str, text: str) -> None:
    found = read(tmp_path, text, name)
    assert len(found) == 2
    assert (found.of("04a1"), found.of(" 04B2"), found.of("04")) == ("4711", "Sales", None)
    assert found.of(None) is None


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("c.csv", "", "line 1: must be the header id_tag,cost_centre"),
        ("c.csv", "tag,centre\n1,2\n", "line 1: must be the header"),
        ("c.csv", "id_tag,cost_centre\n1,2,3\n", "line 2: has 3 cells; write 2"),
        ("c.csv", "id_tag,cost_centre\n1,2\n\n,3\n", "line 4: the idTag is empty"),
        ("c.csv", "id_tag,cost_centre\n1, \n", "line 2: idTag '1' has no cost centre"),
        (
            "c.csv",
            "id_tag,cost_centre\nAB,1\nx,2\n ab,3\n",
            "line 4: idTag 'ab' stands in line 2 too",
        ),
        ("c.csv", "id_tag,cost_centre\n1,a\x07\n", "must be printable, at most 200 characters"),
        ("c.csv", "id_tag,cost_centre\n1,Not Assigned\n", "means that there is no cost centre"),
        ("c.json", "{", "is not JSON"),
        ("c.json", "[]", "must be an object of idTag to cost centre"),
        ("c.json", '[["a", "b"]]', "must be an object of idTag to cost centre"),
        ("c.json", '{"A": "1", "a ": "2"}', "'a ': idTag 'a' stands in 'A' too"),
        ("c.json", '{"A": "1", "A": "2"}', "'A': idTag 'A' stands in 'A' too"),
        ("c.json", '{"A": null}', "'A': idTag 'A' has no cost centre"),
        ("c.json", '{"A": {"b": "c"}}', "'A': idTag 'A' has no cost centre"),
        ("c.json", '{"A": true}', "'A': idTag 'A' has no cost centre"),
        ("c.json", "[" * 100_000, "is not JSON"),
    ],
)
def test_a_fault_has_its_place(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, text, name)
    assert words in str(raised.value)
    assert str(raised.value).startswith("cost_centres: ")
    assert str(tmp_path / name) in str(raised.value)


def test_all_faults_are_there_and_not_too_long(tmp_path: Path) -> None:
    lines = "".join(f"{number},\n" for number in range(50))
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, f"id_tag,cost_centre\n{lines}")
    found = str(raised.value).splitlines()
    assert len(found) == 21
    assert found[-1].endswith("30 more")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cost_centres: .*none.csv: cannot be read"):
        CostCentres.read(tmp_path / "none.csv")
    (tmp_path / "w.csv").write_bytes("id_tag,cost_centre\nä,b".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        CostCentres.read(tmp_path / "w.csv")
