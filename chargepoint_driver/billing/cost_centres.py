"""The file of cost centres: which idTag is charged to which.

CSV with the columns `id_tag` and `cost_centre`, or JSON: an object of idTag to cost centre. Case
and blanks around an idTag do not count, as in OCPP.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from chargepoint_driver.config.texts import read_text
from chargepoint_driver.errors import ConfigurationError

__all__ = ["NOT_ASSIGNED", "CostCentres"]

NOT_ASSIGNED = "not assigned"
"""The name in files for sessions without a cost centre."""

_COLUMNS = ("id_tag", "cost_centre")
_MAX_FAULTS = 20
_MAX_CHARS = 200


class CostCentres:
    """idTags with their cost centres. `of` never guesses: None stands for not assigned."""

    def __init__(self, centres: dict[str, str] | None = None) -> None:
        self._centres = {_key(tag): centre for tag, centre in (centres or {}).items()}

    def __len__(self) -> int:
        return len(self._centres)

    def of(self, id_tag: str | None) -> str | None:
        """Return the cost centre of an idTag; None where it has none."""
        return None if id_tag is None else self._centres.get(_key(id_tag))

    @classmethod
    def read(cls, path: Path) -> CostCentres:
        """Read a file. Raises ConfigurationError with every fault: where and what."""
        path = path.expanduser()
        try:
            text = read_text(path).removeprefix("\ufeff")
        except ConfigurationError as error:
            raise ConfigurationError(f"cost_centres: {error}") from None
        is_json = path.suffix.lower() == ".json"
        rows = list(_of_json(path, text) if is_json else _of_csv(path, text))
        return cls(_checked(path, rows))


def _of_csv(path: Path, text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (place, idTag, cost centre)."""
    lines = text.splitlines()
    delimiter = ";" if lines and ";" in lines[0] and "," not in lines[0] else ","
    reader = csv.reader(lines, delimiter=delimiter)
    head = [cell.strip().lower() for cell in next(reader, [])]
    if sorted(head) != sorted(_COLUMNS):
        raise ConfigurationError(
            f"cost_centres: {path}: line 1: must be the header id_tag,cost_centre"
        )
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        place = f"line {reader.line_num}"
        if len(cells) != len(head):
            raise ConfigurationError(
                f"cost_centres: {path}: {place}: has {len(cells)} cells; write 2"
            )
        row = dict(zip(head, cells, strict=True))
        yield place, row["id_tag"].strip(), row["cost_centre"].strip()


def _of_json(path: Path, text: str) -> Iterator[tuple[str, str, str]]:
    try:
        # Pairs: a name that is there twice must not vanish.
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"cost_centres: {path}: is not JSON ({error})") from None
    is_object = isinstance(pairs, list) and all(isinstance(pair, tuple) for pair in pairs)
    if not is_object or not text.lstrip().startswith("{"):
        raise ConfigurationError(
            f"cost_centres: {path}: must be an object of idTag to cost centre, like "
            '{"04A1B2C3": "4711"}'
        )
    for tag, centre in pairs:
        yield repr(tag[:40]), tag.strip(), _centre(centre)


def _centre(value: Any) -> str:
    """Return a cost centre; "" for an invalid one, which is a fault. Numbers are often ids."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _checked(path: Path, rows: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    faults: list[str] = []
    places: dict[str, str] = {}
    found: dict[str, str] = {}
    for place, tag, centre in rows:
        wrong = ""
        if not tag:
            wrong = "the idTag is empty; write one, or remove the line"
        elif not centre:
            wrong = f"idTag {tag[:40]!r} has no cost centre; write one, or remove the line"
        elif _key(centre) == NOT_ASSIGNED:
            wrong = f"{NOT_ASSIGNED!r} means that there is no cost centre; take another name"
        elif max(len(tag), len(centre)) > _MAX_CHARS or not (tag + centre).isprintable():
            wrong = f"must be printable, at most {_MAX_CHARS} characters"
        elif _key(tag) in places:
            wrong = f"idTag {tag[:40]!r} stands in {places[_key(tag)]} too; remove one of the two"
        if wrong:
            faults.append(f"cost_centres: {path}: {place}: {wrong}")
            continue
        places[_key(tag)] = place
        found[tag] = centre
    if faults:
        more = len(faults) - _MAX_FAULTS
        shown = [*faults[:_MAX_FAULTS], *([f"cost_centres: {path}: {more} more"] * (more > 0))]
        raise ConfigurationError("\n".join(shown))
    return found


def _key(id_tag: str) -> str:
    return id_tag.strip().casefold()
