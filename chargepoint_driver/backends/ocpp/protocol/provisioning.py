"""Provisioning of a charger: its settings, its status, its boot data when it sends none."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from chargepoint_driver.backends.ocpp.model.bounds import bounded
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.protocol.requests import RequestBuilder, RequestPayload
from chargepoint_driver.backends.ocpp.protocol.set_up_guard import is_barred
from chargepoint_driver.errors import ChargePointError, WriteRejectedError

__all__ = ["NEVER", "Call", "ask_for", "may_read", "read_settings", "without_secrets"]

_SECRET = re.compile(r"password|authorizationkey|secret|psk|passphrase", re.IGNORECASE)
# Codes of a CALLERROR that say that there is no such request at all.
NEVER = {"NotImplemented", "NotSupported"}

Call = Callable[[Charger, RequestPayload], Awaitable[dict[str, Any]]]


def without_secrets(settings: dict[str, str]) -> dict[str, str]:
    """Settings without those whose names speak of keys; a charge point may show them."""
    known = {name: value for name, value in settings.items() if not _SECRET.search(name)}
    return bounded({}, known)


def may_read(point: Charger, out: RequestBuilder) -> bool:
    """Return True if any settings may be read: by name is the smallest way to ask."""
    return not is_barred(point, out.configuration(out.names[:1]))


async def read_settings(point: Charger, out: RequestBuilder, call: Call) -> dict[str, str]:
    """Return the settings of a charge point, empty if it reports none. Raises
    TransientError or its subclasses only."""
    found: dict[str, str] = {}
    if out.asks_all and not is_barred(point, out.configuration(None)):
        try:
            found = out.read_configuration(await call(point, out.configuration(None)))
        except WriteRejectedError:
            found = {}
    missing = [name for name in out.names if name not in found]
    if out.rate_units not in found:
        most = found.get("GetConfigurationMaxKeys", "")
        step = int(most) if most.isdecimal() and int(most) > 0 else out.most_names
        for first in range(0, len(missing) if may_read(point, out) else 0, step):
            found.update(await _some(point, out, call, missing[first : first + step]))
    return without_secrets(found)


async def _some(
    point: Charger, out: RequestBuilder, call: Call, names: list[str]
) -> dict[str, str]:
    """Return the settings of these names, in halves where they are too many at once."""
    try:
        return out.read_configuration(await call(point, out.configuration(names)))
    except WriteRejectedError as error:
        if len(names) == 1 or error.service_code in NEVER:
            return {}
    half = len(names) // 2
    first = await _some(point, out, call, names[:half])
    return {**first, **await _some(point, out, call, names[half:])}


async def ask_for(point: Charger, out: RequestBuilder, call: Call, message: str) -> bool:
    """Ask for a message; False when it will not come."""
    try:
        answer = await call(point, out.trigger(message))
    except ChargePointError:
        return False
    return answer.get("status") == "Accepted"
