"""A point: one row of a registry on one device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from chargepoint_driver.backend import Target
from chargepoint_driver.catalogue import Attribute, Kind, Scope, StationValue
from chargepoint_driver.errors import ChargePointError, InvalidReplyError
from chargepoint_driver.records import StationRecord, Unreadable, Value

__all__ = ["OF_STATION", "Point"]

OF_STATION = -1
"""Stands for a port where a value belongs to the whole station."""


@dataclass(frozen=True)
class Point:
    """One point of one device.

    `kind` is the type that the row declares, where the attribute's values fit it. `port` is
    None for what belongs to the whole station; `group` makes it a point of a station group, and
    `station_id` is '' then. `scrape_interval_s` None means the device's
    interval. `currency_s`: how old a value may be for this reader.
    """

    name: str
    attribute: Attribute
    station_id: str
    port: int | None
    kind: Kind
    unit: str
    writable: bool
    scrape_interval_s: int | None
    currency_s: float
    notes: str = ""
    group: str | None = None

    def at(self, station_id: str, group: str | None) -> Point:
        """Return this point on another station, or station group."""
        return Point(
            self.name,
            self.attribute,
            station_id,
            self.port,
            self.kind,
            self.unit,
            self.writable,
            self.scrape_interval_s,
            self.currency_s,
            self.notes,
            group,
        )

    @cached_property
    def target(self) -> Target:
        """Return what a write of this point acts on."""
        return Target(self.station_id, self.port, self.group)

    @property
    def key(self) -> tuple[str, str]:
        """(call, station id): what the value is fetched and kept by."""
        return self.attribute.call, self.station_id

    @property
    def port_key(self) -> tuple[int, str]:
        """(port, name) where the value is taken just as the reply has it, unless it is Unreadable
        or the port is missing; `OF_STATION` in place of a port where it is the station's.
        (0, name) where `value_of` must tell."""
        attribute = self.attribute
        if attribute.own or self.kind is not attribute.kind or not attribute.path[0]:
            return 0, attribute.name
        if attribute.scope is Scope.STATION:
            return OF_STATION, attribute.name
        return (self.port or 0) if len(attribute.path) == 1 else 0, attribute.name

    def value_of(self, record: StationRecord) -> Value:
        """This point's value in a record of its call; None when it is not reported.

        Raises NotFoundError when the port does not exist, InvalidReplyError when the reply holds
        something that is not of the attribute's kind, ChargePointError for what no reply holds.
        """
        attribute = self.attribute
        if attribute.own:
            raise ChargePointError(f"{attribute.name} is answered by control, not by a reply")
        if not attribute.path[0]:
            # An attribute that is only written has no state of its own.
            return "" if attribute.kind is Kind.STRING else _declared(0, self.kind)
        if attribute.scope is Scope.STATION or (self.port is None and not attribute.whole):
            value = record.values.get(attribute.name)
        elif self.port is None:
            value = self._whole(record)
        else:
            value = record.of_port(self.port).get(attribute.name)
            if value is None and len(attribute.path) > 1:
                # Per station in one version of the service, per port in another.
                value = record.values.get(attribute.name)
        if value is None:
            return None
        if isinstance(value, Unreadable):
            if value.is_damaged:
                raise InvalidReplyError(
                    f"{attribute.name} of {self.target} came damaged, in XML that is not "
                    "well-formed; correct the station's name at ChargePoint, or ask its support"
                )
            if self.kind is Kind.STRING:
                return value.text
            raise InvalidReplyError(
                f"{attribute.name} of {self.target} is {value.text!r}, which is "
                f"not of type {attribute.kind.value}"
            )
        return value if self.kind is attribute.kind else _declared(value, self.kind)

    def _whole(self, record: StationRecord) -> Value | Unreadable:
        """Return a port's attribute for the whole station."""
        name = self.attribute.name
        if self.attribute.whole is StationValue.OWN:
            return record.values.get(name)
        values = [port.get(name) for port in record.ports.values()]
        if self.attribute.whole is StationValue.ANY:
            truths = [value for value in values if isinstance(value, int) and value]
            if truths:
                return max(truths)
        # What cannot be read, or is not reported, of one port is not known of the station.
        unreadable = [value for value in values if isinstance(value, Unreadable)]
        if unreadable:
            return unreadable[0]
        if not values or None in values:
            return record.values.get(name)
        return values[0] if all(value == values[0] for value in values) else None


def _declared(value: Value, kind: Kind) -> Value:
    """Return the value as the declared kind; the registry only lets through kinds that hold it."""
    if kind is Kind.STRING:
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind is Kind.FLOAT:
        return float(value)  # type: ignore[arg-type]
    if kind is Kind.INTEGER:
        return int(value)  # type: ignore[arg-type]
    if kind is Kind.BOOLEAN:
        return bool(value)
    return value
