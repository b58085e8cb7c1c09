"""The central system as a backend: what registers are made of, over raw sockets and a clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backend import Backend, DirectBackend, Limit, Request, Target
from chargepoint_driver.backends.ocpp import OcppBackend
from chargepoint_driver.catalogue import OCPP, Data
from chargepoint_driver.config import OcppAccount
from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidValueError,
    NotFoundError,
    TransientError,
)
from chargepoint_driver.service import Accounts, Service, session_reports

from .conftest import Charger, Clock, eventually


def account(folder: Path, **fields: Any) -> OcppAccount:
    given = {
        "listen": "127.0.0.1:0",
        "database": folder / "ocpp.db",
        "boot_grace_s": 60,
        "configuration_delay_s": None,
        "call_timeout_s": 5,
        **fields,
    }
    return OcppAccount(**given)


@pytest.fixture
def backend(tmp_path: Path, clock: Clock) -> Iterator[OcppBackend]:
    backend = OcppBackend(account(tmp_path), clock)
    yield backend
    backend.close()


@pytest.fixture
def charger(backend: OcppBackend) -> Iterator[Charger]:
    charger = Charger(backend.system.ocpp_url, "CP1")
    charger.boot()
    yield charger
    charger.close()


def port(backend: OcppBackend, number: int = 1) -> dict[str, Any]:
    record = backend.fetch(Request("state", ("CP1",))).records["CP1"]
    return dict(record.of_port(number))


def status(backend: OcppBackend) -> dict[str, Any]:
    return port(backend)


def test_it_is_a_backend_that_tells(backend: OcppBackend) -> None:
    offered: Backend = backend
    assert isinstance(offered, DirectBackend)
    assert offered.name == "ocpp"


def test_one_that_never_connected_is_out_of_reach(backend: OcppBackend) -> None:
    found = status(backend)
    assert found["Status"] == "UNREACHABLE"
    assert found["availableForCharging"] == -1
    assert found["ocppStatus"] is None
    assert port(backend)["portLoad"] is None


def test_one_that_may_not_connect_is_not_there(tmp_path: Path) -> None:
    backend = OcppBackend(account(tmp_path, charge_points={"CP1": {}}))
    try:
        assert set(backend.fetch(Request("state", ("CP1", "CP2"))).records) == {"CP1"}
    finally:
        backend.close()


def test_an_error_counts_for_an_hour_by_the_receipt(
    backend: OcppBackend, charger: Charger, clock: Clock
) -> None:
    charger.status("Available")
    assert status(backend)["compositeStatus"] == "up"
    # The charger's own clock is a day behind.
    charger.status("Faulted", errorCode="HighTemperature", timestamp=clock.iso(86_400))
    charger.status("Available", timestamp=clock.iso(86_300))
    found = status(backend)
    assert (found["compositeStatus"], found["requiresMaintenance"]) == ("down", 1)
    assert found["availableForCharging"] == 1
    assert port(backend)["alarmType"] == "HighTemperature"
    clock.ahead_s += 3_590
    charger.ask("Heartbeat", {})
    assert status(backend)["requiresMaintenance"] == 1
    clock.ahead_s += 20
    charger.ask("Heartbeat", {})
    found = status(backend)
    assert (found["compositeStatus"], found["requiresMaintenance"]) == ("up", -1)
    assert port(backend)["alarmType"] == "HighTemperature"  # until it is cleared


def test_cleared_alarms_stay_cleared_and_new_ones_show(
    backend: OcppBackend, charger: Charger, clock: Clock
) -> None:
    charger.status("Available", errorCode="WeakSignal")
    clock.ahead_s += 1
    backend.clear_alarms("CP1")
    assert port(backend)["alarmType"] is None
    clock.ahead_s += 1
    charger.status("Available", errorCode="OverVoltage")
    assert port(backend)["alarmType"] == "OverVoltage"


def test_silence_is_not_a_measurement(backend: OcppBackend, charger: Charger, clock: Clock) -> None:
    charger.status("Charging")
    session = charger.start(clock.iso(), meter=1000)
    charger.meter(clock.iso(), session, Power_Active_Import="3500", SoC="40")
    assert port(backend)["portLoad"] == 3.5
    assert port(backend)["SoC"] == 40
    clock.ahead_s += 181  # three intervals
    charger.ask("Heartbeat", {})
    assert port(backend)["portLoad"] is None
    assert status(backend)["Status"] == "INUSE"
    charger.close()
    eventually(lambda: status(backend)["Status"] == "UNREACHABLE")
    assert status(backend)["ocppStatus"] is None
    assert status(backend)["TimeStamp"] is not None


def test_the_newest_session_is_the_one_that_runs_else_the_last_one(
    backend: OcppBackend, charger: Charger, clock: Clock
) -> None:
    def session() -> dict[str, Any]:
        return port(backend)

    charger.status("Available")
    assert session()["sessionID"] is None
    first = charger.start(clock.iso(300), meter=1000, tag="ANNA")
    assert (session()["sessionID"], session()["endTime"]) == (str(first), None)
    charger.stop(first, clock.iso(60), 3500, reason="Local")
    found = session()
    assert (found["Energy"], found["rfidSerialNumber"], found["endedBy"]) == (2.5, "ANNA", "Local")
    assert found["endTime"] is not None
    # A session of yesterday that comes late is history.
    late = charger.start(clock.iso(90_000), meter=0, tag="LATE")
    charger.stop(late, clock.iso(89_000), 900)
    assert session()["sessionID"] == str(first)
    since = datetime.fromtimestamp(clock(), timezone.utc) - timedelta(days=2)
    found_ids = [e.values["sessionID"] for e in backend.sessions("CP1", since, None)]
    assert found_ids == [str(late), str(first)]


@pytest.mark.parametrize("command", ["explode", ""])
def test_an_unknown_command_is_not_sent(backend: OcppBackend, command: str) -> None:
    with pytest.raises(InvalidValueError, match="remoteStart"):
        backend.command(Target("CP1", 1), command, 1)
    assert backend.calls() == {}


def test_what_cannot_be_reached_is_said(backend: OcppBackend) -> None:
    with pytest.raises(NotFoundError):
        backend.shed(Target("CP1", 1), Limit(allowed_load_kw=1.0), 10)
    charger = Charger(backend.system.ocpp_url, "CP1")
    charger.boot()
    charger.close()
    eventually(lambda: not backend.system.charge_point("CP1").connected)
    with pytest.raises(TransientError, match="not connected"):
        backend.command(Target("CP1", 1), "remoteStart", "TAG")


def test_there_is_one_for_each_database(tmp_path: Path) -> None:
    backend = OcppBackend.at(account(tmp_path))
    try:
        assert OcppBackend.at(account(tmp_path)) is backend
    finally:
        backend.close()
    again = OcppBackend.at(account(tmp_path))
    try:
        assert again is not backend
    finally:
        again.close()


def test_followers_and_settings_survive_a_change(tmp_path: Path) -> None:
    backend = OcppBackend(account(tmp_path))
    reported: list[str] = []
    end = backend.follow(lambda event: reported.append(event["action"]))
    try:
        before = backend.system.ocpp_url
        with pytest.raises(ConfigurationError):
            backend.reconfigure(
                account(tmp_path, listen="203.0.113.1:9", allow_unauthenticated=True)
            )
        backend.reconfigure(account(tmp_path, heartbeat_s=120))
        assert backend.system.ocpp_url != before  # any free port
        charger = Charger(backend.system.ocpp_url, "CP1")
        try:
            assert (
                charger.ask(
                    "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}
                )["interval"]
                == 120
            )
            eventually(lambda: "BootNotification" in reported)
        finally:
            charger.close()
        end()
    finally:
        backend.close()


def test_the_simple_questions_live_and_from_the_record(
    backend: OcppBackend, charger: Charger, clock: Clock, tmp_path: Path
) -> None:
    charger.status("Available")
    done = charger.start(clock.iso(1800), meter=1000, tag="=ANNA")
    charger.stop(done, clock.iso(), 4200)
    running = charger.start(clock.iso(), meter=4200, tag="BEN")
    charger.meter(clock.iso(), running, Energy_Active_Import_Register="5000")
    charger.ask("Heartbeat", {})
    month = clock.iso()[:7]
    backend.system._loop.run(_save(backend), 10)  # as it does every half minute
    for source in (
        session_reports.of_service(Service(backend, catalogue=OCPP)),
        session_reports.of_record(account(tmp_path)),
    ):
        assert session_reports.active(source) == ["CP1"]
        assert str(session_reports.last_contact(source, "CP1"))[:16] == clock.iso()[:16]
        assert session_reports.last_energy(source, str(running))["energy_kwh"] == 0.8
        (row,) = session_reports.completed(source, month)
        assert (row["duration_s"], row["energy_kwh"], row["id_tag"]) == (1800, 3.2, "=ANNA")
        text = session_reports.as_csv([row])
        assert text.splitlines()[0].startswith("transaction,station,port")
        assert "'=ANNA" in text  # no formula
        with pytest.raises(NotFoundError):
            session_reports.last_contact(source, "CP9")
        with pytest.raises(NotFoundError, match="no transaction 1"):
            session_reports.last_energy(source, "1")
        with pytest.raises(InvalidValueError, match="like 2026-01"):
            session_reports.completed(source, "March")


def _save(backend: OcppBackend) -> Any:
    async def save() -> None:
        backend.system._running._housekeeping.save_contacts()

    return save


def test_the_station_list_has_what_belongs_to_it_and_nobodys_idtag(tmp_path: Path) -> None:
    accounts = Accounts()
    settings = {"backend": "ocpp", "listen": "127.0.0.1:0", "database": str(tmp_path / "s.db")}
    assert accounts.configure({"accounts": {"garage": settings}}) == []
    try:
        port = accounts.service_of("garage").backend.system.ocpp_url
        charger = Charger(port, "CP1")
        charger.boot()
        charger.status("Charging")
        charger.start("2026-11-29T02:00:00Z", tag="SECRET")
        (station,) = accounts.stations("garage")
        charger.close()
    finally:
        accounts.close()
    rows = OCPP.of(Data.STATIONS)
    known = {row.name for row in rows} | {alias for row in rows for alias in row.aliases}
    assert set(station["values"]) == known
    assert set(station["ports"]["1"]) < known
    assert station["ports"]["1"]["portNumber"] == 1
    assert "SECRET" not in str(station)
