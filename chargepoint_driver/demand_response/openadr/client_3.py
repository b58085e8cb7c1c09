"""VEN of OpenADR 3: token, programs, events and reports of one VTN, by polling.

Source: OpenADR 3.0.1 definition and its OpenAPI document; targets of 3.1 are taken too.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import aiohttp

from chargepoint_driver.demand_response.openadr.config import VtnConfig
from chargepoint_driver.demand_response.openadr.events import LOWEST_RANK, Event, Interval
from chargepoint_driver.demand_response.openadr.signals import Ask, UnresolvableSignalError, to_ask
from chargepoint_driver.demand_response.openadr.ven import Performance, Ven
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.text import get_logger

__all__ = ["Client3", "parse_event", "report_of"]

_log = get_logger(__name__)

_PAGE = 50
MAX_PAGES = 40
MAX_BODY_BYTES = 5_000_000
_LIMIT_S = 20.0
_EARLY_S = 30.0
_DURATION = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
    r"(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
# Longer is "until it is deleted": the specification writes it as P9999Y.
_ENDLESS = timedelta(days=3650)


class _RequestFailedError(Exception):
    """The VTN did not answer, or not as it should."""


class Client3:
    """Polls one VTN. A VTN that fails changes nothing of what is known."""

    def __init__(self, name: str, config: VtnConfig, ven: Ven) -> None:
        self._name = name
        self._config = config
        self._ven = ven
        self._token: tuple[str, float] | None = None
        self._reported: dict[str, datetime] = {}
        self._ssl = _context(config) if config.url.startswith("https:") else None

    async def run(self) -> None:
        every_s = self._config.poll_seconds or 30.0
        timeout = aiohttp.ClientTimeout(total=_LIMIT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    await self._poll(session)
                    self._ven.reached(self._name)
                    await self._report(session)
                except (
                    _RequestFailedError,
                    aiohttp.ClientError,
                    asyncio.TimeoutError,
                    OSError,
                ) as error:
                    self._ven.lost(self._name, str(error) or type(error).__name__)
                except ConfigurationError as error:
                    self._ven.lost(self._name, str(error))
                await asyncio.sleep(every_s)

    async def opted(self, event_id: str) -> None:
        """OpenADR 3 has no opt message: the reports' OPERATING_STATE says it."""

    # ---- events --------------------------------------------------------------------------

    async def _poll(self, session: aiohttp.ClientSession) -> None:
        wanted = set(self._config.programs)
        programs = [
            program
            for program in await self._all(session, "programs")
            if not wanted or wanted & {program.get("programName"), program.get("id")}
        ]
        if wanted and not programs:
            raise _RequestFailedError(
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
                raise _RequestFailedError(f"GET /{what} did not answer a list of objects")
            fresh = [each for each in part if each not in found]
            found += fresh
            # A VTN that ignores `skip` answers the same again.
            if len(part) < _PAGE or not fresh:
                return found
        raise _RequestFailedError(f"GET /{what} has more than {MAX_PAGES * _PAGE} objects")

    # ---- reports -------------------------------------------------------------------------

    async def _report(self, session: aiohttp.ClientSession) -> None:
        """Report each interval that is over of each event that lasts, or did until now."""
        now = self._ven.now()
        every = timedelta(seconds=self._ven.config.report_seconds)
        for event in list(self._ven.book.events.values()):
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
                    self._ven.book.takes_part(event),
                )
                if body is not None:
                    await self._ask(session, "POST", "reports", json=body)
                since = until
                self._reported[key] = since
                self._ven.note(key, since.isoformat())
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
            if status not in (200, 201):
                raise _RequestFailedError(f"{method} /{what} answered {status}")
            return answer
        raise _RequestFailedError(f"{method} /{what} is refused")

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
                raise _RequestFailedError(f"the token is refused ({status})")
            lasts = answer.get("expires_in")
            lasts_s = float(lasts) if isinstance(lasts, (int, float)) else 300.0
            self._token = token, now + max(1.0, lasts_s - _EARLY_S)
        return {"Authorization": f"Bearer {self._token[0]}"}

    async def _call(
        self, session: aiohttp.ClientSession, method: str, url: str, **how: Any
    ) -> tuple[int, Any]:
        context: Any = True if self._ssl is None else self._ssl
        async with session.request(method, url, ssl=context, allow_redirects=False, **how) as reply:
            body = b""
            while chunk := await reply.content.read(MAX_BODY_BYTES + 1 - len(body)):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise _RequestFailedError(
                        f"{method} {url} answered more than {MAX_BODY_BYTES} bytes"
                    )
            try:
                return reply.status, json.loads(body) if body.strip() else None
            except ValueError:
                if reply.status in (200, 201):
                    raise _RequestFailedError(f"{method} {url} did not answer JSON") from None
                return reply.status, None


