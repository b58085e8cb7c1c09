"""What holds for the table as a whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chargepoint_driver.catalogue import ATTRIBUTES, CALLS, CHARGEPOINT, Catalogue, Kind, Scope
from chargepoint_driver.catalogue.page import _main, page

ROOT = Path(__file__).parents[3]


def test_keys_are_unique():
    keys = Counter((row.register, row.name) for row in ATTRIBUTES)
    assert [key for key, count in keys.items() if count > 1] == []
    assert len(CHARGEPOINT) == len(ATTRIBUTES)
    names = Counter(call.name for call in CALLS)
    assert set(names.values()) == {1}


def test_no_two_rows_of_a_call_read_the_same_place():
    places = Counter((row.call, path) for row in CHARGEPOINT for path in row.path if path)
    assert [place for place, count in places.items() if count > 1] == []


@pytest.mark.parametrize("row", list(CHARGEPOINT), ids=lambda row: f"{row.register}.{row.name}")
def test_a_row_is_whole(row):
    call = CHARGEPOINT.calls[row.call]
    assert row.path
    assert row.currency_s == call.currency_s
    assert row.scrape_interval_s == call.scrape_interval_s
    assert row.since in {"5.0", "5.1"}
    assert "|" not in row.notes + row.unit
    by_port = any(path.startswith("Port/") for path in row.path)
    assert by_port == (row.scope is Scope.PORT and not row.own)
    assert not (row.own and any(row.path))
    assert not (row.own and row.writable) or row.name in {"commandLease", "limit"}
    assert row.is_boolean <= (row.kind is Kind.INTEGER)


def test_a_register_is_read_by_one_call():
    for register in CHARGEPOINT.registers:
        assert len({row.call for row in CHARGEPOINT if row.register == register}) == 1


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_value_lasts_no_longer_than_until_the_next_poll(call):
    usual_poll_s = 60
    assert 0 < call.currency_s <= (call.scrape_interval_s or usual_poll_s)


def test_finding_rows():
    assert CHARGEPOINT.find("LoadRegister", "Status") is None
    assert {row.register for row in CHARGEPOINT.named("Status")} == {
        "StationStatusRegister",
        "StationRegister",
    }
    assert CHARGEPOINT.named("nothing") == ()
    assert CHARGEPOINT.closest("portlaod") == "portLoad"
    assert CHARGEPOINT.closest("zzzzz") is None
    assert {row.name for row in CHARGEPOINT.of_call("getStationRights")} == {"stationRightsProfile"}


def test_a_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        CHARGEPOINT.calls["getLoad"] = None
    with pytest.raises(AttributeError):
        next(iter(CHARGEPOINT)).name = "x"
    assert len(Catalogue([], [])) == 0


def test_the_readers_copy_is_what_the_catalogue_says():
    assert (ROOT / "docs" / "reference" / "points.md").read_text(encoding="utf-8") == page(), (
        "docs/reference/points.md is out of date; run: make docs/reference/points.md"
    )


def test_the_page_is_written_and_checked(tmp_path, capsys):
    path = tmp_path / "points.md"
    assert _main(["--check", str(path)]) == 1
    assert _main([str(path)]) == 0
    assert _main(["--check", str(path)]) == 0
    path.write_text(page() + "more", encoding="utf-8")
    assert _main(["--check", str(path)]) == 1
    assert "is out of date" in capsys.readouterr().err
    for row in CHARGEPOINT:
        assert f"| `{row.name}` |" in page()
