"""An account that moves to another process: its limits are kept up and cleared there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.service import CommandFile, Service
from chargepoint_driver.service.shed_control.records.command_state import CommandState
from chargepoint_driver.service.shed_control.records.hand_over import lock_of

from ..conftest import OTHER, STATION, Rig

ACCOUNT = ("http://127.0.0.1/", "somebody")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A driver whose file is `driver.sqlite`; both ports of two stations are limited."""
    rig = Rig(tmp_path, shed_delay_s=0.0, clear_delay_s=0.0)
    yield rig
    rig.stop()


def move(rig: Rig, name: str) -> Service:
    """The account is served by another process, with a file of its own; the one before."""
    before, rig.service = rig.service, None  # type: ignore[assignment]
    file = rig.folder / "commands.sqlite"
    rig.folder = rig.folder / name
    rig.folder.mkdir()
    rig.service = rig._serve()
    rig.folder = file.parent
    return before


def take_over(rig: Rig, *stations: str, patience: int = 0) -> None:
    wanted = {Target(station, 1) for station in stations or (STATION,)}
    rig.service.control.take_over(files(rig.folder), wanted, patience)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sqlite"))


def test_a_limit_is_renewed_and_cleared_by_the_one_that_has_the_account_now(rig: Rig) -> None:
    rig.write("allowedLoad", 2.0)
    before = move(rig, "agent")
    assert rig.read("commandedLoad") is None  # it would run out, and nobody renews it
    before.close()
    take_over(rig)
    assert rig.read("commandedLoad") == 2.0
    rig.live(180)  # far beyond its hour
    assert rig.ceiling() == 2.0
    assert rig.status() == "adopted"  # as after a restart
    rig.write("shedState", 0)
    assert rig.ceiling() is None


