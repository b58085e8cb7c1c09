"""The control over HTTP, scenarios, descriptions, the command."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from threading import Event, Thread

import pytest
import requests
from click.testing import CliRunner

from chargepoint_driver.cli import main
from chargepoint_driver.simulator import ManualClock, command
from chargepoint_driver.simulator.ocpp import (
    InvalidScenarioError,
    InvalidSpecError,
    Twins,
    load_scenario,
    read_scenario,
)

CP = "CP0001"
STEPS = [
    {"at_s": 60, "charge_point": CP, "action": "plug", "vehicle": {"battery_kwh": 50}},
    {"at_s": 0, "charge_point": "*", "action": "quirk", "name": "totals_and_phases"},
    {"at_s": 90, "charge_point": CP, "action": "authorize", "connector": 1, "id_tag": "ME"},
    {"at_s": 3690, "charge_point": CP, "action": "stop"},
    {"at_s": 3700, "charge_point": CP, "action": "unplug"},
]


@pytest.fixture
def http(twins_of):
    """(ask, twins): ask(method, path, body) gives (status, JSON)."""
    twins = twins_of(2, connectors=2)
    with requests.Session() as session:

        def ask(method, path, body=None):
            reply = session.request(method, f"{twins.control_url}{path}", json=body, timeout=60)
            return reply.status_code, reply.json()

        yield ask, twins


def test_a_charge_by_http(central, http):
    ask, _ = http
    path = f"/charge-points/{CP}"
    status, listed = ask("GET", "/charge-points")
    assert (status, [one["id"] for one in listed["charge_points"]]) == (200, [CP, "CP0002"])
    vehicle = {"battery_kwh": 60, "soc_percent": 30, "max_ac_kw": 11}
    status, done = ask("POST", f"{path}/plug", {"connector": 2, "vehicle": vehicle})
    assert status == 200
    assert done["vehicle"]["soc_percent"] == pytest.approx(30)
    assert done["state"]["connectors"][1]["status"] == "Preparing"
    status, done = ask("POST", f"{path}/start", {"connector": 2, "id_tag": "ME"})
    assert (status, done["status"]) == (200, "Accepted")
    assert ask("POST", "/clock", {"advance_s": 600})[0] == 200
    status, actual = ask("GET", path)
    assert actual["connectors"][1]["power_kw"] == pytest.approx(11)
    assert actual["connectors"][1]["energy_kwh"] == pytest.approx(11 / 6, abs=0.001)
    assert ask("POST", f"{path}/stop", {"connector": 2})[0] == 200
    assert ask("POST", f"{path}/unplug", {"connector": 2})[0] == 200
    assert central.wait_for("StopTransaction")["reason"] == "Local"
    frames = ask("GET", f"{path}/messages")[1]["messages"]
    assert any(entry["frame"][2] == "StopTransaction" for entry in frames if entry["frame"][0] == 2)


def test_the_connectors_of_the_only_twin(central, http):
    ask, _ = http
    assert ask("POST", "/plug/1")[0] == 409  # two run
    assert ask("DELETE", "/charge-points/CP0002")[0] == 200
    assert ask("POST", "/plug/1")[1]["state"]["connectors"][0]["status"] == "Preparing"
    assert ask("POST", "/unplug/1")[1]["state"]["connectors"][0]["status"] == "Available"
    assert ask("POST", "/plug/one")[0] == 400
    assert ask("GET", "/plug/1")[0] == 405
    assert ask("POST", "/plug/9")[0] == 409


def test_create_call_send_remove(central, http):
    ask, _ = http
    status, made = ask("POST", "/charge-points", {"id": "a/b", "connectors": [{"kind": "DC"}]})
    assert (status, made) == (201, {"id": "a/b"})
    central.wait_for("StatusNotification", 8)
    call = {"action": "Heartbeat"}
    assert "currentTime" in ask("POST", "/charge-points/a%2Fb/call", call)[1]["payload"]
    central.answers["Heartbeat"] = ["InternalError", "no"]
    error = ask("POST", "/charge-points/a%2Fb/call", call)[1]["error"]
    assert error == {"code": "InternalError", "text": "no"}
    assert ask("POST", "/charge-points/a%2Fb/send", {"frame": "{rubbish"})[0] == 200
    central.wait(lambda: ("a/b", "{rubbish") in central.frames)
    assert ask("DELETE", "/charge-points/a%2Fb")[0] == 200
    assert ask("GET", "/charge-points/a%2Fb")[0] == 404
    stats = ask("GET", "/stats")[1]
    assert (stats["charge_points"], stats["accepted"], stats["errors"]) == (2, 2, 0)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "shown"),
    [
        ("GET", "/nonsense", None, 404, "nothing at"),
        ("GET", "/charge-points/none", None, 404, "no charge point"),
        ("POST", "/charge-points/none/plug", {}, 404, "no charge point"),
        ("POST", f"/charge-points/{CP}/explode", {}, 404, "unplug"),
        ("PUT", f"/charge-points/{CP}", {}, 405, "PUT"),
        ("GET", "/scenario", None, 405, "GET"),
        ("POST", f"/charge-points/{CP}/plug", {"connector": "1", "x": 2}, 400, "no parameter 'x'"),
        ("POST", f"/charge-points/{CP}/plug", {"connector": 9}, 409, "no connector 9"),
        ("POST", f"/charge-points/{CP}/unplug", {}, 409, "no vehicle"),
        ("POST", f"/charge-points/{CP}/stop", {}, 409, "no transaction"),
        ("POST", "/charge-points", {"id": CP}, 400, "already"),
        ("POST", "/charge-points", {"ocpp": "3"}, 400, "one of 1.6, 2.0.1"),
        ("POST", "/clock", {"advance_s": -1}, 400, "advance_s"),
        ("POST", "/scenario", {"steps": [{}]}, 400, "unknown action"),
    ],
)
def test_what_cannot_be_is_said(http, method, path, body, status, shown):
    ask, _ = http
    got, answer = ask(method, path, body)
    assert (got, shown in answer["error"]) == (status, True), answer


def test_the_tables_can_be_read(http):
    ask, _ = http
    assert "effect" in ask("GET", "/quirks")[1]["quirks"]["deaf"]
    assert "connector" in ask("GET", "/actions")[1]["actions"]["plug"]["parameters"]
    assert ask("GET", "/clock")[1]["simulated_time"] == "2026-03-03T18:00:00.000Z"


@pytest.mark.parametrize(
    "request_text",
    [
        b"rubbish\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"POST /clock HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /clock HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"POST /clock HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /clock HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\n[1]",
        b"POST /clock HTTP/1.1\r\nContent-Length: 1\r\nConnection: close\r\n\r\n{",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_bad_http_gets_a_400_and_harms_nobody(http, request_text):
    ask, twins = http
    port = int(twins.control_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request_text)
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")
    assert ask("GET", "/stats")[0] == 200


# -- scenarios ------------------------------------------------------------------------------


def test_a_scenario_from_a_file(central, twins_of, tmp_path):
    content = {"charge_points": [{"id": "extra"}], "steps": STEPS}
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(content))
    twins = twins_of()
    scenario = load_scenario(path)
    assert [step.at_s for step in scenario.steps] == [0, 60, 90, 3690, 3700]
    playing = Thread(target=twins.play, args=(scenario,))
    playing.start()
    while playing.is_alive():
        twins.advance(30)
        playing.join(0.005)
    stop = central.wait_for("StopTransaction")
    assert stop["idTag"] == "ME"
    assert twins.ids == [CP, "extra"]
    assert "totals_and_phases" in twins.state("extra")["quirks"]


def test_yaml_too(tmp_path):
    pytest.importorskip("yaml")
    path = tmp_path / "scenario.yaml"
    path.write_text("steps:\n- {at_s: 1, charge_point: A, action: offline}\n")
    assert load_scenario(path).steps[0].action == "offline"
    path.write_text("steps: [")
    with pytest.raises(InvalidScenarioError, match="not YAML"):
        load_scenario(path)


def test_all_faults_of_a_scenario_at_once(tmp_path):
    bad = {
        "charge_points": [{"id": "A", "ocpp": "9"}, {"id": "B"}, {"id": "B"}, 3],
        "steps": [
            {"at_s": -1, "charge_point": "A", "action": "plug"},
            {"action": "explode"},
            {"charge_point": "A", "action": "plug", "vehicle": {"soc_percent": 200}},
            "x",
        ],
        "more": 1,
    }
    with pytest.raises(InvalidScenarioError) as caught:
        read_scenario(bad, where="file: ")
    lines = str(caught.value).split("\n")
    assert all(line.startswith("file: ") for line in lines)
    for part in ("more", "[0].ocpp", "'B' is there twice", "[3].", "steps[0].at_s"):
        assert any(part in line for line in lines), part
    for part in ("steps[1].charge_point", "explode", "steps[2]: plug: vehicle", "steps[3]"):
        assert any(part in line for line in lines), part
    with pytest.raises(InvalidScenarioError, match="cannot be read"):
        load_scenario(tmp_path / "none.json")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(InvalidScenarioError):
        load_scenario(tmp_path / "deep.json")


def test_a_step_that_fails_is_named(twins_of):
    twins = twins_of()
    scenario = read_scenario({"steps": [{"charge_point": CP, "action": "unplug"}]})
    with pytest.raises(InvalidScenarioError, match=r"step 0 \(unplug of CP0001\): no vehicle"):
        twins.play(scenario, 10)


# -- descriptions ---------------------------------------------------------------------------


def test_all_faults_of_a_description_at_once():
    wrong = {
        "ocpp": "2",
        "csms_url": "http://x",
        "connectors": [{"kind": "X"}, {"rated_kw": -1}, {"phases": 7}, 3],
        "quirks": {"nonsense": {}},
        "vendor": "",
        "backoff_s": "x",
        "journal": -1,
        "visits_per_day": -1,
        "configuration": {"a": 1},
        "password": 3,
        "ca_file": "/does/not/exist.pem",
        "shared_clock": 1,
        "nonsense": 1,
    }
    twins = Twins("ws://127.0.0.1:1", 0, clock=ManualClock())
    with twins, pytest.raises(InvalidSpecError) as caught:
        twins.create(**wrong)
    text = str(caught.value)
    for part in (*wrong, "connectors[0].kind", "connectors[1].rated_kw", "connectors[2].phases"):
        assert part in text, part


def test_the_seed_makes_the_course(central, twins_of):
    """The same seed, the same visits; another seed, others."""

    def course(seed):
        twins = twins_of(2, seed=seed, visits_per_day=20)
        for identity in twins.ids:
            twins.act(identity, "offline")
        # Nobody has to be asked then, so that a day can pass at once.
        twins.advance(86_400)
        found = [
            (one["id_tag"], one["start_s"], one["meter_start_wh"])
            for identity in twins.ids
            for one in twins.state(identity)["transactions"]
        ]
        for identity in twins.ids:
            twins.remove(identity)
        return found

    first = course(7)
    assert len(first) > 4
    assert course(7) == first
    assert course(8) != first


# -- the command ------------------------------------------------------------------------------


def test_the_command_prints_one_line_and_ends_on_a_signal(central):
    words = [
        sys.executable,
        "-c",
        "from chargepoint_driver.cli import main; main()",
        "sim",
        *["--charge-points", "3", "--csms", central.url, "--speed", "60", "--connectors", "2"],
        *["--quirk", 'limit_unit:{"unit":"W"}', "--kind", "DC"],
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        line = json.loads(process.stdout.readline())
        assert line["charge_points"] == ["CP0001", "CP0002", "CP0003"]
        assert line["soap_url"].startswith("http://127.0.0.1:")
        central.wait_for("BootNotification", 3)
        actual = requests.get(f"{line['control_url']}/charge-points/CP0002", timeout=60).json()
        assert actual["quirks"] == {"limit_unit": {"unit": "W"}}
        assert [one["kind"] for one in actual["connectors"]] == ["DC", "DC"]
        process.terminate()
        assert process.wait(60) == 0


def test_charge_points_alone_and_a_scenario(central, tmp_path):
    path = tmp_path / "scenario.json"
    point = {"id": "only", "csms_url": central.url}
    path.write_text(
        json.dumps(
            {
                "charge_points": [point],
                "steps": [{"charge_point": "only", "action": "start"}],
            }
        )
    )
    ended = Event()
    twins = {"charge_points": 0, "csms_url": central.url}

    def after():
        central.wait_for("StartTransaction")
        ended.set()

    watching = Thread(target=after)
    watching.start()
    scenario = load_scenario(path)
    assert command.run(stations=0, speed=1, twins=twins, scenario=scenario, stop=ended) == 0
    watching.join()


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--stations", "0"], "needs --charge-points"),
        (["--charge-points", "1", "--quirk", "nonsense"], "no quirk"),
        (["--charge-points", "1", "--quirk", "deaf:{"], "not JSON"),
        (["--charge-points", "1", "--csms-password-env", "NOT_SET_AT_ALL"], "not set"),
        (["--scenario", "/does/not/exist.json"], "cannot be read"),
        (["--charge-points", "1", "--ocpp", "3"], "3"),
    ],
)
def test_wrong_usage(options, shown):
    result = CliRunner().invoke(main, ["sim", *options])
    assert result.exit_code in (1, 2)
    assert shown in result.output


def test_arguments_that_make_no_sense_end_with_2(capsys):
    result = CliRunner().invoke(main, ["sim", "--charge-points", "1", "--csms", "http://x"])
    assert result.exit_code == 2
    assert "csms_url" in result.output
