"""Data of all accounts for the page, kept current and sent to viewers."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from itertools import chain
from types import MappingProxyType
from typing import Any

from chargepoint_driver.catalogue import CHARGEPOINT, Data
from chargepoint_driver.errors import InvalidValueError, NotFoundError, TransientError
from chargepoint_driver.service import Accounts
from chargepoint_driver.text import get_logger
from chargepoint_driver.web.api.schemas import (
    AccountHealth,
    Alert,
    Group,
    Health,
    Problem,
    Sessions,
    State,
    Station,
)
from chargepoint_driver.web.live import aggregates
from chargepoint_driver.web.live.account_poller import AccountPoller
from chargepoint_driver.web.live.load_history import LoadHistory
from chargepoint_driver.web.live.recorder import Recorder
from chargepoint_driver.web.store.incidents import Incidents
from chargepoint_driver.web.times import iso

__all__ = ["Dashboard"]

_log = get_logger(__name__)
_MAX_ALERTS = 50
_REFRESH_S = 5.0
# How many times longer than a reading the rest after it is: thousands of ports take their time.
_REST = 9
# Values of a web service are shown as not current after two minutes.
_MAX_REST_S = 30.0


class Dashboard:
    """Belongs to one loop; reads on threads of the executor."""

    def __init__(
        self,
        accounts: Accounts,
        executor: Executor,
        *,
        every_s: float,
        now: Callable[[], float] = time.time,
        expected: Mapping[str, frozenset[str]] = MappingProxyType({}),
        recorder: Recorder | None = None,
        incidents: Incidents | None = None,
    ) -> None:
        """`every_s` is the time between two readings. A web service is not asked more often
        than its values are allowed to be old. `expected`: account to its configured chargers.
        `recorder` keeps what is shown, `incidents` the alarms and the maintenance."""
        self._accounts = accounts
        self._executor = executor
        self._every_s = every_s
        self._now = now
        self._watches = {
            name: AccountPoller(accounts, name, table, now, expected.get(name, frozenset()))
            for name, table in accounts.tables().items()
        }
        self._locks = {name: asyncio.Lock() for name in self._watches}
        self._tasks: list[asyncio.Task[Any]] = []
        self._changed = asyncio.Event()
        self._alerts: deque[Alert] = deque(maxlen=_MAX_ALERTS)
        self._state: State | None = None
        self._recorder = recorder
        self._incidents = incidents
        self._recording: asyncio.Future[None] | None = None
        self.record = LoadHistory()
        self.version = 0

    # ---- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Read from now on."""
        self._accounts.follow(self._heard)
        self._tasks = [asyncio.create_task(self._run(name)) for name in self._watches]

    def _heard(self, account: str, event: Mapping[str, Any]) -> None:
        watch = self._watches.get(account)
        if watch is not None:
            watch.heard(event["charge_point"])

    async def stop(self) -> None:
        """Read no more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._recording is not None:
            await asyncio.wait([self._recording])

    @property
    def names(self) -> list[str]:
        """The accounts."""
        return list(self._watches)

    async def _run(self, name: str) -> None:
        while True:
            cost_s = await self.refresh(name)
            while self._watches[name].direct:
                # Chargers that connect report changes: new values are read, and the rest in parts.
                await asyncio.sleep(self._every_s)
                await self._refresh_next(name)
            await asyncio.sleep(max(self._every_s, min(_REST * cost_s, _MAX_REST_S)))

    async def _refresh_next(self, name: str) -> None:
        """Read the chargers of an account that sent something, and some of the others."""
        watch, loop = self._watches[name], asyncio.get_running_loop()
        async with self._locks[name]:
            try:
                news = await loop.run_in_executor(self._executor, watch.refresh_next)
            except Exception:  # noqa: BLE001 - logged; the next reading may do
                _log.exception("account %s could not be shown", name)
                return
        if news:
            self.publish()

    async def refresh(self, name: str, *, sessions: bool = False) -> float:
        """Read an account now. Return the processor time of it in seconds."""
        watch = self._watches[name]
        loop = asyncio.get_running_loop()

        def read() -> float:
            # Not the time that passed: a slow service, or a busy machine, makes no page older.
            begun_s = time.thread_time()
            watch.refresh(sessions=sessions)
            return time.thread_time() - begun_s

        cost_s = 0.0
        async with self._locks[name]:
            try:
                cost_s = await loop.run_in_executor(self._executor, read)
            except Exception:  # noqa: BLE001 - logged; the next reading may do
                _log.exception("account %s could not be shown", name)
        self.publish()
        return cost_s

    async def refresh_now(self, name: str) -> None:
        """Read an account before a command is answered; within 5 s, else it is read soon."""
        refreshing = asyncio.ensure_future(self.refresh(name))
        await asyncio.wait({refreshing}, timeout=_REFRESH_S)

    def refresh_soon(self, name: str) -> None:
        """Read an account, its sessions too, without waiting for it."""
        task = asyncio.create_task(self.refresh(name, sessions=True))
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    def alert(self, about: str, what: str) -> None:
        """Show that a shed is not as it was commanded."""
        self._alerts.appendleft(Alert(iso(self._now()), about, what))
        self.publish()

    def alert_over(self, about: str, what: str) -> None:
        """Mark the newest alert of that text as over."""
        for alert in self._alerts:
            if (alert.about, alert.what, alert.over) == (about, what, None):
                alert.over = iso(self._now())
                break
        self.publish()

    def publish(self) -> None:
        """Make the state again and wake all that wait for it."""
        self._state = None
        self.record.add(self._now(), self.state().site)
        self._keep()
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def _keep(self) -> None:
        """Have what is shown recorded, when it is time, on a thread."""
        recorder = self._recorder
        is_busy = self._recording is not None and not self._recording.done()
        if recorder is None or is_busy or not recorder.is_due:
            return
        shown = self.stations(), self.groups(), self._unlisted()

        def record_samples() -> None:
            try:
                recorder.record(*shown)
                if self._incidents is not None:
                    self._incidents.save()
            except Exception:  # noqa: BLE001 - logged; the page goes on
                _log.exception("what is shown could not be kept")

        self._recording = asyncio.get_running_loop().run_in_executor(self._executor, record_samples)

    async def newer(self, version: int, timeout_s: float) -> bool:
        """Wait until there is something newer; False when there was nothing in that time."""
        if self.version != version:
            return True
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except asyncio.TimeoutError:
            return False
        return True

    # ---- what is shown -------------------------------------------------------------------

    def stations(self) -> list[Station]:
        """Every station, in the order of the accounts and of their lists."""
        return list(
            chain.from_iterable(w.snapshot.stations.values() for w in self._watches.values())
        )

    def groups(self) -> list[Group]:
        return list(chain.from_iterable(w.snapshot.groups.values() for w in self._watches.values()))

    def members(self, account: str, group: str) -> list[str]:
        """The stations of a group of an account; [] where there is no such group."""
        watch = self._watches.get(account)
        found = None if watch is None else watch.snapshot.groups.get(group)
        return [] if found is None else found.stations

    def sessions(self) -> Sessions:
        """The sessions of the last day. `readAt` is the oldest of the accounts'."""
        each = [watch.snapshot.sessions for watch in self._watches.values()]
        times = [found.readAt for found in each if found.readAt]
        return Sessions(
            sorted(
                chain.from_iterable(found.sessions for found in each),
                key=lambda session: session.startTime or "",
            ),
            {name: error for found in each for name, error in found.errors.items()},
            min(times, default=None),
        )

    def health(self) -> Health:
        """Return what does not work at present."""
        reported = self._accounts.health()
        accounts = []
        for name, watch in self._watches.items():
            errors = {
                call: Problem(**error) for call, error in reported["accounts"].get(name, {}).items()
            }
            if watch.snapshot.problem is not None:
                errors.setdefault(CHARGEPOINT.name(Data.STATIONS), watch.snapshot.problem)
            kind = "ocpp" if watch.direct else "chargepoint"
            accounts.append(AccountHealth(name, kind, watch.direct, errors))
        good = bool(reported["good"]) and not any(account.errors for account in accounts)
        return Health(good, reported["faults"], accounts)

    def health_with_counters(self) -> Health:
        """The same, with what each account's port has refused."""
        health, counters = self.health(), self._accounts.counters()
        for account in health.accounts:
            account.counters = counters.get(account.account, {})
        return health

    def state(self) -> State:
        """All but the stations."""
        if self._state is None:
            stations, groups = self.stations(), self.groups()
            self._state = State(
                time=iso(self._now()),
                site=aggregates.site(stations, groups, self._unlisted()),
                health=self.health(),
                groups=groups,
                alarms=aggregates.alarms(stations),
                alarmsUnknown=aggregates.alarms_unknown(stations),
                maintenance=aggregates.maintenance(stations),
                maintenanceUnknown=aggregates.unknown(stations, "Status"),
                alerts=list(self._alerts),
                sessions=self.sessions(),
                sample=None,
            )
            if self._incidents is not None:
                known = aggregates.readable(stations)
                self._incidents.see(self._state.alarms, self._state.maintenance, known)
        self._state.time = iso(self._now())
        self._state.sample = self.record.newest
        return self._state

    def _unlisted(self) -> int:
        """The number of accounts of whose stations not all are known."""
        return sum(not watch.snapshot.is_listed for watch in self._watches.values())

    def listed(self, account: str, cpid: str) -> dict[str, Any]:
        """Return a station's entry in the list of stations. Raises NotFoundError."""
        found = self._watches[account].listed(cpid)
        if found is None:
            raise NotFoundError(f"account {account} has no station {cpid}")
        return found

    def station_values(self, account: str) -> dict[str, Mapping[str, Any]]:
        """Return the values of an account's list of stations by station, from any thread. Raises
        TransientError while it is not known."""
        watch = self._watches.get(account)
        if watch is None or not (watch.snapshot.is_listed or watch.direct):
            raise TransientError(f"account {account}: the list of stations was not read yet")
        return watch.station_values()

    def is_direct(self, account: str) -> bool:
        """Return True if the chargers of an account connect to us."""
        return self._watches[account].direct

    def account_of(self, account: str | None, cpid: str | None, group: str | None) -> str:
        """The account that is meant: the one named, else the one that has the station or group.
        Raises NotFoundError, InvalidValueError."""
        if account is not None:
            if account not in self._watches:
                known = ", ".join(self._watches) or "none"
                raise NotFoundError(f"account: there is no {account!r}; the accounts are {known}")
            return account
        if len(self._watches) == 1:
            return next(iter(self._watches))
        found = [
            name
            for name, watch in self._watches.items()
            if cpid in watch.snapshot.stations or group in watch.snapshot.groups
        ]
        what = f"station group {group}" if group else f"station {cpid}"
        if len(found) > 1:
            raise InvalidValueError(f"{what} is known to {', '.join(found)}; name the account")
        if not found:
            raise NotFoundError(f"{what} is unknown to all of {', '.join(self._watches)}")
        return found[0]
