"""VEN of OpenADR 2.0b over HTTP pull. `openleadr` writes and reads the messages.

`openleadr`'s own client has no way back from a VTN that is away at the start, and drops a report
that could not be sent. So only its messages are used here; the loop is our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from openleadr import objects

from chargepoint_driver.demand_response.openadr.config import VtnConfig
from chargepoint_driver.demand_response.openadr.messages_2b import Messages2b, parse_event
from chargepoint_driver.demand_response.openadr.transport import RequestFailedError
from chargepoint_driver.demand_response.openadr.ven import Performance, Ven
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.text import get_logger

__all__ = ["REPORTS", "Client2b"]

_log = get_logger(__name__)

_MAX_RETRY_S = 300.0
_KEPT = timedelta(hours=24)
_OFFER_AGAIN = timedelta(minutes=10)
SPECIFIER = "chargers"
REPORTS: Mapping[str, str] = {
    "load": "RealPower",
    "energy": "RealEnergy",
    "limit": "RealPower",
    "headroom": "RealPower",
    "baseline": "RealPower",
    "reduction": "RealPower",
    "ports": "ports",
    "reporting": "reporting",
}
"""rID of what is offered, to the description of its measurement. Powers are in kW, energy in kWh
(unit W or Wh, scale k)."""


@dataclass
class _Request:
    """A report that the VTN asked for."""

    id: str
    rids: list[str]
    granularity: timedelta
    every: timedelta  # zero: once
    since: datetime


class Client2b:
    """Registers with one VTN and polls it. A VTN that fails changes nothing of what is known."""

    def __init__(self, name: str, config: VtnConfig, ven: Ven) -> None:
        self._name = name
        self._config = config
        self._ven = ven
        self._client: Any = None
        self._is_registered = False
        self._offer_at: datetime | None = None
        self._requests: dict[str, _Request] = {}

    async def run(self) -> None:
        failures = 0
        try:
            while True:
                try:
                    if not self._is_registered:
                        await self._register()
                    else:
                        await self._poll()
                    self._ven.reached(self._name)
                    failures = 0
                    if self._is_registered:
                        await self._offer_reports()
                        await self._report()
                except (RequestFailedError, ConfigurationError) as error:
                    failures += 1
                    self._ven.lost(self._name, str(error))
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    failures += 1
                    _log.exception("the message of VTN %s is not understood", self._name)
                    self._ven.lost(self._name, f"its message is not understood: {error!r}")
                every_s = self._every_s()
                await asyncio.sleep(
                    min(every_s * 2 ** min(failures, 6), max(every_s, _MAX_RETRY_S))
                )
        finally:
            await self._close()

    def _every_s(self) -> float:
        if self._config.poll_seconds is not None:
            return self._config.poll_seconds
        asked = None if self._client is None else self._client.poll_frequency
        seconds = 30.0 if asked is None else asked.total_seconds()
        return min(86_400.0, max(1.0, seconds))

    async def _close(self) -> None:
        self._is_registered = False
        client, self._client = self._client, None
        if client is not None and client.client_session is not None:
            await client.client_session.close()

    # ---- registration --------------------------------------------------------------------

    async def _register(self) -> None:
        """Register, offer reports, and ask for all events."""
        await self._close()
        known_id = self._config.ven_id or self._ven.fact(f"ven_id/{self._name}")
        client = Messages2b(self._config, self._ven.config.ven_name, known_id)
        self._client = client
        _, known = await client.query_registration()
        client.registration_id = known.get("registration_id")
        await client.create_party_registration(ven_id=client.ven_id)
        if not client.registration_id or not client.ven_id:
            client.registration_id = None
            raise RequestFailedError("the registration is refused")
        self._ven.set_fact(f"ven_id/{self._name}", client.ven_id)
        self._offer_at = self._ven.now()
        kind, payload = await client.request_event()
        self._is_registered = True
        if kind == "oadrDistributeEvent":
            await self._take(payload)

    async def _offer_reports(self) -> None:
        """Offer reports where that is due. A VTN that fails at it still sends events."""
        now = self._ven.now()
        if self._offer_at is None or now < self._offer_at:
            return
        self._offer_at = None
        try:
            await self._register_reports()
        except RequestFailedError as error:
            self._offer_at = now + _OFFER_AGAIN
            _log.warning("VTN %s did not take the offer of reports: %s", self._name, error)

    async def _register_reports(self) -> None:
        client = self._client
        client.reports.clear()
        for rid, description in REPORTS.items():
            client.add_report(
                lambda: None,
                resource_id=self._ven.config.ven_name,
                measurement=_measurement(description),
                report_specifier_id=SPECIFIER,
                r_id=rid,
                scale="k" if description.startswith("Real") else "none",
                report_duration=timedelta(hours=1),
                sampling_rate=objects.SamplingRate(
                    min_period=timedelta(seconds=1), max_period=timedelta(hours=1)
                ),
            )
        # The library calls create_report with what the answer asks for, which is ours to do.
        client.create_report = self._wanted
        await client.register_reports(client.reports)

    # ---- polling -------------------------------------------------------------------------

    async def _poll(self) -> None:
        client = self._client
        kind, payload = await client.poll()
        if kind == "oadrDistributeEvent":
            await self._take(payload)
        elif kind == "oadrCreateReport":
            await self._wanted(payload)
        elif kind == "oadrCancelReport":
            self._requests.pop(str(payload["report_request_id"]), None)
            await client._perform_request(
                "EiReport",
                client._create_message(
                    "oadrCanceledReport",
                    response=_ok(payload["request_id"]),
                    ven_id=client.ven_id,
                    report_request_id=payload["report_request_id"],
                ),
            )
        elif kind == "oadrRequestReregistration":
            _log.warning("VTN %s wants a new registration", self._name)
            await client.send_response(service="EiRegisterParty")
            await self._close()
        elif kind == "oadrCancelPartyRegistration":
            _log.warning("VTN %s cancelled the registration", self._name)
            await client._perform_request(
                "EiRegisterParty",
                client._create_message(
                    "oadrCanceledPartyRegistration",
                    response=_ok(payload["request_id"]),
                    ven_id=client.ven_id,
                    registration_id=client.registration_id,
                ),
            )
            await self._close()
        elif kind != "oadrResponse":
            _log.warning("VTN %s sent %s, which is not supported", self._name, kind)
        elif payload.get("response", {}).get("response_code") in (452, "452", 463, "463"):
            # The VTN does not know us any more, as after its restart.
            await self._close()

    async def _take(self, payload: Mapping[str, Any]) -> None:
        """Take over the events of a message, and answer it."""
        answers: list[dict[str, Any]] = []
        ids = []
        for fields in payload["events"] or []:
            descriptor = fields["event_descriptor"]
            ids.append(str(descriptor["event_id"]))
            code = 200
            try:
                event = parse_event(self._name, fields)
            except (KeyError, TypeError, ValueError, ArithmeticError) as error:
                _log.error("event %s of %s is malformed: %r", ids[-1], self._name, error)
                code, opts_in = 459, False
            else:
                opts_in = self._ven.take(event).opts_in
                code = 460 if event.refused else 200
            if fields.get("response_required") != "never":
                answers.append(_answer(descriptor, payload.get("request_id"), opts_in, code))
        if self._config.implied_cancellation:
            self._ven.keep_only(self._name, ids)
        await self._answer(payload.get("request_id"), answers)

    async def _answer(self, request_id: Any, answers: list[dict[str, Any]]) -> None:
        if answers:
            message = self._client._create_message(
                "oadrCreatedEvent",
                response=_ok(request_id),
                event_responses=answers,
                ven_id=self._client.ven_id,
            )
            await self._client._perform_request("EiEvent", message)

    async def opted(self, event_id: str) -> None:
        """Tell the VTN what the operator decided about an event."""
        event = self._ven.event_list.events.get((self._name, event_id))
        if event is None or self._client is None or not self._client.registration_id:
            return
        descriptor = {"event_id": event_id, "modification_number": int(event.modification or 0)}
        opts_in = self._ven.event_list.takes_part(event)
        try:
            await self._answer("0", [_answer(descriptor, "0", opts_in, 200)])
        except RequestFailedError as error:
            self._ven.lost(self._name, str(error))

    # ---- reports -------------------------------------------------------------------------

    async def _wanted(self, payload: Mapping[str, Any]) -> None:
        """Note the reports that the VTN asks for, and answer."""
        client, now = self._client, self._ven.now()
        pending = []
        for each in payload["report_requests"] or []:
            specifier = each["report_specifier"]
            rids = [str(one["r_id"]) for one in specifier["specifier_payloads"]]
            every = specifier.get("report_back_duration") or timedelta(0)
            granularity = specifier.get("granularity") or every or timedelta(minutes=1)
            if specifier["report_specifier_id"] not in (SPECIFIER, "METADATA"):
                _log.warning("report %s is not offered", specifier["report_specifier_id"])
                continue
            if specifier["report_specifier_id"] != "METADATA":
                request = _Request(
                    str(each["report_request_id"]),
                    [rid for rid in rids if rid in REPORTS],
                    max(granularity, timedelta(seconds=1)),
                    every,
                    now,
                )
                self._requests[request.id] = request
            pending.append({"report_request_id": each["report_request_id"]})
        request_id = payload.get("request_id") or payload.get("response", {}).get("request_id")
        message = client._create_message(
            "oadrCreatedReport",
            response=_ok(request_id),
            ven_id=client.ven_id,
            pending_reports=pending,
        )
        await client._perform_request("EiReport", message)

    async def _report(self) -> None:
        """Send what is due. What cannot be sent is kept for a day."""
        now = self._ven.now()
        for request in list(self._requests.values()):
            request.since = max(request.since, now - _KEPT)
            if now - request.since < max(request.every, request.granularity):
                continue
            since, intervals = request.since, []
            while since + request.granularity <= now:
                until = since + request.granularity
                intervals += _intervals(request, self._ven.performance(since, until))
                since = until
            if intervals:
                report = objects.Report(
                    report_request_id=request.id,
                    report_specifier_id=SPECIFIER,
                    report_name="TELEMETRY_USAGE",
                    intervals=intervals,
                    dtstart=request.since,
                    created_date_time=now,
                )
                message = self._client._create_message(
                    "oadrUpdateReport",
                    ven_id=self._client.ven_id,
                    request_id=f"{request.id}-{int(now.timestamp())}",
                    reports=[report],
                )
                await self._client._perform_request("EiReport", message)
            request.since = since
            if not request.every:
                del self._requests[request.id]


def _ok(request_id: Any) -> dict[str, Any]:
    return {"response_code": 200, "response_description": "OK", "request_id": request_id}


def _answer(
    descriptor: Mapping[str, Any], request_id: Any, opts_in: bool, code: int
) -> dict[str, Any]:
    return {
        "response_code": code,
        "response_description": "OK" if code == 200 else "ERROR",
        "opt_type": "optIn" if opts_in else "optOut",
        "request_id": request_id,
        "modification_number": descriptor["modification_number"],
        "event_id": descriptor["event_id"],
    }


def _measurement(description: str) -> Any:
    if description == "RealPower":
        return objects.Measurement(
            name="powerReal",
            description=description,
            unit="W",
            scale="k",
            power_attributes=objects.PowerAttributes(hertz=50, voltage=230, ac=True),
        )
    if description == "RealEnergy":
        return objects.Measurement(name="energyReal", description=description, unit="Wh", scale="k")
    return objects.Measurement(
        name="customUnit", description=description, unit="count", scale="none"
    )


def _intervals(request: _Request, done: Performance) -> list[Any]:
    """Return what is known of one interval; what is not known is left out."""
    window = done.window
    values = {
        "load": window.load_kw,
        "energy": window.energy_kwh,
        "limit": window.limit_kw,
        "headroom": window.headroom_kw,
        "baseline": done.baseline_kw,
        "reduction": done.reduction_kw,
        "ports": window.ports,
        "reporting": window.reporting,
    }
    return [
        objects.ReportInterval(
            dtstart=window.start,
            duration=window.end - window.start,
            report_payload=objects.ReportPayload(r_id=rid, value=round(float(value), 6)),
        )
        for rid in request.rids
        if (value := values[rid]) is not None
    ]
