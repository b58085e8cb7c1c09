"""`watch`: the picture, and the live view in a terminal of its own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from rich.console import Console

from chargepoint_driver.cli.commands.watch import render
from chargepoint_driver.cli.support.console import bar
from chargepoint_driver.cli.support.status_board import PortState, StatusBoard
from chargepoint_driver.errors import TransientError
from chargepoint_driver.simulator import Simulator

PROGRAM = Path(sys.executable).with_name("chargepoint-driver")
LIMIT_S = 60.0
NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


def state(number: int = 1, **fields: object) -> PortState:
    return PortState(
        **{
            "station_id": f"1:{number}",
            "station": f"COUNTY / A GARAGE WITH A LONG NAME -{number:03}",
            "port": 1,
            "status": "INUSE",
            "load_kw": 3.6,
            "rated_kw": 7.2,
            "is_shed": False,
            "limit_kw": None,
            "limit_percent": None,
            "session_kwh": 1.25,
            "age_s": 4.0,
            "errors": (),
            **fields,
        }
    )


def drawn(*ports: PortState, width: int = 100, messages: tuple[str, ...] = (), **how) -> list[str]:
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(render(StatusBoard(NOW, ports, messages), width, **how))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_what_is_not_reported_is_no_zero():
    (line,) = [
        line
        for line in drawn(
            state(status=None, load_kw=None, is_shed=None, session_kwh=None, age_s=None)
        )
        if "-001" in line
    ]
    assert re.sub(r"\s+", " ", line).endswith("-001 1 – – – – –")
    assert "0" not in line.partition("-001")[2].replace("001", "")


def test_limits():
    text = "\n".join(
        drawn(
            state(1, is_shed=True, limit_kw=3.0),
            state(2, is_shed=True, limit_kw=0.0),
            state(3, is_shed=True, limit_percent=50),
            state(4),
        )
    )
    for words in ("3.0 kW", "0.0 kW", "-50 %", "none", "14.4 kW   4 ports, 4 in use, 3 shed"):
        assert words in text


def test_a_sum_says_what_it_does_not_know():
    assert "at least 3.6 kW (1 of 2 ports unknown)" in drawn(state(1), state(2, load_kw=None))[0]
    out = state(2, status="UNREACHABLE")
    lines = drawn(state(1), out)
    assert "at least 3.6 kW (1 of 2 ports unknown)   2 ports, 1 in use, 0 shed" in lines[0]
    nothing = drawn(state(1, status=None, load_kw=None, is_shed=None))[0]
    assert "load unknown (1 ports)   1 ports, unknown in use, unknown shed" in nothing
    some = drawn(state(1, is_shed=None), state(2, status=None, is_shed=True))[0]
    assert "2 ports, 1 (1 unknown) in use, 1 (1 unknown) shed" in some
    assert "0.0 kW" not in nothing
    assert "no ports" in drawn()[0]


def test_what_could_not_be_read_is_unknown_and_not_unreported():
    missing = {"status": None, "load_kw": None, "is_shed": None, "session_kwh": None}
    points = frozenset({"Status", "portLoad", "shedState", "Energy"})
    lines = drawn(state(**missing, age_s=None, unknown=points, errors=("try_later",)))
    (line,) = [line for line in lines if "-001" in line]
    assert re.sub(r"\s+", " ", line).endswith("-001 1 unknown ? ? ? ? try_later")
    assert "? unknown, – not reported" in lines


def test_stations_that_are_not_known_are_no_empty_site():
    world_json = StatusBoard.without_stations(
        TransientError("getStations (account u): no connection")
    )
    console = Console(width=100, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(render(world_json, 100))
    assert "load unknown   stations and ports unknown" in capture.get()
    assert "error [try_later] getStations (account u): no connection" in capture.get()
    assert world_json.to_dict()["ports"] is None


def test_errors_have_a_column_when_there_are_any():
    assert "Error" not in "\n".join(drawn(state()))
    lines = drawn(state(errors=("try_later",)), messages=("getLoad [/red] failed",))
    assert any(line.endswith("try_later") for line in lines)
    assert "error getLoad [/red] failed" in lines


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("errors", [(), ("wrong_credentials",)])
def test_it_fits_the_screen(width, errors):
    ports = [
        state(number, is_shed=True, limit_kw=112.5, load_kw=110.25, errors=errors)
        for number in range(50)
    ]
    lines = drawn(*ports, width=width, height=24, first=10)
    assert max(map(len, lines)) <= width
    assert len(lines) <= 23
    assert "ports 11 to 27 of 50" in lines
    assert len([line for line in lines if " 4 s" in line]) == 17
    # The end of a name tells stations apart.
    assert [line for line in lines if "-010 " in line]
    assert "ports 34 to 50 of 50" in drawn(*ports, width=width, height=24, first=99)


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(0, "    "), (1, "████"), (0.5, "██  "), (0.01, "    "), (0.6, "██▍ "), (9, "████")],
)
def test_bars(share, wanted):
    assert bar(share, 4) == wanted


def test_once(run, account):
    done = run("watch", "--once")
    assert done.exit_code == 0, done.output
    assert "4 ports" in done.output
    world_json = json.loads(run("watch", "--once", "--json").stdout)
    (port,) = [
        one for one in world_json["ports"] if (one["station_id"], one["port"]) == ("1:34001", 1)
    ]
    assert port["status"] == "INUSE"
    assert port["load_kw"] > 0
    assert port["session_kwh"] is not None
    assert world_json["errors"] == []


def test_limits_of_a_site(run, account):
    target = ("--station", "1:34001", "--port", "1", "--yes")

    def port() -> dict[str, object]:
        return json.loads(run("watch", "--once", "--json").stdout)["ports"][0]

    def limits() -> tuple[object, ...]:
        now = port()
        return now["is_shed"], now["limit_kw"], now["limit_percent"]

    # The service reports an allowed load of 0 without a shed and with one by per cent.
    assert limits() == (False, None, None)
    run("write", "percentShed", "50", *target)
    assert limits() == (True, None, 50)
    run("write", "allowedLoad", "0", *target)
    assert limits() == (True, 0.0, None)


def test_a_call_that_fails_costs_its_own_columns(run, account):
    account.faults.set("getLoad", "http", status=503)
    done = run("watch", "--once", "--json")
    assert done.exit_code == 1
    world_json = json.loads(done.stdout)
    assert {one["load_kw"] for one in world_json["ports"]} == {None}
    assert "INUSE" in {one["status"] for one in world_json["ports"]}
    assert {tuple(one["errors"]) for one in world_json["ports"]} == {("try_later",)}
    assert len(world_json["errors"]) == 1


def test_where_nobody_watches_it_looks_once(run, account):
    assert run("watch").exit_code == 0


class Terminal:
    """The command on a terminal of its own, and what it wrote there."""

    def __init__(self, env: dict[str, str], *words: str) -> None:
        self.controller, terminal = pty.openpty()
        self.resize(30, 100, terminal)
        self.before = termios.tcgetattr(terminal)
        self.terminal = terminal
        self.process = subprocess.Popen(
            [PROGRAM, "watch", "--interval", "1", *words],
            env={**os.environ, **env, "TERM": "xterm"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        self.text = ""

    def resize(self, height: int, width: int, number: int | None = None) -> None:
        size = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self.controller if number is None else number, termios.TIOCSWINSZ, size)

    def wait_for(self, words: str) -> None:
        end = time.monotonic() + LIMIT_S
        self.text = ""
        while words not in self.text:
            ready, _, _ = select.select([self.controller], [], [], end - time.monotonic())
            assert ready, f"{words!r} is not in {self.text[-3000:]!r}"
            self.text += os.read(self.controller, 65536).decode(errors="replace")

    def press(self, keys: str) -> None:
        os.write(self.controller, keys.encode())

    def end(self) -> int:
        """The exit code; drains what is still written, or the process could not end."""
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.controller], [], [], 0.1)[0]:
                self.text += os.read(self.controller, 65536).decode(errors="replace")
        while select.select([self.controller], [], [], 0)[0]:
            self.text += os.read(self.controller, 65536).decode(errors="replace")
        return self.process.wait(timeout=LIMIT_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.terminal)
        os.close(self.controller)


@pytest.fixture
def site() -> Iterator[Simulator]:
    with Simulator(stations=20) as simulator:
        yield simulator


@pytest.fixture
def terminal(site) -> Iterator[Terminal]:
    opened = Terminal(
        {
            "CHARGEPOINT_USERNAME": site.username,
            "CHARGEPOINT_ENDPOINT": site.soap_url,
            "CHARGEPOINT_PASSWORD": site.password,
        }
    )
    yield opened
    opened.close()


@pytest.mark.parametrize("how", ["q", "\x03", signal.SIGTERM])
def test_it_ends_cleanly_and_puts_the_terminal_back(how, terminal, site):
    terminal.wait_for("ports 1 to 23 of 40")
    if isinstance(how, str):
        # Ctrl-C is a signal to whom the terminal belongs, which is nobody in this session.
        terminal.press(how) if how == "q" else terminal.process.send_signal(signal.SIGINT)
    else:
        terminal.process.send_signal(how)
    assert terminal.end() == 0
    assert "Traceback" not in terminal.text
    assert site.password not in terminal.text
    # Cursor and the screen of before are back, and keys need Enter again.
    assert "\x1b[?25h" in terminal.text
    assert "\x1b[?1049l" in terminal.text
    assert termios.tcgetattr(terminal.terminal) == terminal.before


def test_it_scrolls_and_follows_the_size(terminal):
    terminal.wait_for("ports 1 to 23 of 40")
    terminal.press("\x1b[B\x1b[Bj")
    terminal.wait_for("ports 4 to 26 of 40")
    terminal.resize(16, 120)
    terminal.wait_for("ports 4 to 12 of 40")
    terminal.press("kk")
    terminal.wait_for("ports 2 to 10 of 40")
    terminal.press("q")
    assert terminal.end() == 0


def test_a_service_that_goes_away_is_shown(terminal, site):
    terminal.wait_for("ports 1 to 23 of 40")
    site.faults.set("*", "http", status=503)
    terminal.wait_for("try_later")
    terminal.press("q")
    assert terminal.end() == 0


def test_lines_of_json(site):
    env = {
        **os.environ,
        "CHARGEPOINT_USERNAME": site.username,
        "CHARGEPOINT_ENDPOINT": site.soap_url,
        "CHARGEPOINT_PASSWORD": site.password,
    }
    process = subprocess.Popen(
        [PROGRAM, "watch", "--json", "--interval", "1"], env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        pictures = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [len(world_json["ports"]) for world_json in pictures] == [40, 40]
        assert pictures[0]["at"] < pictures[1]["at"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=LIMIT_S) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
