"""Page and API put together, on a loop and a thread of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from chargepoint_driver.billing import Bills
from chargepoint_driver.config import BillingConfig, WebConfig
from chargepoint_driver.errors import ConfigurationError, TransientError
from chargepoint_driver.http_server import FailedLogins, Listener, answering
from chargepoint_driver.service import Accounts, Service
from chargepoint_driver.web.access.access import Keys, Proxy, is_loopback
from chargepoint_driver.web.access.audit import Auditor
from chargepoint_driver.web.handlers.api import Api, Stores
from chargepoint_driver.web.handlers.audit_api import AuditApi
from chargepoint_driver.web.handlers.commands import WebCommands
from chargepoint_driver.web.handlers.login import Login
from chargepoint_driver.web.handlers.schedule_api import ScheduleApi
from chargepoint_driver.web.handlers.session_api import SessionApi, sources_of
from chargepoint_driver.web.live.dashboard import Dashboard
from chargepoint_driver.web.live.recorder import Recorder
from chargepoint_driver.web.live.stream import Stream
from chargepoint_driver.web.metrics import Metrics
from chargepoint_driver.web.schedules.schedule_thread import ScheduleThread
from chargepoint_driver.web.schedules.schedules import Schedules
from chargepoint_driver.web.settings import Settings
from chargepoint_driver.web.static_files import Files, add_headers
from chargepoint_driver.web.store import Database
from chargepoint_driver.web.store.audit import Audit
from chargepoint_driver.web.store.historian import Historian
from chargepoint_driver.web.store.incidents import Incidents
from chargepoint_driver.web.store.samples import Samples, Source

__all__ = ["WebServer"]

_EVERY_S = 2.0
_MAX_BYTES = 65_536
_THREADS = 16
_START_S = 30.0


class WebServer:
    """Serves the accounts of a caching agent's configuration from `start` to `stop`."""

    def __init__(
        self,
        config: Mapping[str, Any],
        settings: Settings,
        *,
        serve: Callable[..., Service] = Service.of_account,
        every_s: float = _EVERY_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`serve` makes the service of an account, `every_s` is the time between two looks.
        Raises ConfigurationError with all that is wrong with the accounts."""
        self._settings = settings
        self._config = WebConfig.from_dict(config)
        self._billing = BillingConfig.from_dict(config)
        self._keys = Keys(self._config, settings.token, now=now)
        if self._config.proxy_login is not None and not is_loopback(settings.address[0]):
            raise ConfigurationError(
                "config: web: proxy_login: needs --listen with an address of loopback, like "
                "127.0.0.1:8080; anyone who reaches another address could write the headers"
            )
        self._serve = serve
        self._every_s = every_s
        self._now = now
        self._board: Dashboard | None = None
        self._ending: asyncio.Event | None = None
        self._listener = Listener(settings.address, "--listen", settings.tls)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="chargepoint-web", daemon=True)
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._expected = _expected(config)
        self._settings_of_accounts: Mapping[str, Any] = config.get("accounts", {})
        self._database = Database(self._config.database)
        self._accounts = Accounts(self._serve_kept)
        faults = self._accounts.configure(config)
        if faults:
            self._close()
            raise ConfigurationError("\n".join(faults))

    @property
    def url(self) -> str:
        """Return where the page is, once it was started."""
        return f"{self._listener.url}/"

    @property
    def board(self) -> Dashboard:
        """Return what is shown; belongs to the server's loop."""
        if self._board is None:
            raise TransientError("the server is not running")
        return self._board

    def start(self) -> WebServer:
        """Serve from now on. Raises ConfigurationError, and then nothing is left running."""
        self._thread.start()
        self._started.wait(_START_S)
        if self._failure is not None or not self._started.is_set():
            self.stop()
            raise self._failure or TransientError(f"the server did not start within {_START_S:g} s")
        return self

    def stop(self) -> None:
        """End every connection and command. Safe to call more than once."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join(_START_S)
        self._close()

    def run(self, ask: Callable[[], Coroutine[Any, Any, Any]], timeout_s: float = 30.0) -> Any:
        """Have something done on the server's loop."""
        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(timeout_s)

    # ---- inside --------------------------------------------------------------------------

    def _serve_kept(self, account: Any) -> Service:
        """The service of an account, its sheds looked after while the server runs."""
        service = self._serve(account)
        service.keep(self._alert, over=self._alert_over)
        return service

    def _alert(self, about: str, what: str) -> None:
        board = self._board
        if board is not None:
            self._loop.call_soon_threadsafe(board.alert, about, what)

    def _alert_over(self, about: str, what: str) -> None:
        board = self._board
        if board is not None:
            self._loop.call_soon_threadsafe(board.alert_over, about, what)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._live())
        except BaseException as error:  # noqa: BLE001 - raised by start
            self._failure = error
        finally:
            self._started.set()

    async def _live(self) -> None:
        self._ending = asyncio.Event()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="chargepoint-web") as executor:
            incidents = Incidents(self._database, self._now)
            recorder = Recorder(Samples(self._database, self._now), self._now)
            board = Dashboard(
                self._accounts,
                executor,
                every_s=self._every_s,
                now=self._now,
                expected=self._expected,
                recorder=recorder,
                incidents=incidents,
            )
            source: Source = recorder
            if self._config.historian is not None:
                source = Historian(self._config.historian, board.members)
            files = Files(self._config)
            proxy = self._config.proxy_login
            audit = Audit(self._database, self._config.audit_days, self._now)
            auditor = Auditor(
                audit, executor, is_proxied=proxy is not None, account_of=board.account_of
            )
            login = Login(
                self._keys,
                files,
                is_tls=self._settings.tls is not None,
                failed=FailedLogins(self._listener.log),
                auditor=auditor,
                proxy=None if proxy is None else Proxy(proxy, self._config.id_tags),
            )
            stream = Stream(board, login.is_let_in)
            app = web.Application(
                middlewares=[answering(), login.guard], client_max_size=_MAX_BYTES
            )
            app.on_response_prepare.append(add_headers)
            login.add_to(app)
            files.add_to(app)
            orders, refused = WebCommands(self._accounts), self._listener.counts
            schedules = Schedules(self._config, self._now, self._settings_of_accounts)
            sessions = SessionApi(
                Bills(self._billing, lambda: sources_of(self._accounts, board)),
                lambda account, cpid: board.account_of(account, cpid, None),
                executor,
                self._now,
                self._config.id_tags,
            )
            Api(
                board,
                orders,
                stream,
                executor,
                self._now,
                refused,
                Stores(source, incidents),
                auditor,
                AuditApi(audit, executor),
                ScheduleApi(schedules, executor),
                sessions,
            ).add_to(app)
            metrics = Metrics(self._accounts)
            metrics.add_to(app)
            await self._listener.start(app)
            running = self._schedule_thread()
            try:
                metrics.start()
                self._board = board
                board.start()
                if running is not None:
                    running.start()
                self._started.set()
                await self._ending.wait()
            finally:
                self._board = None
                await metrics.stop()
                await board.stop()
                recorder.flush()
                incidents.save()
                await stream.stop()
                await self._listener.stop()
                if running is not None:
                    # It releases limits, so the accounts must still be open.
                    await self._loop.run_in_executor(executor, running.stop)
                schedules.close()
                # Requests that still wait get an error.
                self._accounts.close()
                executor.shutdown(wait=False, cancel_futures=True)

    def _schedule_thread(self) -> ScheduleThread | None:
        """The scheduler of this process, where the configuration asks for one."""
        settings = self._config.schedule
        if settings is None or not settings.run:
            return None
        return ScheduleThread(settings.file, self._accounts, self._now)

    def _end(self) -> None:
        if self._ending is not None:
            self._ending.set()

    def _close(self) -> None:
        self._accounts.close()
        self._database.close()
        if not self._thread.is_alive() and not self._loop.is_closed():
            self._loop.close()


def _expected(config: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Account to the charge points that its configuration names, also before they connect."""
    accounts = {**config.get("accounts", {})}
    found = {}
    for name, account in accounts.items():
        points = account.get("charge_points") if isinstance(account, Mapping) else None
        if isinstance(points, Mapping):
            found[name] = frozenset(str(each) for each in points if each != "*")
    return found
