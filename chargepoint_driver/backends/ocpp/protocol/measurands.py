"""Settings for measurands and intervals; without them many chargers send a register only."""

from __future__ import annotations

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.protocol.provisioning import NEVER, Call
from chargepoint_driver.backends.ocpp.protocol.requests import RequestBuilder
from chargepoint_driver.backends.ocpp.protocol.set_up_guard import SHORT_LIST, is_barred
from chargepoint_driver.errors import WriteRejectedError

__all__ = ["set_meter_values"]

REGISTER = "Energy.Active.Import.Register"
# The longest value of a setting in OCPP 1.6; 2.0.1 allows twice that.
_MAX_VALUE_CHARS = 500


async def set_meter_values(
    point: Charger, out: RequestBuilder, call: Call, wanted: tuple[str, ...], interval_s: float
) -> dict[str, str]:
    """Have a charge point send these measurands, and so often; what it sends already stays.
    Returns the settings that were changed. What it refuses is remembered and not tried again.
    Raises TransientError or its subclasses only."""
    if point.quirks.measurands is not None:
        wanted = point.quirks.measurands
    wanted = tuple(name for name in wanted if name not in out.lacks)
    try:
        return await _set(point, out, call, wanted, interval_s)
    except WriteRejectedError:  # no setting can be changed at all
        point.learned["refused_measurands"] = list(wanted)
        point.learned["refused_interval"] = str(round(interval_s))
        return {}


async def _set(
    point: Charger, out: RequestBuilder, call: Call, wanted: tuple[str, ...], interval_s: float
) -> dict[str, str]:
    changed = await _measure(point, out, call, wanted)
    reported, value = point.configuration.get(out.interval, ""), str(round(interval_s))
    is_often = reported.isdecimal() and 0 < int(reported) <= interval_s
    may_change = not is_barred(point, out.configure(out.interval, value))
    if wanted and not is_often and may_change and point.learned.get("refused_interval") != value:
        if await _takes(point, out, call, out.interval, value):
            changed[out.interval] = value
        else:
            point.learned["refused_interval"] = value
    if wanted:
        changed.update(await _measure_begin_and_end(point, out, call))
    return changed


async def _measure_begin_and_end(point: Charger, out: RequestBuilder, call: Call) -> dict[str, str]:
    """Have the register measured at the begin and at the end of a transaction (2.0.1, J02), or
    its energy ends at the last sample. What is measured then already stays."""
    changed = {}
    for name in out.at_begin_and_end:
        before = _names_in(point.configuration.get(name))
        refused = point.learned.get("refused_at_begin_and_end", [])
        if REGISTER in before or name in refused:
            continue
        values = [",".join([REGISTER, *before]), REGISTER][0 if before else 1 :]
        values = [each for each in values if not is_barred(point, out.configure(name, each))]
        for value in values:
            if await _takes(point, out, call, name, value):
                changed[name] = value
                break
        else:
            if values:
                point.learned["refused_at_begin_and_end"] = [*refused, name]
    return changed


def _names_in(setting: str | None) -> list[str]:
    return [name.strip() for name in (setting or "").split(",") if name.strip()]


async def _measure(
    point: Charger, out: RequestBuilder, call: Call, wanted: tuple[str, ...]
) -> dict[str, str]:
    """The list as a whole; where that is refused, one more at a time."""
    setting = point.configuration.get(out.sampled)
    before = _names_in(setting)
    refused = set(point.learned.get("refused_measurands", ()))
    missing = [name for name in wanted if name not in before and name not in refused]
    if not missing or (setting is None and "refused_measurands" in point.learned):
        return {}
    # Ours first: where there is an end to the list, they are what is needed.
    names = [name for name in wanted if name not in refused]
    names += [name for name in before if name not in names]
    most = point.configuration.get(out.most_sampled, "")
    if most.isdecimal() and int(most) > 0:
        names = names[: int(most)]
    while len(",".join(names)) > _MAX_VALUE_CHARS:
        names.pop()
    if is_barred(point, out.configure(out.sampled, ",".join(names))):
        names = names[:SHORT_LIST]
    if set(names) <= set(before) or is_barred(point, out.configure(out.sampled, ",".join(names))):
        return {}
    taken: list[str] = []
    if await _takes(point, out, call, out.sampled, ",".join(names)):
        taken = names
    else:
        for name in names:
            if await _takes(point, out, call, out.sampled, ",".join([*taken, name])):
                taken.append(name)
    point.learned["refused_measurands"] = sorted(refused | {n for n in wanted if n not in taken})
    return {out.sampled: ",".join(taken)} if taken else {}


async def _takes(point: Charger, out: RequestBuilder, call: Call, name: str, value: str) -> bool:
    try:
        answer = await call(point, out.configure(name, value))
    except WriteRejectedError as error:
        if error.service_code in NEVER:
            raise
        return False
    return out.is_configured(answer)
