"""The chargers of all nodes as the backend of one account."""

from __future__ import annotations

import time
from collections.abc import Callable

from chargepoint_driver.backends.ocpp.backend import OcppBackend
from chargepoint_driver.backends.ocpp.central_system import CentralSystem
from chargepoint_driver.backends.ocpp.postgres.node import Node
from chargepoint_driver.backends.ocpp.registers import Sessions
from chargepoint_driver.config import Account, OcppAccount
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import ConfigurationError

__all__ = ["FleetBackend", "account_of"]


def account_of(config: OcppConfig, *, allow_call: bool = False) -> OcppAccount:
    """Return the account of the chargers of a node with this config."""
    fields = {name: getattr(config, name) for name in OcppConfig.model_fields}
    return OcppAccount(**fields, allow_call=allow_call)


class FleetBackend(OcppBackend):
    """See `OcppBackend`. Reads and commands reach each charger through the node that has it. The
    node runs before and after: neither `close` nor `reconfigure` touches it."""

    def __init__(
        self, node: Node, *, allow_call: bool = False, now: Callable[[], float] = time.time
    ) -> None:
        """`node` has started."""
        self._node = node
        super().__init__(account_of(node.config, allow_call=allow_call), now)

    def _start(self, account: OcppAccount) -> CentralSystem:
        del account
        self._end_events = self._node.listen(self._on_event)
        return self._node

    def _newest_sessions(self, station_ids: list[str]) -> dict[str, Sessions]:
        # Events of other nodes may come late, and PostgreSQL has what they acknowledged.
        return dict(self._system.newest_sessions(station_ids))

    def reconfigure(self, account: Account) -> None:
        """Raise ConfigurationError for other settings: they are those of the node."""
        if account != self._account:
            raise ConfigurationError("the chargers' account has the settings of its node")

    def close(self) -> None:
        """Take no more events. Safe to call more than once."""
        self._end_events()
