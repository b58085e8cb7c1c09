"""The forms in which a charge point may take a profile, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chargepoint_driver.backends.ocpp.model.charger import ChargePoint
from chargepoint_driver.backends.ocpp.model.limit import units_of
from chargepoint_driver.backends.ocpp.protocol.requests import Outbound

__all__ = ["Form", "forms_of"]


@dataclass(frozen=True)
class Form:
    """How a profile is written."""

    unit: str
    kind: str
    level: int


def forms_of(point: ChargePoint, names: Outbound) -> Iterator[Form]:
    """What worked before, then what its settings and quirks say, then what others needed."""
    quirks = point.quirks
    settings = point.configuration
    units = [quirks.rate_unit] if quirks.rate_unit else units_of(settings.get(names.rate_units))
    levels = str(settings.get(names.stack_levels, ""))
    top = int(levels) if levels.isdecimal() else 1
    level = top if quirks.stack_level is None else quirks.stack_level
    kind = quirks.profile_kind or "Absolute"
    first = units[0] or "A"
    forms = []
    if "form" in point.worked:
        forms.append(Form(*point.worked["form"]))
    forms.append(Form(first, kind, level))
    if quirks.rate_unit is None and names.rate_units not in settings:
        forms.append(Form("W", kind, level))  # some take W only, and do not say so
    forms += [Form(unit or "A", kind, level) for unit in units[1:]]
    if quirks.profile_kind is None:
        forms.append(Form(first, "Relative", level))
    if quirks.stack_level is None:
        forms.append(Form(first, kind, 0))
    yield from dict.fromkeys(forms)
