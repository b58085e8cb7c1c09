"""What the commands that serve log: warnings by default, a file of bounded size."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.cli.support.serving import serving
from chargepoint_driver.errors import ConfigurationError


@pytest.fixture(autouse=True)
def as_in_the_command() -> Iterator[None]:
    """The command's root logger tells errors only."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    yield
    root.setLevel(before)


def test_warnings_are_shown_by_default_and_no_more_afterwards() -> None:
    log = logging.getLogger("chargepoint_driver.anything")
    with serving(None, 0, logging.WARNING):
        assert log.isEnabledFor(logging.WARNING)
        assert not log.isEnabledFor(logging.INFO)
    assert not log.isEnabledFor(logging.WARNING)


def test_the_log_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    log = logging.getLogger("chargepoint_driver.anything")
    with serving(path, 20_000, logging.WARNING):
        for number in range(2_000):
            log.warning("line %d of a flood, longer than most lines are", number)
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    assert 10_000 < sum(each.stat().st_size for each in files) <= 20_000
    assert "line 1999" in path.read_text(encoding="utf-8")


def test_a_log_file_that_cannot_be_written(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match="--log-file"),
        serving(tmp_path / "none" / "log.txt", 20_000, logging.WARNING),
    ):
        pass


def test_more_connections_than_open_files_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    config = OcppConfig(
        listen="127.0.0.1:0", database=tmp_path / "c.sqlite", most_connections=10_000_000
    )
    system = CentralSystem(config)
    system.start()
    system.stop()
    (line,) = [line for line in caplog.messages if "most_connections is 10000000" in line]
    assert "ulimit -n" in line
