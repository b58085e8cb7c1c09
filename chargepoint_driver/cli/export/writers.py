"""CSV and Parquet files of an export. A file has its name only when it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from chargepoint_driver.cli.export.tables import Column, Table
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.text import csv_text

__all__ = ["FORMATS", "Row", "need_pyarrow", "write"]

Row: TypeAlias = Mapping[str, Any]
"""Column to value; what is None or missing was not reported. Times are aware datetimes."""

FORMATS = ("csv", "parquet")
_ROWS_AT_ONCE = 20_000


class _Writer(Protocol):
    def add(self, rows: Sequence[Row]) -> None: ...


def need_pyarrow() -> Any:
    """Return pyarrow. Raises ConfigurationError where it is not installed."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ConfigurationError(
            "pyarrow is not installed: pip install 'volttron-lib-chargepoint-driver[export]', or "
            "give --format csv"
        ) from None
    return pa


def write(
    folder: Path,
    table: Table,
    columns: Sequence[Column],
    rows: Iterable[Row],
    formats: Sequence[str],
) -> int:
    """Write the rows of one table, in each format. Returns how many. They are read once, and
    never all at a time. Raises OSError."""
    count = 0
    makers: dict[str, Callable[..., AbstractContextManager[_Writer]]] = {
        "csv": _csv,
        "parquet": _parquet,
    }
    with ExitStack() as stack:
        writers: list[_Writer] = [
            stack.enter_context(makers[name](folder / f"{table.name}.{name}", table, columns))
            for name in formats
        ]
        rest = iter(rows)
        while batch := list(islice(rest, _ROWS_AT_ONCE)):
            count += len(batch)
            for writer in writers:
                writer.add(batch)
    return count


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """Another name of the file, until it is whole."""
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class _Csv:
    def __init__(self, file: Any, columns: Sequence[Column]) -> None:
        self._file = file
        self._names = [column.name for column in columns]
        file.write(csv_text([self._names]))

    def add(self, rows: Sequence[Row]) -> None:
        self._file.write(csv_text([_cell(row.get(name)) for name in self._names] for row in rows))


@contextmanager
def _csv(path: Path, table: Table, columns: Sequence[Column]) -> Iterator[_Csv]:
    del table
    with _unfinished(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        yield _Csv(file, columns)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z"
    return value


class _Parquet:
    def __init__(self, pyarrow: Any, writer: Any, schema: Any) -> None:
        self._pyarrow, self._writer, self._schema = pyarrow, writer, schema

    def add(self, rows: Sequence[Row]) -> None:
        columns = {name: [row.get(name) for row in rows] for name in self._schema.names}
        self._writer.write_table(self._pyarrow.table(columns, schema=self._schema))


@contextmanager
def _parquet(path: Path, table: Table, columns: Sequence[Column]) -> Iterator[_Parquet]:
    pyarrow = need_pyarrow()
    kinds = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "time": pyarrow.timestamp("us", tz="UTC"),
        "truth": pyarrow.bool_(),
    }
    schema = pyarrow.schema(
        [
            pyarrow.field(
                column.name,
                kinds[column.kind],
                metadata={"unit": column.unit, "meaning": column.meaning},
            )
            for column in columns
        ],
        metadata={"meaning": table.meaning},
    )
    with (
        _unfinished(path) as part,
        pyarrow.parquet.ParquetWriter(part, schema, compression="zstd") as writer,
    ):
        yield _Parquet(pyarrow, writer, schema)
