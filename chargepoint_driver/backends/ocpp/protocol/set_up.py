"""Set-up of a charger: its boot data, settings and statuses are read, without harm to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Set
from typing import Any, Protocol

from chargepoint_driver.backends.ocpp.model.authorization import IdTags
from chargepoint_driver.backends.ocpp.model.bounds import bounded
from chargepoint_driver.backends.ocpp.model.charger import Charger, Connector, Link
from chargepoint_driver.backends.ocpp.model.set_up_restarts import is_suspected
from chargepoint_driver.backends.ocpp.protocol.local_list import LOCAL_LIST, keep_local_list
from chargepoint_driver.backends.ocpp.protocol.measurands import set_meter_values
from chargepoint_driver.backends.ocpp.protocol.provisioning import (
    Call,
    ask_for,
    may_read,
    read_settings,
)
from chargepoint_driver.backends.ocpp.protocol.requests import RequestBuilder, RequestPayload
from chargepoint_driver.backends.ocpp.protocol.set_up_guard import SetUpGuard, is_barred
from chargepoint_driver.backends.ocpp.protocol.status_notifications import (
    INOPERATIVE,
    OPERATIVE,
    doubt_station,
    has_unconfirmed_status,
    is_contradicted,
    keep_connector,
)
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import (
    ChargePointError,
    StoreError,
    TransientError,
    WriteRejectedError,
)

__all__ = ["SetUp"]

# A status that is on its way need not be asked for.
_SETTLE_S = 1.0
_MIN_BETWEEN_S = 60.0
_NOT_RESTARTS = {"Reset", "SignedUpdateFirmware", "UpdateFirmware"}


class System(Protocol):
    """The central system's methods used here."""

    config: OcppConfig
    store: Store
    tags: IdTags
    now: Callable[[], float]

    def outbound(self, point: Charger) -> RequestBuilder: ...

    async def call(
        self,
        point: Charger,
        action: str,
        payload: dict[str, Any],
        timeout_s: float,
        *,
        drop: bool = True,
    ) -> dict[str, Any]: ...

    def count(self, point: Charger | None, name: str, detail: str = "") -> None: ...

    def spawn(self, work: Awaitable[Any]) -> None: ...

    def save_point(self, point: Charger, **columns: Any) -> None: ...

    async def put_back(self, point: Charger) -> None: ...


