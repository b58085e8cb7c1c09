"""Schemas of sessions with their costs, their sums, and the report of a month.

Amounts of money are decimal numbers as text, so that they stay exact. null means not known.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chargepoint_driver.web.api.schemas import Problem, Time

__all__ = ["BilledSession", "CostPart", "MonthlyReport", "ReportRow", "SessionPage", "SessionSums"]

Money = Annotated[str, Meta(description="decimal number, in the unit of the currency")]


class CostPart(msgspec.Struct):
    """A part of a cost. `kind`: session, energy (`quantity` in kWh) or time (in hours). `period`:
    the time of use, null for the price of the tariff itself."""

    kind: str
    period: str | None
    quantity: float
    price: Money


class BilledSession(msgspec.Struct):
    """A charging session with its cost. Energy in Wh; `energyIsMinimum`: more may have flowed.

    `endTime` null with `hasEnded` false: it runs. `cost` null: it is not known, `costReason` (a
    code) and `costWords` say why. `costIsEstimated`: the energy was split in proportion to time
    between two meter values. `idTag` is null too where the caller may not see it.
    """

    account: str
    cpid: str
    connectorId: int | None  # noqa: N815
    transactionId: str | None  # noqa: N815
    idTag: str | None  # noqa: N815
    startTime: Time | None  # noqa: N815
    endTime: Time | None  # noqa: N815
    hasEnded: bool  # noqa: N815
    durationSecs: float | None  # noqa: N815
    energy: float | None
    energyIsMinimum: bool  # noqa: N815
    cost: Money | None
    currency: str | None
    tariff: str | None
    costIsEstimated: bool  # noqa: N815
    costReason: str | None  # noqa: N815
    costWords: str | None  # noqa: N815
    costParts: list[CostPart]  # noqa: N815


class SessionPage(msgspec.Struct):
    """Sessions, newest first. `after`: the value to ask for those behind with, null at the end.
    `errors`: accounts that could not be asked. `idTagsShown`: whether the caller may see idTags."""

    sessions: list[BilledSession]
    after: str | None
    idTagsShown: bool  # noqa: N815
    timeZone: str  # noqa: N815
    errors: dict[str, Problem] = {}


class SessionSums(msgspec.Struct):
    """Sums of sessions that have ended, of what is known, with the number of sessions without it.

    Energy in Wh, `costs` by currency. `running` sessions are in `sessions` only.
    `energyMinimum`: sessions whose energy is a minimum, which is in the sum. `costReasons`: why
    costs are not known, by code. `errors`: accounts that could not be asked: all sums lack them.
    """

    sessions: int
    running: int
    energy: float
    energyUnknown: int  # noqa: N815
    energyMinimum: int  # noqa: N815
    durationSecs: float  # noqa: N815
    durationUnknown: int  # noqa: N815
    costs: dict[str, Money]
    costUnknown: int  # noqa: N815
    costEstimated: int  # noqa: N815
    costReasons: dict[str, int]  # noqa: N815
    errors: dict[str, Problem] = {}


class ReportRow(msgspec.Struct):
    """Sums of a cost centre (null: not assigned), or of one of its idTags (null: none)."""

    costCentre: str | None  # noqa: N815
    idTag: str | None  # noqa: N815
    sums: SessionSums


class MonthlyReport(msgspec.Struct):
    """Sessions that ended in a month of the site. `idTags` null: the caller may not see them."""

    month: str
    timeZone: str  # noqa: N815
    total: SessionSums
    costCentres: list[ReportRow]  # noqa: N815
    idTags: list[ReportRow] | None  # noqa: N815
