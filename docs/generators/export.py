"""docs/reference/export.md: the data dictionary of `chargepoint-driver export`."""

from __future__ import annotations

from chargepoint_driver.cli.export.tables import TABLES
from docs.generators.table import table

_HEAD = """# Research export

<!-- shown: tests/unit/cli/commands/test_export.py runs both -->
```sh
chargepoint-driver export --out november --since 7d
chargepoint-driver export --out november --since 7d --station 1:34001 --table intervals --format csv
```

The command writes one file for each table, as CSV and Parquet. `--database FILE`, or the `--config`
of one of its devices, reads the database of a central system, which may be in use. The `--config`
of a node reads sessions, limits and sheds of the fleet from PostgreSQL. `--database` with the file
of a node has the meter values that this node stored. Parquet needs the extra `export`
(`pyarrow`). `--format csv` needs no extra.

- An empty cell (null in Parquet) means not reported. 0 is a measurement.
- Times are UTC: ISO 8601 in CSV, `timestamp[us, UTC]` in Parquet.
- Parquet has `unit` and `meaning` of each column in the metadata of its field.
- `data-dictionary.md` and `data-dictionary.json` contain the same, with the time of the export, its
  source and the number of rows.
- Personal data (idTag, card, user) is exported with `--personal` only.
- In CSV, text that begins like a formula has a `'` before it. Parquet has it unchanged.
- A file replaces that of an earlier export only when it is complete.

For ChargePoint's stations the command asks the service. Sessions and transactions cost one call per
100 rows, limits one reading of `getLoad`, and `intervals` one call per session. The command prints
the number of calls first.

For OCPP chargers, `meter_values` has the samples of MeterValues and TransactionEvent. It does not
have the `transactionData` of a StopTransaction.
"""


def page() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for one in TABLES.values():
        parts.append(f"\n## `{one.name}`\n\n{one.meaning[:1].upper()}{one.meaning[1:]}.\n\n")
        parts.append(
            table(
                ("Column", "Kind", "Unit", "Meaning"),
                [
                    (
                        f"`{column.name}`",
                        column.kind,
                        column.unit,
                        column.meaning + ("; with `--personal`" if column.is_personal else ""),
                    )
                    for column in one.columns
                ],
            )
        )
    return "".join(parts)
