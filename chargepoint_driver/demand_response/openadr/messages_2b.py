"""OpenADR 2.0b messages, written and read by `openleadr`, and events as the agent keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

import aiohttp
from openleadr import messaging
from openleadr.client import OpenADRClient

from chargepoint_driver.demand_response.openadr.config import VtnConfig
from chargepoint_driver.demand_response.openadr.events import LOWEST_RANK, Event, Interval
from chargepoint_driver.demand_response.openadr.signals import Ask, UnresolvableSignalError, to_ask
from chargepoint_driver.demand_response.openadr.transport import (
    RequestFailedError,
    read_body,
    ssl_context,
)

__all__ = ["Messages2b", "parse_event"]

_LIMIT = aiohttp.ClientTimeout(total=20.0, sock_connect=5.0)


class Messages2b(OpenADRClient):  # type: ignore[misc]  # the library has no types
    """Messages of the library, without its scheduler; a failed request is an error."""

    def __init__(self, config: VtnConfig, ven_name: str, ven_id: str | None) -> None:
        super().__init__(
            ven_name=ven_name,
            vtn_url=config.url,
            cert=None if config.certificate is None else str(config.certificate),
            key=None if config.key is None else str(config.key),
            vtn_fingerprint=config.fingerprint,
            show_fingerprint=False,
            disable_signature=not config.signed,
            ven_id=ven_id,
        )
        # The library has no way to a private authority without a client certificate, or back.
        tls = ssl_context(config)
        self.client_session = aiohttp.ClientSession(
            connector=None if tls is None else aiohttp.TCPConnector(ssl=tls),
            headers={"content-type": "application/xml"},
            timeout=_LIMIT,
        )

    async def _perform_request(self, service: str, message: str) -> Any:
        url = f"{self.vtn_url}/{service}"
        try:
            async with self.client_session.post(url, data=message, allow_redirects=False) as reply:
                content = await read_body(reply)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            why = str(error) or type(error).__name__
            raise RequestFailedError(f"{service}: {why}") from None
        if reply.status != HTTPStatus.OK:
            raise RequestFailedError(f"{service} answered {reply.status}")
        if not content:  # An empty body is an answer too.
            return "oadrResponse", {}
        try:
            tree = messaging.validate_xml_schema(content)
            if self.vtn_fingerprint:
                messaging.validate_xml_signature(tree, cert_fingerprint=self.vtn_fingerprint)
            return messaging.parse_message(content)
        # Whatever the library meets in a message that somebody else wrote.
        except Exception as error:  # noqa: BLE001
            why = f"{type(error).__name__}: {error}"[:300]
            raise RequestFailedError(f"{service} got an answer of no use: {why}") from None

    async def create_report(self, *_: Any) -> None:
        raise NotImplementedError  # Client2b handles requests for reports.


def parse_event(vtn: str, fields: Mapping[str, Any]) -> Event:
    """Return an oadrEvent as the library reads it. Raises KeyError, TypeError or ValueError where
    it is malformed; signals that are not supported make it `refused` where no other is left."""
    descriptor, period = fields["event_descriptor"], fields["active_period"]
    begin, length = _utc(period["dtstart"]), period["duration"] or timedelta(0)
    problems: list[str] = []
    intervals: list[Interval] = []
    for signal in fields["event_signals"]:
        measurement = signal.get("measurement") or {}
        at = begin
        for each in signal["intervals"]:
            start = _utc(each["dtstart"]) if each.get("dtstart") else at
            lasts = each.get("duration") or timedelta(0)
            # A duration of 0 has no end, by the specification.
            end = start + lasts if lasts else (begin + length if length else None)
            at = end or start
            try:
                asks: tuple[Ask, ...] = (
                    to_ask(
                        "2.0b",
                        signal["signal_name"],
                        signal["signal_type"],
                        _number(each["signal_payload"]),
                        measurement.get("unit"),
                        measurement.get("scale"),
                    ),
                )
            except UnresolvableSignalError as error:
                problems.append(str(error))
                asks = ()
            intervals.append(Interval(start, end, asks))
    if not intervals:
        raise ValueError("it has no interval")
    is_cancelled = descriptor.get("event_status") == "cancelled"
    is_empty = not any(interval.asks for interval in intervals)
    priority = descriptor.get("priority")
    return Event(
        vtn=vtn,
        id=str(descriptor["event_id"]),
        modification=str(descriptor["modification_number"] or 0),
        program=str(descriptor.get("market_context") or ""),
        intervals=tuple(intervals),
        # 0 and no priority are the lowest one, 1 is the highest.
        rank=int(priority) if priority else LOWEST_RANK,
        cancelled=is_cancelled,
        test=str(descriptor.get("test_event") or "false").lower() not in ("false", "0", ""),
        randomize_s=_randomize_s(period),
        refused="; ".join(dict.fromkeys(problems)) if is_empty and not is_cancelled else "",
    )


def _number(payload: Any) -> Any:
    """Return the payload, also where it came as text."""
    if isinstance(payload, str):
        try:
            return float(payload)
        except ValueError:
            return payload
    return payload


def _randomize_s(period: Mapping[str, Any]) -> float:
    tolerance = period.get("tolerance") or {}
    tolerate = tolerance.get("tolerate") or {}
    after = tolerate.get("startafter") or tolerate.get("start_after")
    return after.total_seconds() if isinstance(after, timedelta) else 0.0


def _utc(moment: datetime) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(
        timezone.utc
    )
