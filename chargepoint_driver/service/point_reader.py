"""Values of points out of the records that the cache has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from chargepoint_driver.cache import DirectCache, Key, Outcome, SharedCache
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import StationRecord, Unreadable, Value
from chargepoint_driver.registry import OF_STATION, Point, Selection
from chargepoint_driver.service.reading import Ages, Reading
from chargepoint_driver.service.shed_control import ShedController

__all__ = ["Observe", "PointReader"]

Observe = Callable[[Data, StationRecord, float], None]
"""Takes what a record is about, the record and its age in seconds."""


class PointReader:
    """Reads points of stations and of station groups."""

    def __init__(
        self,
        cache: SharedCache | DirectCache,
        control: ShedController,
        observers: Mapping[str, Sequence[tuple[Data, Observe]]],
    ) -> None:
        """`observers`: by call, those that take in each record that is read."""
        self._cache = cache
        self._control = control
        self._observers = observers

    def read(self, points: Mapping[str, Point]) -> Reading:
        """Return the values of points, by the names given, each no older than its currency."""
        selection = points if isinstance(points, Selection) else Selection(points)
        groups = selection.groups
        if selection.limited:
            self._control.limit_point.ratings.load(selection.limited)
        outcomes = self._cache.get({key: group.currency_s for key, group in groups.items()})
        values: dict[str, Value] = {}
        errors: dict[str, ChargePointError] = {}
        for key, group in groups.items():
            record = outcomes[key].record
            if record is None:
                self._read_failed(outcomes[key], group.members, values, errors)
                continue
            age_s = outcomes[key].age_s or 0.0
            for data, observe in self._observers[key[0]]:
                observe(data, record, age_s)
            ports = {**record.ports, OF_STATION: record.values}
            for name, port, attribute, point in group.members:
                # The default case without a call: a poll comes here for each point of an account.
                if port in ports:
                    value = ports[port].get(attribute)
                    if type(value) is not Unreadable:
                        values[name] = value  # type: ignore[assignment]
                        continue
                self._read_one(name, point, record, values, errors)
        groups_s: dict[str, float] = {}
        for group_id, members in selection.of_station_groups.items():
            groups_s |= self._read_group(group_id, members, outcomes, values, errors)
        return Reading(values, errors, Ages(selection, outcomes, values, groups_s))

    def _read_one(
        self,
        name: str,
        point: Point,
        record: StationRecord,
        values: dict[str, Value],
        errors: dict[str, ChargePointError],
    ) -> None:
        """Read one point out of a record, into values or errors."""
        try:
            values[name] = (
                self._control.computed.value_of(point, record)
                if point.attribute.own
                else point.value_of(record)
            )
        except ChargePointError as found:
            errors[name] = found

    def _read_failed(
        self,
        outcome: Outcome,
        members: Iterable[tuple[str, int, str, Point]],
        values: dict[str, Value],
        errors: dict[str, ChargePointError],
    ) -> None:
        """Read the points of a station whose call failed: the last good record is still the value
        of those whose own currency it meets."""
        for name, _, _, point in members:
            record = outcome.within(point.currency_s)
            if point.attribute.own and not self._control.computed.needs_report(point):
                values[name] = self._control.computed.value_of(point, None)
            elif record is not None:
                self._read_one(name, point, record, values, errors)
            else:
                errors[name] = outcome.error or ChargePointError("no answer")

    def _read_group(
        self,
        group: str,
        points: Mapping[str, Point],
        outcomes: Mapping[Key, Outcome],
        values: dict[str, Value],
        errors: dict[str, ChargePointError],
    ) -> dict[str, float]:
        """Return the points of a station group, out of its stations. Name to age in seconds of
        those that the stations report: that of the oldest report. `outcomes` is what was read of
        stations before: what has just failed is not asked for again."""
        reported = {name: p for name, p in points.items() if self._control.computed.needs_report(p)}
        for name in points.keys() - reported.keys():
            values[name] = self._control.computed.value_of_group(points[name], None)
        if not reported:
            return {}
        currencies_s = sorted({point.currency_s for point in reported.values()})
        try:
            found = self._control.computed.outcomes_of_group(group, currencies_s, outcomes)
        except ChargePointError as error:
            errors.update(dict.fromkeys(reported, error))
            return {}
        ages_s: dict[str, float] = {}
        for currency_s in currencies_s:
            names = [name for name, point in reported.items() if point.currency_s == currency_s]
            try:
                records, age_s = self._control.computed.records_of_group(found, currency_s)
            except ChargePointError as error:
                errors.update(dict.fromkeys(names, error))
                continue
            for name in names:
                values[name] = self._control.computed.value_of_group(reported[name], records)
                ages_s[name] = age_s
        return ages_s
