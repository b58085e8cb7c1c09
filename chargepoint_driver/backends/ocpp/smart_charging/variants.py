"""The variants in which a charge point may take a profile, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.limit import units_of
from chargepoint_driver.backends.ocpp.protocol.requests import RequestBuilder

__all__ = ["ProfileVariant", "profile_variants"]


@dataclass(frozen=True)
class ProfileVariant:
    """One way to write a charging profile."""

    unit: str
    kind: str
    level: int


def profile_variants(point: Charger, names: RequestBuilder) -> Iterator[ProfileVariant]:
    """Return what worked before, then what its settings and quirks say, then what others needed."""
    quirks = point.quirks
    settings = point.configuration
    units = [quirks.rate_unit] if quirks.rate_unit else units_of(settings.get(names.rate_units))
    levels = str(settings.get(names.stack_levels, ""))
    top = int(levels) if levels.isdecimal() else 1
    level = top if quirks.stack_level is None else quirks.stack_level
    kind = quirks.profile_kind or "Absolute"
    first = units[0] or "A"
    variants = []
    if "form" in point.learned:
        variants.append(ProfileVariant(*point.learned["form"]))
    variants.append(ProfileVariant(first, kind, level))
    if quirks.rate_unit is None and names.rate_units not in settings:
        variants.append(ProfileVariant("W", kind, level))  # some take W only, and do not say so
    variants += [ProfileVariant(unit or "A", kind, level) for unit in units[1:]]
    if quirks.profile_kind is None:
        variants.append(ProfileVariant(first, "Relative", level))
    if quirks.stack_level is None:
        variants.append(ProfileVariant(first, kind, 0))
    yield from dict.fromkeys(variants)
