"""Laws of the registry, on random rows."""

from __future__ import annotations

import contextlib
import csv
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.registry import Registry, build, columns, read_csv

from .rows import COLUMNS

TEXT = st.text(max_size=12)
NEAR = st.sampled_from(["", "1", "2", "0", "-1", "1.5", "60", "TRUE", "FALSE", "bool", "float"])
CELLS = {
    "Attribute Name": st.sampled_from([row.name for row in CHARGEPOINT]),
    "Register Name": st.sampled_from(CHARGEPOINT.registers),
}
ODD = st.one_of(TEXT, NEAR, st.none(), st.integers(), st.floats(), st.booleans(), st.lists(TEXT))
ROW = st.dictionaries(
    st.one_of(st.sampled_from(COLUMNS), TEXT, st.none(), st.integers()), ODD, max_size=14
)
LIKELY = st.fixed_dictionaries(
    {name: st.one_of(CELLS.get(name, NEAR), NEAR, TEXT) for name in COLUMNS}
)
PORTS = st.one_of(st.none(), st.integers(1, 3))


def told_of(registry: Registry) -> set[int]:
    """Rows that became a point, or that a fault or a warning names."""
    return {
        *registry.lines.values(),
        *(finding.row for finding in registry.faults),
        *(
            int(finding.problem.split(" is used by row ")[1].split()[0])
            for finding in registry.warnings
            if " is used by row " in finding.problem
        ),
    }


@given(st.lists(st.one_of(ROW, LIKELY), max_size=6), PORTS)
def test_every_row_ends_in_a_point_or_a_finding(rows, port):
    registry = build(enumerate(rows, 2), "random.csv", "1:1", port)
    holding = {number for number, row in enumerate(rows, 2) if not columns.is_blank(row)}
    if any(fault.column == "file" for fault in registry.faults):
        assert [fault.row for fault in registry.faults] == [1]  # one fault for them all
    else:
        assert holding
        assert told_of(registry) - {1} == holding
    assert set(registry.points) == set(registry.rows) == set(registry.lines)
    for name, point in registry.points.items():
        assert point.name == name
        assert name
        assert "/" not in name
    for finding in (*registry.faults, *registry.warnings):
        assert finding.column in {*COLUMNS, "file"}
        assert finding.problem
        assert finding.cure


PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@st.composite
def good_row(draw):
    attribute = draw(st.sampled_from(list(CHARGEPOINT)))
    port = draw(st.sampled_from(["1", "2"]))
    return {
        "Volttron Point Name": draw(PRINTABLE.filter(lambda text: "/" not in text)),
        "Attribute Name": attribute.name,
        "Register Name": attribute.register,
        "Port #": "" if attribute.scope.value == "station" else port,
        "Type": draw(st.sampled_from(["", attribute.kind.value, "string"])),
        "Units": draw(PRINTABLE),
        "Starting Value": draw(PRINTABLE),
        "Writable": "TRUE" if attribute.writable and draw(st.booleans()) else "FALSE",
        "Notes": draw(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))),
        "Scrape Interval": draw(st.sampled_from(["", "60", "86400"])),
        "Currency": draw(st.sampled_from(["", "0", "2.5"])),
    }


@given(st.lists(good_row(), min_size=1, max_size=6))
def test_a_registry_survives_its_way_through_a_file(rows):
    wanted = build(enumerate(rows, 2), "x.csv", "1:1")
    assert wanted.faults == []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        found = build(((n, row) for n, (_, row) in enumerate(read_csv(path), 2)), "x.csv", "1:1")
    assert found == wanted


@given(st.binary(max_size=200))
def test_random_files_never_crash(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_bytes(content)
        with contextlib.suppress(ConfigurationError):
            build(read_csv(path), "x.csv", "1:1")