def test_nothing_is_taken_from_a_process_that_has_the_account(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.write("allowedLoad", 2.0)
    before = move(rig, "agent")
    for _ in range(3):
        take_over(rig)
    assert rig.read("commandedLoad") is None
    said = [r.getMessage() for r in caplog.records if "still has the account" in r.getMessage()]
    assert len(said) == 1
    assert "Take the account from its config, or restart it" in said[0]
    before.close()
    take_over(rig)
    assert rig.read("commandedLoad") == 2.0


def test_only_stations_that_are_used_here_are_taken(rig: Rig) -> None:
    rig.write("allowedLoad", 2.0)
    rig.write("allowedLoad", 3.0, station=OTHER)
    move(rig, "agent").close()
    take_over(rig, STATION)
    assert rig.read("commandedLoad") == 2.0
    assert rig.read("commandedLoad", station=OTHER) is None
    take_over(rig, OTHER)
    assert rig.read("commandedLoad", station=OTHER) == 3.0


def test_what_was_in_force_before_comes_back_at_the_end(rig: Rig) -> None:
    rig.write("allowedLoad", 2.0)
    before = rig.service.control._command_log.before(Target(STATION, 1))
    move(rig, "agent").close()
    take_over(rig)
    assert rig.service.control._command_log.before(Target(STATION, 1)) == before
    assert rig.revert()


def test_a_file_that_is_taken_from_is_empty_and_the_next_start_finds_nothing(rig: Rig) -> None:
    rig.write("allowedLoad", 2.0)
    move(rig, "agent").close()
    take_over(rig)
    store = CommandFile(rig.folder / "commands.sqlite", rig.account.key)
    assert store.load() == ({}, {})
    store.close()


def test_a_restart_of_the_new_process_still_knows_them(rig: Rig) -> None:
    rig.write("allowedLoad", 2.0)
    move(rig, "agent").close()
    take_over(rig)
    rig.service.close()
    rig.folder = rig.folder / "agent"
    rig.service = rig._serve()
    assert rig.read("commandedLoad") == 2.0


def test_a_process_that_only_restarts_keeps_its_limits(rig: Rig) -> None:
    rig.write("allowedLoad", 2.0)
    before = move(rig, "agent")
    before.close()
    for _ in range(3):
        take_over(rig, patience=3)
    again = CommandFile(rig.folder / "commands.sqlite", rig.account.key)
    take_over(rig, patience=3)
    assert len(again.load()[0]) == 1
    again.close()
    for _ in range(3):
        take_over(rig, patience=3)
        assert rig.read("commandedLoad") is None
    take_over(rig, patience=3)
    assert rig.read("commandedLoad") == 2.0


def held(kw: float, sent_s: float, group: str | None = None) -> CommandState:
    return CommandState(Limit(allowed_load_kw=kw), commanded_s=1.0, sent_s=sent_s, group=group)


def two(folder: Path) -> tuple[CommandFile, CommandFile]:
    (folder / "own").mkdir()
    return (
        CommandFile(folder / "driver.sqlite", ACCOUNT),
        CommandFile(folder / "own" / "agent.sqlite", ACCOUNT),
    )


@pytest.mark.parametrize(("own_s", "kw"), [(5.0, 3.0), (20.0, 4.0)])
def test_the_newer_command_of_a_target_stands(tmp_path: Path, own_s: float, kw: float) -> None:
    theirs, own = two(tmp_path)
    target = Target(STATION, 1)
    theirs.save({target: held(3.0, 10.0)})
    own.save({target: held(4.0, own_s)})
    theirs.close()
    assert own.take_over(files(tmp_path), [target]) == ["driver"]
    assert own.load()[0][target].limit == Limit(allowed_load_kw=kw)
    own.close()


def test_a_group_comes_with_its_shares_leases_and_loads(tmp_path: Path) -> None:
    theirs, own = two(tmp_path)
    group, share, other = Target("", None, "7"), Target(STATION, 1), Target(OTHER, 1)
    theirs.save({group: held(9.0, 1.0), share: held(4.5, 1.0, "7"), other: held(3.0, 1.0)})
    theirs.save_lease(group, 60.0)
    theirs.save_period(STATION, {1: None}, {1: 6.4})
    theirs.close()
    own.take_over(files(tmp_path), [group])
    commands, before = own.load()
    leases, loads = own.load_more()
    assert set(commands) == {group, share}
    assert (before, leases, loads) == ({STATION: {1: None}}, {group: 60.0}, {STATION: {1: 6.4}})
    own.close()


def test_other_accounts_and_files_that_cannot_be_read_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs, own = two(tmp_path)
    theirs.close()
    stranger = CommandFile(tmp_path / "driver.sqlite", ("http://127.0.0.1/", "else"))
    stranger.save({Target(STATION, 1): held(3.0, 1.0)})
    stranger.close()
    (tmp_path / "broken.sqlite").write_bytes(b"no database" * 99)
    for _ in range(3):
        assert own.take_over(files(tmp_path), [Target(STATION, 1)]) == []
    assert caplog.text.count("broken.sqlite cannot be looked through") == 1
    assert own.load()[0] == {}
    own.close()


def test_a_file_of_an_earlier_version_has_fewer_tables_and_no_lock(tmp_path: Path) -> None:
    theirs, own = two(tmp_path)
    theirs.save({Target(STATION, 1): held(3.0, 1.0)})
    theirs.close()
    path = tmp_path / "driver.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE leases")
        db.execute("DROP TABLE loads")
    for lock in tmp_path.glob("*.lock"):
        lock.unlink()
    assert own.take_over(files(tmp_path), [Target(STATION, None)]) == ["driver"]
    own.close()


def test_the_lock_is_the_account_s_and_ends_with_it(tmp_path: Path) -> None:
    store = CommandFile(tmp_path / "driver.sqlite", ACCOUNT)
    lock = lock_of(tmp_path / "driver.sqlite", store._account)
    assert not lock.acquire()
    assert lock_of(tmp_path / "driver.sqlite", "another").acquire()
    store.close()
    assert lock.acquire()
    lock.release()
