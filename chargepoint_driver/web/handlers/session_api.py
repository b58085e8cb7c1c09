"""Handlers of sessions with their costs: pages, sums, files, and the report of a month."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import datetime
from typing import Any, Literal, TypeVar

from aiohttp import web

from chargepoint_driver.billing import BilledSession, Bills, SessionFilter, SessionSource, Sums
from chargepoint_driver.billing.costs import energy_wh_of
from chargepoint_driver.billing.files import report_csv, sessions_csv
from chargepoint_driver.config.web_keys import Role
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    TransientError,
)
from chargepoint_driver.http_server import json_answer
from chargepoint_driver.http_server.answers import refusal
from chargepoint_driver.service import Accounts
from chargepoint_driver.web.access.access import caller_of
from chargepoint_driver.web.api import session_schemas as schemas
from chargepoint_driver.web.api.paging import cursor, limit_of, read_cursor
from chargepoint_driver.web.live.account_poller import problem
from chargepoint_driver.web.live.dashboard import Dashboard
from chargepoint_driver.web.times import iso_or_none, moment

__all__ = ["SessionApi", "sources_of"]

_DAY_S = 86_400.0
_DEFAULT_LIMIT = 100
_MAX_TAG_CHARS = 255
# Sums and files read whole histories: others must not wait for their threads.
_MAX_AT_ONCE = 2
_Found = TypeVar("_Found")


class SessionApi:
    """Answers from the bills. `id_tags`: the lowest role that sees idTags."""

    def __init__(
        self,
        bills: Bills,
        account_of: Callable[[str | None, str], str],
        executor: Executor,
        now: Callable[[], float],
        id_tags: Role | Literal["nobody"],
    ) -> None:
        """`account_of` finds the account of a station."""
        self._bills = bills
        self._account_of = account_of
        self._executor = executor
        self._now = now
        self._id_tags = id_tags
        self._long = asyncio.Semaphore(_MAX_AT_ONCE)

    async def sessions(self, request: web.Request) -> web.Response:
        """Answer a page of sessions."""
        refused = self._refusal(request)
        if refused is not None:
            return refused
        wanted = self._wanted(request)
        limit = limit_of(request.query) or _DEFAULT_LIMIT
        after = request.query.get("after", "")
        last = read_cursor(after) if after else None
        found = await self._wait(lambda: self._bills.page(wanted, limit, last))
        is_shown = self._may_see(request)
        return json_answer(
            schemas.SessionPage(
                [_session(each, is_shown) for each in found.sessions],
                None if found.after is None else cursor(found.after),
                is_shown,
                self._bills.time_zone,
                {name: problem(error) for name, error in found.errors.items()},
            )
        )

    async def session_sums(self, request: web.Request) -> web.Response:
        """Answer the sums of all sessions that a query leaves."""
        refused = self._refusal(request)
        if refused is not None:
            return refused
        wanted = self._wanted(request)
        async with self._long:
            sums, errors = await self._wait(lambda: self._bills.sums(wanted))
        return json_answer(_sums(sums, errors))

    async def sessions_csv(self, request: web.Request) -> web.StreamResponse:
        """Answer all sessions that a query leaves, as a file."""
        refused = self._refusal(request)
        if refused is not None:
            return refused
        wanted, is_shown = self._wanted(request), self._may_see(request)
        async with self._long:
            # A file without an account would look whole.
            page = await self._wait(lambda: self._bills.page(wanted, 1))
            for account, error in page.errors.items():
                raise TransientError(f"account {account}: {error}; nothing was exported")
            texts = sessions_csv(self._bills.walk(wanted), self._bills.zone, with_id_tags=is_shown)
            answer = web.StreamResponse(headers=_file("sessions.csv"))
            head = await self._wait(lambda: next(texts))
            await answer.prepare(request)
            try:
                text: str | None = head
                while text is not None:
                    await answer.write(text.encode())
                    text = await self._wait(lambda: next(texts, None))
            except ChargePointError:
                # What has been sent is not the whole file: the connection ends without its end.
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionResetError from None
            await answer.write_eof()
        return answer

    async def report(self, request: web.Request) -> web.Response:
        """Answer the report of a month."""
        month, account = self._month(request)
        async with self._long:
            found = await self._wait(lambda: self._bills.report(month, account))
        row, tags = schemas.ReportRow, None
        if self._may_see(request):
            tags = [row(centre, tag, _sums(s)) for (centre, tag), s in found.tags.items()]
        return json_answer(
            schemas.MonthlyReport(
                found.month,
                found.time_zone,
                _sums(found.total, found.errors),
                [row(centre, None, _sums(sums)) for centre, sums in found.centres.items()],
                tags,
            )
        )

    async def report_csv(self, request: web.Request) -> web.Response:
        """Answer the report of a month as a file."""
        month, account = self._month(request)
        refused = self._refusal(request)
        if refused is not None:
            return refused
        async with self._long:
            found = await self._wait(lambda: self._bills.report(month, account))
        for name, error in found.errors.items():
            raise TransientError(f"account {name}: {error}; nothing was exported")
        text = report_csv(found, with_id_tags=request.query.get("by") == "idTag")
        return web.Response(text=text, headers=_file(f"report-{month}.csv"))

    # ---- inside --------------------------------------------------------------------------

    def _wanted(self, request: web.Request) -> SessionFilter:
        """Return what a query asks for. Raises InvalidValueError."""
        query, now_s = request.query, self._now()
        start, end = query.get("start"), query.get("end")
        until_s = moment("end", end) if end else None
        since_s = moment("start", start) if start else (until_s or now_s) - _DAY_S
        # No session is older; times long before are none for every library.
        since_s = max(0.0, since_s)
        if until_s is not None and until_s <= since_s:
            raise InvalidValueError("start: must lie before end")
        account, cpid = query.get("account") or None, query.get("cpid") or None
        if cpid is not None:
            account = self._account_of(account, cpid)
        port = _whole(query, "connectorId", 1_000)
        if port is not None and cpid is None:
            raise InvalidValueError("cpid: is missing; name the station of connectorId")
        tag = query.get("idTag", "").strip() or None
        if tag is not None and len(tag) > _MAX_TAG_CHARS:
            raise InvalidValueError(f"idTag: must have at most {_MAX_TAG_CHARS} characters")
        return SessionFilter(since_s, until_s, account, cpid, port, tag)

    def _month(self, request: web.Request) -> tuple[str, str | None]:
        """Return month and account of a query; without a month the present one."""
        present = f"{datetime.fromtimestamp(self._now(), self._bills.zone):%Y-%m}"
        return request.query.get("month") or present, request.query.get("account") or None

    def _may_see(self, request: web.Request) -> bool:
        """Return True if the caller may see idTags."""
        return caller_of(request).sees_id_tags

    def _refusal(self, request: web.Request) -> web.Response | None:
        """Return the answer to a caller who asks for idTags and may not see them."""
        asks = request.query.get("idTag") or request.query.get("by") == "idTag"
        if not asks or self._may_see(request):
            return None
        who = "nobody" if self._id_tags == "nobody" else f"the role {self._id_tags} and above"
        return refusal("not_permitted", f"idTag: idTags are shown to {who}; leave it out", 403)

    async def _wait(self, ask: Callable[[], _Found]) -> _Found:
        return await asyncio.get_running_loop().run_in_executor(self._executor, ask)


def sources_of(accounts: Accounts, board: Dashboard) -> dict[str, SessionSource]:
    """Return the accounts as sources of sessions. Their stations are those that the page lists."""
    return {
        name: SessionSource(
            service.session_page,
            service.energy_readings,
            lambda name=name: board.station_values(name),  # type: ignore[misc]
        )
        for name, service in accounts.services()
    }


def _session(each: BilledSession, with_id_tag: bool) -> schemas.BilledSession:
    session, cost = each.session, each.cost
    start_s, end_s = session.start_s, session.end_s
    energy_wh = energy_wh_of(session)
    return schemas.BilledSession(
        account=each.account,
        cpid=session.station_id,
        connectorId=session.port,
        transactionId=session.session_id or None,
        idTag=session.id_tag if with_id_tag else None,
        startTime=iso_or_none(start_s),
        endTime=iso_or_none(end_s),
        hasEnded=session.has_ended,
        durationSecs=None if start_s is None or end_s is None else round(end_s - start_s, 3),
        energy=None if energy_wh is None else float(energy_wh),
        energyIsMinimum=session.is_minimum or not session.has_ended,
        cost=None if cost.amount is None else f"{cost.amount:f}",
        currency=cost.currency,
        tariff=cost.tariff,
        costIsEstimated=cost.is_estimated,
        costReason=cost.reason,
        costWords=cost.words,
        costParts=[
            schemas.CostPart(
                part.kind, part.period or None, round(float(part.quantity), 6), f"{part.price:f}"
            )
            for part in cost.parts
        ],
    )


def _sums(sums: Sums, errors: Mapping[str, ChargePointError] | None = None) -> schemas.SessionSums:
    return schemas.SessionSums(
        sums.sessions,
        sums.running,
        float(sums.energy_wh),
        sums.energy_unknown,
        sums.energy_minimum,
        round(sums.duration_s, 3),
        sums.duration_unknown,
        {currency: f"{amount:f}" for currency, amount in sorted(sums.costs.items())},
        sums.cost_unknown,
        sums.cost_estimated,
        dict(sums.reasons),
        {name: problem(error) for name, error in (errors or {}).items()},
    )


def _whole(query: Mapping[str, str], name: str, most: int) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= most:
        raise InvalidValueError(f"{name}: must be a whole number from 1 to {most}")
    return int(text)


def _file(name: str) -> dict[str, Any]:
    return {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
