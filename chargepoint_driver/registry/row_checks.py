"""Checks of one registry row, and the point that it becomes."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import Any

from chargepoint_driver.catalogue import Attribute, Catalogue, Kind, Scope, StationValue
from chargepoint_driver.registry import columns as col
from chargepoint_driver.registry.point import Point

__all__ = ["Finding", "RowChecks"]

_KINDS = {
    "string": Kind.STRING,
    "str": Kind.STRING,
    "int": Kind.INTEGER,
    "integer": Kind.INTEGER,
    "float": Kind.FLOAT,
    "bool": Kind.BOOLEAN,
    "boolean": Kind.BOOLEAN,
    "datetime": Kind.DATETIME,
    "dictionary": Kind.DICTIONARY,
}

# Other declared kinds that hold every value of a kind.
_FITS: dict[Kind, frozenset[Kind]] = {
    Kind.STRING: frozenset(),
    Kind.INTEGER: frozenset({Kind.STRING, Kind.FLOAT, Kind.BOOLEAN}),
    Kind.FLOAT: frozenset({Kind.STRING}),
    Kind.BOOLEAN: frozenset({Kind.STRING, Kind.INTEGER}),
    Kind.DATETIME: frozenset({Kind.STRING}),
    Kind.DICTIONARY: frozenset(),
}

_CONTROLS = frozenset({"Cc", "Zl", "Zp"})
_TRUE = frozenset({"true", "1", "yes", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "f", "n", ""})


@dataclass(frozen=True)
class Finding:
    """One thing wrong with one row: where, what, and what to do."""

    source: str
    row: int
    column: str
    problem: str
    cure: str

    def __str__(self) -> str:
        """Return where, what and what to do in one line. The column "file" stands for the row."""
        column = "" if self.column == "file" else f"{self.column}: "
        return f"{self.source}: row {self.row}: {column}{self.problem}; {self.cure}"


class RowChecks:
    """The checks of one row. `faults` and `warnings` take what they find."""

    def __init__(
        self,
        faults: list[Finding],
        warnings: list[Finding],
        source: str,
        number: int,
        row: dict[str, Any],
        catalogue: Catalogue,
    ) -> None:
        self._faults = faults
        self._warnings = warnings
        self._source = source
        self._number = number
        self._row = row
        self._catalogue = catalogue

    def _text(self, column: str) -> str:
        value = self._row.get(column)
        return "" if value is None else str(value).strip()

    def _fault(self, column: str, problem: str, cure: str) -> None:
        self._faults.append(Finding(self._source, self._number, column, problem, cure))

    def _warning(self, column: str, problem: str, cure: str) -> None:
        self._warnings.append(Finding(self._source, self._number, column, problem, cure))

    def check_length(self, beyond: list[str]) -> None:
        """Warn of cells beyond the last column."""
        if beyond:
            self._warning(
                "file",
                f"the row has more cells than there are columns: {', '.join(beyond)!r} is left out",
                "quote cells that hold a comma",
            )

    def point(
        self,
        station_id: str,
        port_number: int | None,
        cache_expiration_s: float | None,
        group: str | None,
    ) -> Point | None:
        """Return the row's point; None when its attribute is not known. Other faults are collected
        and the returned point is not to be used."""
        name = self._name()
        attribute = self._attribute()
        declared = self._declared_kind()
        writable = self._writable(attribute)
        port = None if group is not None else self._port(attribute, port_number)
        if group is not None:
            self._check_grouped(attribute)
        scrape_interval_s = self._scrape_interval()
        currency_s = self._currency()
        if attribute is None:
            return None
        if currency_s is None:
            currency_s = attribute.currency_s if cache_expiration_s is None else cache_expiration_s
        if scrape_interval_s is None:
            scrape_interval_s = attribute.scrape_interval_s
        return Point(
            name=name,
            attribute=attribute,
            station_id=station_id,
            port=port,
            kind=self._kind(attribute, declared),
            unit=self._text(col.UNITS) or attribute.unit,
            writable=writable,
            scrape_interval_s=scrape_interval_s,
            currency_s=currency_s,
            notes=self._text(col.NOTES),
            group=group,
        )

    def _check_grouped(self, attribute: Attribute | None) -> None:
        """Check that a row may be in the registry of a station group."""
        if attribute is not None and not attribute.grouped:
            choice = ", ".join(row.name for row in self._catalogue if row.grouped)
            self._fault(
                col.ATTRIBUTE,
                f"{attribute.name} has no meaning for a station group",
                f"write one of {choice}, or give its stations devices of their own",
            )
        if self._text(col.PORT):
            self._fault(col.PORT, "the device is a station group", "leave it empty")

    def _name(self) -> str:
        name = self._text(col.POINT_NAME) or self._text(col.ATTRIBUTE)
        if not name:
            self._fault(col.POINT_NAME, "is empty", "give the point a name")
        elif any(unicodedata.category(each) in _CONTROLS for each in name):
            self._fault(
                col.POINT_NAME,
                f"{name!r} holds a line break or a control character",
                "write the name in one line; a quote before it may not be closed",
            )
        elif "/" in name:
            self._fault(
                col.POINT_NAME, f"{name!r} holds a slash", "a slash parts topics; use a dot"
            )
        return name

    def _attribute(self) -> Attribute | None:
        name, register = self._text(col.ATTRIBUTE), self._text(col.REGISTER)
        named = self._catalogue.named(name)
        if not named:
            near = self._catalogue.closest(name) if name else None
            cure = f"did you mean {near!r}?" if near else "see docs/reference/points for the list"
            if not name and self._text(col.POINT_NAME).startswith(("#", "//")):
                cure = "remove the row; a registry holds no comments"
            self._fault(col.ATTRIBUTE, f"unknown attribute {name!r}" if name else "is empty", cure)
            if register and register not in self._catalogue.registers:
                self._unknown_register(register)
            return None
        if not register:
            if len(named) == 1:
                return self._current(name, named[0])
            choice = " or ".join(row.register for row in named)
            self._fault(col.REGISTER, f"is empty and {name!r} stands in several", f"write {choice}")
            return None
        found = self._catalogue.find(register, name)
        if found is None:
            if register in self._catalogue.registers:
                choice = " or ".join(row.register for row in named)
                self._fault(
                    col.REGISTER, f"{register} holds no attribute {name!r}", f"write {choice}"
                )
            else:
                self._unknown_register(register)
        return found and self._current(name, found)

    def _current(self, name: str, found: Attribute) -> Attribute:
        """Return the row found, with a warning when `name` is its former name."""
        if name != found.name:
            self._warning(
                col.ATTRIBUTE,
                f"{name!r} is the former name of {found.name!r}; it works until the next release",
                f"write {found.name}",
            )
        return found

    def _unknown_register(self, register: str) -> None:
        choice = ", ".join(self._catalogue.registers)
        self._fault(col.REGISTER, f"unknown register {register!r}", f"write one of {choice}")

    def _declared_kind(self) -> Kind | None:
        text = self._text(col.TYPE)
        if not text:
            return None
        kind = _KINDS.get(text.lower())
        if kind is None:
            self._fault(col.TYPE, f"unknown type {text!r}", f"write one of {', '.join(_KINDS)}")
        return kind

    def _kind(self, attribute: Attribute, declared: Kind | None) -> Kind:
        if declared is None or declared is attribute.kind:
            return attribute.kind
        fits = declared in _FITS[attribute.kind]
        if declared is Kind.BOOLEAN and attribute.kind is Kind.INTEGER and not attribute.is_boolean:
            fits = False
        if fits:
            return declared
        self._warning(
            col.TYPE,
            f"{attribute.name} is a {attribute.kind.value}, which {self._text(col.TYPE)} cannot "
            f"hold; it is read as {attribute.kind.value}",
            f"write {attribute.kind.value}",
        )
        return attribute.kind

    def _writable(self, attribute: Attribute | None) -> bool:
        text = self._text(col.WRITABLE).lower()
        if text not in _TRUE | _FALSE:
            self._fault(
                col.WRITABLE,
                f"{self._text(col.WRITABLE)!r} is not a boolean",
                "write TRUE or FALSE",
            )
            return False
        if text in _TRUE and attribute is not None and not attribute.writable:
            self._fault(col.WRITABLE, f"{attribute.name} can only be read", "write FALSE")
        return text in _TRUE

    def _port(self, attribute: Attribute | None, device_port: int | None) -> int | None:
        text = self._text(col.PORT)
        port = None
        if text:
            number = _number(text)
            if number is None or not number.is_integer() or number < 1:
                self._fault(col.PORT, f"{text!r} is not a port number", "write 1, 2, … or nothing")
                return None
            port = int(number)
        if attribute is None:
            return port
        if attribute.scope is Scope.STATION:
            if port is not None:
                self._warning(
                    col.PORT,
                    f"{attribute.name} belongs to the whole station, and is the same for all ports",
                    "leave it empty",
                )
            return None
        if port is not None and device_port is not None and port != device_port:
            self._fault(
                col.PORT,
                f"the device is port {device_port} (portNumber in its driver config)",
                "leave it empty",
            )
        if port is None:
            port = device_port
        if (
            port is None
            and attribute.scope is Scope.PORT
            and attribute.whole is StationValue.NOTHING
        ):
            hint = ", or use stationLoad" if attribute.name == "portLoad" else ""
            self._fault(
                col.PORT,
                f"is empty and {attribute.name} belongs to a port",
                f"write the port's number, or give the device a portNumber{hint}",
            )
        return port

    def _scrape_interval(self) -> int | None:
        for column in col.HOST_INTERVALS:
            # The platform driver would leave out the whole device.
            given = _number(self._text(column) or "1")
            if given is None or not given.is_integer():
                self._fault(
                    column,
                    f"{self._text(column)!r} is not an interval",
                    f"write whole seconds, or use {col.SCRAPE_INTERVAL}",
                )
        text = self._text(col.SCRAPE_INTERVAL)
        if not text:
            return None
        number = _number(text)
        if number is None or number < 1 or not number.is_integer():
            self._fault(
                col.SCRAPE_INTERVAL,
                f"{text!r} is not an interval",
                "write whole seconds, 1 or more, or nothing for the default",
            )
            return None
        return int(number)

    def _currency(self) -> float | None:
        text = self._text(col.CURRENCY)
        if not text:
            return None
        number = _number(text)
        if number is None or number < 0:
            self._fault(
                col.CURRENCY,
                f"{text!r} is not a number of seconds",
                "write seconds, 0 or more, or nothing for the default",
            )
            return None
        return number


def _number(text: str) -> float | None:
    """Return a finite number written in digits, else None."""
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
