"""File store for records that rarely change, so that a restart does not ask again.

The file is JSON, written whole and put in place at once. It holds what the service reports
about stations and never credentials.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from chargepoint_driver.process.files import read_text, regular_file
from chargepoint_driver.records import DAMAGED, StationRecord, Unreadable, Value, Values
from chargepoint_driver.text import get_logger

__all__ = ["Disk", "fields_of", "record_of"]

_log = get_logger(__name__)

_FORMAT = 1
_MARK = "unreadable text"
_DICTIONARY = "dictionary"


class Disk:
    """File of one account. `owner` identifies it: another account's file is not read."""

    def __init__(
        self, path: Path, owner: Iterable[str], now: Callable[[], float] = time.time
    ) -> None:
        self._path = path.expanduser()
        self._owner = list(owner)
        self._now = now

    def load(self) -> dict[str, tuple[float, list[StationRecord]]]:
        """Call to (age in seconds, records). Empty when there is no such file or it is of no
        use, which is logged: the service is asked then."""
        try:
            content = json.loads(read_text(self._path))
            if content["format"] != _FORMAT or content["owner"] != self._owner:
                _log.warning("cache_file %s is another account's; it is not used", self._path)
                return {}
            return {
                call: (
                    max(0.0, self._now() - float(kept["at"])),
                    [record_of(fields) for fields in kept["records"]],
                )
                for call, kept in content["calls"].items()
            }
        except FileNotFoundError:
            return {}
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            _log.warning(
                "cache_file %s cannot be used (%s); it is written again", self._path, error
            )
            return {}

    def save(self, calls: dict[str, tuple[float, list[StationRecord]]]) -> None:
        """Replace the file by these records, call to (age in seconds, records). A failure is
        logged: the cache works without its file."""
        content = {
            "format": _FORMAT,
            "owner": self._owner,
            "calls": {
                call: {
                    "at": self._now() - age_s,
                    "records": [fields_of(record) for record in records],
                }
                for call, (age_s, records) in calls.items()
            },
        }
        try:
            regular_file(self._path)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Private to its owner: station lists may hold names and addresses.
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(content, file)
                Path(name).replace(self._path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            _log.warning("cache_file %s cannot be written: %s", self._path, error)


def fields_of(record: StationRecord) -> dict[str, Any]:
    """Return a record as JSON can carry it."""
    return {
        "station": record.station_id,
        "values": _plain(record.values),
        "ports": {str(port): _plain(values) for port, values in record.ports.items()},
        "other_ports": None if record.other_ports is None else _plain(record.other_ports),
    }


def _plain(values: Values) -> dict[str, Any]:
    return {name: _marked(value) for name, value in values.items()}


def _marked(value: Value | Unreadable) -> Value:
    if isinstance(value, Unreadable):
        return {_MARK: None if value.is_damaged else value.text}
    return {_DICTIONARY: value} if isinstance(value, dict) else value


def record_of(fields: dict[str, Any]) -> StationRecord:
    """Return the record of `fields_of`. Raises ValueError, KeyError, TypeError, AttributeError."""
    return StationRecord(
        str(fields["station"]),
        _values(fields["values"]),
        {int(port): _values(values) for port, values in fields["ports"].items()},
        None if fields["other_ports"] is None else _values(fields["other_ports"]),
    )


def _values(fields: dict[str, Any]) -> dict[str, Value | Unreadable]:
    return {name: _unmarked(value) for name, value in fields.items()}


def _unmarked(value: Any) -> Value | Unreadable:
    if isinstance(value, dict):
        ((mark, content),) = value.items()
        if mark == _MARK:
            return DAMAGED if content is None else Unreadable(str(content))
        if mark != _DICTIONARY or not isinstance(content, dict):
            raise ValueError(f"{mark!r} is not a mark of a value")
        return content
    if value is not None and not isinstance(value, (str, int, float)):
        raise ValueError(f"a {type(value).__name__} is not a value")
    return value
