"""`chargepoint-driver examples`: every sample is listed, copied whole, and never over a file."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

import chargepoint_driver
from chargepoint_driver.cli import main
from chargepoint_driver.cli.commands.examples import EXAMPLES, PARTS, examples
from chargepoint_driver.errors import InvalidValueError, NotFoundError

SOURCE = Path(chargepoint_driver.__file__).parent / "examples"


def invoke(arguments: list[str]) -> Result:
    # A command keeps the help options of the first context that it meets.
    return CliRunner().invoke(examples, arguments, **main.context_settings)


def test_the_list_names_every_sample_of_the_package() -> None:
    listed = invoke(["list"])
    names = {line.split()[0] for line in listed.output.splitlines()}
    there = {each.name for each in SOURCE.iterdir()} - {"__init__.py", "__pycache__"}
    assert names == there | set(PARTS) == set(EXAMPLES)


def test_a_copy_has_the_same_bytes(tmp_path: Path) -> None:
    done = invoke(["copy", "--to", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    copied = {
        path.relative_to(tmp_path / "new"): path.read_bytes()
        for path in (tmp_path / "new").rglob("*")
        if path.is_file()
    }
    wanted = {
        path.relative_to(SOURCE): path.read_bytes()
        for path in SOURCE.rglob("*")
        if path.is_file() and path.name != "__init__.py" and "__pycache__" not in path.parts
    }
    assert copied == wanted
    assert Path("systemd/volttron.service") in copied


def test_a_part_can_be_copied_alone(tmp_path: Path) -> None:
    assert invoke(["copy", "haproxy", "--to", str(tmp_path)]).exit_code == 0
    (copied,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert copied == tmp_path / "haproxy" / "haproxy.cfg"
    assert copied.read_bytes() == (SOURCE / "fleet" / "haproxy.cfg").read_bytes()


def test_a_file_that_exists_stays(tmp_path: Path) -> None:
    mine = tmp_path / "historians" / "sqlite.config"
    mine.parent.mkdir()
    mine.write_text("mine")
    arguments = ["copy", "historians", "tags", "--to", str(tmp_path)]
    refused = invoke(arguments)
    assert isinstance(refused.exception, InvalidValueError)
    assert "sqlite.config: exists already" in str(refused.exception)
    assert mine.read_text() == "mine"
    assert not (tmp_path / "tags").exists()
    assert invoke([*arguments, "--force"]).exit_code == 0
    assert mine.read_text() != "mine"


def test_an_unknown_sample_is_named(tmp_path: Path) -> None:
    refused = invoke(["copy", "kubernetes", "--to", str(tmp_path)])
    assert isinstance(refused.exception, NotFoundError)
    assert "no example kubernetes; expected one of alerts" in str(refused.exception)
