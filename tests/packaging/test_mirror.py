"""tests/unit mirrors the package: from a module to its tests, and back."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "chargepoint_driver"
UNIT = ROOT / "tests" / "unit"

BEHAVIOUR = {
    "backends/ocpp/test_machine_clock.py",  # the machine's clock, over every layer of the backend
    "backends/soap/test_recorded.py",  # each row of the catalogue in a recorded reply
    "catalogue/test_snapshot.py",  # the whole table as a text
    "events/test_central_system.py",  # from a charger's message to a sink
    "events/test_page.py",  # the page about events
    "events/test_under_gevent.py",  # sinks in a process with greenlets
    "cli/test_docs.py",  # every command that the documents show
}
"""Tests of a folder as a whole."""


def names_in(folder: Path) -> set[str]:
    """The modules and packages of a folder."""
    return {
        path.stem
        for path in folder.iterdir()
        if path.suffix == ".py" or (path.is_dir() and not path.name.startswith("__"))
    } - {"__init__"}


def module_of(path: Path) -> str | None:
    """The module or package that a file of tests is named after: `test_<module>.py`, or
    `test_<module>_<aspect>.py`. None where there is no such module. A module with several files
    of tests may have a folder."""
    folder = PACKAGE / path.parent.relative_to(UNIT)
    if not folder.is_dir():
        return folder.name if folder.with_suffix(".py").is_file() else None
    name = path.stem.removeprefix("test_")
    fitting = [each for each in names_in(folder) if f"{name}_".startswith(f"{each}_")]
    return max(fitting, key=len, default=None)


def test_a_file_of_tests_is_named_after_its_module() -> None:
    """Rename a file that is listed here: test_<module>.py, or test_<module>_<aspect>.py."""
    paths = sorted(UNIT.rglob("test_*.py"))
    assert len(paths) > 100
    lost = {str(path.relative_to(UNIT)) for path in paths if module_of(path) is None}
    assert lost == BEHAVIOUR


def test_a_module_that_is_gone_is_noticed() -> None:
    assert module_of(UNIT / "cache" / "test_no_such_module.py") is None
    assert module_of(UNIT / "no_such_folder" / "test_cache.py") is None
    assert module_of(UNIT / "cache" / "test_cache_writes.py") == "cache"
