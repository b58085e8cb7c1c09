"""HTTP, the JSON control, and the command: sizes, errors, and an orderly end."""

from __future__ import annotations

import ast
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

import chargepoint_driver.simulator as package
from chargepoint_driver.simulator import ManualClock, Simulator
from chargepoint_driver.simulator.command import run

from .conftest import Client

STATION = "1:34001"
PACKAGE = Path(package.__file__).parent


def test_stats(client: Client, clock: ManualClock) -> None:
    client.search("getLoad", stationID=STATION)
    client.search("getLoad", stationID="1:9")
    client.search("getStations", "5.1")
    clock.advance(1.5)
    status, stats = client.control("GET", "/stats")
    assert status == 200
    assert stats == {
        "calls": {"getLoad": 2, "getStations": 1},
        "total": 3,
        "simulated_time": "2026-03-03T18:00:01.500Z",
        "requests_in_flight": 0,
    }
    assert requests.get(client.simulator.stats_url, timeout=30).json() == stats
    calls = client.simulator.calls
    assert [record.version for record in calls.records] == ["5.0", "5.0", "5.1"]
    assert calls.count("getLoad") == 2
    assert client.control("POST", "/stats/reset")[1]["total"] == 0
    assert (calls.total, calls.records) == (0, [])


def test_clock_and_world(client: Client) -> None:
    limit = "<allowedLoadPerStation>2</allowedLoadPerStation>"
    target = f"<shedStation><stationID>{STATION}</stationID>{limit}</shedStation>"
    client.shed(target, "<timeInterval>1</timeInterval>")
    _, world = client.control("GET", "/world")
    assert world["stations"][0]["ports"][0]["shedState"] == 1
    assert world["stations"][0]["ports"][0]["ceiling_kw"] == 1.0
    assert world["commands"][0]["arguments"]["timeInterval"] == 1
    assert world["alarms"]
    assert client.control("POST", "/clock", {"advance_s": 60})[0] == 200
    _, world = client.control("GET", "/world")
    assert world["simulated_time"] == "2026-03-03T18:01:00.000Z"
    assert world["stations"][0]["ports"][0]["shedState"] == 0


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "word"),
    [
        ("GET", "/nowhere", None, 404, "/stats"),
        ("DELETE", "/stats", None, 405, "GET"),
        ("GET", "/webservices/chargepoint/services/5.0", None, 405, "POST"),
        ("POST", "/webservices/chargepoint/services/4.1", None, 404, "nothing"),
        ("POST", "/faults", b"{", 400, "JSON"),
        ("POST", "/faults", [], 400, "object"),
        ("POST", "/faults", {}, 400, "operation"),
        ("POST", "/faults", {"operation": "*", "kind": "flood"}, 400, "unknown kind"),
        ("POST", "/faults", {"operation": "*", "kind": "drop", "self": 1}, 400, "self"),
        ("POST", "/faults", {"operation": "*", "kind": "http", "status": [503]}, 400, "status"),
        ("POST", "/clock", {"advance_s": -1}, 400, "advance_s"),
        ("POST", "/clock", {"advance_s": True}, 400, "advance_s"),
        ("POST", "/clock", {"advance_s": 1e99}, 400, "advance_s"),
        ("POST", "/clock", b'{"advance_s": NaN}', 400, "advance_s"),
        ("POST", "/clock", {"advance": 1}, 400, "advance_s"),
    ],
)
def test_bad_control_input(
    client: Client, method: str, path: str, content: Any, status: int, word: str
) -> None:
    answered, reply = client.control(method, path, content)
    assert answered == status
    assert word in reply["error"]


def test_requests_too_large_or_without_length(client: Client) -> None:
    url = client.simulator.soap_url
    assert requests.post(url, data=b" " * 1_000_001, timeout=30).status_code == 413
    assert requests.post(url, data=iter([b"x"]), timeout=30).status_code == 411
    headers = {"Content-Length": "many"}
    assert requests.post(url, headers=headers, timeout=30).status_code == 400
    assert client.search("getLoad", stationID=STATION).code == "100"


