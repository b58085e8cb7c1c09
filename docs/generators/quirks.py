"""A page for each way in which chargers differ, in docs/quirks/.

Made at every build, not kept in the repository: from the keys of `Quirks`, from the models in
`quirks.json`, and from the table of what is met in the field in docs/ocpp.md.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp import ChargePointConfig
from chargepoint_driver.simulator.ocpp.quirks import QUIRKS as OF_TWINS
from docs.generators.configuration import usual_of, words_of
from docs.generators.table import cells_of, table

FOLDER = "quirks"
FIELD_HEAD = ["in the field", "handling", "test"]
TESTS = Path(__file__).resolve().parents[2] / "tests" / "ocpp" / "csms"

_QUIRKS = ChargePointConfig.model_fields["quirks"].annotation
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


def write(docs: Path) -> None:
    """Write the pages that changed and remove those that are no more."""
    made = dict(pages(docs))
    folder = docs / FOLDER
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def pages(docs: Path) -> Iterator[tuple[str, str]]:
    """(file name, text) of each page, the one that lists them first."""
    keys = schema()["properties"]
    met = list(_met(docs / "ocpp.md"))
    found = {name: _page_of_key(name, part, met) for name, part in keys.items()}
    field = {_slug(row[0]): _page_of_field(row, keys) for row in met}
    yield "index.md", _index(keys, met)
    yield from ((f"{name}.md", text) for name, text in {**found, **field}.items())


def schema() -> dict[str, Any]:
    """The JSON schema of the keys."""
    assert isinstance(_QUIRKS, type)
    made: dict[str, Any] = _QUIRKS.model_json_schema()  # type: ignore[attr-defined]
    return made


def sample(key: str) -> dict[str, Any]:
    """Settings of charge points that use a key, as `--charge-points FILE` reads them."""
    return {"CP-17": {"quirks": {key: _SAMPLES[key]}}}


def _index(keys: Mapping[str, Any], met: list[list[str]]) -> str:
    entries = json.loads(
        files("chargepoint_driver.backends.ocpp.model").joinpath("quirks.json").read_text("utf-8")
    )["entries"]
    known = "".join(
        f"- vendor `{one.get('vendor', '')}`, model `{one.get('model', '')}`: "
        f"`{json.dumps(one['quirks'])}`\n"
        for one in entries
    )
    return (
        "# Quirks, one by one\n\n"
        "Chargers differ. Most of it is met by rule; the rest are keys, set for a model in\n"
        "`backends/ocpp/model/quirks.json` or under `quirks` of one charge point.\n\n"
        "## Keys\n\n"
        + table(
            ("Key", "Meaning"),
            ((f"[`{name}`]({name}.md)", part["description"]) for name, part in keys.items()),
        )
        + "\n## Models that are known to need one\n\n"
        + (known or "None so far: an entry needs a device at hand that shows it.\n")
        + ("\n## Met in the field\n\n" if met else "")
        + "".join(f"- [{row[0]}]({_slug(row[0])}.md)\n" for row in met)
        + "\n```{toctree}\n:hidden:\n\n"
        + "".join(f"{name}\n" for name in [*keys, *(_slug(row[0]) for row in met)])
        + "```\n"
    )


def _page_of_key(name: str, part: Mapping[str, Any], met: list[list[str]]) -> str:
    own = json.dumps(sample(name), indent=4)
    seen = [row for row in met if f"`{name}`" in row[1]]
    return (
        f"# `{name}`\n\n"
        f"What is said of the charge point with it: {part['description']}.\n\n"
        f"Value: {words_of(part)}. Usual: {usual_of(part) or 'none, the rule decides'}.\n\n"
        "For one charge point, in the file that `csms --charge-points` reads:\n\n"
        f"```json\n{own}\n```\n"
        + ("\nMet in the field:\n\n" if seen else "")
        + "".join(f"- [{row[0]}]({_slug(row[0])}.md)\n" for row in seen)
    )


def _page_of_field(row: list[str], keys: Mapping[str, Any]) -> str:
    what, handling, shown = row
    used = [name for name in keys if f"`{name}`" in handling]
    tests = list(_tests(shown))
    twins = sorted({name for test in tests for name in _words_in(test)} & set(OF_TWINS))
    return (
        f"# {what[:1].upper()}{what[1:]}\n\n"
        f"What is done about it: {handling}.\n"
        + ("\nSettings:\n\n" if used else "")
        + "".join(f"- [`{name}`]({name}.md): {keys[name]['description']}\n" for name in used)
        + "\nShown by, in `tests/ocpp/csms`:\n\n"
        + "".join(f"- `{one}`{_says(one)}\n" for one in tests)
        + (
            "\nThey meet [twins](../twins.md#quirks), which you can meet too with "
            "`chargepoint-driver sim --charge-points 1 --quirk NAME`:\n\n"
            if twins
            else ""
        )
        + "".join(f"- `{name}`: {OF_TWINS[name].effect}\n" for name in twins)
        + "\nThe whole guide: [Chargers that connect directly](../ocpp.md).\n"
    )


def _met(guide: Path) -> Iterator[list[str]]:
    """The rows of the guide's table of what is met in the field."""
    inside = False
    for line in guide.read_text(encoding="utf-8").splitlines():
        cells = cells_of(line)
        if cells == FIELD_HEAD:
            inside = True
        elif cells is None:
            inside = False
        elif inside and set(cells) != {"---"}:
            yield cells


def _tests(cell: str) -> Iterator[str]:
    """`file::test` or `file` of each test that a cell names; … stands for the file before."""
    file = ""
    for name in re.findall(r"`([^`]+)`", cell):
        head, _, test = name.rpartition("::") if "::" in name else ("", "", name)
        if name.startswith("…"):
            yield f"{file}::{name.removeprefix('…')}"
        else:
            file = head or test
            yield name


def _says(test: str) -> str:
    """The first sentence of a test's docstring; '' where it has none."""
    says = ast.get_docstring(_node(test))
    return f": {' '.join(says.split())}" if says and "::" in test else ""


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
    path = TESTS / f"{file}.py"
    if not path.is_file():
        raise ValueError(f"docs/ocpp.md names the test {test}, and there is no {path}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not name:
        return tree
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node
    raise ValueError(f"docs/ocpp.md names the test {test}, which {path} does not have")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
