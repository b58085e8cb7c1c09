"""Numbered migrations of the central system's SQLite file.

`PRAGMA user_version` holds the version of the schema. `schema.sql` makes version 1; files from
before there were versions have that schema too. Every later version has one entry here. Never
change an entry that was released, and never change `schema.sql`: add the next number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from chargepoint_driver.errors import StoreError
from chargepoint_driver.process import sqlite

__all__ = ["MIGRATIONS", "VERSION", "NewerSchemaError", "migrate", "version_of"]

MIGRATIONS: Mapping[int, Sequence[str]] = {
    # Ids of chargers name more than one session; how a session ended; registers that were reset.
    2: (
        "ALTER TABLE transactions ADD COLUMN matched_by TEXT",
        "ALTER TABLE transactions ADD COLUMN closed REAL",
        "ALTER TABLE transactions ADD COLUMN stop_request TEXT",
        "ALTER TABLE transactions ADD COLUMN register_resets INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE transactions ADD COLUMN carried_wh REAL NOT NULL DEFAULT 0",
        "ALTER TABLE transactions ADD COLUMN base_wh REAL",
        "ALTER TABLE transactions ADD COLUMN in_question INTEGER NOT NULL DEFAULT 0",
        "DROP INDEX transactions_wire",
        "CREATE INDEX transactions_wire ON transactions (charge_point, wire_id)",
        "DROP INDEX transactions_request",
        "CREATE INDEX transactions_request ON transactions (charge_point, request)",
        "CREATE INDEX transactions_alias ON transactions (charge_point, alias)"
        " WHERE alias IS NOT NULL",
        "CREATE INDEX transactions_end ON transactions (charge_point, stop_request)"
        " WHERE stop_request IS NOT NULL",
        "CREATE INDEX transactions_running ON transactions (charge_point) WHERE state = 'active'",
        "UPDATE transactions SET stop_time = coalesce(last_time, start_time, received)"
        " WHERE state = 'lost' AND stop_time IS NULL",
    ),
    3: (
        "CREATE TABLE remote_starts (charge_point TEXT NOT NULL, start_id INTEGER NOT NULL,"
        " id_tag TEXT NOT NULL, requested REAL NOT NULL, PRIMARY KEY (charge_point, start_id))",
        "CREATE TABLE reservations (id INTEGER NOT NULL, charge_point TEXT NOT NULL,"
        " connector INTEGER NOT NULL, id_tag TEXT NOT NULL, made REAL NOT NULL,"
        " expires REAL NOT NULL, state TEXT NOT NULL, transaction_id INTEGER,"
        " PRIMARY KEY (charge_point, id))",
        # `key` is the idTag without regard to case.
        "CREATE TABLE id_tags (key TEXT PRIMARY KEY, id_tag TEXT NOT NULL, status TEXT NOT NULL,"
        " expires REAL, max_concurrent INTEGER)",
    ),
    # What each start asks, and the newest session of a connector, by index.
    4: (
        "CREATE INDEX transactions_tag ON transactions (trim(id_tag) COLLATE NOCASE)"
        " WHERE state = 'active'",
        # idTags that SQLite does not compare as `authorization.key_of` does.
        "CREATE INDEX transactions_odd_tag ON transactions (id)"
        " WHERE state = 'active' AND id_tag GLOB '*[^ -~]*'",
        "DROP INDEX transactions_connector",
        "CREATE INDEX transactions_newest ON transactions"
        " (charge_point, connector, coalesce(start_time, received)) WHERE state <> 'orphan'",
    ),
    # The process that stored an event: `run` of the greatest first_id up to its id.
    5: ("CREATE TABLE runs (first_id INTEGER PRIMARY KEY, run INTEGER NOT NULL)",),
    # Registers of a session over time: the first and the last of each quarter hour (`quarter`:
    # its number since 1970). Pages of sessions, newest first.
    6: (
        "CREATE TABLE session_registers (transaction_id INTEGER NOT NULL,"
        " quarter INTEGER NOT NULL, first_time REAL NOT NULL, first_wh REAL NOT NULL,"
        " last_time REAL NOT NULL, last_wh REAL NOT NULL,"
        " PRIMARY KEY (transaction_id, quarter)) WITHOUT ROWID",
        "CREATE INDEX transactions_begin ON transactions (coalesce(start_time, received), id)",
    ),
}
"""Version to the statements that make it of the version before. One transaction each."""

VERSION = max(MIGRATIONS, default=1)
"""The version that this release reads and writes."""


class NewerSchemaError(StoreError):
    """The file was written by a newer release."""

    def __init__(self, found: int) -> None:
        super().__init__(
            f"its schema has version {found} and this release knows versions up to {VERSION}; "
            "use the release that wrote it, or another file"
        )


def version_of(db: sqlite.Connection) -> int:
    """Return the version of the schema; 0 means that the file names none."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite.Connection) -> None:
    """Bring the file to `VERSION`, one step at a time. A step is done whole or not at all.

    The connection must be in autocommit mode (isolation_level None). Raises NewerSchemaError,
    and StoreError when a step fails; then the file has the version of the step before.
    """
    found = version_of(db)
    if found > VERSION:
        raise NewerSchemaError(found)
    for version in range(found + 1, VERSION + 1):
        db.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have taken the step while this one waited for the file.
            if version_of(db) < version:
                for statement in _statements(version):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {version}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def _statements(version: int) -> Sequence[str]:
    if version > 1:
        return MIGRATIONS[version]
    text = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [each for each in "\n".join(lines).split(";") if each.strip()]
