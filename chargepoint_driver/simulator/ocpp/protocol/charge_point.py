"""A charge point with its connection: boot, heartbeat, authorisation, reset, firmware.

What the versions of OCPP have in common; the folders v16 and v201 put it into messages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

from chargepoint_driver.text import get_logger

from ..metering.metered import MeteredStation
from ..moments import iso
from ..power.connector import Connector, Transaction
from ..power.spec import TwinSpec
from ..power.station import News, NotNowError
from ..scheduler import Entry, Scheduler
from ..transport import wire
from ..transport.connection import Connection, Owner
from ..transport.message import Message, Reply
from ..transport.message_log import MessageLog
from .handlers import Handler
from .payload_reader import Fault as Wrong
from .payload_reader import Fields, RefusalError

log = get_logger(__name__)

MIN_RETRY_S = 5.0


class Charger(MeteredStation):
    """A twin. `run` it as a task; everything else is called on the same loop."""

    # Filled in by each version.
    subprotocol = ""
    error_codes: Mapping[Wrong, str] = {}
    ignored_fields: tuple[str, ...] = ()

    def __init__(
        self,
        spec: TwinSpec,
        scheduler: Scheduler,
        seed: int,
        handshakes: asyncio.Semaphore,
        news: News,
    ) -> None:
        super().__init__(spec, scheduler, Random(f"{seed}/{spec.identity}"), news)
        self.boot_status = ""
        self.boot_reason = "PowerUp"
        self.rebooting = False
        self.stays_offline = False
        self.local_list: dict[str, str] = {}
        self.local_list_version = 0
        self.authorization_cache: dict[str, str] = {}
        self._then: list[Callable[[], None]] = []
        self._heart: Entry | None = None
        self._beating = False
        owner = Owner(self._opened, self._closed, self._on_call, self._rest, self.max_attempts)
        self.link = Connection(
            spec.identity,
            spec.csms_url,
            self.subprotocol,
            spec.security,
            self.quirks,
            Random(f"{seed}/{spec.identity}/link"),
            owner,
            MessageLog(lambda: iso(scheduler.now_s()), spec.journal, news),
            handshakes,
            spec.pace,
        )
        self.handlers: dict[str, Handler] = {}
        self.align()

    async def run(self) -> None:
        """Be there until cancelled."""
        try:
            await self.link.run()
        finally:
            self.drop_timers()
            if self._heart is not None:
                self._heart.cancel()

    def is_connected(self) -> bool:
        """Return True if there is a socket and the central system has accepted the boot."""
        return self.link.is_open and not self.link.awaits_boot

    # -- connection ---------------------------------------------------------------------

    def _opened(self) -> None:
        again = self.link.connections > 1 and not self.rebooting
        if again and self.boot_status == "Accepted" and self.quirks.has("no_boot_on_reconnect"):
            self._ready()
        else:
            self.boot()

    def _closed(self) -> None:
        if self._heart is not None:
            self._heart.cancel()
        self._beating = False

    def boot(self) -> None:
        """Send BootNotification."""
        self.link.send(Message("BootNotification", self.boot_payload, self._booted), urgent=True)

    def _booted(self, reply: Reply) -> None:
        if not self.link.is_open:
            return
        interval_s = 0.0
        self.boot_status = "Refused"
        if not isinstance(reply, wire.CallErrorReply):
            self.boot_status = str(reply.get("status"))
            interval_s = float(reply.get("interval", 0))
        if self.boot_status == "Accepted":
            self.set_heartbeat(interval_s)
            self.rebooting = False
            self._ready()
        else:
            self.scheduler.after(max(interval_s, MIN_RETRY_S), self._boot_again)

    def _boot_again(self) -> None:
        if self.link.is_open and self.link.awaits_boot:
            self.boot()

    def _ready(self) -> None:
        self.begin()
        self.send_all_statuses()
        self.link.awaits_boot = False
        if self.quirks.has("sends_data_transfer"):
            self.send_message(
                "DataTransfer", dict(self.quirks.get("sends_data_transfer", "payload"))
            )
        self.link.kick()
        self._schedule_heartbeat()

    def set_heartbeat(self, interval_s: float) -> None:
        """Take over the central system's interval, simulated seconds (0: keep ours)."""
        if interval_s > 0:
            self.heartbeat_s = interval_s
            self.settings.changed[self.names.heartbeat] = str(int(interval_s))

    def change_setting(self, name: str, value: str) -> bool:
        """Take a new value of a known setting; False when it is refused."""
        if self.refuses_setting(name, value):
            return False
        self.settings.changed[name] = value
        if name == self.names.heartbeat:
            self.heartbeat_s = float(self.settings.count(name))
            self.then(self.restart_heartbeats)
        elif name == self.names.aligned_interval:
            self.then(self.align)
        elif name == self.names.sample_interval:
            self.then(self.restart_samples)
        return True

    def restart_heartbeats(self) -> None:
        """Take a new interval."""
        if self._heart is not None:
            self._heart.cancel()
        self._schedule_heartbeat()

    def _schedule_heartbeat(self) -> None:
        if self.heartbeat_s > 0 and self.is_connected():
            self._heart = self.scheduler.after(self.heartbeat_s, self._send_heartbeat)

    def _send_heartbeat(self) -> None:
        # One waiting message is enough.
        if not self._beating:
            self._beating = True
            self.heartbeat()
        self._schedule_heartbeat()

    def heartbeat(self) -> None:
        """Send a Heartbeat."""
        self.link.send(Message("Heartbeat", dict, self._heartbeat_answered), urgent=True)

    def _heartbeat_answered(self, _reply: Reply) -> None:
        self._beating = False

    def go_offline(self) -> None:
        """Lose the network; charging goes on."""
        self.begin()
        self.stays_offline = True
        self.link.go_offline()

    def go_online(self) -> None:
        """Get it back."""
        self.stays_offline = False
        self.link.go_online()

    def _rest(self, attempts: int, then: Callable[[], None]) -> None:
        self.scheduler.after(attempts * self.retry_interval_s(), then)

    def send_message(
        self,
        action: str,
        payload: dict[str, Any],
        on_answer: Callable[[Reply], None] | None = None,
        *,
        lasting: bool = False,
    ) -> None:
        """Queue a message whose content is known now."""
        self.link.send(Message(action, lambda: payload, on_answer, lasting))

    # -- requests -------------------------------------------------------------------------

    def _on_call(self, call: wire.Call) -> tuple[str | None, list[Callable[[], None]]]:
        if call.action in self.quirks.get("reboots_on", "actions", ()):
            return self._reboot_on(call)
        return self._answer(call)

    def _reboot_on(self, call: wire.Call) -> tuple[str | None, list[Callable[[], None]]]:
        answer: str | None = None
        then: list[Callable[[], None]] = [partial(self.reboot)]
        if self.quirks.get("reboots_on", "answers"):
            answer, follow_up = self._answer(call)
            then = [*follow_up, *then]
        if self.quirks.get("reboots_on", "forgets"):
            self.settings.changed = dict(self.spec.configuration)
        return answer, then

    def _answer(self, call: wire.Call) -> tuple[str, list[Callable[[], None]]]:
        self._then = []
        try:
            answer = wire.result(call.unique_id, self._handle(call))
        except RefusalError as refusal:
            self._then = []
            answer = wire.error(call.unique_id, self._code(call, refusal), str(refusal))
        except Exception as error:
            log.exception("%s: %s failed", self.spec.identity, call.action)
            self._then = []
            self.link.errors.append(error)
            answer = wire.error(call.unique_id, self.error_codes[Wrong.INTERNAL], repr(error))
        then, self._then = self._then, []
        return answer, then

    def _handle(self, call: wire.Call) -> dict[str, Any]:
        handler = self.handlers.get(call.action)
        if handler is None:
            raise RefusalError(Wrong.NOT_IMPLEMENTED, f"{call.action} is not known here")
        if call.action in self.quirks.get("refuses_actions", "actions", ()):
            raise RefusalError(Wrong.NOT_SUPPORTED, f"{call.action} is not supported")
        now_s = self.begin()
        shift_s = 0.0 if self.spec.shared_clock else now_s - time.time()
        fields = Fields(call.payload, "", shift_s, self.ignored_fields)
        answer = handler(fields)
        fields.done()
        return answer

    def _code(self, call: wire.Call, refusal: RefusalError) -> str:
        if call.action in self.quirks.get("refuses_actions", "actions", ()):
            return str(self.quirks.get("refuses_actions", "code"))
        return self.error_codes[refusal.fault]

    def then(self, follow_up: Callable[[], None]) -> None:
        """Do that when the answer to the present request is sent."""
        self._then.append(follow_up)

    # -- people -----------------------------------------------------------------------------

    def start(self, connector_id: int, id_tag: str, done: Callable[[str], None]) -> None:
        """Present an idTag at a connector: authorise, then charge. `done` gets the result:
        Accepted, or the reason. Raises NotNowError."""
        self.begin()
        connector = self.connector(connector_id)
        if connector.transaction is not None:
            raise NotNowError(f"connector {connector_id} has a transaction already")
        if connector.fault or self.station_fault or not (connector.operative and self.operative):
            raise NotNowError(f"connector {connector_id} is {self.phase(connector).value}")
        reservation = connector.reservation
        if reservation is not None and reservation.id_tag != id_tag:
            raise NotNowError(f"connector {connector_id} is reserved")

        def decided(status: str) -> None:
            if status == "Accepted" and connector.transaction is None:
                self.accept(connector, id_tag)
            done(status)

        self.authorize(id_tag, decided)

    def start_remotely(
        self, connector: Connector, id_tag: str, remote_start_id: int | None = None
    ) -> None:
        """Carry out an accepted remote start; ask for authorisation first where the settings say
        so. Where no vehicle is plugged in, one arrives if `plugs_on_remote_start`."""

        def decided(status: str) -> None:
            if status == "Accepted" and connector.transaction is None:
                self.accept(connector, id_tag, remote_start_id)
                if self.plugs_on_remote_start:
                    self.arrive(connector)

        if self.settings.flag(self.names.authorize_remote_start):
            self.authorize(id_tag, decided)
        else:
            decided("Accepted")

    def authorize(self, id_tag: str, done: Callable[[str], None]) -> None:
        """Ask whether an idTag may charge; without a connection, ask the local list."""
        if not self.is_connected():
            known = self.local_list.get(id_tag, self.authorization_cache.get(id_tag))
            done(known or ("Accepted" if self.accepts_unknown_offline() else "Invalid"))
            return

        def answered(reply: Reply) -> None:
            status = "NoAnswer" if isinstance(reply, wire.CallErrorReply) else self.id_status(reply)
            if not isinstance(reply, wire.CallErrorReply):
                self.authorization_cache[id_tag] = status
            done(status)

        self.link.send(Message("Authorize", lambda: self.authorize_payload(id_tag), answered))

    def end_if_refused(
        self, connector: Connector, transaction: Transaction, reply: Mapping[str, Any]
    ) -> None:
        """End a running transaction if the answer refuses its idTag and the settings say so."""
        refused = self.id_status(reply) not in ("Accepted", "ConcurrentTx")
        if refused and connector.transaction is transaction and self.stops_on_invalid_id():
            self.end_transaction(connector, "DeAuthorized")

    def stop(self, connector_id: int, reason: str = "Local") -> None:
        """End the transaction at a connector. Raises NotNowError."""
        self.begin()
        connector = self.connector(connector_id)
        connector.token = None
        self.end_transaction(connector, reason)

    # -- restart ------------------------------------------------------------------------------

    def reboot(self, reason: str = "PowerLoss", *, gently: bool = False) -> None:
        """Restart: transactions end, the connection is lost and comes back with a boot.

        `gently` sends what is queued first.
        """
        now_s = self.begin()
        for connector in self.connectors:
            if connector.transaction is not None:
                self.end_transaction(connector, reason, quietly=True)
            connector.token = None
        self.refresh(now_s)
        self.boot_reason = reason
        self.rebooting = True
        loop = asyncio.get_running_loop()
        if gently and self.link.is_open:
            tries = iter(range(100))

            def when_sent() -> None:
                if self.link.queue and self.link.is_open and next(tries, None) is not None:
                    loop.call_later(0.02, when_sent)
                else:
                    self._power_down()

            when_sent()
        else:
            self._power_down()

    def _power_down(self) -> None:
        self.link.go_offline()
        self.boot_status = ""
        if self.quirks.has("forgets_profiles"):
            self.profile_store.remove(lambda _: True)
        asyncio.get_running_loop().call_later(self.spec.reboot_s, self._power_up)

    def _power_up(self) -> None:
        self.booted_s = self.begin()
        self.number_since_boot = 0
        self.refresh(self.booted_s)
        if not self.stays_offline:
            self.link.go_online()

    # -- hooks ----------------------------------------------------------------------------------

    def boot_payload(self) -> dict[str, Any]:
        """Return the content of a BootNotification."""
        raise NotImplementedError

    def authorize_payload(self, id_tag: str) -> dict[str, Any]:
        """Return the content of an Authorize."""
        raise NotImplementedError

    def id_status(self, reply: Mapping[str, Any]) -> str:
        """Return the status of an idTag in an answer."""
        raise NotImplementedError

    def send_all_statuses(self) -> None:
        """Tell the status of everything, after a boot."""
        raise NotImplementedError
