"""docs/reference/quirks.md: the settings for chargers that differ.

The page is made from the keys of `Quirks`, from the models in `quirks.json`, and from the table in
docs/reference/ocpp.md of what is met in the field.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp import ChargerConfig
from chargepoint_driver.simulator.ocpp.quirks.quirks import QUIRKS as OF_TWINS
from docs.generators.configuration import default_of, words_of
from docs.generators.table import cells_of, table

FIELD_HEAD = ["in the field", "handling"]
TESTS_HEAD = ["in the field", "test"]
ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "reference" / "ocpp.md"
TESTS = ROOT / "tests" / "unit" / "backends" / "ocpp"

_QUIRKS = ChargerConfig.model_fields["quirks"].annotation
_SAMPLES: Mapping[str, object] = {
    "rate_unit": "W",
    "stack_level": 0,
    "profile_kind": "Relative",
    "skip_purposes": ["max"],
    "number_phases": False,
    "composite": False,
    "base_kw": 11,
    "call_timeout_s": 90,
    "trigger_boot": False,
    "measurands": ["Power.Active.Import", "Energy.Active.Import.Register"],
    "read_configuration": False,
    "validation": "strict",
    "location": "Body",
}
"""A value for the example of each key."""

_HEAD = """# Quirks

Chargers differ. The driver handles most differences automatically: see the table in
[OCPP](ocpp.md#quirks). A quirk is a setting for the rest. Set it for one charger, under
`quirks`, or for a model, in `backends/ocpp/model/quirks.json`. The examples are in the form that
`csms --charge-points FILE` reads.
"""
_TRY = """
## Try it with a twin

A [twin](twins.md#quirks) can behave like each of these chargers:
`chargepoint-driver sim --charge-points 1 --quirk NAME`.

"""


def page(guide: Path = GUIDE) -> str:
    """Return the whole page; `guide` has the table of what is met in the field, and their tests.

    Raises ValueError for a row that names a test which does not exist, KeyError for one without.
    """
    keys = schema()["properties"]
    lines = guide.read_text(encoding="utf-8").splitlines()
    tests = _tests(_rows(lines, TESTS_HEAD))
    met = [(row, tests[row[0]]) for row in _rows(lines, FIELD_HEAD)]
    parts = [_HEAD, "\n## Models that need a quirk\n\n", _models()]
    parts += [_section(name, part, [row for row, _ in met]) for name, part in keys.items()]
    shown = [(row[0], _twins(tests)) for row, tests in met]
    rows = [(what, ", ".join(f"`{name}`" for name in twins)) for what, twins in shown if twins]
    if rows:
        parts.append(_TRY + table(("Met in the field", "Quirks of the twin"), rows))
    return "".join(parts)


def schema() -> dict[str, Any]:
    """The JSON schema of the keys."""
    assert isinstance(_QUIRKS, type)
    made: dict[str, Any] = _QUIRKS.model_json_schema()  # type: ignore[attr-defined]
    return made


def sample(key: str) -> dict[str, Any]:
    """Settings of charge points that use a key, as `--charge-points FILE` reads them."""
    return {"CP-17": {"quirks": {key: _SAMPLES[key]}}}


def _models() -> str:
    entries = json.loads(
        files("chargepoint_driver.backends.ocpp.model").joinpath("quirks.json").read_text("utf-8")
    )["entries"]
    known = "".join(
        f"- vendor `{one.get('vendor', '')}`, model `{one.get('model', '')}`: "
        f"`{json.dumps(one['quirks'])}`\n"
        for one in entries
    )
    return known or "None so far. An entry needs a device at hand that shows the quirk.\n"


def _section(name: str, part: Mapping[str, Any], met: list[list[str]]) -> str:
    seen = [row[0] for row in met if f"`{name}`" in row[1]]
    return (
        f"\n## `{name}`\n\n{part['description'][:1].upper()}{part['description'][1:]}.\n\n"
        f"- Value: {words_of(part)}\n"
        f"- Default: {default_of(part) or 'none; the driver finds out'}\n"
        + (f"- Met in the field: {'; '.join(seen)}\n" if seen else "")
        + f"\n```json\n{json.dumps(sample(name))}\n```\n"
    )


def _twins(tests: list[str]) -> list[str]:
    """The quirks of simulated chargers that the tests name, sorted."""
    return sorted({name for test in tests for name in _words_in(test)} & set(OF_TWINS))


def _rows(lines: list[str], head: list[str]) -> Iterator[list[str]]:
    """Yield the rows of the table with these columns."""
    inside = False
    for line in lines:
        cells = cells_of(line)
        if cells == head:
            inside = True
        elif cells is None:
            inside = False
        elif inside and set(cells) != {"---"}:
            yield cells


def _tests(rows: Iterable[list[str]]) -> dict[str, list[str]]:
    """Return the tests, as `file::test` or `file`, of each thing met in the field.

    An empty first cell stands for the one above it.
    """
    found: dict[str, list[str]] = {}
    what = ""
    for cell, test in rows:
        what = cell or what
        found.setdefault(what, []).append(test.strip("`"))
    return found


def _words_in(test: str) -> set[str]:
    """The texts that stand in a test and in its parameters; of a whole file none."""
    if "::" not in test:
        return set()
    return {
        node.value
        for node in ast.walk(_node(test))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _node(test: str) -> ast.Module | ast.FunctionDef | ast.AsyncFunctionDef:
    """The source of a test, or of a file of tests. Raises ValueError when there is none."""
    file, _, name = test.partition("::")
    for path in sorted(TESTS.rglob(f"{file}.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not name:
            return tree
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                return node
    raise ValueError(f"docs/reference/ocpp.md names the test {test}, which {TESTS} does not have")