class SetUp:
    """Provisioning: requests to chargers that no operator started."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._guard = SetUpGuard(
            system.count, lambda point: system.save_point(point, worked=point.learned)
        )
        self._running: set[Link] = set()
        self._asking: set[str] = set()
        self._ask_again: set[str] = set()
        self._asked_s: dict[str, float] = {}

    # ---- what happens --------------------------------------------------------------------

    def booted(self, point: Charger, link: Link | None) -> None:
        """Handle a boot over the link: read the settings, and ask for a status that is doubted."""
        if "TriggerMessage BootNotification" in self._guard.watched(point):
            self._guard.forget(point)  # it is the answer to that
        self._guard.restarted(point)
        self._guard.booted(point)
        config = self._system.config
        if link is None:
            return
        loop = asyncio.get_running_loop()
        main = point.connectors.get(0)
        if main is not None and main.is_doubted:
            loop.call_later(config.boot_grace_s, lambda: self._system.spawn(self.ask_status(point)))
        delay_s = config.configuration_delay_s
        if delay_s is not None:
            loop.call_later(delay_s, lambda: self._system.spawn(self._get_to_know(point, link)))

    def began(self, point: Charger) -> None:
        """Handle the begin of a transaction: doubt connector 0 where it is Unavailable, and ask."""
        main = point.connectors.get(0)
        if main is None or main.status != "Unavailable":
            return
        if not main.is_confirmed and not main.is_doubted:
            main.is_doubted = True
            self._keep(point, main)
        self._system.spawn(self.ask_status(point, lambda: main.status == "Unavailable"))

    def disconnected(self, point: Charger) -> None:
        """Handle the end of a connection, also by a newer one."""
        self._guard.restarted(point)

    def answered(
        self, point: Charger, action: str, payload: dict[str, Any], answer: dict[str, Any]
    ) -> None:
        """Handle the answer to a request: it may explain a restart, or end a status without a
        word."""
        if action in _NOT_RESTARTS:
            self._guard.forget(point)
        status = answer.get("status")
        if action != "ChangeAvailability" or status not in {"Accepted", "Scheduled"}:
            return
        number = payload.get("connectorId") or (payload.get("evse") or {}).get("id") or 0
        if "Operative" in (payload.get("type"), payload.get("operationalStatus")):
            main = doubt_station(point) if number == 0 else None
            if main is not None:
                self._keep(point, main)
            wanted = OPERATIVE
        elif status == "Accepted":
            wanted = INOPERATIVE
        else:
            return  # it reports the end of a transaction
        self._system.spawn(self.ask_status(point, lambda: not _is_any(point, number, wanted)))

    async def miss_boot(self, point: Charger, link: Link) -> None:
        """Ask for boot data that did not come on a new connection, and go on without it."""
        if link.closed or point.booted_on is link:
            return
        out = self._system.outbound(point)
        if point.quirks.trigger_boot:
            await ask_for(point, out, self._over(link), "BootNotification")
            await asyncio.sleep(self._system.config.boot_grace_s)
        if not link.closed and point.booted_on is not link:
            self._system.count(point, "connections_without_boot")
            await self._system.put_back(point)
            await self._get_to_know(point, link)

    # ---- settings ------------------------------------------------------------------------

    async def _get_to_know(self, point: Charger, link: Link) -> None:
        if link.closed or link in self._running:
            return
        self._running.add(link)
        try:
            out = self._system.outbound(point)
            if point.quirks.read_configuration and may_read(point, out):
                await self._read(point, link)
                if link is point.link and may_read(point, out):
                    await self._set_up(point, link)
                    await self.keep_local_list(point)
        finally:
            self._running.discard(link)
        if not link.closed and has_unconfirmed_status(point):
            await self.ask_status(point, lambda: has_unconfirmed_status(point))

    async def learn(self, point: Charger) -> None:
        """Read the settings before a limit is installed, of a charge point that this harms not."""
        if point.link is not None and not is_suspected(point):
            await self._read(point, point.link)

    async def _read(self, point: Charger, link: Link) -> None:
        """Read the settings of a charge point; those that it does not tell stay unknown."""
        out = self._system.outbound(point)
        try:
            found = await read_settings(point, out, self._over(link))
        except ChargePointError as error:
            if link is point.link:
                self._system.count(point, "settings_not_read", str(error))
            return
        point.settings_read = True
        self._replace_settings(point, found)

    def _replace_settings(self, point: Charger, found: dict[str, str]) -> None:
        """Take a whole answer: it replaces what was known before."""
        point.configuration = bounded({}, found) or point.configuration
        self._keep_settings(point, found)

    def _add_settings(self, point: Charger, changed: dict[str, str]) -> None:
        """Take the settings that were changed; the others stay as they were read."""
        point.configuration = bounded(point.configuration, changed)
        self._keep_settings(point, changed)

    def _keep_settings(self, point: Charger, found: dict[str, str]) -> None:
        interval = found.get(self._system.outbound(point).interval, "")
        if interval.isdecimal() and int(interval) > 0:
            point.interval_s = float(interval)
        self._system.save_point(point, configuration=point.configuration, worked=point.learned)

    async def _set_up(self, point: Charger, link: Link) -> None:
        """Have it measure what is needed."""
        config = self._system.config
        try:
            changed = await set_meter_values(
                point,
                self._system.outbound(point),
                self._over(link),
                config.measurands,
                config.meter_interval_s,
            )
        except ChargePointError as error:
            if link is point.link:
                self._system.count(point, "meter_values_not_set", str(error))
            return
        self._add_settings(point, changed)

    async def keep_local_list(self, point: Charger) -> None:
        """Have its local list of idTags in step with ours."""
        system, link = self._system, point.link
        if link is None:
            return
        before = point.learned.get(LOCAL_LIST)
        out, tags = system.outbound(point), system.tags.all()
        try:
            problem = await keep_local_list(point, out, self._over(link), tags, system.now())
        except ChargePointError as error:
            problem = str(error)
        if problem is not None and point.connected:
            system.count(point, "local_list_not_sent", problem)
        if point.learned.get(LOCAL_LIST) != before:
            system.save_point(point, worked=point.learned)

    def _over(self, link: Link) -> Call:
        """Return how to send requests over this connection that a charge point may pass over
        without losing it. What made it restart before is not sent."""

        async def call(point: Charger, ask: RequestPayload) -> dict[str, Any]:
            if is_barred(point, ask):
                raise WriteRejectedError(
                    f"{point.station_id} restarts after {ask[0]}; it was not sent",
                    service_code="NotSupported",
                )
            if link is point.link:
                await self._guard.wait_turn(point)
            if link is not point.link:
                raise TransientError(f"{point.station_id} hung up; {ask[0]} was not sent")
            self._guard.sent(point, ask)
            limit_s = self._system.config.call_timeout_s + 5
            answer = await self._system.call(point, *ask, limit_s, drop=False)
            if link is point.link:
                self._guard.sent(point, ask)
            return answer

        return call

    # ---- statuses ------------------------------------------------------------------------

    async def ask_status(self, point: Charger, is_needed: Callable[[], bool] | None = None) -> None:
        """Have the charge point say all its statuses, at most once a minute, unless `is_needed`
        (default: whether the status of connector 0 is contradicted) is false by then. Without an
        answer what the connectors do counts."""
        link = point.link
        if link is None:
            return
        if point.station_id in self._asking:
            self._ask_again.add(point.station_id)
            return
        self._asking.add(point.station_id)
        try:
            since_s = time.monotonic() - self._asked_s.get(point.station_id, -_MIN_BETWEEN_S)
            grace_s = self._system.config.boot_grace_s
            await asyncio.sleep(max(min(_SETTLE_S, grace_s), _MIN_BETWEEN_S - since_s))
            is_due = is_contradicted(point) or (is_needed is not None and is_needed())
            if link is point.link and is_due:
                self._asked_s[point.station_id] = time.monotonic()
                await self._ask_status(point, link, min(grace_s, 5.0))
        finally:
            self._asking.discard(point.station_id)
        if point.station_id in self._ask_again:
            # Something spoke against it while it was asked.
            self._ask_again.discard(point.station_id)
            await self.ask_status(point)

    async def _ask_status(self, point: Charger, link: Link, wait_s: float) -> None:
        asked_s = self._system.now()
        point.status_asked_s = asked_s
        out = self._system.outbound(point)
        may_ask = point.quirks.trigger_boot
        if may_ask and await ask_for(point, out, self._over(link), "StatusNotification"):
            await asyncio.sleep(wait_s)
        else:
            point.status_asked_s = float("-inf")
        if link is not point.link or not is_contradicted(point):
            return
        main = point.connectors[0]
        if not main.is_doubted and (main.status_received_s or 0.0) < asked_s:
            main.is_doubted = True
            self._keep(point, main)

    def _keep(self, point: Charger, main: Connector) -> None:
        try:
            keep_connector(self._system.store, point, main)
        except StoreError as error:
            self._system.count(point, "not_stored", type(error).__name__)
        self._system.store.committed()


def _is_any(point: Charger, number: int, wanted: Set[str]) -> bool:
    """Return True if a connector reports one of these statuses (0: any connector of the charger),
    or nothing is known of it."""
    concerned = [each for key, each in point.connectors.items() if number in (0, key)]
    known = [each.status for each in concerned if each.status is not None]
    return not known or any(status in wanted for status in known)
