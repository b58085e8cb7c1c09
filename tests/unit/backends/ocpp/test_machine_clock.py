"""Clocks that are set while everything runs: the machine's, the charger's, summer time, 2038.
What is live is by receipt on the monotonic clock."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.backends.ocpp.model.charger import Charger as ChargerModel
from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.model.meter import Meter
from chargepoint_driver.backends.ocpp.model.metering import Raw, sample
from chargepoint_driver.backends.ocpp.model.timestamps import parse
from chargepoint_driver.backends.ocpp.storage import queries

from .conftest import Charger, eventually

DAY_S = 86_400.0


class Machine:
    """The time of day and the monotonic clock of a machine, and a central system on it."""

    def __init__(self, folder: Path) -> None:
        self.wall_s = float(int(time.time()))
        self.monotonic_s = 1_000.0
        self.folder = folder
        self.systems: list[CentralSystem] = []
        self.stack = ExitStack()

    def start(self, **fields: Any) -> CentralSystem:
        config = OcppConfig.from_dict(
            {
                "listen": "127.0.0.1:0",
                "database": self.folder / "ocpp.db",
                "configuration_delay_s": None,
                "boot_grace_s": 60,
                "call_timeout_s": 5,
                **fields,
            }
        )
        self.systems.append(CentralSystem(config, lambda: self.wall_s, lambda: self.monotonic_s))
        self.systems[-1].start()
        return self.systems[-1]

    def charger(self, station_id: str = "CP1", **options: Any) -> Charger:
        charger = Charger(self.system.ocpp_url, station_id, **options)
        self.stack.callback(charger.close)
        return charger

    @property
    def system(self) -> CentralSystem:
        return self.systems[-1]

    def connector(self) -> Any:
        return self.system.charge_point("CP1").connectors[1]

    def passes(self, seconds: float) -> None:
        self.wall_s += seconds
        self.monotonic_s += seconds

    def is_set(self, by_s: float) -> None:
        """Somebody sets the clock. Waits until the central system knows."""
        before = self.system.counters().get("clock_steps", 0)
        self.wall_s += by_s
        eventually(lambda: self.system.counters().get("clock_steps", 0) > before)

    def iso(self, ahead_s: float = 0.0) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.wall_s + ahead_s))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path)
    yield found
    found.stack.close()
    for system in found.systems:
        system.stop()


def charging(machine: Machine, kw: int = 7) -> Charger:
    charger = machine.charger()
    charger.boot()
    charger.status("Charging", timestamp=machine.iso())
    charger.meter(machine.iso(-1), Power_Active_Import=str(kw * 1000))
    assert (machine.connector().ocpp_status, machine.connector().load_kw) == ("Charging", kw)
    return charger


@pytest.mark.parametrize("step_s", [-DAY_S, DAY_S, -300.0, 3600.0])
def test_a_load_gets_old_although_the_machines_clock_is_set(machine, step_s) -> None:
    machine.start()
    charging(machine)
    machine.is_set(step_s)
    assert machine.connector().load_kw == 7
    machine.passes(170)
    assert machine.connector().load_kw == 7
    machine.passes(20)
    assert machine.connector().load_kw is None
    assert machine.system.charge_point("CP1").connected
    machine.passes(2 * machine.system.config.heartbeat_s)
    assert machine.connector().status == "UNREACHABLE"
    assert machine.system.active_charge_points() == []


@pytest.mark.parametrize("step_s", [-DAY_S, DAY_S])
@pytest.mark.parametrize("follows", [False, True])
def test_what_comes_after_the_machines_clock_was_set_counts(machine, step_s, follows) -> None:
    machine.start()
    charger = charging(machine)
    machine.is_set(step_s)
    machine.passes(60)
    own_s = 0.0 if follows else -step_s
    charger.meter(machine.iso(own_s), Power_Active_Import="3000")
    assert machine.connector().load_kw == 3
    machine.passes(60)
    charger.meter(machine.iso(own_s), Power_Active_Import="2000")
    assert machine.connector().load_kw == 2
    charger.status("Available", timestamp=machine.iso(own_s))
    assert (machine.connector().ocpp_status, machine.connector().load_kw) == ("Available", 0)
    # Put right again.
    machine.is_set(-step_s)
    machine.passes(60)
    charger.status("Charging", timestamp=machine.iso())
    charger.meter(machine.iso(), Power_Active_Import="5000")
    assert (machine.connector().ocpp_status, machine.connector().load_kw) == ("Charging", 5)
    assert machine.system.counters().get("late_messages", 0) == 0


def test_times_shown_are_those_of_the_clock_as_it_is_now(machine) -> None:
    machine.start()
    charger = charging(machine)
    machine.is_set(-DAY_S)
    seen = machine.system.charge_point("CP1").last_seen
    assert seen[:10] == machine.iso()[:10]
    assert charger.ask("Heartbeat", {})["currentTime"][:10] == machine.iso()[:10]


@pytest.mark.parametrize("step_s", [-DAY_S, DAY_S])
def test_a_limit_ends_when_its_minutes_are_over(machine, step_s) -> None:
    machine.start()
    charger = charging(machine)

    def answer() -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = json.loads(charger.ws.recv())
                if frame[0] == 2:
                    charger.ws.send(json.dumps([3, frame[1], {"status": "Accepted"}]))

    threading.Thread(target=answer, daemon=True).start()
    machine.system.shed(Target("CP1", 1), Limit(allowed_load_kw=3.0), 10)
    machine.is_set(step_s)
    machine.passes(9 * 60)
    assert machine.connector().limit["active"]
    # Also over a restart.
    machine.stack.close()
    machine.system.stop()
    machine.start()
    assert machine.connector().limit["active"]
    machine.passes(2 * 60)
    assert not machine.connector().limit["active"]


def test_a_restart_with_an_earlier_clock_shows_no_charger_as_there(machine) -> None:
    machine.start()
    charging(machine)
    machine.stack.close()
    eventually(lambda: not machine.system.charge_point("CP1").connected)
    machine.system.stop()
    path = machine.system.config.database
    assert queries.active_points(path, machine.wall_s, 600) == ["CP1"]
    assert queries.active_points(path, machine.wall_s - DAY_S, 600) == []
    machine.wall_s -= DAY_S
    system = machine.start()
    assert system.charge_point("CP1").last_seen[:10] == machine.iso()[:10]


def test_a_charger_five_minutes_ahead_that_is_put_right(machine) -> None:
    machine.start()
    charger = machine.charger()
    charger.boot()
    charger.status("Charging", timestamp=machine.iso(300))
    charger.meter(machine.iso(300), Power_Active_Import="7000")
    machine.passes(30)
    charger.meter(machine.iso(300), Power_Active_Import="6000")
    machine.passes(30)
    charger.meter(machine.iso(), Power_Active_Import="4000")
    assert machine.connector().load_kw == 4
    charger.status("Available", timestamp=machine.iso())
    assert machine.connector().ocpp_status == "Available"


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_summer_time_ends_at_a_charger_that_sends_local_time(machine, version) -> None:
    machine.start()
    charger = charging(machine) if version == "1.6" else charging_2(machine)
    meter = charger.meter if version == "1.6" else (lambda at, **by: meter_2(charger, at, **by))
    loads = []
    for _ in range(4):
        machine.passes(60)
        meter(machine.iso(-3600), Power_Active_Import="2000")
        loads.append(machine.connector().load_kw)
    # One message may lie in a queue; the second tells that the clock was put back.
    assert loads[1:] == [2, 2, 2]
    machine.passes(60)
    meter(machine.iso(-3600), Power_Active_Import="1000")
    assert machine.connector().load_kw == 1
    machine.passes(60)
    meter(machine.iso(), Power_Active_Import="500")  # and begins again
    assert machine.connector().load_kw == 0.5


def charging_2(machine: Machine) -> Charger:
    charger = machine.charger(subprotocols=["ocpp2.0.1"])
    charger.ask(
        "BootNotification",
        {"reason": "PowerUp", "chargingStation": {"model": "m", "vendorName": "v"}},
    )
    status = {"evseId": 1, "connectorId": 1, "connectorStatus": "Occupied"}
    charger.ask("StatusNotification", {**status, "timestamp": machine.iso()})
    meter_2(charger, machine.iso(-1), Power_Active_Import="7000")
    assert machine.connector().load_kw == 7
    return charger


def meter_2(charger: Charger, at: str, **by: str) -> None:
    values = [
        {"measurand": name.replace("_", "."), "value": float(value)} for name, value in by.items()
    ]
    charger.ask(
        "MeterValues", {"evseId": 1, "meterValue": [{"timestamp": at, "sampledValue": values}]}
    )


def test_a_status_after_the_clock_was_put_back_counts_where_the_charger_says_no_more(
    machine,
) -> None:
    machine.start()
    charger = charging(machine)
    charger.status("Available", timestamp=machine.iso(-3600))
    frame = charger.receive()  # it is asked, and does not know how to answer
    assert (frame[2], frame[3]["requestedMessage"]) == ("TriggerMessage", "StatusNotification")
    charger.ws.send(json.dumps([4, frame[1], "NotImplemented", "", {}]))
    eventually(lambda: machine.connector().ocpp_status == "Available")
    assert machine.connector().load_kw == 0


def test_values_of_a_queue_are_history(machine) -> None:
    machine.start()
    charger = charging(machine)
    for ago in range(3600, 600, -60):
        machine.passes(0.05)
        charger.meter(machine.iso(-ago), Power_Active_Import="9000")
        assert machine.connector().load_kw == 7


def test_what_a_charger_measured_while_offline_is_history(machine) -> None:
    machine.start()
    charger = charging_2(machine)
    values = [{"measurand": "Power.Active.Import", "value": 9000.0}]
    event = {
        "eventType": "Started",
        "timestamp": machine.iso(-30),
        "triggerReason": "CablePluggedIn",
        "seqNo": 0,
        "evse": {"id": 1},
        "transactionInfo": {"transactionId": "t"},
        "offline": True,
        "meterValue": [{"timestamp": machine.iso(-30), "sampledValue": values}],
    }
    charger.ask("TransactionEvent", event)
    assert machine.connector().load_kw != 9


def test_no_difference_of_registers_is_over_a_clock_that_was_set() -> None:
    def register(wh: int) -> Any:
        raw = Raw(str(wh), measurand="Energy.Active.Import.Register", unit="Wh")
        return sample([raw], Electrical(230, 1))

    meter = Meter()
    meter.take(register(1000), 0, 0, 0)
    meter.take(register(1100), 60, 60, 3660)  # put forward by an hour
    assert "load_kw" not in meter.known(0)
    meter.take(register(1200), 120, 120, 3720)
    assert meter.known(0)["load_kw"][0] == pytest.approx(6.0)
    meter.take(register(1300), 180, 180, 180)  # and back
    meter.take(register(1350), 240, 240, 240)
    assert meter.known(0)["load_kw"][0] == pytest.approx(3.0)


@pytest.mark.parametrize("at", ["2038-01-19T03:13:00Z", "2040-06-01T00:00:00Z"])
def test_after_2038(machine, at) -> None:
    machine.wall_s = float(parse(at) or 0)
    machine.start()
    charger = charging(machine)
    transaction = charger.start(machine.iso(), meter=100)
    machine.passes(120)
    charger.meter(machine.iso(), transaction, Energy_Active_Import_Register="500")
    charger.stop(transaction, machine.iso(), 900)
    (row,) = machine.system.transactions(machine.iso()[:7])
    assert (row["energy_wh"], row["duration_s"]) == (800, 120)
    assert row["start"].startswith(at[:19])
    assert 0 < transaction < 1 << 31


def test_a_queue_on_a_slow_line_is_told_from_a_clock_that_was_put_back() -> None:
    point = ChargerModel("x", Electrical(230, 1))
    assert not point.is_late(999.9, 1000)
    # Each value of the queue takes 2 s on the line, and is of 60 s later.
    late = [point.is_late(-3600 + 60 * n, 1000 + 2 * n) for n in range(20)]
    assert all(late)
