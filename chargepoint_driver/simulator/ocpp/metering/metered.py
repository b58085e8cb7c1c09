"""A charge point with its settings and its meter: what they say is the same in every version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from ..power.connector import Connector, Reading
from ..power.spec import TwinSpec
from ..power.station import News, Station
from ..scheduler import Entry, Scheduler
from ..settings import Row, SettingNames, Settings, listed
from .samples import Sample, sampled_values


class MeteredStation(Station):
    """Obeys its settings and tells what its meters show. The class attributes are a version's."""

    names: SettingNames
    rows: Callable[[int], Mapping[str, Row]]
    written: Callable[[Sample, str], dict[str, Any]]

    def __init__(self, spec: TwinSpec, scheduler: Scheduler, random: Random, news: News) -> None:
        super().__init__(spec, scheduler, random, news)
        self.settings = Settings(type(self).rows(len(self.connectors)), dict(spec.configuration))
        self.heartbeat_s = float(self.settings.count(self.names.heartbeat))
        self._aligned: Entry | None = None

    # -- what the settings say ------------------------------------------------------------

    def _seconds(self, name: str) -> float:
        return float(self.settings.count(name))

    def stops_on_unplug(self) -> bool:
        """Return True if a transaction ends when the vehicle leaves."""
        return self.settings.flag(self.names.stops_on_unplug)

    def stops_on_invalid_id(self) -> bool:
        """Return True if a transaction ends when the central system refuses its idTag."""
        return self.settings.flag(self.names.stops_on_invalid_id)

    def connection_timeout_s(self) -> float:
        """Return how long an accepted idTag waits for a vehicle, simulated seconds."""
        return self._seconds(self.names.connection_timeout)

    def sample_interval_s(self) -> float:
        """Simulated seconds between two samples of a transaction; 0 for none."""
        return self._seconds(self.names.sample_interval)

    def accepts_unknown_offline(self) -> bool:
        """Return True if an unknown idTag may charge while there is no connection."""
        return self.settings.flag(self.names.unknown_offline)

    def max_attempts(self) -> int:
        """Return how often a transaction's message is sent before it is given up."""
        return self.settings.count(self.names.attempts)

    def retry_interval_s(self) -> float:
        """Simulated seconds between those."""
        return self._seconds(self.names.retry_interval)

    def refuses_setting(self, name: str, value: str) -> bool:
        """Return True if a value of a known setting is refused."""
        row = self.settings.rows.get(name)
        if row is not None and (row.readonly or not row.fits(value)):
            return True
        quirk = "sampled_data_as_a_whole"
        if name != self.names.sampled_measurands or not self.quirks.has(quirk):
            return False
        wanted, known = listed(value), self.quirks.get(quirk, "known")
        return len(wanted) > self.quirks.get(quirk, "most") or any(
            one not in known for one in wanted
        )

    # -- the meter --------------------------------------------------------------------------

    def measurands(self, name: str) -> list[str]:
        """Return the measurands that a setting lists."""
        return listed(self.settings[name])

    def reading(self, connector: Connector) -> Reading:
        """Return what the meter of a connector shows now."""
        number = connector.connector_id
        claimed_w = None
        if connector.wants_power and self.quirks.get("ignores_profiles", "offered") == "echo":
            with self.profile_store.obeyed():
                told_w = connector.supply.deliverable_w(self.flow.cap(number))
                claimed_w = min(told_w, self.flow.station.bound_w(self.flow.cap(0)))
        return connector.reading(self.flow.cap(number), claimed_w)

    def meter_value(
        self, connector: Connector, measurands: list[str], context: str
    ) -> dict[str, Any]:
        """One MeterValue of a connector, now."""
        now_s = self.begin()
        values = sampled_values(
            self.reading(connector), measurands, context, self.quirks, type(self).written
        )
        return {"timestamp": self.stamp(now_s), "sampledValue": values}

    def send_meter(self, connector: Connector, context: str) -> None:
        """MeterValues outside the rhythm of a transaction (triggered, or by the clock)."""
        aligned = context == "Sample.Clock"
        names = self.names.aligned_measurands if aligned else self.names.sampled_measurands
        value = self.meter_value(connector, self.measurands(names), context)
        if value["sampledValue"]:
            self.send_meter_value(connector, value)

    def sample_later(self, connector: Connector, from_s: float) -> None:
        interval_s = self.sample_interval_s()
        if interval_s > 0:
            self.timer(
                "sample", connector, from_s + interval_s - self.scheduler.now_s(), self._sample
            )

    def restart_samples(self) -> None:
        """Take a new interval."""
        for connector in self.connectors:
            self.drop_timer("sample", connector)
            if connector.transaction is not None:
                self.sample_later(connector, self.begin())

    def _sample(self, connector: Connector) -> None:
        now_s = self.begin()
        if connector.transaction is not None:
            connector.transaction.samples += 1
            if connector.transaction.samples == self.quirks.get("register_falls", "after_samples"):
                connector.fallen_wh = connector.register_wh
            self.send_sample(connector, connector.transaction)
            self.sample_later(connector, now_s)

    def align(self) -> None:
        """Send meter values at round times if the setting requires it."""
        if self._aligned is not None:
            self._aligned.cancel()
            self._aligned = None
        interval_s = self.settings.count(self.names.aligned_interval)
        if interval_s:
            next_s = (self.scheduler.now_s() // interval_s + 1) * interval_s
            self._aligned = self.scheduler.at(next_s, self._on_the_clock)

    def _on_the_clock(self) -> None:
        for connector in self.connectors:
            self.send_aligned(connector)
        self.align()

    def drop_timers(self) -> None:
        """Forget all timers."""
        super().drop_timers()
        if self._aligned is not None:
            self._aligned.cancel()

    # -- hooks ------------------------------------------------------------------------------

    def send_meter_value(self, connector: Connector, value: dict[str, Any]) -> None:
        """Send a MeterValue outside the rhythm of a transaction."""
        raise NotImplementedError

    def send_aligned(self, connector: Connector) -> None:
        """Send what the meter shows at a round time."""
        self.send_meter(connector, "Sample.Clock")
