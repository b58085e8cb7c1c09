"""Files that only a forge, an index or a reader's tool uses: their form, and that they are true."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest

from chargepoint_driver import __version__
from chargepoint_driver.cli import main
from chargepoint_driver.config import AgentConfig

from .wheel import ROOT

yaml = pytest.importorskip("yaml", reason="needs PyYAML: pip install '.[test]'")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def setup_cfg() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_what_is_here_and_ends(path: Path) -> None:
    workflow = read(path)
    # YAML takes the key `on` for a truth value.
    assert workflow[True]
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 90
        for step in job["steps"]:
            assert "uses" in step or "run" in step
            for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", "")):
                assert target in make_targets()
            for script in re.findall(r"bash (\S+)", step.get("run", "")):
                assert (ROOT / script).is_file()


def test_every_supported_python_is_checked() -> None:
    prefix = "Programming Language :: Python :: 3."
    said = {
        line.rpartition(" ")[2]
        for line in setup_cfg()["metadata"]["classifiers"].splitlines()
        if line.startswith(prefix)
    }
    jobs = read(ROOT / ".github" / "workflows" / "check.yml")["jobs"]
    whole = {step["with"]["python-version"] for step in jobs["whole"]["steps"] if "with" in step}
    assert whole | set(jobs["pythons"]["strategy"]["matrix"]["python"]) == said


def test_a_tag_publishes_without_a_stored_token() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    publish = yaml.safe_load(text)["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"
    assert "secrets." not in text


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_asks_something(path: Path) -> None:
    form = read(path)
    assert form["name"]
    assert form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids)) > 1
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_the_citation_is_of_this_version() -> None:
    citation = read(ROOT / "CITATION.cff")
    assert citation["version"] == __version__
    assert citation["license"] == setup_cfg()["metadata"]["license"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_requirements_are_what_running_needs() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    named = [line for line in lines if line and not line.startswith("#")]
    assert named == setup_cfg()["options"]["install_requires"].strip().splitlines()


def test_the_documentation_is_built_from_what_is_here() -> None:
    site = read(ROOT / ".readthedocs.yaml")
    assert (ROOT / site["sphinx"]["configuration"]).is_file()
    extras = setup_cfg()["options.extras_require"]
    (install,) = site["python"]["install"]
    assert set(install["extra_requirements"]) <= set(extras)


def test_hooks_are_the_checks_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    for hook in repository["hooks"]:
        program = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert f"$(BIN)/{program}" in makefile


def test_the_image_takes_extras_that_are_there() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    named = re.findall(r"\.whl\)\[([a-z,]+)\]", text)
    assert len(named) == 2
    for each in named:
        assert set(each.split(",")) <= set(setup_cfg()["options.extras_require"])
    assert "USER chargepoint" in text
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()


@pytest.mark.parametrize("name", ["SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_maintainers_fill_in_one_placeholder(name: str) -> None:
    assert "MAINTAINERS-EMAIL" in (ROOT / name).read_text(encoding="utf-8")


def test_the_compose_file_starts_what_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGEPOINT_PASSWORD", "simulated")
    folder = ROOT / "chargepoint_driver" / "examples" / "compose"
    services = read(folder / "compose.yaml")["services"]
    assert {"simulator", "page", "platform"} == services.keys()
    image = (ROOT / "Containerfile").read_text(encoding="utf-8")
    for name, service in services.items():
        assert service["image"] in image
        if "command" in service:
            command, *words = service["command"]
            program = main.get_command(click.Context(main), command)
            assert program is not None
            program.make_parser(click.Context(program)).parse_args(list(words))
        for mounted in service.get("volumes", []):
            source = mounted.partition(":")[0]
            assert not source.startswith(".") or (folder / source).is_file(), name
    config, faults = AgentConfig.from_dict(
        json.loads((folder / "accounts.json").read_text("utf-8"))
    )
    assert (list(config.accounts), faults) == (["garage"], [])
    script = folder / "platform.sh"
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", script], check=True, timeout=60)


def test_the_maintainers_fill_in_the_owner_once() -> None:
    metadata = setup_cfg()["metadata"]
    urls = [metadata["url"], *re.findall(r"https://\S+", metadata["project_urls"])]
    assert len(urls) == 4
    assert len({url.partition("/volttron-lib")[0] for url in urls}) == 1
