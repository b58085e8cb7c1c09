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

The command writes one file for each table, as CSV and Parquet. A central system's record is read
with `--database FILE`, or with the `--config` of one of its devices; it may run meanwhile. Parquet
needs the extra `export` (`pyarrow`); `--format csv` needs nothing more.

- An empty cell (null in Parquet) means not reported. 0 is a measurement.
- Times are UTC: ISO 8601 in CSV, `timestamp[us, UTC]` in Parquet.
- Parquet carries `unit` and `meaning` of each column in the metadata of its field.
- `data-dictionary.md` and `data-dictionary.json` beside the files say the same, with the time of
  the export, its source and the number of rows.
- Who charged (idTag, card, user) is exported with `--personal` only.
- Text that begins like a formula has a `'` before it in CSV. Parquet has it as it is.
- A file replaces the one of an earlier export only when it is whole.

Of ChargePoint's stations the service is asked. Sessions and transactions cost one call for each 100
rows, limits one reading of `getLoad`, and `intervals` one call for each session: the command says
how many before it asks. Of OCPP chargers the samples of MeterValues and TransactionEvent are in
`meter_values`; the `transactionData` of a StopTransaction is not.
"""


def page() -> str:
    """The whole page."""
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
