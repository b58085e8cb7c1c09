"""The file of commands: damaged, unwritable, full, shared. A shed works whatever happens to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.service import CommandFile, Service, ShedOptions
from chargepoint_driver.service.shed_control.records.command_state import (
    CommandState,
    UnconfirmedCommand,
)

from ..conftest import STATION, Rig

ACCOUNT = ("http://127.0.0.1/", "somebody")


def account(**fields: object) -> AccountConfig:
    return AccountConfig(username="u", password="p", endpoint=ACCOUNT[0], **fields)


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "commands.sqlite"
    content = b"no database at all, but longer than a header" * 9
    path.write_bytes(content)
    with pytest.raises(
        ConfigurationError, match=r"command_file: .* cannot be used .* move away a file"
    ):
        Service.of_account(account(command_file=path))
    assert path.read_bytes() == content


def test_a_database_with_damaged_pages_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "commands.sqlite"
    store = CommandFile(path, ACCOUNT)
    for number in range(300):
        held = CommandState(Limit(allowed_load_kw=3.0), commanded_s=1.0)
        store.save({Target(f"1:{number}"): held})
    store.close()
    content = bytearray(path.read_bytes())
    content[8_192:40_000] = b"\xff" * (40_000 - 8_192)
    path.write_bytes(bytes(content))
    with pytest.raises(ConfigurationError, match="command_file"):
        CommandFile(path, ACCOUNT)


@pytest.mark.parametrize("place", ["a-file/commands.sqlite", "folder"])
def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match="correct the path or its permissions"):
        CommandFile(tmp_path / place, ACCOUNT)


def test_a_file_that_nobody_asked_for_is_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a-file").write_text("")
    service = Service.of_account(account(), tmp_path / "a-file" / "commands.sqlite")
    service.close()
    assert "a restart will not know what is in force" in caplog.text


def test_a_damaged_row_costs_what_it_says_and_nothing_else(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.write("allowedLoad", 3.0, 1)
    rig.write("allowedLoad", 2.0, 2)
    rig.live(6)
    with closing(sqlite3.connect(rig.folder / "commands.sqlite")) as db, db:
        db.execute("UPDATE commands SET held = '{\"limit\": 3' WHERE port = 1")
        db.execute("UPDATE periods SET limits = '[1]'")
    db.close()
    rig.restart()
    assert f"of {STATION} cannot be read" in caplog.text
    assert (rig.read("commandedLoad", 1), rig.read("commandedLoad", 2)) == (None, 2.0)
    assert rig.status(1) == "adopted"
    rig.live(100)
    assert (rig.ceiling(1), rig.ceiling(2)) == (None, 2.0)


def test_what_was_before_is_lost_and_a_revert_clears_all_the_same(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    with closing(sqlite3.connect(rig.folder / "commands.sqlite")) as db, db:
        db.execute("DELETE FROM periods")
    db.close()
    rig.restart()
    assert rig.revert()
    rig.live(11)
    assert rig.ceiling() is None


def test_a_full_disk_does_not_keep_a_shed_from_being_sent_and_renewed(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    store = rig.service.control._command_log._stored.store
    assert store is not None
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    for port in range(1, 40):  # until the pages that are there are full
        store_full = CommandState(Limit(allowed_load_kw=1.0), ShedOptions(), note="x" * 400)
        rig.service.control._command_log.put({Target("1:9", port): store_full})
    assert "make room or correct command_file" in caplog.text
    for port in range(1, 40):
        rig.service.control._command_log._enter({Target("1:9", port): None})
    rig.write("allowedLoad", 3.0)
    rig.live(100)
    assert (rig.ceiling(), rig.status()) == (3.0, "in force")


def test_a_file_that_somebody_else_locks_does_not_either(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    store = rig.service.control._command_log._stored.store
    assert store is not None
    store._db.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(rig.folder / "commands.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    rig.write("allowedLoad", 3.0)
    other.close()
    assert "cannot be written" in caplog.text
    rig.live(6)
    assert rig.status() == "in force"


def test_two_accounts_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "commands.sqlite"
    one, other = CommandFile(path, ACCOUNT), CommandFile(path, (ACCOUNT[0], "somebody else"))
    target, kw = Target(STATION, 1), Limit(allowed_load_kw=3.0)
    one.save({target: CommandState(kw, commanded_s=5.0)})
    other.save({target: CommandState(None, commanded_s=6.0)})
    other.save_period(STATION, {1: kw, 2: None})
    assert one.load() == ({target: CommandState(kw, commanded_s=5.0)}, {})
    assert other.load() == (
        {target: CommandState(None, commanded_s=6.0)},
        {STATION: {1: kw, 2: None}},
    )
    other.save({target: None})
    other.save_period(STATION, None)
    assert other.load() == ({}, {})
    assert one.load()[0].keys() == {target}
    one.close()
    other.close()


def test_everything_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store = CommandFile(tmp_path / "commands.sqlite", ACCOUNT)
    doubt = UnconfirmedCommand(
        Limit(percent_shed=50), ShedOptions(5, True, 3.0, 1.4, "load"), 7.0, 2.5, "9", (1,)
    )
    held = CommandState(
        Limit(allowed_load_kw=0.0), ShedOptions(), 1.0, 2.0, 3.0, doubt=doubt, note="ä"
    )
    targets = {Target(STATION): held, Target(STATION, 2): held, Target("", group="9"): held}
    store.save(targets)
    assert store.load()[0] == targets
    store.close()


def test_looks_that_change_nothing_write_nothing(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig()
    rig.write("allowedLoad", 12.0, group="39491")
    rig.live(10)
    saved: list[object] = []
    monkeypatch.setattr(CommandFile, "save", lambda self, changes: saved.append(changes))
    rig.live(15)
    assert saved == []
    rig.live(10)
    assert len(saved) == 2  # renewed: the shares, and the group


def test_what_is_under_way_when_the_service_is_closed_stays_a_doubt(rig: Rig) -> None:
    rig.service.control._command_log.close()
    rig.write("allowedLoad", 3.0)
    assert rig.sent() == 1
    rig.restart()
    assert rig.read("commandedLoad") is None


def test_the_service_may_be_closed_twice(rig: Rig) -> None:
    rig.service.close()
    rig.service.close()
    backend = SoapBackend(rig.account)
    backend.close()
    assert rig.sent() == 0


@pytest.mark.parametrize("kept_in", [Store, lambda path: CommandFile(path, ACCOUNT)])
def test_a_file_that_is_none_is_let_go_of(
    tmp_path: Path, kept_in: Callable[[Path], object]
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no database\n" * 1000)
    with pytest.raises(
        ConfigurationError, match=r"notes\.txt (cannot be used|is damaged)"
    ) as caught:
        kept_in(path)
    held = {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    assert str(path) not in held
    assert caught.tb is not None  # which keeps everything that was not freed


def test_a_file_of_the_oldest_schema_keeps_its_commands_and_gets_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "commands.sqlite"
    store = CommandFile(path, ACCOUNT)
    store.save({Target("1:1", 1): CommandState(Limit(allowed_load_kw=3.0), commanded_s=1.0)})
    store.close()
    with closing(sqlite3.connect(path)) as db, db:
        for later in ("periods", "loads", "leases", "writes"):
            db.execute(f"DROP TABLE {later}")
        db.execute("PRAGMA user_version = 0")
    store = CommandFile(path, ACCOUNT)
    commands, before = store.load()
    assert [(each.station_id, each.port) for each in commands] == [("1:1", 1)]
    assert before == {}
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM writes").fetchone() == (0,)


def test_a_file_of_a_later_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "commands.sqlite"
    CommandFile(path, ACCOUNT).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(ConfigurationError, match=r"command_file: .* later version .*schema 9"):
        CommandFile(path, ACCOUNT)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (9,)
