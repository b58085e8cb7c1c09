"""What `discover` makes of an account is what the platform driver takes, without a word."""

from __future__ import annotations

import csv
import io
import json
import logging

import pytest

from chargepoint_driver.cli.discovery.available import look
from chargepoint_driver.cli.discovery.bundle import Wishes, bundle
from chargepoint_driver.cli.discovery.site import stations_of
from chargepoint_driver.cli.discovery.topics import PER_PORT, PER_STATION
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.service import Service
from chargepoint_driver.simulator import Simulator

from .conftest import Driver


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
        available = look(service, stations)
    finally:
        service.close()
    wishes = Wishes(template == PER_PORT, template, 60, everything, None)
    made = bundle(stations, available, account, wishes)
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
    driver.start(devices)
    said = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("chargepoint_driver") and record.levelno >= logging.WARNING
    ]
    assert said == []
    assert driver.devices == set(devices)
    values, errors = driver.poll()
    assert errors == {}
    assert len(values) == sum(len(device["registry_config"]) for device in devices.values())
