"""The lowest versions that setup.cfg allows, as constraints for pip.

python -m tests.packaging.minima > constraints.txt
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\s*>=\s*([^;,\s]+))?")


def sections() -> dict[str, list[str]]:
    """`install_requires` and each extra, as their lines."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    found = {"install_requires": config["options"]["install_requires"]}
    found |= dict(config["options.extras_require"])
    return {name: text.split("\n")[1:] for name, text in found.items()}


def minima(*names: str) -> Iterator[str]:
    """`name==version` for each requirement of these sections that names a version."""
    for name in names:
        for line in sections()[name]:
            match = _REQUIREMENT.match(line)
            if match is not None and match[2] is not None:
                yield f"{match[1]}=={match[2]}"


if __name__ == "__main__":
    print("\n".join(minima("install_requires", "ocpp", "plot", "web", "test")))
