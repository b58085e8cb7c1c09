"""Tables of records in a node's own SQLite: temporary ones in memory, in the place of those of the
file.

PostgreSQL is the truth, so that nothing of them has to survive the process. To commit them takes no
log and no disk.
"""

from __future__ import annotations

import re

from chargepoint_driver.backends.ocpp.postgres.schema import TABLES
from chargepoint_driver.process import sqlite

__all__ = ["make_temporary"]

# Questions about all sessions go to PostgreSQL.
_UNUSED = {"transactions_begin", "transactions_newest", "transactions_stop"}


def make_temporary(db: sqlite.Connection) -> None:
    """Make the tables and their indexes, empty. From then on their names mean these. Raises
    StoreError."""
    db.execute("PRAGMA temp_store = MEMORY")
    found = db.execute(
        "SELECT tbl_name, name, sql FROM main.sqlite_master WHERE sql IS NOT NULL"
        " AND type IN ('table', 'index') ORDER BY type DESC"
    ).fetchall()
    for table, name, sql in found:
        if table in TABLES and name not in _UNUSED:
            db.execute(_temporary(sql))


def _temporary(sql: str) -> str:
    """Return the statement that makes the same table or index in the temporary schema."""
    sql = re.sub(r"^CREATE TABLE", "CREATE TEMP TABLE", sql).replace("AUTOINCREMENT", "")
    return re.sub(r"^CREATE (UNIQUE )?INDEX ", r"CREATE \1INDEX temp.", sql)
