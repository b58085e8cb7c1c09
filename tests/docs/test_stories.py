"""What the pages tell a reader to type works, word by word, against the simulator."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chargepoint_driver.simulator import Simulator

from .blocks import ROOT, Block, blocks_of, page_of, pages
from .shell import Shell, ShellFailedError
from .telling import assert_said, story_of, tell

# Story to the test that tells it.
TESTED = {
    ("adding-a-point.md", "adding"): "test_adding_a_point.py",
    ("adding-a-point.md", "measurand"): "test_adding_a_point.py",
    ("ecosystem.md", "ecosystem"): "test_the_ecosystem",
    ("migration.md", "migration"): "test_the_migration",
    ("production.md", "tls"): "test_the_central_system_with_tls_and_its_backup",
    ("quickstart.md", "quickstart"): "test_quickstart.py",
    ("quickstart.md", "simulated"): "test_without_an_account",
    ("run-a-fleet.md", "fleet"): "test_fleet.py",
    ("schedules.md", "schedules"): "test_short_stories",
    ("security.md", "authorize"): "test_short_stories",
    ("security.md", "security"): "test_short_stories",
    ("troubleshooting.md", "troubleshooting"): "test_short_stories",
}
Open = Callable[..., Shell]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(stations=4, seed=7, speed=60) as simulator:
        yield simulator


def account(simulator: Simulator) -> dict[str, str]:
    return {
        "CHARGEPOINT_ENDPOINT": simulator.soap_url,
        "CHARGEPOINT_USERNAME": simulator.username,
        "CHARGEPOINT_PASSWORD": simulator.password,
    }


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_every_story_is_told():
    found = {
        (path.name, block.labels["run"])
        for path in pages()
        for block in blocks_of(path)
        if "run" in block.labels
    }
    assert found == set(TESTED)


def test_the_migration(shell: Open):
    here = shell()
    (here.folder / "classic").mkdir()
    shutil.copy(ROOT / "tests" / "data" / "classic-device.config", here.folder / "classic")
    shutil.copy(
        ROOT / "tests" / "data" / "classic-registry.csv",
        here.folder / "classic" / "chargepoint.csv",
    )
    tell(here, story_of(page_of("migration.md"), "migration"))


def test_the_central_system_with_tls_and_its_backup(shell: Open):
    pytest.importorskip("ocpp", reason="needs the ocpp extra")
    ports = {"9443": free_port(), "9444": free_port()}

    def change(text: str) -> str:
        for meant, free in ports.items():
            text = text.replace(meant, free)
        return text

    here = shell()
    blocks = story_of(page_of("production.md"), "tls")
    said = [block for block in blocks if "output" in block.labels]
    tell(here, [block for block in blocks if block not in said[:1]], change)
    # The address that was printed has the free port.
    log = (here.folder / "csms.log").read_text(encoding="utf-8")
    printed = json.loads(log.splitlines()[0])
    assert set(printed) == set(json.loads(said[0].text))
    assert printed["ocpp_url"].startswith("wss://")
    assert printed["control_url"] == f"http://127.0.0.1:{ports['9444']}"
    assert here.children() == []


@pytest.mark.parametrize(("page", "story"), [key for key in TESTED if "short" in TESTED[key]])
def test_short_stories(page: str, story: str, shell: Open):
    tell(shell(), story_of(page_of(page), story))


def test_without_an_account(shell: Open):
    port = free_port()
    here = shell()
    tell(
        here,
        story_of(page_of("quickstart.md"), "simulated"),
        lambda text: text.replace("8085", port),
    )


def test_the_ecosystem(shell: Open, simulator: Simulator):
    here = shell(**account(simulator), PYTHONPATH=str(ROOT))
    tell(here, story_of(page_of("ecosystem.md"), "ecosystem"))
    made = (here.folder / "chargers-postgresql.json").read_text(encoding="utf-8")
    assert "sqlite-datasource" not in made
    assert "grafana-postgresql-datasource" in made
    tags = json.loads((here.folder / "tags.json").read_text(encoding="utf-8"))
    (shown,) = (
        json.loads(block.text)
        for block in blocks_of(page_of("ecosystem.md"))
        if block.labels.get("load") == "tags"
    )
    assert shown.items() <= tags.items()


def with_label(kind: str) -> list[Block]:
    return [block for path in pages() for block in blocks_of(path) if kind in block.labels]


@pytest.mark.parametrize("block", with_label("serve"), ids=str)
def test_what_serves_says_when_it_is_ready_and_ends_when_told(block: Block, shell: Open):
    here = shell()
    here.run(f"{block.text.strip()} > said 2>&1 &\nuntil [ -s said ]; do sleep 0.1; done")
    assert json.loads((here.folder / "said").read_text(encoding="utf-8"))
    here.run("kill -INT %1; wait %1")
    assert here.children() == []


@pytest.mark.parametrize("block", with_label("python"), ids=str)
def test_programs_run(block: Block, shell: Open):
    here = shell()
    (here.folder / "program.py").write_text(block.text, encoding="utf-8")
    here.run("python -W error program.py")


@pytest.mark.parametrize("block", with_label("make"), ids=str)
def test_targets_are_in_the_makefile(block: Block):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in block.text.splitlines():
        command, *words = line.partition("#")[0].split()
        assert command == "make"
        for word in words:
            name, assigned, _ = word.partition("=")
            assert (f"$(if $({name})" if assigned else f"\n{name}:") in makefile, line


# ---- the teller itself ------------------------------------------------------------------


def test_a_command_that_fails_ends_the_story_and_says_what_was_printed(shell: Open):
    here = shell()
    with pytest.raises(ShellFailedError, match=r"exit code 3:[^\0]*before"):
        here.run("echo before\n(exit 3)\necho after")
    assert here.run("echo $((1 + 1))") == "2\n"


def test_output_that_is_not_printed_is_an_error(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("<!-- output -->\n```text\na … c\nd\n```\n", encoding="utf-8")
    (block,) = blocks_of(page)
    assert_said(block, "x\na b c\ny\nd\n")
    with pytest.raises(AssertionError, match="'d' is not in what was printed"):
        assert_said(block, "d\na b c\n")


@pytest.mark.parametrize("comment", ["", "<!-- nothing known -->", "<!-- run a -->\nwords\n"])
def test_a_block_that_does_not_say_what_it_is_for_is_an_error(comment: str, tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"{comment}\n```sh\ntrue\n```\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"page.md:\d+: the block does not say"):
        blocks_of(page)