def parse_event(vtn: str, fields: Mapping[str, Any], now: datetime) -> Event:
    """An event object of OpenADR 3. Raises KeyError, TypeError or ValueError where it is
    malformed; signals that are not supported make it `refused` where no other is left."""
    units = {
        each.get("payloadType"): each.get("units")
        for each in fields.get("payloadDescriptors") or []
    }
    period = fields.get("intervalPeriod") or {}
    at = _moment(period.get("start"), now)
    intervals, problems, randomize_s = [], [], 0.0
    for each in fields["intervals"]:
        own = each.get("intervalPeriod") or {}
        start = _moment(own["start"], now) if own.get("start") else at
        length = duration(own.get("duration") or period.get("duration"))
        drawn = duration(own.get("randomizeStart") or period.get("randomizeStart") or "PT0S")
        randomize_s = max(randomize_s, (drawn or timedelta(0)).total_seconds())
        asks: list[Ask] = []
        for payload in each["payloads"]:
            try:
                (value,) = payload["values"]
                asks.append(to_ask("3", payload["type"], None, value, units.get(payload["type"])))
            except UnresolvableSignalError as error:
                problems.append(str(error))
        end = None if length is None else start + length
        intervals.append(Interval(start, end, tuple(asks)))
        if end is not None:
            at = end
    if not intervals:
        raise ValueError("it has no interval")
    priority = fields.get("priority")
    is_empty = not any(interval.asks for interval in intervals)
    return Event(
        vtn=vtn,
        id=str(fields["id"]),
        modification=str(fields.get("modificationDateTime") or ""),
        program=str(fields["programID"]),
        intervals=tuple(intervals),
        rank=priority if type(priority) is int and priority >= 0 else LOWEST_RANK,
        randomize_s=randomize_s,
        refused="; ".join(dict.fromkeys(problems)) if is_empty else "",
        wanted=tuple(
            str(each.get("payloadType")) for each in fields.get("reportDescriptors") or []
        ),
    )


def duration(text: str | None) -> timedelta | None:
    """An ISO 8601 duration; None: without end. Raises ValueError."""
    if text is None:
        return None
    parts = _DURATION.fullmatch(text)
    if parts is None or text in ("P", "PT"):
        raise ValueError(f"duration {text!r} is not ISO 8601")
    years, months, weeks, days, hours, minutes = (int(part or 0) for part in parts.groups()[:6])
    if years >= 10:
        return None
    length = timedelta(
        days=365 * years + 30 * months + 7 * weeks + days,
        hours=hours,
        minutes=minutes,
        seconds=float(parts.group(7) or 0),
    )
    return None if length >= _ENDLESS else length


def _moment(text: str | None, now: datetime) -> datetime:
    """A start; one that is not given, or before the year 1900, means now (from then on)."""
    if text is None or text.startswith("0"):
        return now.replace(microsecond=0)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"start {text!r} has no time zone")
    return moment.astimezone(timezone.utc)


_UNITS = {"USAGE": "KWH", "DELTA_USAGE": "KWH", "BASELINE": "KWH", "DEMAND": "KW", "SETPOINT": "KW"}


def _payloads(done: Performance, takes_part: bool) -> Iterator[tuple[str, Any]]:
    window = done.window
    hours = (window.end - window.start).total_seconds() / 3600
    yield "USAGE", window.energy_kwh
    yield "DEMAND", window.load_kw
    yield "SETPOINT", window.limit_kw
    yield "BASELINE", None if done.baseline_kw is None else done.baseline_kw * hours
    # What the event changed: less is negative.
    yield "DELTA_USAGE", None if done.reduction_kw is None else -done.reduction_kw * hours
    yield "LOAD_SHED_HEADROOM", window.headroom_kw
    yield "PORTS", window.ports
    yield "PORTS_REPORTING", window.reporting
    yield "OPERATING_STATE", done.state if takes_part else "VEN_OPTED_OUT"


def report_of(
    event: Event, done: Performance, ven_name: str, takes_part: bool
) -> dict[str, Any] | None:
    """The body of POST /reports for one interval. What is not known is left out; None where
    the VTN asks for types of which nothing is known."""
    wanted: Sequence[str] = event.wanted
    payloads = [
        {"type": kind, "values": [round(value, 6) if isinstance(value, float) else value]}
        for kind, value in _payloads(done, takes_part)
        if value is not None and (not wanted or kind in wanted or kind == "OPERATING_STATE")
    ]
    window = done.window
    start = window.start.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    seconds = (window.end - window.start).total_seconds()
    return {
        "programID": event.program,
        "eventID": event.id,
        "clientName": ven_name,
        "reportName": f"{ven_name} {event.id} {start}"[:128],
        "payloadDescriptors": [
            {"payloadType": each["type"], "units": _UNITS[str(each["type"])]}
            for each in payloads
            if each["type"] in _UNITS
        ],
        "resources": [
            {
                "resourceName": ven_name,
                "intervalPeriod": {"start": start, "duration": f"PT{seconds:g}S"},
                "intervals": [{"id": 0, "payloads": payloads}],
            }
        ],
    }


def _context(config: VtnConfig) -> ssl.SSLContext:
    """Raises ConfigurationError where a file cannot be read."""
    try:
        context = ssl.create_default_context(cafile=config.ca)
        if config.certificate is not None:
            context.load_cert_chain(config.certificate, config.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"ca, certificate or key cannot be used: {error}") from None
    return context
