"""VEN of OpenADR 3: token, programs, events and reports of one VTN, by polling. Notifications of
subscriptions are an option besides.

Source: OpenADR 3.0.1 definition and its OpenAPI document; targets of 3.1 are taken too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import aiohttp

from chargepoint_driver.demand_response.openadr.callback_3 import Callback
from chargepoint_driver.demand_response.openadr.config import VtnConfig
from chargepoint_driver.demand_response.openadr.messages_3 import parse_event, report_of
from chargepoint_driver.demand_response.openadr.registration_3 import Registration
from chargepoint_driver.demand_response.openadr.transport import (
    RequestFailedError,
    read_body,
    ssl_context,
)
from chargepoint_driver.demand_response.openadr.ven import Ven
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.text import get_logger

__all__ = ["Client3"]

_log = get_logger(__name__)

_PAGE = 50
MAX_PAGES = 40
_LIMIT_S = 20.0
_EARLY_S = 30.0
_POLL_S = 30.0
_MIN_POLL_S = 1.0
_INTRODUCE_AGAIN_S = 600.0


class Client3:
    """Polls one VTN. A VTN that fails changes nothing of what is known."""

    def __init__(self, name: str, config: VtnConfig, ven: Ven) -> None:
        self._name = name
        self._config = config
        self._ven = ven
        self._token: tuple[str, float] | None = None
        self._reported: dict[str, datetime] = {}
        self._ssl = ssl_context(config)
        self._registration: Registration | None = None
        self._callback: Callback | None = None
        self._woken = asyncio.Event()
        self._due_s = self._polled_s = self._introduce_s = 0.0
        self._problem = ""

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_LIMIT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            self._registration = Registration(
                self._name, self._config, self._ven, partial(self._ask, session)
            )
            try:
                while True:
                    await self._step(session)
            finally:
                if self._callback is not None:
                    await self._callback.stop()

    async def _step(self, session: aiohttp.ClientSession) -> None:
        """Poll where it is due, report, and wait for what comes first: the next poll, the end of
        a reported interval, a notification."""
        now = asyncio.get_running_loop().time
        try:
            if self._woken.is_set() or now() >= self._due_s:
                self._woken.clear()
                self._due_s = now() + (self._config.poll_seconds or _POLL_S)
                self._polled_s = now()
                programs = await self._poll(session)
                self._ven.reached(self._name)
                await self._introduce(programs)
            await self._report(session)
        except (
            RequestFailedError,
            ConfigurationError,
            aiohttp.ClientError,
            asyncio.TimeoutError,
            OSError,
        ) as error:
            self._ven.lost(self._name, str(error) or type(error).__name__)
        wait_s = min(self._due_s - now(), self._ven.config.report_seconds)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._woken.wait(), max(0.05, wait_s))
            # Of many notifications at once, one poll.
            await asyncio.sleep(max(0.0, self._polled_s + _MIN_POLL_S - now()))

    async def _introduce(self, programs: list[str]) -> None:
        """Register and subscribe, where the config asks for it. A VTN that refuses is polled all
        the same, and asked again later."""
        assert self._registration is not None
        now = asyncio.get_running_loop().time()
        if now < self._introduce_s:
            return
        try:
            if self._config.register_ven:
                await self._registration.register()
            if self._config.callback_listen is not None:
                if self._callback is None:
                    callback = Callback(self._config, self._registration.token, self._woken)
                    await callback.start()
                    self._callback = callback
                await self._registration.subscribe(programs, self._callback.url)
            problem = ""
        except (RequestFailedError, ConfigurationError) as error:
            self._introduce_s = now + _INTRODUCE_AGAIN_S
            problem = str(error)
        if problem and problem != self._problem:
            _log.error("VTN %s: not registered or subscribed: %s", self._name, problem)
        self._problem = problem

    async def opted(self, event_id: str) -> None:
        """Do nothing: OpenADR 3 has no opt message, the reports' OPERATING_STATE has the opt."""

    # ---- events --------------------------------------------------------------------------

    async def _poll(self, session: aiohttp.ClientSession) -> list[str]:
        """Take over the events; the ids of the programs that are followed."""
        wanted = set(self._config.programs)
        programs = [
            program
            for program in await self._all(session, "programs")
            if not wanted or wanted & {program.get("programName"), program.get("id")}
        ]
        if wanted and not programs:
            raise RequestFailedError(
                f"no program {', '.join(sorted(wanted))} is visible to this VEN"
            )
        known = {program.get("id") for program in programs}
        ids: list[str] = []
        for event in await self._all(session, "events"):
            if event.get("programID") not in known or not self._is_ours(event):
                continue
            ids.append(str(event.get("id")))
            try:
                self._ven.take(parse_event(self._name, event, self._ven.now()))
            except (KeyError, TypeError, ValueError, ArithmeticError) as error:
                _log.error("event %s of %s is malformed: %r", event.get("id"), self._name, error)
        self._ven.keep_only(self._name, ids)
        return [str(program["id"]) for program in programs if program.get("id")]

    def _is_ours(self, event: Mapping[str, Any]) -> bool:
        targets = event.get("targets") or []
        if not targets:
            return True
        ours = {self._ven.config.ven_name, *self._config.targets}
        values: set[str] = set()
        for target in targets:
            values |= {target} if isinstance(target, str) else set(target.get("values") or [])
        return bool(ours & values)

    async def _all(self, session: aiohttp.ClientSession, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(MAX_PAGES):
            query = {"skip": str(page * _PAGE), "limit": str(_PAGE)}
            part = await self._ask(session, "GET", what, params=query)
            if not isinstance(part, list) or not all(isinstance(each, dict) for each in part):
                raise RequestFailedError(f"GET /{what} did not answer a list of objects")
            fresh = [each for each in part if each not in found]
            found += fresh
            # A VTN that ignores `skip` answers the same again.
            if len(part) < _PAGE or not fresh:
                return found
        raise RequestFailedError(f"GET /{what} has more than {MAX_PAGES * _PAGE} objects")

    # ---- reports -------------------------------------------------------------------------

    async def _report(self, session: aiohttp.ClientSession) -> None:
        """Report each interval that is over of each event that lasts, or did until now."""
        now = self._ven.now()
        every = timedelta(seconds=self._ven.config.report_seconds)
        for event in list(self._ven.event_list.events.values()):
            if event.vtn != self._name or not event.intervals or event.refused:
                continue
            key = f"reported/{self._name}/{event.id}"
            since = self._reported.get(key)
            if since is None:
                stored = self._ven.fact(key)
                since = event.start if stored is None else datetime.fromisoformat(stored)
            last = now if event.end is None or event.cancelled else min(now, event.end)
            since = max(since, now - timedelta(hours=24))
            while since + every <= last or (since < last == event.end):
                until = min(since + every, last)
                body = report_of(
                    event,
                    self._ven.performance(since, until),
                    self._ven.config.ven_name,
                    self._ven.event_list.takes_part(event),
                )
                if body is not None:
                    await self._ask(session, "POST", "reports", json=body)
                since = until
                self._reported[key] = since
                self._ven.set_fact(key, since.isoformat())
            if event.cancelled:
                self._reported[key] = now

    # ---- calls ---------------------------------------------------------------------------

    async def _ask(self, session: aiohttp.ClientSession, method: str, what: str, **how: Any) -> Any:
        for is_second in (False, True):
            headers = await self._headers(session)
            status, answer = await self._call(
                session, method, f"{self._config.url}/{what}", headers=headers, **how
            )
            if status in (401, 403) and self._token is not None and not is_second:
                self._token = None
                continue
            if status not in (200, 201, 204):
                raise RequestFailedError(f"{method} /{what} answered {status}")
            return answer
        raise RequestFailedError(f"{method} /{what} is refused")

    async def _headers(self, session: aiohttp.ClientSession) -> dict[str, str]:
        if self._config.client_id is None:
            return {}
        now = asyncio.get_running_loop().time()
        if self._token is None or self._token[1] <= now:
            form = {
                "grant_type": "client_credentials",
                "client_id": self._config.client_id,
                "client_secret": self._config.secret(),
                **({"scope": self._config.scope} if self._config.scope else {}),
            }
            url = self._config.token_url or f"{self._config.url}/auth/token"
            status, answer = await self._call(session, "POST", url, data=form)
            token = answer.get("access_token") if isinstance(answer, dict) else None
            if status not in (200, 201) or not isinstance(token, str):
                raise RequestFailedError(f"the token is refused ({status})")
            lasts = answer.get("expires_in")
            lasts_s = float(lasts) if isinstance(lasts, (int, float)) else 300.0
            self._token = token, now + max(1.0, lasts_s - _EARLY_S)
        return {"Authorization": f"Bearer {self._token[0]}"}

    async def _call(
        self, session: aiohttp.ClientSession, method: str, url: str, **how: Any
    ) -> tuple[int, Any]:
        context: Any = True if self._ssl is None else self._ssl
        async with session.request(method, url, ssl=context, allow_redirects=False, **how) as reply:
            body = await read_body(reply)
            try:
                return reply.status, json.loads(body) if body.strip() else None
            except ValueError:
                if reply.status in (200, 201):
                    raise RequestFailedError(f"{method} {url} did not answer JSON") from None
                return reply.status, None
