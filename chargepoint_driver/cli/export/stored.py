"""Rows from stored events, of a central system's database or of an account's outbox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from chargepoint_driver.cli.export import values
from chargepoint_driver.cli.export.writers import Row
from chargepoint_driver.events import Event, StoredEvents

__all__ = ["shed_rows", "sheds"]

_AT_ONCE = 1_000


def sheds(
    path: Path, station: str | None, since: datetime, until: datetime | None
) -> Iterator[Row]:
    """Yield the changes of commanded limits within the time. Raises NotFoundError,
    TransientError."""
    with closing(StoredEvents(path, "")) as stored:
        yield from shed_rows(_numbered(stored), station, since, until)


def _numbered(stored: StoredEvents) -> Iterator[tuple[int, Event]]:
    after = 0
    while page := stored.read(after, _AT_ONCE):
        after = page[-1].seq
        yield from ((event.seq, event) for event in page)


def shed_rows(
    events: Iterable[tuple[int, Event]],
    station: str | None,
    since: datetime,
    until: datetime | None,
) -> Iterator[Row]:
    """Yield the changes of commanded limits among events with their ids."""
    for event_id, event in events:
        moment = values.of_seconds(event.time_s)
        if event.action != "Shed" or station not in (None, event.station):
            continue
        if moment is None or moment < since or (until is not None and moment > until):
            continue
        data = _content(event)
        if data is not None:
            yield {
                "station": event.station or None,
                "port": event.connector or None,
                "time": moment,
                "status": values.text(data.get("status")),
                "allowed_load_kw": values.number(data.get("allowed_load_kw")),
                "percent_shed": values.number(data.get("percent_shed")),
                "station_group": values.text(data.get("group")),
                "note": values.text(data.get("note")),
                "event_id": event_id,
            }


def _content(event: Event) -> dict[str, Any] | None:
    """Return the content of an event; None where it is damaged."""
    try:
        data = event.data
    except ValueError:
        return None
    # Of a damaged row the store gives another content.
    return data if isinstance(data, dict) and "status" in data else None
