"""Overrides whose pattern matches no device: the host takes them, and they guard nothing."""

from __future__ import annotations

import weakref
from collections.abc import Collection
from fnmatch import fnmatch
from typing import Any

from chargepoint_driver.text import get_logger

__all__ = ["check"]

_log = get_logger(__name__)

# Every account of a driver looks; each pattern is named once.
_named: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


def check(tree: Any) -> None:
    """Warn of the override patterns of a platform driver that match none of its devices, each
    once until it is taken back or matches. `tree` is the host's equipment."""
    manager = getattr(tree.agent, "override_manager", None)
    if manager is None:
        return
    patterns = {str(pattern) for pattern in manager.patterns}
    if not patterns:
        # The host's `devices` walks over every node of its tree.
        _named.pop(manager, None)
        return
    devices = [str(node.identifier) for node in tree.devices()]
    idle = {pattern for pattern in patterns if not _matches(pattern, devices)}
    named = _named.setdefault(manager, set())
    for pattern in sorted(idle - named):
        _log.warning(
            "the override %r matches no device and guards nothing; %s",
            pattern,
            _cure(pattern, devices),
        )
    _named[manager] = idle


def _matches(pattern: str, devices: Collection[str]) -> bool:
    return any(fnmatch(device, pattern) for device in devices)


def _cure(pattern: str, devices: Collection[str]) -> str:
    meant = f"devices/{pattern.removeprefix('/')}"
    if _matches(meant, devices):
        return f"write {meant!r}"
    known = ", ".join(sorted(devices)[:3]) or "none is configured"
    return f"clear it, or name a device as the driver does: {known}"
