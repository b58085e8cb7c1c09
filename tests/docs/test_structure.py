"""The counts of docs/generators/structure.py."""

from __future__ import annotations

from pathlib import Path

from docs.generators.structure import PACKAGES, circles, count, imports

from .blocks import DOCS, ROOT


def project(folder: Path, **files: str) -> Path:
    package = folder / "chargepoint_driver" / "web"
    package.mkdir(parents=True)
    for name, text in {"__init__": "", **files}.items():
        (package / f"{name}.py").write_text(text)
    return folder


def test_imports_of_every_spelling_count(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        a="from chargepoint_driver.web import b\nimport chargepoint_driver.web.c",
        b="from .c import x",
        c="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import b\nx = 1",
    )
    found = imports(root / "chargepoint_driver" / "web", root)
    assert found == {"a": {"b", "c"}, "b": {"c"}, "c": {"b"}}
    assert circles(found) == [{"b", "c"}]
    assert count(root, "web") == (3, 4, 1)


def test_there_is_no_circle_and_the_page_names_each_package() -> None:
    page = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    for package in PACKAGES:
        found = count(ROOT, package)
        assert found is not None, package
        assert found[2] == 0, package
        assert f"| `{package}` |" in page
