"""Access to the central system's loop from any thread."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.process.loop_thread import NativeLoop

__all__ = ["CentralAccess"]

_TIMEOUT_S = 30.0


class CentralAccess:
    """Runs work on the loop and waits for it, with a time limit. Raises TransientError."""

    config: OcppConfig
    _loop: NativeLoop
    _now: Callable[[], float]

    @property
    @abstractmethod
    def _running(self) -> Csms:
        """The central system. Raises TransientError where it does not run."""

    def _command(
        self, station_id: str, make: Callable[[Csms, Charger], Coroutine[Any, Any, Any]]
    ) -> Any:
        """Carry out a command of several calls to a charger. Raises NotFoundError."""
        csms = self._running
        point = csms.point(station_id)
        return self._loop.run(lambda: make(csms, point), self._command_timeout_s)

    def _work(self, make: Callable[[Csms], Coroutine[Any, Any, Any]]) -> Any:
        """Do what needs no call to a charger."""
        csms = self._running
        return self._loop.run(lambda: make(csms), _TIMEOUT_S)

    @property
    def _command_timeout_s(self) -> float:
        """Several calls in a row, each within its own limit."""
        return 4 * self.config.call_timeout_s + 10
