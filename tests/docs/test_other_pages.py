"""Pages without comments above their blocks: each command and each config is valid."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from chargepoint_driver.backends.ocpp import ChargerConfig
from chargepoint_driver.cli import main
from chargepoint_driver.cli.support.config_files import load_device
from chargepoint_driver.config import AgentConfig
from chargepoint_driver.simulator.ocpp.scenarios.scenario import load_scenario

from .blocks import ELSEWHERE, ROOT, all_pages, page_of

# Pages whose blocks another test holds.
HELD = {
    "cli.md": "tests/unit/cli/test_docs.py",
    "demand-response.md": "tests/docs/test_demand_response.py",
}
PAGES = [ROOT / "README.md", *all_pages()]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    """(page, command line) of each that is a line of its own, with what it is continued by."""
    found = []
    for path in PAGES:
        for _, text in FENCE.findall(path.read_text(encoding="utf-8")):
            for whole in text.replace("\\\n", " ").splitlines():
                line = whole.strip().removeprefix("until ").partition("; do")[0]
                if line.startswith("chargepoint-driver "):
                    found.append((path.name, re.sub(r"\s(&|[12]?>.*)\s*$", "", line)))
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_has_its_options(page: str, line: str, tmp_path: Path, monkeypatch):
    # Files that options name must be there.
    monkeypatch.chdir(tmp_path)
    words = [word for word in shlex.split(line, comments=True)[1:] if word not in {"2>&1", "&"}]
    for word in words:
        if re.fullmatch(r"[\w-]+\.(json|sqlite)", word):
            (tmp_path / word).touch()
    # Commands keep the help options of the first context that they meet.
    context = click.Context(main, **main.context_settings)
    if words == ["--version"]:
        return
    name, command, rest = main.resolve_command(context, words)
    assert command is not None
    command.make_context(name, rest, parent=context, resilient_parsing=False).close()


def configs() -> list[tuple[str, str]]:
    return [
        (name, text)
        for name in sorted(ELSEWHERE - set(HELD))
        for language, text in FENCE.findall(page_of(name).read_text(encoding="utf-8"))
        if language == "json"
    ]


def test_pages_that_are_held_elsewhere_are():
    for page, test in HELD.items():
        assert page in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "text"), configs())
def test_every_config_is_one(page: str, text: str, tmp_path: Path):
    content = json.loads(text)
    if "accounts" in content:
        config, faults = AgentConfig.from_dict(content)
        assert faults == []
        assert config.accounts
    elif "driver_config" in content:
        path = tmp_path / "device.config"
        path.write_text(text, encoding="utf-8")
        assert load_device(path)
    elif "steps" in content:
        path = tmp_path / "scenario.json"
        path.write_text(text, encoding="utf-8")
        assert len(load_scenario(path).steps) == len(content["steps"])
    elif all("quirks" in settings for settings in content.values()):
        assert [ChargerConfig(**settings) for settings in content.values()]
    else:
        pytest.fail(f"{page} shows a config of no kind that is known here:\n{text}")
