"""`check`: faults in files, before anything is deployed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
DATA = ROOT / "tests" / "data"
GOOD = "load,portLoad,LoadRegister,1,float,kw,,FALSE,,,"
NO_PORT = "load,portLoad,LoadRegister,,float,kw,,FALSE,,,"


def test_good_files(run, registry, device):
    done = run("check", device(), registry(GOOD))
    assert done.exit_code == 0
    assert "2 files, 1 points, 0 faults, 1 warnings" in done.output
    assert "password_env" in done.output


def test_every_fault_of_every_file_is_listed_at_once(run, registry, device, tmp_path):
    bad = registry(
        "a,portLaod,LoadRegister,1,float,,,FALSE,,,", "b,Status,,x,text,,,TRUE,,0,-1", GOOD
    )
    done = run("check", bad, device(region="mars"), tmp_path / "missing.csv")
    assert done.exit_code == 1
    lines = [line for line in done.output.splitlines() if line.startswith("fault")]
    for words in (
        f"{bad}: row 2: Attribute Name: unknown attribute 'portLaod'; did you mean 'portLoad'?",
        f"{bad}: row 3: Register Name: ",
        f"{bad}: row 3: Type: unknown type 'text'",
        f"{bad}: row 3: Port #: 'x' is not a port number",
        f"{bad}: row 3: Scrape Interval: '0'",
        f"{bad}: row 3: Currency: '-1'",
        "station.config: driver_config: region: ",
        "missing.csv: cannot be read",
    ):
        assert [line for line in lines if words in line], words
    assert f"{len(lines)} faults" in done.output


def test_json(run, registry, device):
    done = run("check", "--json", registry("a,nope,,1,,,,,,,"), device(top={"interval": 0}))
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert set(found) == {"faults", "warnings", "points"}
    assert any("unknown attribute 'nope'" in fault for fault in found["faults"])
    assert any("interval: 0 is not an interval" in fault for fault in found["faults"])
    done = run("check", "--json", registry(GOOD))
    assert (done.exit_code, json.loads(done.stdout)["points"]) == (0, 1)


def test_a_registry_is_checked_as_the_device_that_names_it(run, registry, device):
    path = registry(NO_PORT)
    assert run("check", path, device(portNumber=2)).exit_code == 0
    done = run("check", path, device())
    assert done.exit_code == 1
    assert "portLoad belongs to a port" in done.output


def test_a_registry_on_its_own_may_be_a_ports(run, registry):
    assert run("check", registry(NO_PORT)).exit_code == 0
    assert run("check", registry(NO_PORT, GOOD.replace("load", "l2"))).exit_code == 1


def test_a_registry_beside_its_config_is_found_and_one_that_is_nowhere_is_a_fault(
    run, registry, device
):
    config = device()
    assert "no file 'points.csv'" in run("check", config).output
    registry(GOOD)
    assert run("check", config).exit_code == 0


def test_the_classic_files(run, tmp_path):
    registry = shutil.copy(DATA / "classic-registry.csv", tmp_path / "chargepoint.csv")
    done = run("check", DATA / "classic-device.config", registry)
    assert done.exit_code == 0
    assert "0 faults" in done.output
    warnings = [line for line in done.output.splitlines() if line.startswith("warning")]
    for words in ("heart_beat_point", "'startTime' is used by row 24", "all_publish_interval"):
        assert [line for line in warnings if words in line], words


def test_the_shipped_samples(run):
    files = [*ROOT.glob("driver_configs/*.config"), *ROOT.glob("registry_configs/*.csv")]
    assert len(files) >= 3
    done = run("check", *files)
    assert (done.exit_code, "0 faults" in done.output) == (0, True), done.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "line 1, column 1: not JSON"),
        ('{"a": 1\n"b": 2}', "line 2, column 1: not JSON"),
        ("[]", "must be a JSON object"),
        ("[" * 100_000, "brackets"),
        ("{}", "driver_config: is missing"),
        ('{"driver_config": 5}', "driver_config: is missing"),
        ('{"driver_config": {}}', "driver_type: is None"),
        ('{"driver_config": {}, "driver_type": "chargepoint"}', "'stationID' is missing"),
        (b"\xff\xff", "cannot be read"),
    ],
)
def test_what_is_no_driver_config(content, words, run, tmp_path):
    path = tmp_path / "bad.config"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run("check", path)
    assert done.exit_code == 1
    assert f"{path}: " in done.output
    assert words in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("name", [None, 5, "points.csv", "config://"])
def test_a_registry_that_is_named_wrong(name, run, registry, device):
    registry(GOOD)
    done = run("check", device(top={"registry_config": name}))
    assert done.exit_code == 1
    assert "registry_config: " in done.output


def test_usage(run):
    assert run("check").exit_code == 2
    assert run("check", "--nope", "x.csv").exit_code == 2
    assert run("nope").exit_code == 2


def test_configs_of_chargers_that_connect_directly(run, device, registry, tmp_path):
    samples = sorted((ROOT / "driver_configs").glob("ocpp*.config"))
    assert len(samples) == 2
    done = run("check", "--json", *samples, ROOT / "registry_configs" / "ocpp.csv")
    assert (done.exit_code, json.loads(done.stdout)["faults"]) == (0, [])
    wrong = tmp_path / "wrong.config"
    content = json.loads(samples[0].read_text())
    content["driver_config"] |= {"chargePointID": "", "connectorId": 0, "listen": "here"}
    wrong.write_text(json.dumps(content))
    found = json.loads(run("check", "--json", wrong).stdout)["faults"]
    for key in ("chargePointID", "connectorId", "listen"):
        assert [line for line in found if f"driver_config: {key}: " in line], found


def test_the_config_of_a_caching_agent(run, tmp_path):
    path = tmp_path / "agent.config"
    account = {"backend": "ocpp", "listen": "127.0.0.1:9000", "database": "ocpp.db"}
    path.write_text(json.dumps({"accounts": {"chargers": account}}))
    done = run("check", path)
    assert (done.exit_code, "1 files, 0 points, 0 faults" in done.output) == (0, True)
    path.write_text(json.dumps({"accounts": {"chargers": {**account, "listen": "here"}}}))
    done = run("check", path)
    assert done.exit_code == 1
    assert f"{path}: accounts.chargers: listen: must be address:port" in done.output


def test_what_others_may_read_is_warned_of(run, tmp_path):
    open_file, own_file = tmp_path / "open.txt", tmp_path / "own.txt"
    for path, mode in ((open_file, 0o644), (own_file, 0o600)):
        path.write_text("a password\n")
        path.chmod(mode)
    accounts = {
        "plain": {"username": "u", "password": "in the config"},
        "near": {"username": "u", "password_file": str(own_file), "endpoint": "http://127.0.0.1/"},
        "far": {
            "username": "u",
            "password_file": str(open_file),
            "endpoint": "http://service.example/x",
        },
    }
    path = tmp_path / "agent.config"
    path.write_text(json.dumps({"accounts": accounts}))
    done = run("check", "--json", path)
    warned = json.loads(done.stdout)["warnings"]
    assert [line.split(": ")[1] for line in warned] == [
        "accounts.plain.password",
        "accounts.far.password_file",
        "accounts.far.endpoint",
    ]
    assert "in the config," in warned[0]
    assert "'in the config'" not in done.output


def test_classic_volttron_gets_its_own_advice(run, registry, device):
    top = {"heart_beat_point": "Heartbeat", "all_publish_interval": None}
    files = registry(GOOD), device(top=top)
    modular = run("check", *files)
    assert "publish_depth_first_all" in modular.output
    assert "write a full topic" in modular.output
    done = run("check", "--host", "classic", *files)
    assert done.exit_code == 0
    assert "publish_depth_first_all" not in done.output
    assert "full topic" not in done.output
    assert "leave it out" in done.output


def test_what_classic_volttron_cannot_do(run, registry, device):
    row = "load,portLoad,LoadRegister,1,float,kw,,FALSE,,300,"
    config = device(cache_agent="platform.chargepoint", on_delete="lapse")
    done = run("check", "--host", "classic", registry(row), config)
    assert done.exit_code == 1
    assert "the caching agent needs modular VOLTTRON" in done.output
    assert "Scrape Interval: not used by classic VOLTTRON" in done.output
    assert "does not tell of deleted devices" in done.output
    off = device(top={"publish_depth_first_all": False})
    assert "historians store nothing" in run("check", "--host", "classic", off).output
