"""The program `chargepoint-driver` of a next release, whose tables have one version more."""

from __future__ import annotations

from chargepoint_driver.backends.ocpp.postgres import schema
from chargepoint_driver.cli import main

__all__ = ["VERSION"]

VERSION = schema.VERSION + 1
_STATEMENTS = (
    "ALTER TABLE transactions ADD COLUMN note text NOT NULL DEFAULT '-'",
    "ALTER TABLE nodes ADD COLUMN place text",
    "CREATE TABLE more (id bigint PRIMARY KEY)",
)

if __name__ == "__main__":
    schema.MIGRATIONS = {
        **schema.MIGRATIONS,
        VERSION: schema.Migration(schema.MIGRATIONS[schema.VERSION].works_from, _STATEMENTS),
    }
    # Before the modules that take it from there.
    schema.VERSION = VERSION
    main()
