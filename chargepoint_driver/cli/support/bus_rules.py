"""Rights of every agent on a platform's message bus, from the platform's files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargepoint_driver.adapters.authorization import CURE, open_in_file
from chargepoint_driver.errors import ConfigurationError

__all__ = ["BusRules", "read_rules"]

_MAX_NAMED = 4


@dataclass(frozen=True)
class BusRules:
    """`open` is what every agent may do, as IDENTITY.METHOD or a topic; empty: writing is closed.
    `rules` is the content of the file."""

    path: Path
    open: list[str]
    rules: dict[str, Any]

    @property
    def writing(self) -> str:
        """`open` or `protected`."""
        return "open" if self.open else "protected"

    def warnings(self) -> list[str]:
        """Return a line where every agent may write."""
        if not self.open:
            return []
        more = len(self.open) - _MAX_NAMED
        named = ", ".join(self.open[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
        return [f"{self.path}: every agent of the platform may write ({named}); {CURE}"]


def read_rules(home: Path) -> BusRules:
    """Return the rules of the platform with that VOLTTRON_HOME; it need not run. A platform that
    has no rules file has never started with authorization, and everything is open. Raises
    ConfigurationError when `home` is not a folder or its file cannot be read."""
    home = home.expanduser()
    path = home / "authz.json"
    if not home.is_dir():
        raise ConfigurationError(f"--volttron-home: {home} is not a folder; name VOLTTRON_HOME")
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error}); correct or remove it"
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: must be an object; correct or remove it")
    return BusRules(path, open_in_file(content), content)
