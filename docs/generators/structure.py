"""Counts of the package's structure, for docs/explanation/architecture.md:

python -m docs.generators.structure [ROOT]

ROOT is a checkout; without it, this one. Prints a table: modules and folders directly in each
package, imports among them, and circles. Imports for type checking count.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from docs.generators.table import table

PACKAGES = (
    *("adapters", "backends/ocpp", "backends/soap", "cache", "cli", "service"),
    *("service/shed_control", "simulator", "simulator/ocpp", "web"),
)
FORMER = {"service/shed_control": "service/control"}
NAME = "chargepoint_driver"


def members(folder: Path) -> set[str]:
    """Return the modules and packages directly in a package."""
    return {
        path.stem
        for path in folder.iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
    }


def imports(folder: Path, root: Path) -> dict[str, set[str]]:
    """Return each member of a package with the other members that it imports."""
    names = members(folder)
    found: dict[str, set[str]] = {name: set() for name in names}
    package = ".".join(folder.relative_to(root).parts)
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder).parts
        member = inside[0].removesuffix(".py")
        if member not in names:
            continue
        for target in _targets(path, root):
            below = target.removeprefix(f"{package}.")
            other = below.split(".")[0]
            if below != target and other in names and other != member:
                found[member].add(other)
    return found


def _targets(path: Path, root: Path) -> Iterator[str]:
    """Yield the full names that a file imports."""
    parts = path.relative_to(root).with_suffix("").parts
    here = parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def circles(arrows: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the groups of members that reach each other."""
    reach: dict[str, set[str]] = {}
    for name in arrows:
        seen: set[str] = set()
        left = list(arrows[name])
        while left:
            each = left.pop()
            if each not in seen:
                seen.add(each)
                left.extend(arrows[each])
        reach[name] = seen
    found: list[set[str]] = []
    for name in sorted(reach):
        if name in reach[name] and not any(name in group for group in found):
            found.append({each for each in reach[name] if name in reach[each]})
    return found


def count(root: Path, package: str) -> tuple[int, int, int] | None:
    """Return members, imports and circles of a package; None where there is none."""
    folder = root / NAME / package
    if not folder.is_dir():
        folder = root / NAME / FORMER.get(package, package)
    if not folder.is_dir():
        return None
    arrows = imports(folder, root)
    return len(arrows), sum(map(len, arrows.values())), len(circles(arrows))


def main(root: Path) -> None:
    """Print the table."""
    head = ["package", "modules and folders", "imports among them", "circles"]
    rows = [
        [f"`{package}`", *map(str, found)]
        for package in PACKAGES
        if (found := count(root, package)) is not None
    ]
    print(table(head, rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).resolve().parents[2])
