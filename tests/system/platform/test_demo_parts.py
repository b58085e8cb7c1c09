"""The parts of the demo that need no platform."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from examples.demo import report, table
from examples.demo.before import fault
from examples.demo.errors import DemoError
from examples.demo.garage import Garage
from examples.demo.platform import child_environment, temporary_home
from examples.demo.processes import JsonLines, Processes
from examples.demo.report import Report
from examples.demo.watch import Watch

ROOT = Path(__file__).parents[3]
HOLD_S = 14
PORT = "campus/garage/station1/port1"
START = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
GOOD = Report(
    port=PORT,
    port_load_kw_before=6.6,
    allowed_load_kw=3.3,
    port_load_kw_during=3.3,
    port_load_kw_after=6.6,
    shed_at="2026-03-01T12:00:10+00:00",
    in_force_at="2026-03-01T12:00:14+00:00",
    cleared_at="2026-03-01T12:00:20+00:00",
    shed_statuses=["none", "pending", "in force", "pending", "released"],
    historian_rows=100,
    soap_calls=50,
    seconds_to_platform=1.5,
    seconds_to_first_row=5.0,
    seconds=30.0,
)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def poll(seconds: float, load_kw: float | None, **values: Any) -> dict[str, Any]:
    return {
        "topic": f"devices/{PORT}/multi",
        "headers": {"TimeStamp": at(seconds)},
        "message": [{"portLoad": load_kw, **values}, {}],
    }


def phase(seconds: float, name: str, **facts: Any) -> dict[str, Any]:
    message = {"phase": name, "time": at(seconds), "device": PORT, **facts}
    return {"topic": "results", "headers": {}, "message": message}


def watched(*messages: dict[str, Any]) -> Watch:
    watch = Watch("results")
    for message in messages:
        watch.take(message)
    return watch


def measured(*messages: dict[str, Any]) -> Report:
    return report.measure(watched(*messages), HOLD_S, 100, {"soap_calls": 50}, 1.5, 5.0, 30.0)


def test_a_kept_promise_has_no_faults() -> None:
    assert GOOD.faults() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"allowed_load_kw": None}, "did not limit any port"),
        ({"port_load_kw_before": 3.3}, "was not above the limit"),
        ({"port_load_kw_during": 6.6}, "stayed at 6.6 kW"),
        ({"port_load_kw_during": None}, "No load was measured while"),
        ({"port_load_kw_after": 3.3}, "did not come back"),
        ({"port_load_kw_after": None}, "not polled after"),
        ({"shed_statuses": []}, "shedStatus went unseen instead of in force → released"),
        ({"shed_statuses": ["none", "pending", "failed"]}, "went none → pending → failed instead"),
        ({"historian_rows": 0}, "historian stored nothing"),
        ({"soap_calls": 0}, "not asked for anything"),
    ],
)
def test_a_broken_promise_is_a_sentence(change: dict[str, Any], words: str) -> None:
    faults = replace(GOOD, **change).faults()

    assert len(faults) == 1
    assert words in faults[0]


def test_the_event_is_measured_by_the_clock_of_its_phases() -> None:
    seen = measured(
        poll(0, 6.4, shedStatus="none"),
        phase(1, "before"),
        poll(2, 6.6, shedStatus="none"),
        phase(3, "shed", allowed_load_kw=3.3),
        poll(4, 6.6, shedStatus="pending"),
        poll(8, 6.6, shedStatus="in force"),  # the reply may have been under way
        poll(13, 3.3, shedStatus="in force"),
        poll(15, 3.2, shedStatus="in force"),
        poll(18, 6.6, shedStatus="in force"),  # cleared already, and not said yet
        phase(19, "cleared"),
        poll(20, 3.3, shedStatus="pending"),
        poll(22, 6.5, shedStatus="released"),
    )

    assert seen.port_load_kw_before == 6.6
    assert seen.port_load_kw_during == 3.3
    assert seen.port_load_kw_after == 6.5
    assert seen.faults() == []


def ocpp_event(*during: dict[str, Any]) -> Report:
    """An event at a charger that connects directly."""
    return measured(
        phase(1, "before"),
        poll(2, 11.0, shedStatus="none", meterTime=at(1)),
        phase(3, "shed", allowed_load_kw=5.5),
        *during,
        phase(18, "cleared"),
        poll(20, 11.0, shedStatus="released", meterTime=at(19)),
    )


def test_a_charger_is_judged_by_what_it_measured_after_it_took_the_limit() -> None:
    seen = ocpp_event(
        poll(9, 11.0, shedStatus="in force"),  # a push: it took the limit
        poll(10, 11.0, shedStatus="pending", meterTime=at(8)),  # begun before, published late
        poll(14, 11.0, shedStatus="in force", meterTime=at(8)),  # not measured again yet
        poll(15, 11.0, shedStatus="in force", meterTime=at(9)),  # measured before, sent late
        poll(15.5, 11.0),  # a push has no time
        poll(16, 5.5, shedStatus="in force", meterTime=at(12)),
        poll(17.5, 11.0, shedStatus="in force", meterTime=at(17)),  # the hold is over
    )

    assert seen.port_load_kw_during == 5.5
    assert seen.faults() == []


def test_a_charger_that_does_not_obey_is_found() -> None:
    seen = ocpp_event(
        *(
            poll(second, 11.0, shedStatus="in force", meterTime=at(second))
            for second in range(6, 16, 2)
        )
    )

    assert seen.port_load_kw_during == 11.0
    assert "stayed at 11.0 kW" in seen.faults()[0]


def test_a_charger_that_measures_no_more_has_kept_no_promise() -> None:
    seen = ocpp_event(
        *(poll(second, 5.5, shedStatus="in force", meterTime=at(5)) for second in range(6, 16, 2))
    )

    assert seen.port_load_kw_during is None
    assert "No load was measured" in seen.faults()[0]


def test_nothing_seen_is_not_zero() -> None:
    seen = measured(poll(0, None))

    assert seen.port_load_kw_before is None
    assert seen.port is None
    assert seen.faults()
    assert "not seen" in seen.as_text()


def test_other_messages_are_ignored() -> None:
    watch = watched({"topic": "devices/campus/all", "headers": {}, "message": [{}, {}]})

    assert watch.ports == {}
    assert watch.phase == ""


def drawn(*messages: dict[str, Any]) -> str:
    console = Console(width=80, file=io.StringIO())
    console.print(table.draw(watched(*messages)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_tells_unknown_from_zero() -> None:
    text = drawn(poll(0, None, Status="UNREACHABLE"))

    assert "UNREACHABLE" in text
    assert "?" in text
    assert "0.00" not in text


SHED = {"allowedLoad": 3.3, "commandedLoad": 3.3, "shedStatus": "in force"}


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    text = drawn(poll(0, 3.3, Status="UNREACHABLE", shedState=1, Energy=12.5, **SHED))

    assert "…" not in text
    assert "station1/port1" in text


def test_what_was_commanded_stands_beside_what_is_in_force() -> None:
    pending = {"shedState": 0, "allowedLoad": 0.0, "commandedLoad": 3.0, "shedStatus": "pending"}
    in_force = {"shedState": 1, "allowedLoad": 3.0, "commandedLoad": 3.0, "shedStatus": "in force"}
    assert "commanded  3.00  allowed     -  pending" in table.plain_line(PORT, pending)
    assert "commanded  3.00  allowed  3.00  in force" in table.plain_line(PORT, in_force)
    assert "commanded     -  allowed     -  -" in table.plain_line(PORT, {"shedStatus": "none"})


def test_each_change_of_the_chosen_port_is_said_once() -> None:
    console = Console(width=200, file=io.StringIO())
    screen = table.Screen(console)
    watch = watched(poll(0, 6.4, shedStatus="none"), phase(1, "before", load_kw=6.4))
    screen.show(watch)
    for second, status in enumerate(("pending", "pending", "in force"), start=2):
        watch.take(poll(second, 3.3, shedStatus=status, shedReason=f"{status} it is"))
        screen.show(watch)
    assert isinstance(console.file, io.StringIO)
    said = [line for line in console.file.getvalue().splitlines() if "shedStatus" in line]
    assert said == [
        f"{PORT}  shedStatus none",
        f"{PORT}  shedStatus pending: pending it is",
        f"{PORT}  shedStatus in force: in force it is",
    ]


@pytest.mark.parametrize(("load_kw", "filled"), [(None, 0), (0.0, 0), (4.0, 4), (99.0, 8)])
def test_a_bar_never_leaves_its_column(load_kw: float | None, filled: int) -> None:
    bar = table.bar(load_kw)

    assert len(bar) == table.BAR_WIDTH
    assert bar.count("█") == filled


def test_the_config_store_gets_no_password() -> None:
    garage = Garage("http://127.0.0.1:1/", "user", "secret", ("1:34001", "1:34002"), "http://x")

    devices = garage.devices(garage.account())

    assert len(devices) == 4
    assert "secret" not in str(devices)


def test_rows_are_counted_below_a_topic_only(tmp_path: Path) -> None:
    database = tmp_path / "historian.sqlite"
    assert report.count_rows(database, "campus") == 0
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE topics (topic_id, topic_name)")
        connection.execute("CREATE TABLE data (ts, topic_id, value_string)")
        connection.execute(
            "INSERT INTO topics VALUES (1, ?), (2, 'datalogger/x')", [f"{PORT}/portLoad"]
        )
        connection.execute("INSERT INTO data VALUES (?, 1, '6.6'), (?, 2, '1')", [at(0), at(0)])
        connection.execute("INSERT INTO data VALUES (?, 1, 'null')", [at(1)])  # none reported

    copy = tmp_path / "copy.sqlite"
    report.copy_database(database, copy)

    assert report.count_rows(copy, "campus") == 2
    assert report.stored_loads(copy, PORT) == [(START, 6.6)]


def test_a_users_own_platform_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTTRON_HOME", "/home/somebody/.volttron")
    monkeypatch.setenv("AGENT_VIP_IDENTITY", "somebody")

    with temporary_home() as home:
        env = child_environment(home)
        assert env["VOLTTRON_HOME"] == str(home)
        assert "AGENT_VIP_IDENTITY" not in env

    assert not home.exists()


def test_a_long_temporary_folder_does_not_lengthen_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    with temporary_home() as home:
        assert len(str(home)) < 80


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path / "logs") as started:
        yield started


def run_python(processes: Processes, name: str, code: str) -> int:
    command = [sys.executable, "-c", code]
    return processes.start(name, command, env=os.environ, cwd=Path("/")).pid


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_stubborn_process_and_its_children_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("examples.demo.processes.STOP_LIMIT_S", 0.2)
    note = tmp_path / "pid"
    code = (
        "import pathlib, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    with Processes(tmp_path / "logs") as processes:
        parent = run_python(processes, "stubborn", code)
        processes.wait_for("the child", lambda: note.exists() and note.read_text(), 20)
    child = int(note.read_text())

    end = time.monotonic() + 30
    while is_alive(child) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_alive(parent)
    assert not is_alive(child)
    assert "was killed" in (tmp_path / "logs" / "stubborn.log").read_text()


def test_a_process_that_dies_is_named_with_its_last_words(processes: Processes) -> None:
    run_python(processes, "short", "import sys; sys.exit('no such luck')")

    with pytest.raises(DemoError, match=r"short ended with exit code 1(.|\n)*no such luck"):
        processes.wait_for("anything", lambda: None, 20)


def test_a_wait_ends(processes: Processes) -> None:
    with pytest.raises(DemoError, match=r"The moon did not happen within 0\.1 s"):
        processes.wait_for("The moon", lambda: None, 0.1)


def test_lines_are_read_and_an_end_is_noticed(processes: Processes) -> None:
    code = "print('{\"a\": 1}')"
    process = processes.start(
        "talker", [sys.executable, "-c", code], env=os.environ, cwd=Path("/"), piped=True
    )
    lines = JsonLines("The talker", process)

    assert lines.get(20) == {"a": 1}
    with pytest.raises(DemoError, match="The talker has ended"):
        lines.get(20)


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ((3, 9), "needs Python 3.10 or newer"),
        ((3, 10), None),
        ((3, 12), None),
        ((3, 13), "needs gevent 24, which has no build for it"),
    ],
)
def test_the_demo_says_which_python_cannot_run_it(version: tuple[int, int], why: str | None):
    found = fault(version, "/usr/bin/python3")
    if why is None:
        assert found is None
    else:
        assert found is not None
        assert why in found
        assert "make demo PYTHON=" in found


def test_what_runs_before_the_installation_needs_the_standard_library_only():
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "examples" / "demo" / "before.py")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "ends after about 40 seconds" in done.stdout