def test_connection_is_kept(client: Client) -> None:
    for _ in range(3):
        client.search("getLoad", stationID=STATION)
    pools = client.session.get_adapter("http://").poolmanager.pools  # type: ignore[attr-defined]
    assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118


def test_bound_to_this_machine_only_and_port_is_freed() -> None:
    with Simulator(stations=1) as simulator:
        assert simulator.soap_url.startswith("http://127.0.0.1:")
        assert simulator.soap_url.endswith("/webservices/chargepoint/services/5.0")
        port = int(simulator.soap_url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match="in use"):
            Simulator(stations=1, soap_port=port)
        with pytest.raises(RuntimeError):
            simulator.start()
    simulator.stop()
    with Simulator(stations=1, soap_port=port):
        pass
    never_started = Simulator(stations=1)
    never_started.stop()


def test_idle_connection_does_not_hold_up_the_end() -> None:
    with Simulator(stations=1) as simulator:
        port = int(simulator.soap_url.split(":")[2].split("/")[0])
        idle = socket.create_connection(("127.0.0.1", port))
        half = socket.create_connection(("127.0.0.1", port))
        half.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc")
        client = Client(simulator)
        client.search("getLoad", stationID=STATION)
    assert not [thread for thread in threading.enumerate() if "simulator" in thread.name]
    idle.close()
    half.close()
    client.session.close()


def test_many_at_once(client: Client, clock: ManualClock) -> None:
    codes: list[str | None] = []

    def ask(number: int) -> None:
        other = Client(client.simulator)
        for _ in range(10):
            clock.advance(7)
            codes.append(other.search("getLoad", sgID=39491).code)
            if number % 2:
                target = f"<shedStation><stationID>{STATION}</stationID>"
                limit = f"<allowedLoadPerStation>{number}</allowedLoadPerStation></shedStation>"
                codes.append(other.shed(target + limit).code)
        other.session.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert codes == ["100"] * 120
    assert client.simulator.calls.total == 120
    assert client.simulator.calls.in_flight == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_serves_until_told_to_stop(number: signal.Signals) -> None:
    code = "import sys\nfrom chargepoint_driver.simulator.command import run\nsys.exit(run(2))"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent.parent)}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert sorted(ready) == [
            "groups",
            "password",
            "soap_url",
            "stations",
            "stats_url",
            "username",
        ]
        assert ready["stations"] == ["1:34001", "1:34002"]
        assert requests.get(ready["stats_url"], timeout=30).json()["total"] == 0
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(stations=0) == 2
    assert "stations must be at least 1" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(soap_port=taken.getsockname()[1]) == 1
    assert "cannot be used" in capsys.readouterr().err
    assert run(soap_port=99_999) == 1
    assert "99999" in capsys.readouterr().err


def test_command_stops_on_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    stop.set()
    before = signal.getsignal(signal.SIGTERM)
    assert run(stop=stop) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert len(capsys.readouterr().out.splitlines()) == 1


# Sockets, signals and log lines, which know no message of any kind.
OF_PROCESSES = {
    f"chargepoint_driver.{name}"
    for name in ("process", "process.acceptor", "process.signals", "rate_limited_log", "text")
}


def test_nothing_of_the_client_is_imported() -> None:
    files = list(PACKAGE.rglob("*.py"))
    assert len(files) > 20
    for path in files:
        depth = len(path.relative_to(PACKAGE).parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= depth, f"{path.name} reaches outside the simulator"
                module = node.module or ""
                known = {module, *(f"{module}.{each.name}" for each in node.names)}
                if known & OF_PROCESSES:
                    continue
                assert node.level or module.split(".")[0] not in ("zeep", "chargepoint_driver")
            elif isinstance(node, ast.Import):
                assert not {"zeep", "chargepoint_driver"} & {
                    name.name.split(".")[0] for name in node.names
                }
