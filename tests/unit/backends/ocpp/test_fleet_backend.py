"""The chargers of all nodes as one account: the same through each node, and never a guess."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from chargepoint_driver.backend import Backend, DirectBackend, Limit, Request, Target
from chargepoint_driver.backends.ocpp.csms import csms
from chargepoint_driver.catalogue import OCPP
from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidValueError,
    PermissionDeniedError,
    TransientError,
    WriteRejectedError,
)
from chargepoint_driver.records import StationRecord
from tests.unit.backends.ocpp.conftest import LIMIT_S, Charger, Site, eventually

pytest.importorskip("asyncpg")

from chargepoint_driver.backends.ocpp.fleet_backend import FleetBackend, account_of

PORT = Target("CP1", 1)


@pytest.fixture
def backends(two: tuple[Site, Site], clock) -> Iterator[tuple[FleetBackend, FleetBackend]]:
    """A backend on each of two nodes."""
    found = [FleetBackend(site.system, allow_call=True, now=clock) for site in two]
    yield found[0], found[1]
    for each in found:
        each.close()


def values(backend: FleetBackend, station: str = "CP1") -> dict[str, Any]:
    """All that the account has of connector 1 and its charger. Raises the error in its place."""
    record = backend.records([station])[station]
    if isinstance(record, ChargePointError):
        raise record
    assert isinstance(record, StationRecord)
    of_port = record.of_port(1)
    return {row.name: of_port.get(row.name, record.values.get(row.name)) for row in OCPP}


class Taking(threading.Thread):
    """Answers every request with Accepted until `end`; `frames` has what came."""

    def __init__(self, charger: Charger) -> None:
        super().__init__()
        self.frames: list[Any] = []
        self._charger = charger
        self._is_ended = False
        self.start()

    def run(self) -> None:
        while not self._is_ended:
            try:
                frame = json.loads(self._charger.ws.recv(0.1))
            except TimeoutError:
                continue
            self.frames.append(frame)
            self._charger.ws.send(json.dumps([3, frame[1], {"status": "Accepted"}]))

    def end(self) -> list[Any]:
        self._is_ended = True
        self.join(LIMIT_S)
        return self.frames


def test_it_is_a_backend_that_others_connect_to(backends) -> None:
    offered: Backend = backends[0]
    assert isinstance(offered, DirectBackend)
    assert offered.name == "ocpp"


def test_every_value_is_the_same_through_each_node(two, backends, clock) -> None:
    charger = two[0].charger("CP1")
    charger.boot()
    charger.status("Available", errorCode="WeakSignal")
    charger.status("Charging")
    session = charger.start(clock.iso(), meter=1000)
    charger.meter(clock.iso(), session, Power_Active_Import="3500", SoC="40")
    clock.ahead_s += 1
    backends[1].clear_alarms("CP1")
    near, far = map(values, backends)
    assert near == far
    assert (far["portLoad"], far["SoC"], far["Status"]) == (3.5, 40, "INUSE")
    assert far["sessionID"] == str(session)
    assert far["alarmType"] is None
    charger.stop(session, clock.iso(), 2000)
    charger.status("Available")
    near, far = map(values, backends)
    assert near == far
    assert far["sessionID"] == str(session)
    assert far["Energy"] == 1.0


def test_the_account_has_the_chargers_of_all_nodes(two, backends) -> None:
    two[0].charger("CP1").ask("Heartbeat", {})
    two[1].charger("CP2").ask("Heartbeat", {})
    for backend in backends:
        eventually(lambda backend=backend: set(_all(backend)) == {"CP1", "CP2"})


def _all(backend: FleetBackend) -> dict[str, StationRecord]:
    return dict(backend.fetch(Request("state")).records)


def test_a_limit_through_another_node_is_sent_once_and_seen_through_both(two, backends) -> None:
    charger = two[0].charger("CP1")
    charger.status("Available")
    taking = Taking(charger)
    backends[1].shed(PORT, Limit(allowed_load_kw=3.0), 30)
    seen = [values(each)["allowedLoad"] for each in backends]
    backends[1].clear(PORT)
    cleared = [values(each)["shedState"] for each in backends]
    actions = [frame[2] for frame in taking.end()]
    assert seen == [3.0, 3.0]
    assert cleared == [0, 0]
    assert actions.count("SetChargingProfile") == 1
    assert actions.count("ClearChargingProfile") >= 1


def test_commands_and_requests_reach_the_charger_through_another_node(two, backends) -> None:
    charger = two[0].charger("CP1")
    charger.status("Available")
    taking, far = Taking(charger), backends[1]
    assert far.command(PORT, "remoteStart", "tag") == "Accepted"
    assert far.command(PORT, "availability", 0) == "Accepted"
    assert far.command(PORT, "unlock", 1) == "Accepted"
    assert far.command(Target("CP1"), "reset", "Hard") == "Accepted"
    assert far.call("CP1", "ClearCache", {}, 5) == {"status": "Accepted"}
    assert far.operate("CP1", "trigger", {"message": "Heartbeat"}) == {"status": "Accepted"}
    with pytest.raises(InvalidValueError, match="chargingPlan"):
        far.command(PORT, "chargingPlan", "{")
    names = [frame[2] for frame in taking.end()]
    assert names == [
        "RemoteStartTransaction", "ChangeAvailability", "UnlockConnector", "Reset", "ClearCache",
        "TriggerMessage",
    ]  # fmt: skip


def test_what_the_charger_refuses_is_refused_through_another_node(two, backends) -> None:
    charger = two[0].charger("CP1")
    charger.status("Available")
    errors: list[ChargePointError] = []

    def write() -> None:
        try:
            backends[1].command(PORT, "unlock", 1)
        except ChargePointError as error:
            errors.append(error)

    writing = threading.Thread(target=write)
    writing.start()
    frame = charger.receive()
    charger.ws.send(json.dumps([3, frame[1], {"status": "UnlockFailed"}]))
    writing.join(LIMIT_S)
    assert [type(each) for each in errors] == [WriteRejectedError]


def test_requests_must_be_allowed(two, clock) -> None:
    two[0].charger("CP1").ask("Heartbeat", {})
    backend = FleetBackend(two[1].system, now=clock)
    with pytest.raises(PermissionDeniedError, match="allow_call"):
        backend.call("CP1", "ClearCache", {}, 5)
    backend.close()


def test_a_limit_is_in_doubt_before_it_is_sent(two, backends, postgres, records) -> None:
    """The node may be killed before the answer is stored: the next one asks the charger."""
    charger = two[0].charger("CP1")
    charger.status("Available")
    sending = threading.Thread(target=backends[0].shed, args=(PORT, Limit(allowed_load_kw=3.0), 30))
    sending.start()
    frame = charger.receive()
    while frame[2] != "SetChargingProfile":
        charger.ws.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
        frame = charger.receive()
    rows = postgres.rows("SELECT data FROM limits", database=records)
    stored = json.loads(rows[0][0])
    assert (stored["requested_kw"], stored["accepted_kw"]) == (3.0, None)
    assert stored["refused"] == "fate_unknown"
    # Not reported, which is neither a limit nor none.
    assert [values(each)["shedState"] for each in backends] == [None, None]
    charger.ws.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
    taking = Taking(charger)
    sending.join(LIMIT_S)
    assert [values(each)["shedState"] for each in backends] == [1, 1]
    taking.end()


def test_the_next_node_asks_for_a_limit_in_doubt(two, backends, clock, monkeypatch) -> None:
    """The charger goes on at another node without a boot."""
    monkeypatch.setattr(csms, "_SETTLE_S", 0.05)
    charger = two[0].charger("CP1")
    charger.boot()
    charger.status("Available")
    sending = threading.Thread(target=_shed_in_vain, args=(backends[0],))
    sending.start()
    frame = charger.receive()
    while frame[2] != "SetChargingProfile":
        charger.ws.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
        frame = charger.receive()
    again = two[1].charger("CP1")
    sending.join(LIMIT_S)
    assert values(backends[1])["shedState"] is None
    clock.ahead_s += 1
    again.ws.send(json.dumps([2, "beat", "Heartbeat", {}]))
    frame = again.receive()
    while frame[0] == 3 or frame[2] != "GetCompositeSchedule":
        if frame[0] == 2:
            again.ws.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
        frame = again.receive()
    period = {"startPeriod": 0, "limit": 3000.0}
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
    answer = {"status": "Accepted", "connectorId": 1, "chargingSchedule": schedule}
    again.ws.send(json.dumps([3, frame[1], answer]))
    eventually(lambda: values(backends[0])["shedState"] == 1)
    assert values(backends[0])["allowedLoad"] == 3.0


def _shed_in_vain(backend: FleetBackend) -> None:
    with suppress(ChargePointError):  # its charger is gone
        backend.shed(PORT, Limit(allowed_load_kw=3.0), 30)


def test_a_charger_that_no_node_has_is_out_of_reach_with_what_is_stored(two, backends) -> None:
    charger = two[0].charger("CP1")
    charger.boot()
    charger.status("Available")
    taking = Taking(charger)
    backends[1].shed(PORT, Limit(allowed_load_kw=3.0), 30)
    taking.end()
    two[0].stop()
    found = values(backends[1])
    assert found["Status"] == "UNREACHABLE"
    assert found["ocppStatus"] is None
    # The charger keeps to the limit, which is not over.
    assert (found["shedState"], found["allowedLoad"]) == (1, 3.0)
    with pytest.raises(TransientError, match="no running node has it"):
        backends[1].clear(PORT)


def test_a_node_that_does_not_answer_is_no_value(two, backends, nats) -> None:
    first, second = two
    first.charger("CP1").ask("Heartbeat", {})
    second.charger("CP2").ask("Heartbeat", {})
    far = backends[1]
    eventually(lambda: set(_all(far)) == {"CP1", "CP2"})
    nats.kill()
    found = far.records(["CP1", "CP2", "never"])
    assert isinstance(found["CP1"], TransientError)
    assert isinstance(found["CP2"], StationRecord)
    assert isinstance(found["never"], StationRecord)
    with pytest.raises(TransientError):
        far.fetch(Request("state"))


def test_a_charger_that_was_forgotten_has_never_connected(two, backends) -> None:
    charger = two[0].charger("CP1")
    charger.boot()
    eventually(lambda: "CP1" in _all(backends[1]))
    charger.close()
    eventually(lambda: not two[0].point().connected)
    two[1].system.forget("CP1")
    assert values(backends[1])["Status"] == "UNREACHABLE"
    eventually(lambda: "CP1" not in _all(backends[1]))


def test_the_settings_are_those_of_the_node(two, backends) -> None:
    account = account_of(two[0].system.config, allow_call=True)
    backends[0].reconfigure(account)
    with pytest.raises(ConfigurationError, match="settings of its node"):
        backends[0].reconfigure(account.model_copy(update={"voltage": 110.0}))


def test_it_ends_and_the_node_goes_on(two, backends) -> None:
    backends[0].close()
    charger = two[0].charger("CP1")
    charger.status("Available")
    assert two[0].system.charge_point("CP1").connected
