"""A second process of the same identity stands by, and takes over when the first one ends."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chargepoint_driver.adapters.host.standby import stand_by
from chargepoint_driver.process.ownership_lock import OwnershipLock

IDENTITY = "platform.chargepoint"
FIRST = """
import sys, time
from pathlib import Path
from chargepoint_driver.adapters.host.standby import stand_by
lock = stand_by(Path(sys.argv[1]), sys.argv[2])
print("runs", flush=True)
time.sleep(60)
"""


@contextmanager
def first(home: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", FIRST, str(home), IDENTITY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        yield process
        process.kill()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_waits_for_the_end_of_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, end: signal.Signals
) -> None:
    looks = []
    with first(tmp_path) as process:

        def pause(seconds: float) -> None:
            looks.append(seconds)
            assert f"as process {process.pid}: this process stands by" in caplog.text
            if len(looks) == 3:
                process.send_signal(end)
                process.wait(30)

        lock = stand_by(tmp_path, IDENTITY, pause)
    assert lock is not None
    assert lock.is_owned
    assert len(looks) == 3
    assert max(looks) < 5  # far less than the 10 s in which it must have taken over
    assert "this one takes over" in caplog.text
    assert lock.owner() == str(os.getpid())
    lock.release()


def test_the_first_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = stand_by(tmp_path, IDENTITY, pytest.fail)
    assert lock is not None
    assert caplog.records == []
    lock.release()
    lock.release()


def test_other_identities_and_homes_are_others(tmp_path: Path) -> None:
    with first(tmp_path):
        for home, identity in ((tmp_path, "agent/../two"), (tmp_path / "other", IDENTITY)):
            lock = stand_by(home, identity, pytest.fail)
            assert lock is not None
            assert lock.path.parent == home / "chargepoint"
            lock.release()


def test_a_folder_that_cannot_be_written_is_no_obstacle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "chargepoint").write_text("a file")
    assert stand_by(tmp_path, IDENTITY, pytest.fail) is None
    assert "cannot be locked" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_a_fifo_in_the_place_of_the_lock(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(OSError, match="FIFO"):
        OwnershipLock(tmp_path / "lock").acquire()
