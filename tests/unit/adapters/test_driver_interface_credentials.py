"""Passwords: never shown, read when needed, changed while running."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from volttron.driver.base.interfaces import DriverInterfaceError

from chargepoint_driver.simulator import Simulator

from .conftest import Driver, Time
from .devices import POINTS, device

SECRET, CORRECTED = "correct-horse-battery", "staple&<new>\u00e9"


class Everything(logging.Handler):
    """All that is ever logged, as text."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.args!r} {record.__dict__!r}")


@pytest.fixture
def logged() -> Iterator[Everything]:
    """Every logger that there is, at its lowest level."""
    handler, root = Everything(), logging.getLogger()
    loggers = [root, *map(logging.getLogger, logging.Logger.manager.loggerDict)]
    levels = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    for logger, level in levels:
        logger.setLevel(level)


@pytest.fixture
def sim(make_sim: Callable[..., Simulator]) -> Simulator:
    return make_sim(password=SECRET)


def test_a_password_is_in_no_log_and_no_message(
    driver: Driver, sim: Simulator, logged: Everything, clock: Time
) -> None:
    """A whole life: start, polls, writes, outages, a refusal, other configurations, the end."""
    texts: list[str] = []

    def reported(action: Callable[[], object]) -> None:
        try:
            texts.append(repr(action()))
        except Exception as error:
            texts.append(f"{error} {error!r} {error.__context__!r}")

    driver.start(
        {
            "a/one": device(sim, "1:34001", host={"heart_beat_point": "Heartbeat"}),
            "a/two": device(sim, "1:34002", timeout=7),
            "a/bad": device(sim, "1:34003", region="mars", password_env="OTHER"),
            "a/worse": device(sim, "1:34003", password=[SECRET]),
            "a/url": device(sim, "1:34003", endpoint=f"https://user:{SECRET}@host/path"),
        }
    )
    assert driver.devices == {"a/one", "a/two"}
    reported(driver.poll)
    reported(lambda: driver.set("a/one", "allowedLoad", 2.0))
    reported(lambda: driver.set("a/one", "shedState", 1))
    reported(lambda: driver.agent.revert_device("a/one"))
    for fault in ("drop", "truncated_xml", "soap_fault"):
        sim.faults.set("*", fault)
        clock.pass_(100.0)
        reported(driver.poll)
        reported(lambda: driver.set("a/one", "shedState", 0))
        sim.faults.clear()
    sim.accounts.add(sim.username, CORRECTED)
    clock.pass_(100.0)
    reported(driver.poll)
    reported(lambda: driver.set("a/one", "shedState", 0))
    driver.update("a/one", device(sim, "1:34001", password=CORRECTED))
    reported(driver.poll)
    for remote in driver.remotes:
        texts.append(f"{remote.config!r} {remote.config} {remote.interface!r} {remote.unique_id}")
        texts.append(repr(vars(remote.interface)))
        reported(remote.interface.revert_all)

    assert any("shedLoad" in line or "urllib3" in line for line in logged.lines)
    assert any(line.startswith("zeep") for line in logged.lines)
    for word in (SECRET, CORRECTED, "staple&amp;"):
        assert not [line for line in logged.lines if word in line]
        assert not [text for text in texts if word in text]


