"""Devices that are deleted from the host's config store: what they limit ends with them.

The host does not report to an interface that a device is gone. Its tree of equipment is compared
from time to time with the tree before; a device that is stored again is there at the next check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event

from chargepoint_driver.adapters.driver import override_patterns
from chargepoint_driver.adapters.driver.register import ChargePointRegister
from chargepoint_driver.backend import Target
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.registry import Point
from chargepoint_driver.service import Service
from chargepoint_driver.text import get_logger

__all__ = ["Ownership"]

_log = get_logger(__name__)

_LOOK_S = 5.0
# A target is gone when this many checks in a row miss it: storing a device again takes a moment.
_MISSED = 2
# After the devices changed last, so long until limits that none of them owns are ended: at a
# start they come one after the other.
_SETTLED_LOOKS = 12
# How often a limit that cannot be ended, since the agent does not answer, is tried.
_MAX_TRIES = 60
# The number of checks that another process may miss before its limits are taken over: it may
# restart.
_PATIENCE = 6
_CONTROL = {"allowedLoad", "limit", "percentShed", "shedState"}


class Ownership:
    """The targets that the devices of one account may limit."""

    def __init__(
        self,
        tree: Any,
        registers: Mapping[str, ChargePointRegister],
        release: Callable[[Point, str], bool],
        service: Callable[[], Service | None],
        files: Path,
    ) -> None:
        """`tree` is the host's equipment, `registers` the account's by topic; `release` ends what
        a point's target limits; `service` is the account where it is in this process; `files` is
        the folder where agents keep their commands."""
        self._files = files
        self._tree = tree
        self._registers = registers
        self._release = release
        self._service = service
        # The registers that can limit. A check of all registers made many new objects, and with
        # them full collections, which stop everything.
        self._limiting: dict[str, ChargePointRegister] = {}
        self._known: dict[Target, tuple[Point, str]] = {}
        self._missed: dict[Target, int] = {}
        self._settled = 0
        self._stopping = Event()
        self._greenlet: gevent.Greenlet | None = None

    def add(self, topic: str, register: ChargePointRegister) -> None:
        """Take in a register that was put in, and look from now on."""
        point = register.point
        if point.writable and point.attribute.name in _CONTROL:
            self._limiting[topic] = register
        else:
            self._limiting.pop(topic, None)
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            try:
                override_patterns.check(self._tree)
                self.check()
            except Exception:  # noqa: BLE001 - logged
                _log.exception("deleted devices cannot be looked for; tried again")

    def check(self) -> None:
        """Compare the host's tree with the one before, and end limits without a device."""
        owned = self._owned()
        self._settled = self._settled + 1 if owned.keys() == self._known.keys() else 0
        for target in owned:
            self._missed.pop(target, None)
        for target in self._known.keys() - owned.keys():
            self._missed[target] = self._missed.get(target, 0) + 1
            if self._missed[target] >= _MISSED and self._end(target):
                del self._known[target], self._missed[target]
        self._known |= owned
        service = self._service()
        if service is not None:
            files = sorted(self._files.glob("*.sqlite"))
            service.control.take_over(files, owned.keys(), _PATIENCE)
        if service is None or self._settled < _SETTLED_LOOKS:
            return
        for target in service.control.owners.orphans(owned.keys()):
            _log.warning("%s: limited, and no device owns it", target)
            try:
                service.control.owners.release(target)
            except ChargePointError as error:
                _log.error("%s: %s", target, error)

    def _owned(self) -> dict[Target, tuple[Point, str]]:
        """Return the targets that a device can limit, with a point of each and its device's
        `on_delete`."""
        found: dict[Target, tuple[Point, str]] = {}
        for topic, register in self._limiting.items():
            # The host may have dropped the point or its device.
            if topic in self._registers and topic in self._tree:
                found.setdefault(register.point.target, (register.point, register.on_delete))
        return found

    def _end(self, target: Target) -> bool:
        """End what a deleted device limits; whether that is over, one way or the other."""
        point, on_delete = self._known[target]
        try:
            if self._release(point, on_delete):
                _log.warning("%s: its device was deleted; its limit: %s", target, on_delete)
        except ChargePointError as error:
            over = self._missed[target] >= _MISSED + _MAX_TRIES
            _log.error("%s: its device was deleted, and its limit may last: %s", target, error)
            return over or self._service() is not None  # there it is renewed no more
        return True
