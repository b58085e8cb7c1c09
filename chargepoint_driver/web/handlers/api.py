"""Handlers of the API; `routes` lists them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from aiohttp import web

from chargepoint_driver.errors import ChargePointError, InvalidValueError
from chargepoint_driver.http_server import json_answer, read_json
from chargepoint_driver.http_server.answers import json_pages
from chargepoint_driver.web.access.access import caller_of
from chargepoint_driver.web.access.audit import Auditor
from chargepoint_driver.web.access.masking import mask_settings
from chargepoint_driver.web.api.command_schemas import (
    AcknowledgeRequest,
    Answer,
)
from chargepoint_driver.web.api.openapi import document
from chargepoint_driver.web.api.paging import cursor, limit_of, page_of, read_cursor, sorted_page_of
from chargepoint_driver.web.api.route import Route
from chargepoint_driver.web.api.routes import ROUTES
from chargepoint_driver.web.api.schemas import (
    Charger,
    Connectors,
    Incidents,
    Loads,
    Messages,
    Problem,
    SeriesAnswer,
    Session,
    Sessions,
    Stations,
)
from chargepoint_driver.web.handlers.commands import WebCommands
from chargepoint_driver.web.live.account_poller import problem
from chargepoint_driver.web.live.dashboard import Dashboard
from chargepoint_driver.web.live.stream import Stream
from chargepoint_driver.web.store.incidents import Incidents as IncidentStore
from chargepoint_driver.web.store.samples import Series, Source
from chargepoint_driver.web.times import iso, moment

__all__ = ["Api"]

_MAX_SAMPLES = 600
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Stores:
    """Stores that the API reads: charts, alarms over time."""

    source: Source
    incidents: IncidentStore


class Api:
    """Answers requests from the board, and carries out orders on threads."""

    def __init__(
        self,
        board: Dashboard,
        orders: WebCommands,
        stream: Stream,
        executor: Executor,
        now: Callable[[], float],
        refused: Callable[[], dict[str, int]],
        stores: Stores,
        auditor: Auditor,
        *others: object,
    ) -> None:
        """`refused` gives what the listener has refused, by kind. `auditor` checks roles. `others`
        have handlers of further routes."""
        self._board = board
        self._orders = orders
        self._executor = executor
        self._now = now
        self._refused = refused
        self._source = stores.source
        self._incidents = stores.incidents
        self._auditor = auditor
        self._others = others
        self._document = document()
        self.events = stream.events

    def add_to(self, app: web.Application) -> None:
        """Serve every route of the table."""
        for route in ROUTES:
            handlers = (getattr(each, route.name, None) for each in (self, *self._others))
            own = next((each for each in handlers if each is not None), None)
            handler = own if own is not None else self._ordering(route)
            handler = self._auditor.handler(route, handler)
            path = route.base + route.path
            app.router.add_route(route.method, path, handler)
            if path.endswith("/"):
                app.router.add_route(route.method, path.rstrip("/"), handler)

    # ---- reading -------------------------------------------------------------------------

    async def health(self, request: web.Request) -> web.Response:
        del request
        health = self._board.health_with_counters()
        health.refused = self._refused()
        return json_answer(health)

    async def stations(self, request: web.Request) -> web.Response:
        found = page_of(request.query, self._board.stations(), lambda e: (e.account, e.cpid))
        return json_answer(Stations(*found))

    async def status(self, request: web.Request) -> web.Response:
        ports = [
            port
            for station in self._board.stations()
            if _is_wanted(request, station.account, station.cpid)
            for port in station.ports
        ]
        found = page_of(request.query, ports, lambda e: (e.account, e.cpid, e.connectorId))
        return json_answer(Connectors(*found))

    async def active(self, request: web.Request) -> web.Response:
        found = self._board.sessions()
        running = [
            session
            for session in found.sessions
            if session.endTime is None and _is_wanted(request, session.account, session.cpid)
        ]
        page, after = sorted_page_of(request.query, running, _session_key)
        return json_answer(Sessions(page, found.errors, found.readAt, after))

    async def history(self, request: web.Request) -> web.Response:
        query, now_s = request.query, self._now()
        day_ago = datetime.fromtimestamp(now_s, timezone.utc) - timedelta(days=1)
        start, end = query.get("start") or day_ago.isoformat(), query.get("end") or None
        cpid = query.get("cpid")
        names = list(self._board.names)
        if "account" in query or cpid is not None:
            names = [self._board.account_of(query.get("account"), cpid, None)]
        sessions: list[Session] = []
        errors: dict[str, Problem] = {}
        for name in names:
            try:
                found = await self._wait(
                    lambda name=name: self._orders.sessions(name, cpid, start, end)  # type: ignore[misc]
                )
            except ChargePointError as error:
                if len(names) == 1:
                    raise
                errors[name] = problem(error)
            else:
                sessions += found
        page, after = sorted_page_of(query, sessions, _session_key)
        return json_answer(Sessions(page, errors, iso(now_s), after))

    async def state(self, request: web.Request) -> web.Response:
        del request
        return json_answer(self._board.state())

    async def load(self, request: web.Request) -> web.Response:
        try:
            hours = float(request.query.get("hours", "24"))
        except ValueError:
            hours = 0.0
        if not 0 < hours <= 24:
            raise InvalidValueError("hours must be a number above 0, at most 24")
        since_s = self._now() - hours * 3600
        return json_answer(Loads(self._board.record.since(since_s, _MAX_SAMPLES)))

    async def live_status(self, request: web.Request) -> web.Response:
        of, account = request.query.get("charge_point_id"), request.query.get("account")

        def read() -> tuple[bytes, str | None]:
            rows = self._orders.live_status(account, of)
            page, after = page_of(
                request.query, rows, lambda e: (e["account"], e["charge_point_id"])
            )
            return json_pages(page), after

        body, after = await self._wait(read)
        answer = web.Response(body=body, content_type="application/json")
        if after is not None:
            answer.headers["Link"] = f'<{request.rel_url.update_query(after=after)}>; rel="next"'
        return answer

    async def series(self, request: web.Request) -> web.Response:
        query, now_s = request.query, self._now()
        end_s = _moment("end", query.get("end"), now_s)
        start_s = _moment("start", query.get("start"), end_s - 86_400.0)
        if start_s >= end_s:
            raise InvalidValueError("start: must lie before end")
        series, source = self._series_of(query), self._source
        step, samples = await self._wait(lambda: source.read(series, start_s, end_s))
        return json_answer(SeriesAnswer(samples, step, source.name))

    async def alarms(self, request: web.Request) -> web.Response:
        query = request.query
        since_s = _moment("start", query.get("start"), self._now() - 31 * 86_400.0)
        wanted = query.get("account") or None, query.get("cpid") or None
        limit, after = limit_of(query), query.get("after", "")
        last = read_cursor(after) if after else None
        found = await self._wait(lambda: self._incidents.found(since_s, *wanted, limit, last))
        names = {(each.account, each.cpid): each.name for each in self._board.stations()}
        for each in found[0]:
            each.name = names.get((each.account, each.cpid))
        page, further = found
        return json_answer(Incidents(page, None if further is None else cursor(further)))

    async def acknowledge(self, request: web.Request) -> web.Response:
        asked: AcknowledgeRequest = await read_json(
            request, AcknowledgeRequest, "an object of account, cpid, connectorId, kind, what, note"
        )
        account = self._board.account_of(asked.account, asked.cpid, None)
        await self._wait(
            lambda: self._incidents.acknowledge(
                asked.kind,
                account,
                asked.cpid,
                asked.connectorId,
                asked.what,
                by=caller_of(request).writer,
                note=asked.note.strip(),
            )
        )
        self._board.publish()
        return json_answer(Answer("Accepted"))

    async def charger(self, request: web.Request) -> web.Response:
        account, cpid = self._station_of(request)
        listed = self._board.listed(account, cpid)
        values = dict(listed["values"])
        settings = values.pop("Configuration", None)
        values.pop("configuration", None)
        name = values.get("stationName")
        return json_answer(
            Charger(
                account,
                cpid,
                name,
                values,
                listed["ports"],
                mask_settings(settings) if isinstance(settings, dict) else None,
                self._board.is_direct(account),
            )
        )

    async def messages(self, request: web.Request) -> web.Response:
        account, cpid = self._station_of(request)
        query = request.query
        before = _number(query, "after" if query.get("after") else "before", None)
        limit = limit_of(query) or 100
        action = query.get("action") or None
        found, older = await self._wait(
            lambda: self._orders.stored_messages(account, cpid, before, limit, action)
        )
        return json_answer(Messages(found, older, None if older is None else str(older)))

    def _station_of(self, request: web.Request) -> tuple[str, str]:
        """Return account and station that a query names. Raises InvalidValueError."""
        cpid = request.query.get("cpid", "")
        if not cpid:
            raise InvalidValueError("cpid: is missing; name a station")
        return self._board.account_of(request.query.get("account"), cpid, None), cpid

    def _series_of(self, query: Mapping[str, str]) -> Series:
        """Return what a query names. Raises InvalidValueError, NotFoundError."""
        account, cpid, group = query.get("account"), query.get("cpid"), query.get("group")
        if not cpid and not group:
            names = self._board.names
            if account is not None and account not in names:
                self._board.account_of(account, None, None)
            # Of a single account the site is the account.
            return Series("site", account if account and len(names) > 1 else "")
        name = self._board.account_of(account, cpid, group)
        if group:
            return Series("group", name, group)
        number = query.get("connectorId", "")
        if not number.isdecimal():
            raise InvalidValueError("connectorId: must be the number of a port of the station")
        return Series.port(name, str(cpid), int(number))

    async def openapi(self, request: web.Request) -> web.Response:
        del request
        return json_answer(self._document)

    # ---- orders --------------------------------------------------------------------------

    def _ordering(self, route: Route) -> Callable[[web.Request], Any]:
        """The handler of a command: read the body, find the account, carry out, look again."""

        async def order(request: web.Request) -> web.Response:
            assert route.body is not None
            words = f"an object of {', '.join(route.body.__struct_fields__)}"  # type: ignore[attr-defined]
            asked = await read_json(request, route.body, words)
            account = self._board.account_of(
                asked.account, asked.cpid, getattr(asked, "group", None)
            )
            carry_out = getattr(self._orders.by(caller_of(request).writer), route.name)
            try:
                answer = await self._wait(lambda: carry_out(account, asked))
                # What was answered stands in the next /status.
                await self._board.refresh_now(account)
            finally:
                # Also after a failure: the command may have been carried out.
                self._board.refresh_soon(account)
            return json_answer(answer)

        return order

    async def _wait(self, ask: Callable[[], _Found]) -> _Found:
        return await asyncio.get_running_loop().run_in_executor(self._executor, ask)


def _moment(name: str, text: str | None, otherwise_s: float) -> float:
    return moment(name, text) if text else otherwise_s


def _number(query: Mapping[str, str], name: str, otherwise: int | None) -> int | None:
    text = query.get(name, "")
    if not text:
        return otherwise
    if not text.isascii() or not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise InvalidValueError(f"{name}: must be a whole number above 0")
    return int(text)


def _session_key(each: Session) -> tuple[Any, ...]:
    """Return what names a session, in the order of its begin."""
    port = each.connectorId or 0
    return each.startTime or "", each.account, each.cpid, port, str(each.transactionId)


def _is_wanted(request: web.Request, account: str, cpid: str) -> bool:
    """Return True if the query's filters let this through."""
    query = request.query
    return query.get("account", account) == account and query.get("cpid", cpid) == cpid
