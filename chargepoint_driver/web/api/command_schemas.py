"""Schemas of the API's commands: bodies of requests, which are checked by them, and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "AcknowledgeRequest",
    "Answer",
    "AvailabilityRequest",
    "CallAnswer",
    "CallRequest",
    "ChargeStopRequest",
    "ClearAlarmsRequest",
    "ClearRequest",
    "ReleaseRequest",
    "ResetRequest",
    "ShedRequest",
    "StartRequest",
    "StopRequest",
]

Cpid = Annotated[str, Meta(min_length=1, max_length=255, description="id of the station")]
Connector = Annotated[int, Meta(ge=0, le=1_000, description="port; 0 is the whole station")]
Minutes = Annotated[
    int,
    Meta(
        ge=0,
        le=525_600,
        description="after which it is cleared, whatever renews it; 0: no deadline",
    ),
]
Account = Annotated[str, Meta(description="as the configuration names it; null: found by cpid")]


class _Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    account: Account | None = None


class StartRequest(_Request, kw_only=True):
    """Begin a session on a charger that connects directly."""

    cpid: Cpid
    connectorId: Connector | None = None  # noqa: N815
    id_tag: Annotated[str, Meta(min_length=1, max_length=36)]


class StopRequest(_Request, kw_only=True):
    """End a session: by connector, by transaction, or the only one that runs."""

    cpid: Cpid
    connectorId: Connector | None = None  # noqa: N815
    transactionId: int | str | None = None  # noqa: N815


class AvailabilityRequest(_Request, kw_only=True):
    """Take a connector in or out of service."""

    cpid: Cpid
    connectorId: Connector = 0  # noqa: N815
    type: Literal["Operative", "Inoperative"]


class ResetRequest(_Request, kw_only=True):
    """Restart a charger."""

    cpid: Cpid
    type: Literal["Soft", "Hard"] = "Soft"


class ReleaseRequest(_Request, kw_only=True):
    """Release the plug."""

    cpid: Cpid
    connectorId: Connector  # noqa: N815


class CallRequest(_Request, kw_only=True):
    """Send any request of OCPP to a charger that connects directly: `action` with its payload."""

    cpid: Cpid
    action: Annotated[str, Meta(min_length=1, max_length=64)]
    payload: dict[str, Any] = {}
    timeout: Annotated[float, Meta(gt=0, le=120, description="seconds for the answer")] = 30.0


class ChargeStopRequest(_Request, kw_only=True):
    """End what runs on a connector, if anything does."""

    cpid: Cpid
    connectorId: Annotated[int, Meta(ge=1, le=1_000, description="port")]  # noqa: N815


class ClearRequest(_Request, kw_only=True):
    """Clear the shed of a port, a station or a station group."""

    cpid: Cpid | None = None
    connectorId: Connector | None = None  # noqa: N815
    group: str | None = None


class ShedRequest(ClearRequest, kw_only=True):
    """Shed a port, a station or a station group: exactly one of the two limits."""

    allowedLoad: Annotated[float, Meta(ge=0, le=10_000, description="kW")] | None = None  # noqa: N815
    percentShed: Annotated[int, Meta(ge=0, le=100)] | None = None  # noqa: N815
    minutes: Minutes | None = None


class ClearAlarmsRequest(_Request, kw_only=True):
    """Clear all alarms of a station."""

    cpid: Cpid


class AcknowledgeRequest(_Request, kw_only=True):
    """Acknowledge an alarm or a need of maintenance."""

    cpid: Cpid
    connectorId: Connector | None = None  # noqa: N815
    kind: Literal["alarm", "maintenance"] = "alarm"
    what: Annotated[str, Meta(min_length=1, max_length=500, description="type, or reason")]
    note: Annotated[str, Meta(max_length=500)] = ""


class CallAnswer(msgspec.Struct):
    """Answer of a charger to an OCPP request."""

    action: str
    payload: dict[str, Any]


class Answer(msgspec.Struct):
    """The command was carried out; `reported` is what is reported since, null when that could
    not be read back yet, `status` the charger's word. `warnings`: what the command costs that may
    not be meant, in sentences; it was carried out all the same."""

    status: str
    reported: Any = None
    warnings: list[str] = []
