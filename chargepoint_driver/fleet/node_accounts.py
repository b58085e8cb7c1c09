"""Accounts of the nodes of a fleet: each is held by one node at a time, under a lease.

The holder alone runs the account's service: it alone calls ChargePoint, and commands. Once it
cannot be sure of its lease it sends nothing any more, and another node goes on with the commands.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

from chargepoint_driver.backend import Backend
from chargepoint_driver.backends.ocpp.fleet_backend import FleetBackend, account_of
from chargepoint_driver.backends.ocpp.postgres.connections import Connections, connect
from chargepoint_driver.backends.ocpp.postgres.leases import Leases
from chargepoint_driver.backends.ocpp.postgres.node import Node
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AgentAccount, AgentAccountConfig
from chargepoint_driver.errors import (
    ChargePointError,
    NotFoundError,
    OutcomeUnknownError,
    StoreError,
    TransientError,
)
from chargepoint_driver.fleet.account_table import AccountAlerts, AccountTable
from chargepoint_driver.fleet.cache_store import PostgresCacheStore
from chargepoint_driver.fleet.call_budget import PostgresCallJournal
from chargepoint_driver.fleet.command_store import PostgresCommandStore
from chargepoint_driver.fleet.held_account import HeldAccount
from chargepoint_driver.fleet.interface import Holder, NotHolderError
from chargepoint_driver.fleet.leased_records import LeasedRecords
from chargepoint_driver.fleet.placement import Candidate, Seen, conflict_of, wait_s
from chargepoint_driver.fleet.worker_threads import on_thread
from chargepoint_driver.service import Service
from chargepoint_driver.service.shed_control.records.command_store import digest_of
from chargepoint_driver.text import get_logger

__all__ = ["NodeAccounts"]

_log = get_logger(__name__)

LEASE_S = 3.0
_RENEW_S = 0.5
# The holder stops calling so long before its lease ends.
_MARGIN_S = 1.0
_LOOK_S = 1.0
_REMEMBERED_S = 1.0
_CONNECTIONS = 4
# After a service that could not be made another node has time to try.
_BACK_OFF_S = 10.0
_CLOSE_S = 5.0
_FLUSH_S = 1.0
_LIMIT_S = 20.0
_CHARGERS = ("ocpp", "chargers of all nodes")


class _Held(NamedTuple):
    account: HeldAccount
    records: LeasedRecords
    cached: PostgresCacheStore | None
    holder: Holder


class NodeAccounts:
    """See the module, and `interface.NodeAccounts`. `start` once the node runs, and `stop` before
    it is stopped."""

    def __init__(self, node: Node, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds; it must go on while the process is stopped."""
        self._node = node
        self._config = node.config_of_node
        self._clock = clock
        self._accounts: dict[str, AgentAccountConfig] = {
            **self._config.accounts,
            self._config.charger_account: account_of(
                self._config.central_system, allow_call=self._config.allow_call
            ),
        }
        self.backends: Mapping[str, str] = MappingProxyType(
            {name: account.backend for name, account in self._accounts.items()}
        )
        self._loop: asyncio.AbstractEventLoop
        self._connections: Connections | None = None
        self._leases: Leases
        self._table: AccountTable
        self._held: dict[str, _Held] = {}
        self._seen: dict[str, tuple[Seen, float]] = {}
        self._free_since_s: dict[str, float] = {}
        self._not_before_s: dict[str, float] = {}
        self._conflicts: dict[str, str | None] = {}
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._followers: tuple[Callable[[str, list[str]], None], ...] = ()
        self._is_ending = False
        self._said = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the accounts of the fleet, also of those that other nodes hold."""
        return tuple(self._accounts)

    def services(self) -> list[tuple[str, Service]]:
        """Return the accounts of ChargePoint that this node holds now, for metrics. From any
        thread."""
        held = dict(self._held)
        return [
            (name, each.account.service)
            for name, each in held.items()
            if self.backends[name] == "chargepoint"
        ]

    # ---- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Take accounts from now on. Raises TransientError, ConfigurationError."""
        self._node.run_on_loop(self._begin, _LIMIT_S)

    def stop(self) -> None:
        """Give every account up: other nodes take them at once. Safe to call more than once."""
        try:
            self._node.run_on_loop(self._end, _LIMIT_S)
        except OutcomeUnknownError:
            _log.warning("accounts were not given up in time; their leases end in %g s", LEASE_S)
        except TransientError:
            pass  # the node does not run

    async def _begin(self) -> None:
        membership = self._node.membership
        self._loop = asyncio.get_running_loop()
        own = Candidate(self._config.node, membership.run, "", is_draining=False)
        try:
            connections = await connect(self._config.postgres, _CONNECTIONS)
            self._connections = connections
            self._table = AccountTable(connections, own)
            await self._table.register(
                {name: _digest(account) for name, account in self._accounts.items()}
            )
        except StoreError as error:
            raise TransientError(f"postgres: {error}") from None
        self._leases = Leases(
            connections, own.holder, LEASE_S, margin_s=_MARGIN_S, clock=self._clock
        )
        self._leases.on_lost = self._lose
        self._begin_task(self._renew())
        self._begin_task(self._look())

    async def _end(self) -> None:
        if self._is_ending:
            return
        self._is_ending = True
        await self._give_up_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connections is not None:
            await self._connections.close()

    def _begin_task(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- requests ------------------------------------------------------------------------

    async def request(self, account: str, method: str, arguments: dict[str, Any]) -> Any:
        """See `interface.NodeAccounts`."""
        self._check_known(account)
        held = self._held.get(account)
        if held is None or held.records.refusal() is not None:
            raise NotHolderError(self._remembered(account))
        return await held.account.request(method, arguments)

    async def holder(self, account: str) -> Holder | None:
        """See `interface.NodeAccounts`."""
        self._check_known(account)
        held = self._held.get(account)
        if held is not None and held.records.refusal() is None:
            return held.holder
        _, when_s = self._seen.get(account, (None, float("-inf")))
        if self._clock() - when_s > _REMEMBERED_S:
            await self._read_table()
        return self._remembered(account)

    def _remembered(self, account: str) -> Holder | None:
        seen, when_s = self._seen.get(account, (None, 0.0))
        if seen is None or seen.holder is None or seen.left_s <= self._clock() - when_s:
            return None
        node, _, run = seen.holder.rpartition("/")
        return Holder(node, int(run), seen.epoch)

    def _check_known(self, account: str) -> None:
        if account not in self._accounts:
            known = ", ".join(self._accounts) or "none"
            raise NotFoundError(f"no account {account[:64]!r} on this node (it has {known})")

    def follow(self, callback: Callable[[str, list[str]], None]) -> Callable[[], None]:
        """See `interface.NodeAccounts`."""
        self._followers = (*self._followers, callback)

        def end() -> None:
            self._followers = tuple(each for each in self._followers if each is not callback)

        return end

    def _tell(self, account: str, stations: list[str]) -> None:
        for follower in self._followers:
            follower(account, stations)

    # ---- leases --------------------------------------------------------------------------

    async def _renew(self) -> None:
        while True:
            try:
                await self._leases.renew()
            except StoreError as error:
                self._say(f"leases of accounts cannot be renewed ({error})")
            except Exception:  # noqa: BLE001 - logged; it is tried again
                _log.exception("leases of accounts cannot be renewed")
            else:
                self._say("")
            await asyncio.sleep(_RENEW_S)

    def _say(self, problem: str) -> None:
        if problem and not self._said:
            _log.error("%s; this node calls nothing once they have ended", problem)
        elif self._said and not problem:
            _log.info("leases of accounts are renewed again")
        self._said = problem

    async def _look(self) -> None:
        """Take accounts that nobody holds, and give all up when the node is drained."""
        while True:
            delay_s = _LOOK_S
            try:
                if self._node.membership.is_draining:
                    await self._give_up_all()
                else:
                    await self._read_table()
                    delay_s = self._take_due()
            except StoreError:
                pass  # the renewal reports it
            except Exception:  # noqa: BLE001 - logged; it is tried again
                _log.exception("accounts cannot be looked after")
            await asyncio.sleep(delay_s)

    async def _read_table(self) -> None:
        found = await self._table.read()
        now_s = self._clock()
        for name, seen in found.items():
            if seen.holder is None:
                since_s = self._free_since_s.setdefault(name, now_s)
                found[name] = seen._replace(left_s=since_s - now_s)
        self._seen = {name: (seen, now_s) for name, seen in found.items()}

    def _take_due(self) -> float:
        """Begin to take what is due; in how many seconds to look again."""
        delay_s = _LOOK_S
        now_s = self._clock()
        for name, (seen, _) in self._seen.items():
            if name not in self._accounts or name in self._held or name in self._busy:
                continue
            own = self._table.own._replace(account=_digest(self._accounts[name]))
            if self._is_in_conflict(name, own):
                continue
            due_s = max(wait_s(name, seen, own), self._not_before_s.get(name, 0.0) - now_s)
            if due_s <= 0:
                self._busy.add(name)
                self._begin_task(self._take(name))
            else:
                # A moment later than the lease ends.
                delay_s = min(delay_s, due_s + 0.01)
        return delay_s

    def _is_in_conflict(self, name: str, own: Candidate) -> bool:
        conflict = conflict_of(name, {each: seen for each, (seen, _) in self._seen.items()}, own)
        if conflict != self._conflicts.get(name):
            if conflict is not None:
                _log.error("account %s is not taken by this node: it %s", name, conflict)
            self._conflicts[name] = conflict
        return conflict is not None

    async def _take(self, name: str) -> None:
        lease = _lease(name)
        is_held = False
        try:
            epoch = await self._leases.hold(lease)
            if epoch is None:
                return
            held = await self._hold(name, lease, epoch)
            if held.records.refusal() is not None or self._is_ending:
                await held.account.close(0.0)
                return
            self._held[name], is_held = held, True
            _log.info("this node holds account %s now (epoch %d)", name, epoch)
        except (StoreError, TransientError) as error:
            _log.warning("account %s cannot be taken now: %s", name, error)
        except ChargePointError as error:
            _log.error("account %s cannot be used on this node: %s", name, error)
            self._not_before_s[name] = self._clock() + _BACK_OFF_S
        except Exception:  # noqa: BLE001 - logged; it is tried again
            _log.exception("account %s cannot be used on this node", name)
            self._not_before_s[name] = self._clock() + _BACK_OFF_S
        finally:
            if not is_held:
                await self._release(lease)
            self._busy.discard(name)

    async def _hold(self, name: str, lease: str, epoch: int) -> _Held:
        account = self._accounts[name]
        assert self._connections is not None
        records = LeasedRecords(self._loop, self._connections, self._leases, lease)
        key = _digest(account)
        database = self._config.central_system.database
        cached = PostgresCacheStore(records, key) if isinstance(account, AgentAccount) else None

        def make() -> Service:
            is_soap = isinstance(account, AgentAccount)
            commands = PostgresCommandStore(records, key, marks_each_call=is_soap)
            return Service.of_shared(
                account,
                self._backend_of(account, commands, PostgresCallJournal(records, key)),
                commands,
                cached,
                database.with_name(f"{database.stem}-{key}"),
            )

        service = await on_thread(make, f"{name}.begin")
        service.on_news(lambda stations: self._tell(name, stations))
        alerts = AccountAlerts(records, key)
        await alerts.clear()
        service.keep(alerts.raise_, _log_only, alerts.resolve)
        holder = Holder(self._config.node, self._node.membership.run, epoch)
        return _Held(HeldAccount(name, account, service), records, cached, holder)

    def _backend_of(
        self,
        account: AgentAccountConfig,
        commands: PostgresCommandStore,
        journal: PostgresCallJournal,
    ) -> Backend:
        if not isinstance(account, AgentAccount):
            return FleetBackend(self._node, allow_call=self._config.allow_call)
        return SoapBackend(account, check=commands.before_call, journal=journal)

    # ---- the end of holding --------------------------------------------------------------

    def _lose(self, lease: str) -> None:
        """The lease of an account has ended, or another node has it."""
        name = lease.removeprefix(_lease(""))
        held = self._held.pop(name, None)
        if held is not None:
            _log.error("this node does not hold account %s any more; its lease has ended", name)
            held.records.lose()
            self._begin_task(held.account.close(0.0))

    async def _give_up_all(self) -> None:
        await asyncio.gather(*(self._give_up(name) for name in list(self._held)))

    async def _give_up(self, name: str) -> None:
        """Give an account up: its service ends first, then others may take it."""
        held = self._held.pop(name, None)
        if held is None:
            return  # its lease has ended meanwhile
        await held.account.close(_CLOSE_S)
        if held.cached is not None:
            with suppress(asyncio.TimeoutError):  # what is missing is asked for again
                await asyncio.wait_for(held.cached.settled(), _FLUSH_S)
        held.records.lose()
        await self._release(_lease(name))
        _log.info("this node has given account %s up", name)

    async def _release(self, lease: str) -> None:
        with suppress(StoreError):  # it ends in a few seconds
            await self._leases.release(lease)


def _log_only(about: str, what: str) -> None:
    """Take an alert of a station: the log has it, and the events for sinks."""


def _lease(account: str) -> str:
    return f"account:{account}"


def _digest(account: AgentAccountConfig) -> str:
    """Return what an account is known by in the tables."""
    # The chargers of all nodes are one account, whatever file a node has.
    return digest_of(account.key if isinstance(account, AgentAccount) else _CHARGERS)
