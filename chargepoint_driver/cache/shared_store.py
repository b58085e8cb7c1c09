"""Store of records that several processes share, one of which reads the account at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Protocol

from chargepoint_driver.cache.record_table import Key
from chargepoint_driver.records import StationRecord

__all__ = ["KeptRecord", "SharedStore"]


class KeptRecord(NamedTuple):
    """A record of another process, and its age in seconds, never less than it is. A station ""
    stands for a reply about the whole account, without a record."""

    call: str
    station: str
    age_s: float
    record: StationRecord


class SharedStore(Protocol):
    """See the module. May be used from several threads."""

    def load(self) -> Iterable[KeptRecord]:
        """Return what is kept; empty where it cannot be read, which is logged."""

    def keep(self, call: str, records: Mapping[str, StationRecord], at: float) -> None:
        """Keep records of a reply that came at `at`, by the cache's clock. Returns at once; a
        failure is logged."""

    def keep_whole(self, call: str, stations: Collection[str], at: float) -> None:
        """Keep that a reply about the whole account had these stations: others are forgotten.
        Returns at once; a failure is logged."""

    def forget(self, key: Key) -> None:
        """A write has changed what is kept. Returns at once; a failure is logged."""
