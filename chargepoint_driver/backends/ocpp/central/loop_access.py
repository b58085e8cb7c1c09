"""Access to the central system's loop from any thread."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.operations.charger_access import REQUESTS, ChargerAccess
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.process.loop_thread import NativeLoop

__all__ = ["CentralAccess"]

_TIMEOUT_S = 30.0
_MARGIN_S = 5.0


class CentralAccess:
    """Runs work on the loop and waits for it, with a time limit. Raises TransientError."""

    config: OcppConfig
    _loop: NativeLoop
    _now: Callable[[], float]

    @property
    @abstractmethod
    def _running(self) -> Csms:
        """The central system. Raises TransientError where it does not run."""

    @property
    @abstractmethod
    def _chargers(self) -> ChargerAccess:
        """Access to chargers. Raises TransientError where the central system does not run."""

    def _ask(self, station_id: str, name: str, **fields: Any) -> Any:
        """Carry out one of `charger_access.REQUESTS` and return its answer. Raises what
        `ChargerAccess.ask` raises."""
        chargers = self._chargers
        limit_s = REQUESTS[name].limit_s(fields, self.config.call_timeout_s)
        return self._loop.run(lambda: chargers.ask(station_id, name, fields), limit_s + _MARGIN_S)

    def _work(self, make: Callable[[Csms], Coroutine[Any, Any, Any]]) -> Any:
        """Do what needs no call to a charger."""
        csms = self._running
        return self._loop.run(lambda: make(csms), _TIMEOUT_S)
