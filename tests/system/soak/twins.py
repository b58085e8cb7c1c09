"""Digital twins of OCPP chargers: vehicles come and go, 1.6 and 2.0.1 in turn."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from chargepoint_driver.simulator.ocpp import Twins
from examples.demo.platform import free_port

from .fleets import INTERVAL_S, SPEED, Ended, device, registry, topic_of

VISITS_PER_DAY = 8.0
SETTLE_S = 60.0
# Intervals are the twins' own, in simulated seconds: one of a minute would be two seconds here.
HEARTBEAT_S = METER_S = int(INTERVAL_S * SPEED)
SETTINGS = (
    ("1.6", "MeterValueSampleInterval"),
    ("2.0.1", "SampledDataCtrlr.TxUpdatedInterval"),
)


class TwinFleet:
    """Twins of one connector each. The central system that they connect to is another's: `account`
    is its config."""

    name = "twins"
    registry = ("twins.csv", registry(1))

    def __init__(
        self, number: int, agent: str, database: Path, visits_per_day: float = VISITS_PER_DAY
    ) -> None:
        """`agent`: identity of the caching agent; `database`: the central system's."""
        self._agent = agent
        self._database = database
        self._port = free_port()
        self._described = [
            {"id": f"CP{at + 1:04}", "ocpp": ocpp, "configuration": {setting: str(METER_S)}}
            for at in range(number)
            for ocpp, setting in [SETTINGS[at % len(SETTINGS)]]
        ]
        self._twins = Twins(
            f"ws://127.0.0.1:{self._port}/ocpp",
            self._described,
            speed=SPEED,
            visits_per_day=visits_per_day,
            journal=1,
            longest_backoff_s=5,
        )

    def account(self, sinks: dict[str, Any]) -> dict[str, Any]:
        """Return the central system's entry in the caching agent's config, with sinks."""
        return {
            "backend": "ocpp",
            "listen": f"127.0.0.1:{self._port}",
            "database": str(self._database),
            "voltage": 230,
            "phases": 3,
            "heartbeat_s": HEARTBEAT_S,
            "meter_interval_s": METER_S,
            "sinks": sinks,
        }

    def devices(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for each in self._described:
            config = {
                "backend": "ocpp",
                "cache_agent": self._agent,
                "account": self.name,
                "chargePointID": each["id"],
                "connectorId": 1,
            }
            yield topic_of(str(each["id"])), device(config, self.registry[0])

    def __enter__(self) -> TwinFleet:  # noqa: PYI034 - Self came with Python 3.11
        """They connect as soon as somebody listens."""
        self._twins.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._twins.stop()

    def connect(self, limit_s: float) -> None:
        """Wait until every one is accepted. Raises TimeoutError."""
        self._twins.wait_connected(limit_s)

    def now_s(self) -> float:
        return self._twins.clock.now_s()

    def messages(self) -> int:
        """How many the twins have sent."""
        return sum(self._twins.stats()["sent"].values())

    def faults(self) -> list[str]:
        """What went wrong inside the twins: nothing, or the run proves nothing."""
        return [repr(each) for each in self._twins.errors]

    def settle(self) -> None:
        """Wait until all that has happened by now is acknowledged. Raises TimeoutError."""
        end = time.monotonic() + SETTLE_S
        for identity in self._twins.ids:
            left_s = max(1.0, end - time.monotonic())
            self._twins.wait(identity, lambda state: not state["queued"], left_s)

    def records(self) -> list[Ended]:
        """Every session that the twins ended, by their own record; `session` is the id by which
        twin and central system call it."""
        found = []
        for identity in self._twins.ids:
            sessions = self._twins.state(identity)["transactions"]
            begins = [*(each["start_s"] for each in sessions[1:]), float("inf")]
            found += [
                Ended(
                    topic_of(identity),
                    each["connector_id"],
                    str(each["wire_id"]),
                    (each["meter_stop_wh"] - each["meter_start_wh"]) / 1000,
                    each["stop_s"],
                    next_s,
                )
                for each, next_s in zip(sessions, begins, strict=False)
                if each["stop_s"] is not None
            ]
        return found

    def ended(self) -> list[Ended]:
        """The same by the ids that points show: the central system's own."""
        own = {key: str(number) for key, (number, _) in self._rows().items()}
        return [
            replace(each, session=own.get((each.topic, each.session), each.session))
            for each in self.records()
        ]

    def books(self) -> dict[tuple[str, int], dict[str, float]]:
        """(device topic, connector) -> session -> energy of the completed transactions in the
        central system's database."""
        found: dict[tuple[str, int], dict[str, float]] = {}
        for (topic, session), (_, energy_kwh) in self._rows().items():
            if energy_kwh is not None:
                found.setdefault((topic, 1), {})[session] = energy_kwh
        return found

    def _rows(self) -> dict[tuple[str, str], tuple[int, float | None]]:
        """(device topic, session) -> own id, energy; None while it runs."""
        query = "SELECT charge_point, wire_id, id, meter_stop - meter_start FROM transactions"
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as db:
            return {
                (topic_of(point), str(wire_id)): (own, None if wh is None else wh / 1000)
                for point, wire_id, own, wh in db.execute(query)
            }
