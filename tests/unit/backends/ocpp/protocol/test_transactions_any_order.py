"""For any order of boots, starts, values, stops, repeats, lost answers and restarts, every
acknowledged session is in the month's list exactly once, with the reported energy."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..conftest import Charger, Site

# What happens to a message: it is answered, its answer is lost and it is sent again, or it is
# answered and sent once more all the same.
FATES = st.sampled_from(["answered", "answered", "lost", "twice"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.integers(1, 2), FATES),
        st.tuples(st.just("value"), st.integers(1, 2), FATES),
        st.tuples(st.just("stop"), st.integers(1, 2), FATES),
        st.tuples(st.sampled_from(["boot", "power_loss", "reconnect"])),
        st.tuples(st.sampled_from(["restart"])),
    ),
    min_size=4,
    max_size=24,
)
NUMBERS = itertools.count(1)


@dataclass
class Session:
    """What the charger knows of one session. `told_wh` is the last register that it sent."""

    begin_wh: int
    wire_id: Any
    told_wh: int | None = None
    end_wh: int | None = None

    @property
    def energy_wh(self) -> int | None:
        last = self.told_wh if self.end_wh is None else self.end_wh
        return None if last is None else last - self.begin_wh


@dataclass
class Model:
    """A charger with two connectors, and what it was acknowledged."""

    site: Site
    version: str
    ids: str  # "given" (unique), or its "own": from 1 after each loss of power
    is_clock_set: bool
    station_id: str = field(default_factory=lambda: f"M{next(NUMBERS)}")
    sessions: list[Session] = field(default_factory=list)
    running: dict[int, Session] = field(default_factory=dict)
    register: dict[int, int] = field(default_factory=lambda: {1: 1000, 2: 5000})
    number: int = 0
    uptime_s: int = 0
    seq: int = 0

    def connect(self) -> None:
        protocol = f"ocpp{self.version}"
        self.charger: Charger = self.site.charger(self.station_id, subprotocols=[protocol])

    def step(self, name: str, *args: Any) -> None:
        self.site.clock.ahead_s += 1
        self.uptime_s += 1
        getattr(self, name)(*args)

    # ---- steps ---------------------------------------------------------------------------

    def boot(self) -> None:
        """A boot that ends nothing: the charger keeps its sessions."""
        if self.version == "1.6":
            boot: Any = {"chargePointVendor": "V", "chargePointModel": "M"}
        else:
            boot = {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}}
        self.charger.ask("BootNotification", boot)
        self.uptime_s = 0

    def power_loss(self) -> None:
        """The charger forgets its sessions and numbers from 1 again; some energy is lost."""
        for connector in self.running:
            self.register[connector] += 7
        self.running.clear()
        self.number = 0
        self.reconnect()
        self.boot()

    def reconnect(self) -> None:
        self.charger.close()
        self.connect()

    def start(self, connector: int, fate: str) -> None:
        if connector in self.running:
            return
        self.number += 1
        wh = self.register[connector]
        own = f"tx-{len(self.sessions)}" if self.ids == "given" else str(self.number)
        session = Session(wh, own)
        if self.version == "1.6":
            payload = {"connectorId": connector, "idTag": "A", "timestamp": self.now}
            answer = self.send("StartTransaction", {**payload, "meterStart": wh}, fate)
            if self.ids == "given":
                session.wire_id = answer["transactionId"]
        else:
            self.event("Started", connector, session, wh, 0, fate)
        self.sessions.append(session)
        self.running[connector] = session
        if self.version == "1.6":
            self.status(connector)
            if self.ids == "own":
                self.value(connector, "answered")  # that tells its name

    def value(self, connector: int, fate: str) -> None:
        session = self.running.get(connector)
        if session is None:
            return
        self.register[connector] += 11
        wh = self.register[connector]
        if self.version == "1.6":
            payload = {"connectorId": connector, "transactionId": int(session.wire_id)}
            moment = {"timestamp": self.now, "sampledValue": [{"value": str(wh)}]}
            self.send("MeterValues", {**payload, "meterValue": [moment]}, fate)
        else:
            self.seq += 1
            self.event("Updated", connector, session, wh, self.seq, fate)
        session.told_wh = wh

    def stop(self, connector: int, fate: str) -> None:
        session = self.running.pop(connector, None)
        if session is None:
            return
        self.register[connector] += 13
        wh = self.register[connector]
        if self.version == "1.6":
            end = {"transactionId": int(session.wire_id), "timestamp": self.now, "meterStop": wh}
            self.send("StopTransaction", end, fate)
        else:
            self.seq += 1
            self.event("Ended", connector, session, wh, self.seq, fate)
        session.end_wh = wh

    # ---- messages ------------------------------------------------------------------------

    @property
    def now(self) -> str:
        """The charger's time: one whose clock was never set counts from its boot."""
        if self.is_clock_set:
            return self.site.clock.iso()
        return f"1970-01-01T00:{self.uptime_s // 60:02}:{self.uptime_s % 60:02}Z"

    def status(self, connector: int) -> None:
        payload = {"connectorId": connector, "errorCode": "NoError", "status": "Charging"}
        self.charger.ask("StatusNotification", payload)

    def event(
        self, kind: str, connector: int, session: Session, wh: int, seq: int, fate: str
    ) -> None:
        value = {"value": wh, "measurand": "Energy.Active.Import.Register"}
        payload = {
            "eventType": kind,
            "timestamp": self.now,
            "triggerReason": "Authorized",
            "seqNo": seq,
            "transactionInfo": {"transactionId": session.wire_id},
            "evse": {"id": connector},
            "meterValue": [{"timestamp": self.now, "sampledValue": [value]}],
        }
        if kind == "Started":
            self.seq = 0
        self.send("TransactionEvent", payload, fate)

    def send(self, action: str, payload: dict[str, Any], fate: str) -> dict[str, Any]:
        if fate == "lost":
            self.charger.ws.send(json.dumps([2, "lost", action, payload]))
            self.charger.receive()  # on its way; the charger never gets it
            self.reconnect()
        answer = self.charger.ask(action, payload)
        if fate == "twice":
            again = self.charger.ask(action, payload)
            assert again.get("transactionId") == answer.get("transactionId")
        return answer


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("ids", ["given", "own"])
@pytest.mark.parametrize("is_clock_set", [True, False])
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_every_session_is_listed_once(start, version, ids, is_clock_set, steps) -> None:
    model = Model(start(), version, ids, is_clock_set)
    try:
        model.connect()
        for name, *args in steps:
            if name == "restart":
                model.site.stop()
                model.site = start()
                model.connect()
            else:
                model.step(name, *args)
        # What the charger forgot shows as ended when another session begins there.
        for connector in (1, 2):
            model.step("stop", connector, "answered")
            model.step("start", connector, "answered")
        check(model)
    finally:
        model.site.stop()


def check(model: Model) -> None:
    site = model.site
    rows = [row for row in site.month() if row["charge_point"] == model.station_id]
    running = list(map(id, model.running.values()))
    reported = [each for each in model.sessions if id(each) not in running]
    assert _counted(row["energy_wh"] for row in rows) == _counted(s.energy_wh for s in reported)
    assert {row["state"] for row in rows} <= {"completed", "lost"}
    assert site.point(model.station_id).counters.get("orphans", 0) == 0
    live = {n: site.connector(n, model.station_id).transaction for n in model.running}
    assert {n: each.meter_start_wh for n, each in live.items()} == {
        n: each.begin_wh for n, each in model.running.items()
    }


def _counted(energies: Any) -> list[float]:
    return sorted(-1.0 if each is None else float(each) for each in energies)
