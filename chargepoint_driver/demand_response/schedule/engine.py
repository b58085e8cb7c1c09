"""The limit of a group of devices at any moment, and as a plan of periods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

from chargepoint_driver.demand_response.schedule.calendar import applies_on, days, moment, span
from chargepoint_driver.demand_response.schedule.cheapest import Need, lay
from chargepoint_driver.demand_response.schedule.config import (
    CheapestConfig,
    GroupConfig,
    PriceConfig,
    ScheduleConfig,
)
from chargepoint_driver.demand_response.schedule.prices import Prices
from chargepoint_driver.errors import InvalidValueError

__all__ = ["Needs", "Period", "Schedule"]

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """A time with one limit. `kw` None: no limit. `reason`: what asks for it."""

    start: datetime
    end: datetime
    kw: float | None
    reason: str


@dataclass(frozen=True)
class _Layer:
    """A limit while it lasts."""

    start: datetime
    end: datetime
    kw: float
    reason: str


Needs = Mapping[str, Iterable[Need]]
"""Group to the needs that are known of its vehicles."""


class Schedule:
    """Limits of all groups of a configuration."""

    def __init__(self, config: ScheduleConfig) -> None:
        self.config = config
        self._zone = ZoneInfo(config.timezone)
        self._holidays = frozenset(config.holidays)

    def periods(
        self,
        group: str,
        start: datetime,
        end: datetime,
        prices: Prices | None = None,
        needs: Iterable[Need] = (),
    ) -> list[Period]:
        """Return what applies from `start` until `end`, in order and without gaps.

        Of all limits that apply at a moment the lowest counts. An exception of the date stands
        in place of the rules. Raises InvalidValueError for an unknown group or a time without a
        zone.
        """
        settings = self.config.groups.get(group)
        if settings is None:
            raise InvalidValueError(
                f"no group {group!r} in the schedule (there: {', '.join(self.config.groups)})"
            )
        if start.tzinfo is None or end.tzinfo is None or end <= start:
            raise InvalidValueError("start and end need a time zone, and end must be after start")
        start, end = start.astimezone(timezone.utc), end.astimezone(timezone.utc)
        prices = prices or Prices()
        layers = self._rules(group, settings, start, end)
        if settings.prices is not None:
            layers += _price_layers(settings.prices, prices, start, end)
        if settings.cheapest is not None:
            layers += self._cheapest(settings.cheapest, prices, list(needs), start, end)
        return _flatten(layers, start, end)

    def now(
        self,
        group: str,
        when: datetime,
        prices: Prices | None = None,
        needs: Iterable[Need] = (),
    ) -> list[Period]:
        """Return what applies at a moment, then what follows within the horizon."""
        horizon = timedelta(hours=self.config.horizon_hours)
        return self.periods(group, when, when + horizon, prices, needs)

    def need(self, energy_kwh: float, deadline: str, since: datetime, group: str) -> Need:
        """Return the need of a vehicle that must be done at the next local time `deadline`."""
        settings = self.config.groups[group].cheapest
        local = since.astimezone(self._zone).date()
        for day in (local, local + _DAY):
            until = moment(day, deadline, self._zone, is_end=True)
            if until > since:
                break
        kw = (settings.vehicle_kw or settings.kw) if settings is not None else energy_kwh
        return Need(energy_kwh, since, until, kw)

    # ---- layers --------------------------------------------------------------------------

    def _rules(
        self, group: str, settings: GroupConfig, start: datetime, end: datetime
    ) -> list[_Layer]:
        exceptions, excepted = [], []
        for each in self.config.exceptions:
            if each.groups and group not in each.groups:
                continue
            day = datetime.fromisoformat(each.date).date()
            first, last = span(day, each.from_, each.until, self._zone)
            excepted.append((first, last))
            if each.kw is not None:
                exceptions.append(_Layer(first, last, each.kw, each.name or f"on {each.date}"))
        found = exceptions
        for day in days(start, end, self._zone):
            for number, rule in enumerate(settings.rules):
                if applies_on(rule, day, self._holidays):
                    first, last = span(day, rule.from_, rule.until, self._zone)
                    reason = rule.name or f"rule {number + 1}"
                    for one, other in _without(first, last, excepted):
                        found = [*found, _Layer(one, other, rule.kw, reason)]
        return found

    def _cheapest(
        self,
        settings: CheapestConfig,
        prices: Prices,
        needs: list[Need],
        start: datetime,
        end: datetime,
    ) -> list[_Layer]:
        if not needs and settings.energy_kwh is not None:
            for day in days(start - _DAY, end, self._zone):
                first, last = span(day, settings.from_, settings.deadline, self._zone)
                needs.append(Need(settings.energy_kwh, first, last, settings.kw))
        more = 1 + settings.margin_percent / 100
        needs = [
            Need(each.energy_kwh * more, each.since, each.deadline, each.kw, each.name)
            for each in needs
        ]
        slots, _ = lay(needs, prices, settings.kw)
        found = []
        for slot in slots:
            if not any(n.since <= slot.start and slot.end <= n.deadline for n in needs):
                continue
            price = "price not known" if slot.price is None else f"{slot.price:g} per kWh"
            if slot.used_kw > 0:
                kw, reason = max(slot.used_kw, settings.otherwise_kw), f"cheapest hours ({price})"
            else:
                kw, reason = settings.otherwise_kw, f"not a cheapest hour ({price})"
            found.append(_Layer(slot.start, slot.end, kw, reason))
        return found


def _price_layers(
    settings: PriceConfig, prices: Prices, start: datetime, end: datetime
) -> list[_Layer]:
    steps = sorted((float(price), kw) for price, kw in settings.above.items())
    found = []
    at = start
    for each in prices:
        if each.end <= start or each.start >= end:
            continue
        if each.start > at and settings.unknown_kw is not None:
            found.append(_Layer(at, each.start, settings.unknown_kw, "price not known"))
        at = max(at, each.end)
        kw = next((kw for price, kw in reversed(steps) if each.per_kwh >= price), None)
        if kw is not None:
            found.append(_Layer(each.start, each.end, kw, f"price {each.per_kwh:g} per kWh"))
    if at < end and settings.unknown_kw is not None:
        found.append(_Layer(at, end, settings.unknown_kw, "price not known"))
    return found


def _without(
    start: datetime, end: datetime, holes: Iterable[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """Return what is left of a time outside of others."""
    left = [(start, end)] if start < end else []
    for first, last in holes:
        left = [
            piece
            for one, other in left
            for piece in ((one, min(other, first)), (max(one, last), other))
            if piece[0] < piece[1]
        ]
    return left


def _flatten(layers: Iterable[_Layer], start: datetime, end: datetime) -> list[Period]:
    """Return the lowest limit of each moment, equal neighbours as one period."""
    layers = [each for each in layers if each.start < end and each.end > start]
    edges = {start, end}
    for layer in layers:
        edges |= {max(layer.start, start), min(layer.end, end)}
    found: list[Period] = []
    for first, last in pairwise(sorted(edges)):
        lasting = [each for each in layers if each.start <= first and each.end >= last]
        lowest = min(lasting, key=lambda each: each.kw, default=None)
        kw, reason = (None, "") if lowest is None else (lowest.kw, lowest.reason)
        if found and (found[-1].kw, found[-1].reason) == (kw, reason):
            found[-1] = Period(found[-1].start, last, kw, reason)
        else:
            found.append(Period(first, last, kw, reason))
    return found
