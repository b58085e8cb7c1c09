"""The demo for real: platform, driver, historian, simulator and agent as processes of their own."""

from __future__ import annotations

import importlib.util
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from examples.demo import report

from .demos import LIMIT_S, Finished, Mark, finished_demo, running_demo

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finished_demo(tmp_path_factory.mktemp("demo"))


def test_it_ends_by_itself_and_well(demo: Finished) -> None:
    assert demo.code == 0, demo.text


def test_the_report_says_that_the_limit_worked(demo: Finished) -> None:
    said = demo.report

    assert said["port_load_kw_before"] > said["allowed_load_kw"] > 0
    assert said["port_load_kw_during"] <= said["allowed_load_kw"] + report.TOLERANCE_KW
    assert said["port_load_kw_after"] > said["allowed_load_kw"] + report.TOLERANCE_KW
    assert said["shed_statuses"] == ["none", "pending", "in force", "pending", "released"]
    assert said["soap_calls"] > 0
    assert said["seconds"] > 0
    assert said["port"] in demo.text


def test_the_historian_has_the_load_before_during_and_after(demo: Finished) -> None:
    said = demo.report
    database = demo.output / "historian.sqlite"
    shed_at = datetime.fromisoformat(said["shed_at"])
    in_force_at = datetime.fromisoformat(said["in_force_at"])
    cleared_at = datetime.fromisoformat(said["cleared_at"])
    limit_kw = said["allowed_load_kw"] + report.TOLERANCE_KW

    loads = report.stored_loads(database, said["port"])
    before = [kw for stored_at, kw in loads if stored_at < shed_at]
    # A row of /all repeats the last poll, so it may be as old as the poll interval.
    settled_at = in_force_at + timedelta(seconds=2)
    during = [kw for stored_at, kw in loads if settled_at < stored_at < cleared_at]
    after = [kw for stored_at, kw in loads if stored_at > cleared_at]

    assert before
    assert during
    assert after
    assert max(before) > limit_kw
    assert max(during) <= limit_kw
    assert max(after) > limit_kw
    assert said["historian_rows"] == report.count_rows(database, "campus/garage")


def test_every_port_is_in_the_historian(demo: Finished) -> None:
    database = demo.output / "historian.sqlite"

    for station in range(1, 5):
        for port in (1, 2):
            assert report.stored_loads(database, f"campus/garage/station{station}/port{port}")


def test_everything_it_started_is_gone(demo: Finished) -> None:
    assert demo.processes_left == []
    assert demo.homes_left == []


def test_the_password_is_in_no_file(demo: Finished) -> None:
    files = [file for file in demo.output.rglob("*") if file.is_file()]

    assert files
    assert not [file for file in files if b"not-a-real-password" in file.read_bytes()]


def test_interrupted_during_the_event_it_clears_and_ends_everything(tmp_path: Path) -> None:
    mark = Mark()
    with running_demo(tmp_path, mark) as process:
        assert process.stdout is not None
        end = time.monotonic() + LIMIT_S
        for line in process.stdout:
            if "is limited to" in line:
                break
            assert time.monotonic() < end, "the port was not limited in time"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert process.returncode == 130
    assert mark.alive() == []
    assert "'cleared'" in (tmp_path / "logs" / "demand.response.log").read_text()
    assert not (tmp_path / "report.json").exists()
