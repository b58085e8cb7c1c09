"""Reported limits of a target, compared with the command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.records import StationRecord, Unreadable, Values

__all__ = ["UNREPORTED", "PortReport", "Report", "report_of"]

# Services round: to 0.1 kW at most, and a station's limit once for each port.
_ROUNDED_KW = 0.06
_ROUNDED = 0.01


@dataclass(frozen=True)
class PortReport:
    """One port; None where it is not reported. A limit may be reported while none is in force."""

    shed: bool | None
    allowed_kw: float | None
    percent: int | None
    load_kw: float | None

    @property
    def limit(self) -> Limit | None:
        """The limit in force; None where none is, or where it is not reported.

        The service reports allowedLoad 0 for a shed by per cent too, and not its limit in kW: the
        load that flows under it stands for it. Where nothing flows, a percentage keeps the port
        as it is, and 0 kW is never made up.
        """
        if not self.shed or self.allowed_kw is None:
            return None
        if self.allowed_kw > 0:
            return Limit(allowed_load_kw=self.allowed_kw)
        if self.load_kw:
            return Limit(allowed_load_kw=self.load_kw)
        return Limit(percent_shed=self.percent or 0)

    def __str__(self) -> str:
        if self.shed is None:
            return "the shed state is not reported"
        if not self.shed:
            return "no shed is reported"
        if self.percent:
            return f"percentShed {self.percent} % is reported"
        if self.allowed_kw is None:
            return "a shed without a limit is reported"
        return f"allowedLoad {self.allowed_kw:g} kW is reported"


UNREPORTED = PortReport(None, None, None, None)


@dataclass(frozen=True)
class Report:
    """The ports of one target, by number."""

    ports: Mapping[int, PortReport]

    @property
    def is_shed(self) -> bool:
        """Return True if a shed of any port is reported."""
        return any(port.shed for port in self.ports.values())

    @property
    def is_clear(self) -> bool:
        """Return True if every port is reported as not shed."""
        return bool(self.ports) and all(port.shed is False for port in self.ports.values())

    @property
    def load_kw(self) -> float | None:
        """The sum over the ports; None unless all report it."""
        loads = [port.load_kw for port in self.ports.values()]
        known = [load for load in loads if load is not None]
        return sum(known) if loads and len(known) == len(loads) else None

    @property
    def allowed_kw(self) -> float | None:
        """The sum of the ports' limits; None unless every port is held to a limit in kW."""
        limits = [port.limit for port in self.ports.values()]
        known = [
            limit.allowed_load_kw
            for limit in limits
            if limit is not None and limit.allowed_load_kw is not None
        ]
        return sum(known) if limits and len(known) == len(limits) else None

    def shows(self, limit: Limit, ceiling_kw: float | None) -> bool:
        """Return True if this is what a command came to. `ceiling_kw` is what a percentage came to:
        a renewed one is reported as a limit in kW."""
        if not self.ports or not all(port.shed for port in self.ports.values()):
            return False
        is_same = limit.percent_shed is not None and all(
            port.percent == limit.percent_shed for port in self.ports.values()
        )
        # With a limit in kW the service reports 0 per cent, which is not a shed by 0 per cent.
        if is_same and not any(port.allowed_kw for port in self.ports.values()):
            return True
        # Nothing flowed: chargers that connect directly take it of their rated power, and say so.
        if is_same and limit.percent_shed and ceiling_kw is None:
            return True
        wanted_kw = ceiling_kw if limit.allowed_load_kw is None else limit.allowed_load_kw
        return wanted_kw is not None and self._allows(wanted_kw, is_percent=is_same)

    def _allows(self, wanted_kw: float, *, is_percent: bool) -> bool:
        # Some report the kW of a percentage too; that is not another controller's limit in kW.
        allowed = [
            port.allowed_kw for port in self.ports.values() if is_percent or not port.percent
        ]
        known = [kw for kw in allowed if kw is not None]
        if len(known) < len(self.ports):
            return False
        # A station's limit shows as each port's share of it, or as itself at each port.
        return _near(sum(known), wanted_kw, len(known)) or all(
            _near(kw, wanted_kw, 1) for kw in known
        )

    def __str__(self) -> str:
        describe = {number: str(port) for number, port in sorted(self.ports.items())}
        if not describe:
            return "no port is reported"
        if len(set(describe.values())) == 1:
            return next(iter(describe.values()))
        return ", ".join(f"port {number}: {text}" for number, text in describe.items())


def report_of(target: Target, record: StationRecord) -> Report:
    """Return the ports of a target as a record of the load has them. Raises NotFoundError for a
    port that the station does not have."""
    if target.port is not None:
        return Report({target.port: _port(record.of_port(target.port))})
    return Report({number: _port(values) for number, values in record.ports.items()})


def _port(values: Values) -> PortReport:
    shed = _number(values, "shedState")
    percent = _number(values, "percentShed")
    return PortReport(
        shed=None if shed is None else shed == 1,
        allowed_kw=_number(values, "allowedLoad"),
        percent=None if percent is None else int(percent),
        load_kw=_number(values, "portLoad"),
    )


def _number(values: Values, name: str) -> float | None:
    value = values.get(name)
    if isinstance(value, (Unreadable, str, dict)) or value is None:
        return None
    return float(value)


def _near(found_kw: float, wanted_kw: float, ports: int) -> bool:
    return abs(found_kw - wanted_kw) <= max(_ROUNDED_KW * ports, _ROUNDED * wanted_kw)
