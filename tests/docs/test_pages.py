"""The pages say what the code does: nothing is forgotten, nothing is made up."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import BaseModel

import chargepoint_driver.config
from chargepoint_driver import errors
from chargepoint_driver.backends.ocpp import ChargerConfig, OcppConfig
from chargepoint_driver.cli.support.config_files import load_device, load_registry
from chargepoint_driver.config import AgentConfig
from chargepoint_driver.config.fleet import read_node_config
from chargepoint_driver.demand_response.schedule import ScheduleConfig
from docs.generators import __main__ as generators
from docs.generators import configuration, quirks
from docs.generators.table import cells_of

from .blocks import DOCS, ROOT, Block, all_pages, blocks_of, page_of, pages

TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *all_pages()]
LOADED = [block for path in pages() for block in blocks_of(path) if "load" in block.labels]


def setup_cfg() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


# ---- blocks -------------------------------------------------------------------------------


def test_what_is_only_shown_says_why():
    shown = [b for path in pages() for b in blocks_of(path) if "shown" in b.labels]
    assert shown
    assert [str(block) for block in shown if len(block.labels["shown"]) < 20] == []


@pytest.mark.parametrize("block", LOADED, ids=str)
def test_configs_are_such(block: Block, tmp_path: Path):
    LOADERS[block.labels["load"]](block, tmp_path)


def _device(block: Block, folder: Path) -> None:
    path = folder / "device.config"
    path.write_text(block.text, encoding="utf-8")
    assert load_device(path).device.stationID


def _registry(block: Block, folder: Path) -> None:
    path = folder / "points.csv"
    path.write_text(block.text, encoding="utf-8")
    registry = load_registry(path)
    assert registry.faults == []
    assert registry.warnings == []
    assert registry.points


def _caching_agent(block: Block, folder: Path) -> None:
    config, faults = AgentConfig.from_dict(json.loads(block.text))
    assert faults == []
    assert config.accounts or config.fleet_accounts


def _csms(block: Block, folder: Path) -> None:
    fields = {"database": "x.sqlite", "listen": "0.0.0.0:9443", **json.loads(block.text)}
    assert OcppConfig.from_dict(fields).is_authenticated


def _agent_env(block: Block, folder: Path) -> None:
    head, *lines = block.text.splitlines()
    assert head.startswith("# /etc/volttron/")
    words = [word for line in lines for word in shlex.split(line)]
    names = {word.partition("=")[0] for word in words}
    assert names <= {"AGENT_MODULE", "AGENT_CONFIG", "CHARGEPOINT_PASSWORD"}
    assert all("=" in word for word in words)


def _historian(block: Block, folder: Path) -> None:
    known = json.loads(
        (ROOT / "chargepoint_driver" / "examples" / "historians" / "postgresql.config").read_text(
            "utf-8"
        )
    )
    shown = json.loads(block.text)
    assert shown.items() <= known.items()


def _tags(block: Block, folder: Path) -> None:
    assert all(json.loads(block.text).values())  # test_the_ecosystem compares them


def _demo_sql(block: Block, folder: Path) -> None:
    program, path, sql = shlex.split(block.text.replace("\\\n", " "))
    assert (program, path) == ("sqlite3", "build/demo/historian.sqlite")
    assert _asked(sql)[0] == ("2026-02-01T00:00:00+00:00", "a/b/portLoad", "4.0")


def _sql(block: Block, folder: Path) -> None:
    assert _asked(block.text) == [("a/b/portLoad", 2, 4.0)]


def _asked(sql: str) -> list[tuple[object, ...]]:
    # The tables as the SQLite historian makes them; test_historians.py has them made by it.
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(
            "CREATE TABLE data (ts timestamp, topic_id INTEGER, value_string TEXT);"
            "CREATE TABLE topics (topic_id INTEGER PRIMARY KEY, topic_name TEXT, metadata TEXT);"
            "INSERT INTO topics VALUES (1, 'a/b/portLoad', '{}');"
            "INSERT INTO data VALUES ('2026-02-01T00:00:00+00:00', 1, '4.0'),"
            "                        ('2026-02-01T00:01:00+00:00', 1, 'null');"
        )
        return database.execute(sql).fetchall()


def _schedule(block: Block, folder: Path) -> None:
    assert ScheduleConfig.from_dict(json.loads(block.text)).groups


def _node(block: Block, folder: Path) -> None:
    path = folder / "fleet.json"
    path.write_text(block.text, encoding="utf-8")
    assert read_node_config(path).central_system.is_authenticated


LOADERS = {
    "node": _node,
    "schedule": _schedule,
    "device": _device,
    "registry": _registry,
    "caching-agent": _caching_agent,
    "csms": _csms,
    "agent-env": _agent_env,
    "historian": _historian,
    "tags": _tags,
    "demo-sql": _demo_sql,
    "sql": _sql,
}


def test_what_is_to_be_installed_is_this_package_with_an_extra_that_it_has():
    blocks = [b for path in pages() for b in blocks_of(path) if "install" in b.labels]
    config = setup_cfg()
    wanted = re.findall(r"pip install '([\w.-]+)\[(\w+)\]'", "".join(b.text for b in blocks))
    assert wanted
    for name, extra in wanted:
        assert name in (".", config["metadata"]["name"])
        assert config.has_option("options.extras_require", extra)


# ---- pages that are made ------------------------------------------------------------------


def test_made_pages_are_what_the_code_says(capsys: pytest.CaptureFixture[str]):
    assert generators.main(["--check"]) == 0


def test_an_old_page_is_noticed(monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(generators.PAGES, "reference/configuration.md", lambda: "other words")
    assert generators.main(["--check"]) == 1
    assert "docs/reference/configuration.md is out of date" in capsys.readouterr().err


def test_every_key_of_every_public_model_is_in_the_reference():
    text = configuration.page()
    public = [
        found
        for name in chargepoint_driver.config.__all__
        if isinstance(found := getattr(chargepoint_driver.config, name), type)
        and issubclass(found, BaseModel)
        and not issubclass(AgentConfig, found)  # its accounts are a section
    ]
    assert public
    for model in (*public, OcppConfig, ChargerConfig):
        for name, field in model.model_fields.items():
            row = f"\n| `{field.alias or name}` | "
            assert row in text, f"{model.__name__}.{name} is not in the configuration reference"
            assert field.description, f"{model.__name__}.{name} has no description"


def test_every_quirk_has_a_section_with_a_config_that_loads():
    text = quirks.page()
    for key in quirks.schema()["properties"]:
        shown = re.search(rf"\n## `{key}`\n.*?```json\n(.*?)```", text, re.DOTALL)
        assert shown, key
        ((_, settings),) = json.loads(shown[1]).items()
        loaded = ChargerConfig(**settings)
        assert getattr(loaded.quirks, key) != type(loaded.quirks).model_fields[key].default


def test_what_is_met_in_the_field_is_listed_at_its_quirk_and_has_a_test(tmp_path: Path):
    guide = tmp_path / "ocpp.md"
    rows = (
        "| in the field | handling |\n| --- | --- |\n| W only, A only | quirk `rate_unit` |\n\n"
        "| in the field | test |\n| --- | --- |\n"
        "| W only, A only | `test_limiter::test_accepted_and_not_applied_shows` |\n"
    )
    guide.write_text(rows, encoding="utf-8")
    section = quirks.page(guide).partition("\n## `rate_unit`\n")[2].partition("\n## ")[0]
    assert "- Met in the field: W only, A only\n" in section
    guide.write_text(rows.replace("shows", "hides"), encoding="utf-8")
    with pytest.raises(ValueError, match="test_accepted_and_not_applied_hides, which"):
        quirks.page(guide)


# ---- pages that people write --------------------------------------------------------------


def codes() -> set[str]:
    def below(cls: type[errors.ChargePointError]) -> Iterator[str]:
        yield cls.code
        for one in cls.__subclasses__():
            if one.__module__ == errors.__name__:
                yield from below(one)

    return set(below(errors.ChargePointError))


def test_every_error_code_has_a_row_and_a_part_in_troubleshooting():
    text = (page_of("troubleshooting.md")).read_text(encoding="utf-8")
    assert set(re.findall(r"^### `(\w+)`$", text, re.MULTILINE)) == codes()
    rows = [cells[0] for line in text.splitlines() if (cells := cells_of(line))]
    linked = {
        match[1]: match[2] for row in rows if (match := re.match(r"\[`(\w+)`\]\(#(.*)\)", row))
    }
    assert linked == {code: code for code in codes()}


def test_messages_that_troubleshooting_quotes_are_those_of_the_code():
    sources = (ROOT / "chargepoint_driver").rglob("*.py")
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources]
    texts = [
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    text = page_of("troubleshooting.md").read_text(encoding="utf-8")
    quoted = [
        one for line in re.findall(r"^- (`.*?`):", text, re.MULTILINE) for one in quotes(line)
    ]
    # Values, and names of keys before them, are put in when the message is made.
    parts = [
        part.strip() for one in quoted if " " in one for part in re.split(r"…|\w+: …|HTTP \d+", one)
    ]
    assert len(parts) >= 5
    assert [part for part in parts if not any(part in one for one in texts)] == []


def quotes(line: str) -> list[str]:
    return re.findall(r"`([^`]+)`", line)


def layers() -> list[list[str]]:
    """The layers of setup.cfg, top to bottom."""
    text = setup_cfg()["importlinter:contract:layers"]["layers"]
    return [
        [name.strip().removeprefix("chargepoint_driver.") for name in re.split("[|:]", line)]
        for line in text.strip().splitlines()
    ]


def test_the_picture_of_the_layers_is_setup_cfg():
    root = ET.parse(DOCS / "static" / "layers.svg").getroot()
    at = {
        text.text: (float(text.get("y", "")), float(text.get("x", "")))
        for text in root.iter("{http://www.w3.org/2000/svg}text")
        if text.get("class") == "n"
    }
    assert sorted(at) == sorted(name for layer in layers() for name in layer)
    heights = [{at[name][0] for name in layer} for layer in layers()]
    assert all(len(height) == 1 for height in heights), "siblings stand side by side"
    tops = [height.pop() for height in heights]
    assert tops == sorted(tops)


def test_the_words_about_the_layers_are_setup_cfg():
    (block,) = (b for b in blocks_of(page_of("architecture.md")) if b.language == "text")
    lines = (re.match(r"\w+(\s*\|\s*\w+)*", line) for line in block.text.splitlines())
    said = [re.split(r"\s*\|\s*", line[0]) for line in lines if line]
    assert said == layers()


# Files that a reader adds or a run makes, and examples.
MADE = {
    "chargepoint_driver/a/b.py",
    "tests/data/getStationStatus-5.1-warm.xml",
    "tests/system/fuzz/found",
    "tests/unit/a/test_b.py",
}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_files_that_pages_name_are_there(path: Path):
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"`((?:examples|classic|tests|chargepoint_driver)/[\w@./-]+)`", text)
    assert [name for name in named if name not in MADE and not (ROOT / name).exists()] == []


def test_tests_that_pages_name_are_there():
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    known = set(re.findall(r"def (test_\w+)\(", sources))
    known |= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    for path in TEXTS:
        for name in re.findall(r"`(?:\w+::|…)?(test_\w+)`", path.read_text(encoding="utf-8")):
            assert name in known, f"{path.name} names {name}"


def test_docs_are_among_what_check_installs():
    extras = setup_cfg()["options.extras_require"]
    assert set(extras["docs"].split()) <= set(extras["check"].split())
