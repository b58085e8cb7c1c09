"""`discover`: what an account sees, and configs that load."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.cli.discovery import central, topics
from chargepoint_driver.cli.discovery.available import DEFAULT_POINTS, Available, is_personal
from chargepoint_driver.cli.discovery.bundle import BundleOptions, bundle
from chargepoint_driver.cli.discovery.central import charge_points
from chargepoint_driver.cli.discovery.direct import bundle_of_charge_points
from chargepoint_driver.cli.discovery.site import Group, Port, Station, stations_of
from chargepoint_driver.config import AgentConfig
from chargepoint_driver.errors import ConfigurationError, PermissionDeniedError
from chargepoint_driver.records import StationRecord
from chargepoint_driver.registry import read_csv
from chargepoint_driver.simulator import ManualClock, Simulator
from chargepoint_driver.simulator.ocpp import Twins


@pytest.fixture
def site(monkeypatch) -> Iterator[Simulator]:
    """Two organisations, each with a group of three stations."""
    with Simulator(stations=6, groups=2, organisations=2, clock=ManualClock()) as simulator:
        monkeypatch.setenv("CHARGEPOINT_USERNAME", simulator.username)
        monkeypatch.setenv("CHARGEPOINT_ENDPOINT", simulator.soap_url)
        monkeypatch.setenv("CHARGEPOINT_PASSWORD", simulator.password)
        yield simulator


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def rows_of(folder: Path, name: str) -> dict[str, dict[str, str]]:
    return {
        row["Volttron Point Name"]: row for _, row in read_csv(folder / "registry_configs" / name)
    }


def test_the_site_is_listed(run, site):
    done = run("discover")
    assert done.exit_code == 0, done.output
    for words in (
        "Harbour & Hill County 1 (1:ORG00001) / Garage 1 (39491)",
        "1:34006",
        "2 organisations, 2 groups, 6 stations, 12 ports",
    ):
        assert words in done.output
    found = json.loads(run("discover", "--json").stdout)["stations"]
    assert [station["station_id"] for station in found] == [
        station.station_id for station in site.world.stations
    ]
    assert found[0]["ports"][0] == {
        "number": 1,
        "level": "L2",
        "connector": "J1772",
        "power_kw": 6.6,
    }
    assert found[5]["groups"] == [{"group_id": "39588", "name": "Garage 2"}]
    # A list costs one call.
    assert site.calls.total == 2


@pytest.mark.parametrize("per", ["port", "station"])
@pytest.mark.parametrize("more", [(), ("--all-points",), ("--cache-agent", "platform.chargepoint")])
def test_what_is_written_passes_the_check_without_a_warning(per, more, run, site, tmp_path):
    done = run("discover", "--write", tmp_path / "site", "--per", per, *more)
    assert done.exit_code == 0, done.output
    files = files_of(tmp_path / "site")
    configs = [path for path in files if path.suffix == ".config" and "driver" in str(path.parent)]
    assert len(configs) == (12 if per == "port" else 6)
    checked = run("check", *configs, *(path for path in files if path.suffix == ".csv"))
    assert checked.exit_code == 0, checked.output
    assert "0 faults, 0 warnings" in checked.output
    # A config finds its registry, and every point of it has a value.
    assert run("check", configs[0]).exit_code == 0
    if not more:
        read = json.loads(run("read", configs[0], "--json").stdout)
        assert read["errors"] == {}
        assert "portLoad" in "".join(read["values"])


def test_secrets_are_not_written(run, site, tmp_path, device, registry):
    registry("load,portLoad,LoadRegister,1,float,kw,,FALSE,,,")
    path = device(username=site.username, password=site.password, endpoint=site.soap_url)
    folder = tmp_path / "site"
    done = run("--debug", "discover", "--config", path, "--write", folder)
    assert done.exit_code == 0, done.output
    assert site.password not in done.output
    assert not [one for one in files_of(folder) if site.password in one.read_text()]
    config = json.loads(files_of(folder / "driver_configs")[0].read_text())["driver_config"]
    assert config["password_env"] == "CHARGEPOINT_PASSWORD"
    assert "password" not in config
    assert "must find it in the environment variable CHARGEPOINT_PASSWORD" in done.output
    secret = tmp_path / "secret"
    secret.write_text(site.password)
    done = run("discover", "--password-file", secret, "--write", folder, "--force")
    assert done.exit_code == 0, done.output
    config = json.loads(files_of(folder / "driver_configs")[0].read_text())["driver_config"]
    assert config["password_file"] == str(secret)
    assert "password_env" not in config


def test_the_agents_config_is_one(run, site, tmp_path):
    run("discover", "--write", tmp_path, "--cache-agent", "platform.chargepoint")
    content = json.loads((tmp_path / "caching-agent.config").read_text())
    config, faults = AgentConfig.from_dict(content)
    assert faults == []
    assert list(config.accounts) == [site.username]
    driver = json.loads(files_of(tmp_path / "driver_configs")[0].read_text())["driver_config"]
    assert driver == {
        "cache_agent": "platform.chargepoint",
        "account": site.username,
        "stationID": "1:34001",
        "portNumber": 1,
    }


def test_only_what_the_account_is_permitted(run, site, tmp_path):
    site.accounts[site.username].refused |= {"getLoad", "getChargingSessionData"}
    done = run("discover", "--write", tmp_path)
    assert done.exit_code == 1
    text = " ".join(done.output.split())
    assert "left out: 1:34001, 1:34002, 1:34003 and 3 more: getLoad" in text
    rows = rows_of(tmp_path, "chargepoint-port.csv")
    assert {row["Register Name"] for row in rows.values()} == {
        "StationStatusRegister",
        "AlarmRegister",
        "StationRegister",
    }
    assert run("check", *files_of(tmp_path / "driver_configs")).exit_code == 0


def test_only_what_the_replies_hold(run, site, tmp_path, monkeypatch):
    run("discover", "--write", tmp_path / "old")
    old = rows_of(tmp_path / "old", "chargepoint-port.csv")
    monkeypatch.setenv("CHARGEPOINT_ENDPOINT", site.soap_url_5_1)
    run("discover", "--write", tmp_path / "new")
    new = rows_of(tmp_path / "new", "chargepoint-port.csv")
    assert set(new) - set(old) == {"faultReason", "networkStatus", "lastBatteryPercent"}
    # A session that lasts has no end yet; the row is there for when it has.
    assert "endTime" in old
    assert old["allowedLoad"]["Writable"] == "TRUE"
    assert old["portLoad"]["Writable"] == "FALSE"


def test_a_whole_station_has_a_row_for_each_port(run, site, tmp_path):
    run("discover", "--write", tmp_path, "--per", "station", "--all-points")
    rows = rows_of(tmp_path, "chargepoint-station-2-ports.csv")
    assert {name for name in rows if name.startswith("portLoad")} == {"portLoad.1", "portLoad.2"}
    # A limit is written for the station or for a port of it.
    assert {name for name in rows if name.startswith("allowedLoad")} == {
        "allowedLoad",
        "allowedLoad.1",
        "allowedLoad.2",
    }
    assert rows["Station.startTime"]["Register Name"] == "StationRegister"
    personal = {row.name for row in CHARGEPOINT if is_personal(row)}
    assert not personal & {row["Attribute Name"] for row in rows.values()}


def test_personal_data_is_known_as_such():
    assert {row.name for row in CHARGEPOINT if is_personal(row)} == {
        "credentialID",
        "driverAccountNumber",
        "driverAddress",
        "driverEmail",
        "driverName",
        "driverPhoneNumber",
        "rfidSerialNumber",
        "userID",
        "vehiclePortMAC",
    }


def test_the_usual_points_are_points():
    assert [key for key in DEFAULT_POINTS if CHARGEPOINT.find(*key) is None] == []


def test_a_service_in_trouble_makes_no_configs(run, site, tmp_path):
    site.faults.set("getLoad", "http", status=503)
    done = run("discover", "--write", tmp_path / "site")
    assert done.exit_code == 4
    assert "HTTP 503" in done.output
    assert not (tmp_path / "site").exists()


def test_wrong_credentials(run, site, monkeypatch):
    monkeypatch.setenv("CHARGEPOINT_PASSWORD", "s3cr3t")
    done = run("discover")
    assert done.exit_code == 3
    assert "correct username, password or region" in done.output
    assert "s3cr3t" not in done.output
    assert site.calls.total == 1


def test_a_station_without_ports_is_left_out_and_named(run, site, tmp_path):
    site.faults.set("getStations", "empty_station", station="1:34002")
    done = run("discover", "--write", tmp_path)
    assert "left out: 1:34002" in " ".join(done.output.split())
    assert len(files_of(tmp_path / "driver_configs")) == 10


def test_files_are_not_overwritten_silently(run, site, tmp_path):
    run("discover", "--write", tmp_path)
    before = {path: path.read_text() for path in files_of(tmp_path)}
    # The same again is not a change.
    assert run("discover", "--write", tmp_path).exit_code == 0
    done = run("discover", "--write", tmp_path, "--interval", "30")
    assert done.exit_code == 1  # the account was asked
    assert "is there already and differs, and 11 more; give --force" in done.output
    assert {path: path.read_text() for path in files_of(tmp_path)} == before
    assert run("discover", "--write", tmp_path, "--interval", "30", "--force").exit_code == 0
    assert {path: path.read_text() for path in files_of(tmp_path)} != before


def test_a_folder_without_permission_says_so_before_anything_is_asked(
    run, site, tmp_path, monkeypatch
):
    locked, file = tmp_path / "locked", tmp_path / "file"
    locked.mkdir()
    file.write_text("")
    before = site.calls.total
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != locked and allowed(path, mode)
    )
    done = run("discover", "--write", locked / "deeper" / "site")
    text = " ".join(done.output.split())
    assert done.exit_code == 2
    assert f"[bad_configuration] {locked}/deeper/site: no permission to write in {locked}" in text
    done = run("discover", "--write", file / "site")
    assert (done.exit_code, f"{file} is a file" in done.output) == (2, True)
    assert site.calls.total == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--force",), "--force is for devices that are made"),
        (("--per", "station"), "--per is for devices"),
        (("--topic", "devices/x"), "--topic is for devices"),
        (("--interval", "30"), "--interval is for devices"),
        (("--cache-agent", "x"), "--cache-agent is for devices"),
        (("--volttron-home", "x"), "give --deploy too"),
        (("--region", "eu"), "--region is ignored with --endpoint"),
    ],
)
def test_options_that_would_be_ignored_are_errors(options, words, run, site):
    done = run("discover", *options)
    assert (done.exit_code, words in " ".join(done.output.split())) == (2, True), done.output


def test_only_one_group(run, site):
    for name in ("39588", "Garage 2"):
        found = json.loads(run("discover", "--group", name, "--json").stdout)["stations"]
        assert len(found) == 3
    done = run("discover", "--group", "Garage 9")
    assert done.exit_code == 1  # the account was asked
    assert "no group 'Garage 9'; there is Garage 1 (39491), Garage 2 (39588)" in done.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--dry-run",), "give --deploy too"),
        (("--topic", "devices/{stations}", "--write", "x"), "unknown field {stations}"),
        (("--topic", "{station}", "--write", "x"), "is not a topic of a device"),
        (("--topic", "devices/{", "--write", "x"), "--topic"),
        (("--topic", "devices/{station", "--write", "x"), "--topic"),
        (("--topic", "devices//{port}", "--write", "x"), "is not a topic of a device"),
        (
            ("--topic", "devices/{port}", "--per", "station", "--write", "x"),
            "{port} has no meaning",
        ),
        (("--central-system", "x", "--username", "y"), "leave --username out"),
        (("--central-system", "http://x", "--config", "y"), "leave --config out"),
        (("--account", "x"), "give --config too"),
    ],
)
def test_usage(options, words, run, site, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("discover", *options)
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())
    assert files_of(tmp_path) == []
    assert site.calls.total == 0


def test_a_topic_that_names_devices_alike(run, site, tmp_path):
    done = run("discover", "--topic", "devices/{org}", "--write", tmp_path)
    assert (done.exit_code, "add {station} or" in " ".join(done.output.split())) == (1, True)
    assert files_of(tmp_path) == []


# ---- station groups -------------------------------------------------------------------------


def group_configs(folder: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for path in (folder / "driver_configs").iterdir():
        content = json.loads(path.read_text())
        if "stationGroup" in content["driver_config"]:
            found[path.name] = content
    return found


def test_a_device_of_each_group(run, site, tmp_path):
    done = run("discover", "--write", tmp_path / "all", "--groups")
    assert done.exit_code == 0, done.output
    assert "14 devices" in done.output
    configs = group_configs(tmp_path / "all")
    ids = {group.group_id for group in stations_in(run) for group in group.groups}
    assert {one["driver_config"]["stationGroup"] for one in configs.values()} == ids
    first = configs["Harbour_Hill_County_1.Garage_1.group_39491.config"]
    assert first["registry_config"] == "config://chargepoint-group.csv"
    assert "stationID" not in first["driver_config"]
    assert rows_of(tmp_path / "all", "chargepoint-group.csv").keys() == {
        row.name for row in CHARGEPOINT if row.grouped
    }
    report = json.loads(run("check", *(tmp_path / "all").glob("*_configs/*"), "--json").stdout)
    assert (report["faults"], report["warnings"]) == ([], [])
    only = ("--group", "Garage 1", "--groups", "--topic", "devices/campus/{station}/{port}")
    assert run("discover", "--write", tmp_path / "one", *only).exit_code == 0
    assert list(group_configs(tmp_path / "one")) == ["campus.group_39491.config"]
    assert group_configs(tmp_path / "one") != {}
    assert run("discover", "--write", tmp_path / "none").exit_code == 0
    assert group_configs(tmp_path / "none") == {}


def stations_in(run) -> list[Station]:
    found = json.loads(run("discover", "--json").stdout)["stations"]
    return [station(1, groups=tuple(Group(**group) for group in one["groups"])) for one in found]


def test_groups_of_what_is_refused_or_named_like_a_station():
    group = Group("7", "Block A")
    account = {"username": "x", "password_env": "Y"}
    bundle_options = BundleOptions(True, topics.PER_PORT, 60, False, None)
    refused = Available(refused={("getLoad", "1:2"): PermissionDeniedError("no getLoad")})
    made = bundle([station(1), station(2)], refused, account, bundle_options, [group])
    assert made.left_out == ("station group 7 (Block A): no load is permitted",)
    assert not any("stationGroup" in entry.text for entry in made.devices)
    named = station(1, name="group_7")
    flat = BundleOptions(False, "devices/x/{station}", 60, False, None)
    with pytest.raises(ConfigurationError, match="gives a station the name devices/x/group_7"):
        bundle([named], Available(), account, flat, [group])


# ---- names ----------------------------------------------------------------------------------


def station(number: int, name: str = "Garage", ports: int = 1, **fields: object) -> Station:
    return Station(
        **{
            "station_id": f"1:{number}",
            "name": name,
            "model": None,
            "org_id": "1:ORG1",
            "org": "County",
            "groups": (Group("7", "Block A"),),
            "ports": tuple(Port(one, None, None, None) for one in range(1, ports + 1)),
            **fields,
        }
    )


def named(template: str, *stations: Station) -> list[str]:
    devices = [(one, port.number) for one in stations for port in one.ports]
    return list(topics.topics(template, devices).values())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ALCOGARSTATIONS / ALCOPARK 8 -005", "ALCOGARSTATIONS_ALCOPARK_8_-005"),
        ("Straße Zürich/Süd", "Strae_Zurich_Sud"),
        ("駐車場", "1-5"),
        ("../..", "1-5"),
        ("{port}", "port"),
    ],
)
def test_names_become_parts_of_a_topic(text, wanted):
    assert topics.segment(text, "1:5") == wanted


def test_stations_of_one_name_get_their_ids():
    assert named(topics.PER_PORT, station(1, ports=2), station(2), station(3, "Other")) == [
        "devices/County/Block_A/Garage_1-1/port1",
        "devices/County/Block_A/Garage_1-1/port2",
        "devices/County/Block_A/Garage_1-2/port1",
        "devices/County/Block_A/Other/port1",
    ]


def test_the_store_does_not_tell_capitals():
    assert named("devices/{station}", station(1, "Garage"), station(2, "GARAGE")) == [
        "devices/Garage_1-1",
        "devices/GARAGE_1-2",
    ]


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(ConfigurationError, match=r"gives 2 devices the one name devices/County"):
        named("devices/{org}", station(1), station(2, "Other"))


def test_a_station_of_no_group():
    assert named("devices/{group}/{station_id}", station(1, groups=())) == ["devices/no_group/1-1"]


def test_groups_are_read_from_lists():
    record = StationRecord("1:1", {"sgID": "7, 8", "sgName": "A, B"}, {})
    assert stations_of([record])[0].groups == (Group("7", "A"), Group("8", "B"))
    record = StationRecord("1:1", {"sgID": "7", "sgName": "A, with a comma"}, {})
    assert stations_of([record])[0].groups == (Group("7", "A, with a comma"),)
    record = StationRecord("1:1", {"sgID": "7,8", "sgName": "A, with, commas"}, {})
    assert stations_of([record])[0].groups == (Group("7", "7"), Group("8", "8"))
    only = stations_of([StationRecord("1:1", {}, {})])[0]
    assert (only.name, only.org, only.groups, only.ports) == ("1:1", "unknown", (), ())


# ---- central systems ------------------------------------------------------------------------


def test_charge_points_of_a_central_system(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CHARGEPOINT_CONTROL_TOKEN", "not-a-real-token")
    config = OcppConfig.from_dict({"listen": "127.0.0.1:0", "database": tmp_path / "ocpp.db"})
    system = CentralSystem(config)
    system.start(control="127.0.0.1:0")
    try:
        with Twins(
            charge_points=2, csms_url=system.ocpp_url, connectors=[{}, {}], control_port=0
        ) as twins:
            connected = eventually(lambda: charge_points(system.control_url))
            eventually(
                lambda: [len(one.connectors) for one in charge_points(system.control_url)] == [2, 2]
            )
            assert {one.charge_point_id for one in connected} <= set(twins.ids)
            done = run("discover", "--central-system", system.control_url, "--json")
            assert done.exit_code == 0, done.output
            found = json.loads(done.stdout)["charge_points"]
            assert [one["charge_point_id"] for one in found] == sorted(twins.ids)
            assert all(one["connected"] for one in found)
            done = run("discover", "--central-system", system.control_url)
            assert "2 charge points, 4 connectors" in done.output
            assert "not-a-real-token" not in done.output
        monkeypatch.setenv("CHARGEPOINT_CONTROL_TOKEN", "wrong")
        done = run("discover", "--central-system", system.control_url)
        assert (done.exit_code, "does not accept the token" in done.output) == (3, True)
    finally:
        url = system.control_url
        system.stop()
    done = run("discover", "--central-system", url)
    assert (done.exit_code, "no central system answers" in done.output) == (4, True)
    monkeypatch.delenv("CHARGEPOINT_CONTROL_TOKEN")
    done = run("discover", "--central-system", url)
    assert (done.exit_code, "set the environment variable" in done.output) == (2, True)


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_devices_of_a_central_system(ocpp, run, tmp_path, monkeypatch):
    monkeypatch.setenv("CHARGEPOINT_CONTROL_TOKEN", "not-a-real-token")
    monkeypatch.setenv("ONE_SECRET", "s3cr3t-of-one")
    points = {"CP/0001": {"password_env": "ONE_SECRET"}, "*": {"rated_kw": 11}}
    config = OcppConfig.from_dict(
        {"listen": "127.0.0.1:0", "database": tmp_path / "o.db", "charge_points": points}
    )
    system = CentralSystem(config)
    system.start(control="127.0.0.1:0")
    site = tmp_path / "site"
    ask = ("discover", "--central-system", system.control_url)
    try:
        described = [{"id": "CP/0001", "password": "s3cr3t-of-one"}, {"id": "CP0002"}]
        with Twins(system.ocpp_url, described, ocpp=ocpp, connectors=[{}, {}], speed=1):
            eventually(
                lambda: [len(one.connectors) for one in charge_points(system.control_url)] == [2, 2]
            )
            assert run(*ask, "--write", site, "--interval", "30").exit_code == 0
            again = run(*ask, "--write", site, "--interval", "30")
            assert again.exit_code == 0, again.output
            differs = run(*ask, "--write", site)
            whole = run(*ask, "--write", tmp_path / "whole", "--per", "station", "--all-points")
            assert whole.exit_code == 0, whole.output
            alike = run(*ask, "--write", tmp_path / "no", "--topic", "devices/x/{station}")
            unknown = run(*ask, "--write", tmp_path / "no", "--topic", "devices/{group}/{station}")
            listen = system.ocpp_url.partition("://")[2].partition("/")[0]
    finally:
        system.stop()
    assert (differs.exit_code, "is there already and differs" in differs.output) == (1, True)
    assert (alike.exit_code, "gives 2 devices the one name" in alike.output) == (1, True)
    assert (unknown.exit_code, "unknown field {group}" in unknown.output) == (2, True)
    assert not (tmp_path / "no").exists()
    for folder in (site, tmp_path / "whole"):
        done = run("check", *folder.glob("*_configs/*"), "--json")
        report = json.loads(done.stdout)
        assert (done.exit_code, report["faults"], report["warnings"]) == (0, [], [])
        assert "s3cr3t" not in "".join(path.read_text() for path in files_of(folder))
    agent = json.loads((site / "caching-agent.config").read_text())
    read, faults = AgentConfig.from_dict(agent)
    assert faults == []
    chargers = read.accounts["chargers"]
    assert (chargers.listen, chargers.database) == (listen, tmp_path / "o.db")
    assert agent["accounts"]["chargers"]["charge_points"] == points
    devices = sorted((site / "driver_configs").iterdir())
    assert [path.name for path in devices] == [
        f"ocpp.{name}.connector{number}.config"
        for name in ("CP0002", "CP_0001")
        for number in (1, 2)
    ]
    device = json.loads(devices[2].read_text())
    assert device["driver_config"] == {
        "backend": "ocpp",
        "cache_agent": "platform.chargepoint",
        "account": "chargers",
        "chargePointID": "CP/0001",
        "connectorId" if ocpp == "1.6" else "evseId": 1,
    }
    assert (device["interval"], device["publish_depth_first_all"]) == (30, True)
    (name,) = (path.name for path in (site / "registry_configs").iterdir())
    rows = rows_of(site, name)
    assert {"Status", "portLoad", "allowedLoad", "remoteStart", "Energy"} <= rows.keys()
    assert not {"rfidSerialNumber", "SoC", "Configuration"} & rows.keys()
    # OCPP 2.0.1 has no error codes.
    assert ("errorCode" in rows) is (ocpp == "1.6")
    # Two: whether a load is suspect is known of the one with a rated power only.
    (name, _) = sorted(p.name for p in (tmp_path / "whole" / "registry_configs").iterdir())
    rows = rows_of(tmp_path / "whole", name)
    assert {
        "Status",
        "Status.1",
        "Status.2",
        "portLoad.2",
        "stationModel",
        "bootTime",
    } <= rows.keys()


def test_devices_of_what_a_central_system_recorded(run, tmp_path):
    database = tmp_path / "ocpp.db"
    account = {"backend": "ocpp", "database": str(database), "listen": "127.0.0.1:0"}
    agent, driver = tmp_path / "agent.config", tmp_path / "driver.config"
    agent.write_text(json.dumps({"accounts": {"garage": account}}))
    device = {"driver_config": {**account, "chargePointID": "CP0001"}, "driver_type": "chargepoint"}
    driver.write_text(json.dumps(device))
    done = run("discover", "--config", agent)
    assert (done.exit_code, "Traceback" in done.output) == (1, False)

    system = CentralSystem(OcppConfig(listen="127.0.0.1:0", database=database))
    system.start()
    try:
        with Twins(system.ocpp_url, 2, connectors=[{}, {}], speed=1):
            ask = ("discover", "--config", agent)
            eventually(lambda: "2 charge points, 4 connectors" in run(*ask).output)
            while_it_runs = json.loads(run(*ask, "--json").stdout)["charge_points"]
            assert [one["connected"] for one in while_it_runs] == [True, True]
            eventually(lambda: "AVAILABLE" in run(*ask).output)
    finally:
        system.stop()
    for config, name in ((agent, "garage"), (driver, "chargers")):
        site = tmp_path / name
        done = run("discover", "--config", config, "--write", site)
        assert done.exit_code == 0, done.output
        # The agent's own account, word for word: deployed again, it is the same.
        content = json.loads((site / "caching-agent.config").read_text())
        assert content == {"accounts": {name: account}}
        report = json.loads(run("check", *site.glob("*_configs/*"), "--json").stdout)
        assert (report["faults"], report["warnings"]) == ([], [])
        assert len(list((site / "driver_configs").iterdir())) == 4
        (registry,) = (path.name for path in (site / "registry_configs").iterdir())
        assert {"Status", "portLoad", "errorCode"} <= rows_of(site, registry).keys()
    refused = run("discover", "--config", agent, "--groups")
    assert (refused.exit_code, "leave --groups out" in refused.output) == (2, True)
    behind = Path(__file__).parents[4] / "driver_configs" / "ocpp-agent.config"
    refused = run("discover", "--config", behind)
    assert (refused.exit_code, "cannot be a second one" in refused.output) == (2, True)


def test_what_a_charge_point_measures_is_in_its_registry():
    view = {
        "id": "CP1",
        "connected": True,
        "ocpp_version": "1.6",
        "boot": {"model": "X"},
        "configuration": {"MeterValuesSampledData": "SoC, Voltage,Unknown"},
        "connectors": {
            "0": {"status": "AVAILABLE"},
            "1": {"status": "INUSE", "energy_wh": 0.0, "phases": {"L2": {"current_a": 6.0}}},
        },
    }
    (one,) = (central._charge_point(view),)
    assert {"SoC", "portVoltage", "energyRegister", "currentL2", "stationModel"} <= set(
        one.reported
    )
    assert not {"currentL1", "Temperature", "powerOffered", "portLoad"} & set(one.reported)
    never = dataclasses.replace(one, charge_point_id="CP2", connectors={})
    bundle_options = BundleOptions(True, topics.PER_CONNECTOR, 60, False, "platform.other")
    made = bundle_of_charge_points([one, never], {"listen": "127.0.0.1:9000"}, bundle_options)
    assert [entry.name for entry in made.devices] == ["devices/ocpp/CP1/connector1"]
    assert made.left_out == ("CP2: never reported a connector; let it connect once",)
    (registry,) = (entry.text for entry in made.entries if entry.kind == "csv")
    assert "\ncurrentL2," in registry
    assert "\ntemperature," not in registry
    assert {entry.identity for entry in made.entries} == {"platform.driver", "platform.other"}


def test_what_is_no_central_system(run, simulator, monkeypatch):
    monkeypatch.setenv("CHARGEPOINT_CONTROL_TOKEN", "not-a-real-token")
    done = run("discover", "--central-system", simulator.stats_url)
    assert (done.exit_code, "is not the control API" in done.output) == (1, True)
    assert run("discover", "--central-system", "nowhere").exit_code == 2


def eventually(true: Callable[[], object], limit_s: float = 60.0) -> Any:
    end = time.monotonic() + limit_s
    while not (found := true()):
        assert time.monotonic() < end, f"still {found!r}"
        time.sleep(0.02)
    return found