def test_wrong_credentials_cost_one_request_and_say_what_to_do(
    driver: Driver, sim: Simulator, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    driver.start({f"a/{n}": device(sim, f"1:3400{n}", password="wrong") for n in (1, 2, 3)})
    for _ in range(5):
        values, errors = driver.poll()
        assert values == {}
        assert set(errors) == set(driver.topics())
        for text in errors.values():
            for word in (sim.username, "127.0.0.1", "region", "password", "[wrong_credentials]"):
                assert word in text
        clock.pass_(60.0)
    assert sim.calls.total == 1
    with pytest.raises(DriverInterfaceError, match=sim.username):
        driver.agent.get_point("a/1", "portLoad")
    assert sim.calls.total == 1
    assert len([r for r in caplog.records if r.levelno >= logging.ERROR]) == 1


def test_the_wrong_region_is_named(driver: Driver, sim: Simulator) -> None:
    content = device(sim, "1:34001", password="wrong", endpoint=sim.soap_url_5_1)
    driver.start({"a/one": content})
    _, errors = driver.poll()
    host = sim.soap_url.split("/")[2]
    assert all(host in text for text in errors.values())


@pytest.mark.parametrize("by", ["a second device", "the same device", "a third poll"])
def test_a_changed_password_counts_at_once(
    driver: Driver, sim: Simulator, clock: Time, by: str
) -> None:
    driver.start({"a/one": device(sim, "1:34001")})
    assert driver.poll()[1] == {}
    sim.accounts.add(sim.username, CORRECTED)
    clock.pass_(60.0)
    assert driver.poll()[0] == {}
    if by == "a second device":
        assert driver.add("a/two", device(sim, "1:34002", password=CORRECTED))
    else:
        driver.update("a/one", device(sim, "1:34001", password=CORRECTED))
    if by == "a third poll":
        driver.poll()
        clock.pass_(60.0)
    values, errors = driver.poll()
    assert not errors
    assert len(values) == len(driver.topics()) >= len(POINTS)
    assert driver.set("a/one", "shedState", 0) == 0
    assert len(driver.remotes) == 1


def test_a_password_from_the_environment(
    driver: Driver, sim: Simulator, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = device(sim, "1:34001", password_env="CHARGEPOINT_TEST_PASSWORD")
    del content["driver_config"]["password"]
    monkeypatch.delenv("CHARGEPOINT_TEST_PASSWORD", raising=False)
    driver.start({"a/one": content})
    _, errors = driver.poll()
    assert all("CHARGEPOINT_TEST_PASSWORD" in text for text in errors.values())
    assert sim.calls.total == 0
    monkeypatch.setenv("CHARGEPOINT_TEST_PASSWORD", SECRET)
    clock.pass_(60.0)
    assert driver.poll()[1] == {}


def test_a_password_from_a_file_that_changes(
    driver: Driver, sim: Simulator, clock: Time, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n", encoding="utf-8")
    content = device(sim, "1:34001", password_file=str(file))
    del content["driver_config"]["password"]
    driver.start({"a/one": content})
    assert driver.poll()[1] == {}
    sim.accounts.add(sim.username, CORRECTED)
    file.write_text(f"{CORRECTED}\n", encoding="utf-8")
    clock.pass_(60.0)
    assert driver.poll()[1] == {}


class TestAPasswordThatIsCorrectedAfterARefusal:
    """In the file, or the variable, alone: nobody stores a config."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "password"

    @pytest.fixture
    def refused(self, driver: Driver, sim: Simulator, file: Path, clock: Time) -> Driver:
        """Two devices whose password was refused once."""
        file.write_text("first wrong\n", encoding="utf-8")
        driver.start({f"a/{n}": from_file(sim, f"1:3400{n}", file) for n in (1, 2)})
        assert driver.poll()[0] == {}
        assert sim.calls.total == 1
        return driver

    def test_is_tried_with_the_next_reading(
        self, refused: Driver, sim: Simulator, file: Path
    ) -> None:
        file.write_text(f"{SECRET}\n", encoding="utf-8")
        values, errors = refused.poll()
        assert not errors
        assert values.keys() == set(refused.topics())

    def test_another_wrong_one_costs_one_request_and_the_same_none(
        self,
        refused: Driver,
        sim: Simulator,
        file: Path,
        clock: Time,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.clear()
        file.write_text("second wrong\n", encoding="utf-8")
        for _ in range(5):
            assert refused.poll()[0] == {}
            clock.pass_(60.0)
            file.touch()
        assert sim.calls.total == 2
        file.write_text("first wrong\n", encoding="utf-8")
        assert refused.poll()[0] == {}
        assert sim.calls.total == 3
        # One line for each password that was refused.
        assert len([r for r in caplog.records if r.levelno >= logging.ERROR]) == 2
        clock.pass_(900.0)
        assert refused.poll()[0] == {}
        assert sim.calls.total == 4

    def test_a_file_without_one_says_so_and_sends_nothing(
        self, refused: Driver, sim: Simulator, file: Path
    ) -> None:
        file.write_text("", encoding="utf-8")
        _, errors = refused.poll()
        assert errors.keys() == set(refused.topics())
        assert all("holds no password" in text for text in errors.values())
        file.unlink()
        _, errors = refused.poll()
        assert all("cannot be read" in text for text in errors.values())
        assert sim.calls.total == 1
        file.write_text("first wrong\n", encoding="utf-8")
        _, errors = refused.poll()
        assert all("[wrong_credentials]" in text for text in errors.values())
        assert sim.calls.total == 1

    def test_a_write_goes_out_with_it_and_is_read_back(
        self, refused: Driver, sim: Simulator, file: Path
    ) -> None:
        with pytest.raises(DriverInterfaceError, match="wrong_credentials"):
            refused.set("a/1", "allowedLoad", 3.0)  # the limit in force is unknown
        assert sim.calls.total == 1
        file.write_text(f"{SECRET}\n", encoding="utf-8")
        assert refused.set("a/1", "allowedLoad", 3.0) == 3.0
        assert refused.set("a/1", "shedState", 1) == 1
        assert sim.calls.count("shedLoad") == 1

    def test_the_variable_of_this_process_likewise(
        self, driver: Driver, sim: Simulator, monkeypatch: pytest.MonkeyPatch, clock: Time
    ) -> None:
        monkeypatch.setenv("CHARGEPOINT_TEST_PASSWORD", "wrong")
        content = device(sim, "1:34001", password_env="CHARGEPOINT_TEST_PASSWORD")
        del content["driver_config"]["password"]
        driver.start({"a/one": content})
        assert driver.poll()[0] == {}
        monkeypatch.setenv("CHARGEPOINT_TEST_PASSWORD", SECRET)
        assert driver.poll()[1] == {}

    def test_it_is_kept_nowhere(
        self, refused: Driver, sim: Simulator, file: Path, logged: Everything
    ) -> None:
        file.write_text(f"{CORRECTED}\n", encoding="utf-8")
        assert refused.poll()[0] == {}
        (remote,) = refused.remotes
        breaker = remote.interface._stations.cache._breaker
        kept = repr([vars(breaker), vars(breaker._backoff), breaker.down()])
        assert "secret=b" in kept
        for text in (kept, *logged.lines):
            assert CORRECTED not in text


def from_file(sim: Simulator, station: str, file: Path) -> dict[str, Any]:
    content = device(sim, station, password_file=str(file))
    del content["driver_config"]["password"]
    return content
