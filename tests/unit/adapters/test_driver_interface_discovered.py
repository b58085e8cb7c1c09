"""What `discover` makes of an account is what the platform driver takes, without a word."""

from __future__ import annotations

import csv
import io
import json
import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.adapters.host.bus_events import Announcer
from chargepoint_driver.cli.discovery.available import read_available
from chargepoint_driver.cli.discovery.bundle import Bundle, BundleOptions, bundle
from chargepoint_driver.cli.discovery.central import TOKEN_ENV, charge_points, settings
from chargepoint_driver.cli.discovery.direct import bundle_of_charge_points
from chargepoint_driver.cli.discovery.site import groups_of, stations_of
from chargepoint_driver.cli.discovery.topics import (
    PER_CHARGE_POINT,
    PER_CONNECTOR,
    PER_PORT,
    PER_STATION,
)
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.service import Accounts, Service
from chargepoint_driver.simulator import Simulator

from .bus import AGENT, Bus
from .conftest import Driver
from .twins import LIMIT_S, PROGRAM, Twins, free_port


def devices_of(made: Bundle) -> dict[str, Any]:
    """Topic to config with its registry's rows, as the config store hands them over."""
    registries = {
        entry.name: list(csv.DictReader(io.StringIO(entry.text)))
        for entry in made.entries
        if entry.kind == "csv"
    }
    devices = {}
    for entry in made.devices:
        config = json.loads(entry.text)
        name = config["registry_config"].removeprefix("config://")
        devices[entry.name.removeprefix("devices/")] = {
            **config,
            "registry_config": registries[name],
        }
    return devices


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("chargepoint_driver") and record.levelno >= logging.WARNING
    ]


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("version", ["5.0", "5.1"])
@pytest.mark.parametrize("template", [PER_PORT, PER_STATION])
def test_the_driver_takes_it(
    template: str,
    version: str,
    everything: bool,
    driver: Driver,
    sim: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("CHARGEPOINT_PASSWORD", sim.password)
    url = sim.soap_url if version == "5.0" else sim.soap_url_5_1
    account = {"username": sim.username, "password_env": "CHARGEPOINT_PASSWORD", "endpoint": url}
    service = Service.of_account(AccountConfig(**account))
    try:
        stations = stations_of(service.stations())
        available = read_available(service, stations)
    finally:
        service.close()
    bundle_options = BundleOptions(template == PER_PORT, template, 60, everything, None)
    made = bundle(stations, available, account, bundle_options, groups_of(stations, ()))
    assert any("stationGroup" in entry.text for entry in made.devices)
    devices = devices_of(made)
    driver.start(devices)
    assert warnings_in(caplog) == []
    assert driver.devices == set(devices)
    values, errors = driver.poll()
    assert errors == {}
    assert len(values) == sum(len(device["registry_config"]) for device in devices.values())


@pytest.fixture
def csms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Csms]:
    monkeypatch.setenv(TOKEN_ENV, "not-a-real-token")
    csms = Csms(tmp_path / "ocpp.db")
    yield csms
    csms.close()


class Csms:
    """The command `csms`, with its control API."""

    def __init__(self, database: Path) -> None:
        self.port = free_port()
        place = ["--listen", f"127.0.0.1:{self.port}", "--control", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [PROGRAM, "csms", *place, "--database", database], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url: str = json.loads(self._process.stdout.readline())["control_url"]

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=LIMIT_S)


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
@pytest.mark.parametrize("template", [PER_CONNECTOR, PER_CHARGE_POINT])
def test_the_driver_takes_charge_points(
    template: str,
    ocpp: str,
    driver: Driver,
    csms: Csms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    twins = Twins(csms.port, number=2, ocpp=ocpp, connectors=2)
    bus = Bus(driver.agent.vip.rpc)
    driver.agent.vip.rpc = bus
    accounts = Accounts()
    bus.peers[AGENT] = accounts
    announcer = Announcer(driver.agent.vip, AGENT, accounts)
    try:
        driver.wait_for(lambda: [len(one.connectors) for one in charge_points(csms.url)] == [2, 2])
        bundle_options = BundleOptions(template == PER_CONNECTOR, template, 60, False, None)
        made = bundle_of_charge_points(charge_points(csms.url), settings(csms.url), bundle_options)
        csms.close()

        (agent,) = (entry for entry in made.entries if entry.identity == AGENT)
        assert accounts.configure(json.loads(agent.text)) == []
        devices = devices_of(made)
        assert len(devices) == (4 if template == PER_CONNECTOR else 2)
        driver.start(devices)
        assert driver.devices == set(devices)

        def all_are_there() -> bool:
            values, _ = driver.poll()
            stated = [value for topic, value in values.items() if topic.endswith("/Status")]
            return stated == ["AVAILABLE"] * len(devices)

        driver.wait_for(all_are_there)
        first = min(devices)
        load = "portLoad" if template == PER_CONNECTOR else "portLoad.1"
        twins.act("start", connector=1, vehicle={"battery_kwh": 60, "max_ac_kw": 11})
        session = "sessionID" if template == PER_CONNECTOR else "sessionID.1"
        driver.wait_for(lambda: driver.get(first, session)[session])
        twins.act("sample", connector=1)
        driver.wait_for(lambda: driver.get(first, load)[load])
        values, errors = driver.poll()
        assert errors == {}
        assert len(values) == sum(len(device["registry_config"]) for device in devices.values())
        assert warnings_in(caplog) == []
    finally:
        announcer.stop()
        accounts.close()
        twins.close()
