"""Times of messages: one parser, the same on every Python."""

from __future__ import annotations

import ast
import inspect
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chargepoint_driver.backends.ocpp.model import timestamps
from chargepoint_driver.backends.ocpp.model.timestamps import historic, iso, parse, parse_slowly

TEN = datetime(2026, 11, 28, 10, 11, 12, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-28T10:11:12Z", TEN),
        ("2026-11-28T10:11:12", TEN),
        ("2026-11-28 10:11:12", TEN),
        ("2026-11-28t10:11:12z", TEN),
        ("  2026-11-28T10:11:12Z\n", TEN),
        ("2026-11-28T10:11:12 Z", TEN),
        ("2026-11-28T12:11:12+02", TEN),
        ("2026-11-28T12:11:12+0200", TEN),
        ("2026-11-28T12:11:12+02:00", TEN),
        ("2026-11-28T02:11:12-08", TEN),
        ("2026-11-28T15:56:12+0545", TEN),
        ("20261128T101112Z", TEN),
        ("20261128T101112", TEN),
        ("20261128T121112+02", TEN),
        ("20261128T101112,5Z", TEN + 0.5),
        ("2026-11-28T10:11:12,250Z", TEN + 0.25),
        ("2026-11-28T10:11:12.Z", TEN),
        ("2026-11-28T10:11:12.123456789Z", TEN + 0.123457),
        ("2026-11-28T10:11:12,123456789+00", TEN + 0.123457),
        ("2026-11-28T10:11Z", TEN - 12),
        ("2026-11-27T24:00:00Z", TEN - 36_672),
        ("2026-11-27T24:00Z", TEN - 36_672),
        ("2026-11-28T10:10:60Z", TEN - 12),
    ],
)
def test_spellings_of_one_time(text, seconds) -> None:
    assert parse(text) == seconds
    assert parse_slowly(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-28",
        "2026-W48-6",
        "10:11:12Z",
        "2026-1128T10:11:12Z",
        "2026-11-28T1011:12Z",
        "2026-02-30T10:11:12Z",
        "2026-11-28T25:00:00Z",
        "2026-11-28T24:00:01Z",
        "2026-11-28T10:61:00Z",
        "2026-11-28T10:11:12+24:00",
        "2026-11-28T10:11:12+02:60",
        "0000-11-28T10:11:12Z",
        "٢٠٢٦-11-28T10:11:12Z",
        "1764324672",
        None,
        1764324672,
        ["2026-11-28T10:11:12Z"],
    ],
)
def test_what_is_not_a_time(text) -> None:
    assert parse(text) is None


MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(timezone.utc))
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59)


@given(
    MOMENTS, OFFSETS, st.sampled_from("T t"), st.sampled_from(".,"), st.booleans(), st.booleans()
)
def test_any_time_however_it_is_written(moment, offset, between, point, compact, colon) -> None:
    local = moment + timedelta(minutes=offset)
    day, clock = ("%Y%m%d", "%H%M%S") if compact else ("%Y-%m-%d", "%H:%M:%S")
    # strftime writes years before 1000 without zeros on some systems.
    year = f"{local.year:04d}"
    text = year + local.strftime(day.replace("%Y", "") + between + clock)
    hours, minutes = divmod(abs(offset), 60)
    zone = f"{'-' if offset < 0 else '+'}{hours:02d}"
    if minutes or colon:
        zone += f"{':' if colon else ''}{minutes:02d}"
    written = f"{text}{point}{local.microsecond:06d}{zone}"
    assert parse(written) == parse_slowly(written) == moment.timestamp()


@given(st.text() | st.from_regex(timestamps._ISO, fullmatch=True))
@example("2026-11-28T10:11:12.9999999Z")
def test_the_quick_way_reads_what_the_slow_one_does(text) -> None:
    quick = parse(text)
    assert quick == parse_slowly(text)
    assert quick is None or isinstance(iso(historic(quick, 1.7e9)), str)


def test_the_parser_depends_on_no_version_of_python() -> None:
    names = {
        getattr(node, "attr", "") for node in ast.walk(ast.parse(inspect.getsource(timestamps)))
    }
    assert "fromisoformat" not in names
