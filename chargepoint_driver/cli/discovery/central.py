"""Charge points and connectors of a running central system, and its settings, by its control
API; or what its database tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chargepoint_driver.catalogue import OCPP
from chargepoint_driver.cli.control_api import TOKEN_ENV, ask, no_control_api
from chargepoint_driver.config import OcppAccount
from chargepoint_driver.errors import ConfigurationError, InvalidReplyError

__all__ = ["TOKEN_ENV", "Charger", "charge_points", "of_record", "settings"]


@dataclass(frozen=True)
class Charger:
    """One charge point; `connectors` maps number (from 1) to status. None: not reported.
    `reported` are the attributes that it, or any of its connectors, has a value of, or that it
    is set to measure."""

    charge_point_id: str
    vendor: str | None
    model: str | None
    ocpp_version: str | None
    connected: bool
    connectors: dict[int, str | None]
    reported: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


# A measurand that charge points are set to sample, to what the registers call it. Many are sent
# while a vehicle charges only, and a connector may be free now.
_SAMPLED = ("MeterValuesSampledData", "SampledDataCtrlr.TxUpdatedMeasurands")
_MEASURANDS = {
    "Energy.Active.Import.Register": ("energyRegister",),
    "Voltage": ("portVoltage",),
    "Current.Import": ("portCurrent",),
    "Current.Offered": ("powerOffered",),
    "Power.Offered": ("powerOffered",),
    "SoC": ("SoC",),
    "Temperature": ("Temperature",),
}
# What the registers say in another unit than the control API.
_INSTEAD = {"energy_kwh": "energy_wh"}


def charge_points(url: str) -> list[Charger]:
    """Return what the central system with this control API knows. Raises errors of the tree."""
    views, status = ask(url, "charge-points")
    try:
        return [_charge_point(view) for view in views]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise no_control_api(url, status) from None


def of_record(account: OcppAccount) -> list[Charger]:
    """Return what the database of a central system tells, which may run meanwhile."""
    try:
        from chargepoint_driver.backends.ocpp.storage.offline import Record  # noqa: PLC0415 - the ocpp extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'volttron-lib-chargepoint-driver[ocpp]'"
        ) from None
    return [_charge_point(view) for view in Record(account).charge_points()]


def settings(url: str) -> dict[str, Any]:
    """Return the keys of an OCPP account with which that central system runs: its paths are whole,
    and of secrets only the place is named. Raises errors of the tree."""
    given, status = ask(url, "settings")
    if not isinstance(given, dict) or not {"listen", "database"} <= given.keys():
        raise no_control_api(url, status)
    try:
        OcppAccount.from_dict(given, url)
    except ConfigurationError as error:
        raise InvalidReplyError(f"{error}: the central system is of another version") from None
    return given


def _charge_point(view: dict[str, Any]) -> Charger:
    boot = view.get("boot") or {}
    # 0 is the charge point itself.
    connectors = {
        int(number): connector
        for number, connector in sorted(view["connectors"].items(), key=lambda one: int(one[0]))
        if int(number) > 0
    }
    return Charger(
        str(view["id"]),
        boot.get("vendor"),
        boot.get("model"),
        view.get("ocpp_version"),
        bool(view["connected"]),
        {number: connector.get("status") for number, connector in connectors.items()},
        _reported(view, list(connectors.values())),
    )


def _reported(view: Mapping[str, Any], connectors: list[Mapping[str, Any]]) -> tuple[str, ...]:
    found = {
        row.name
        for row in OCPP
        for path in row.path
        for place in (connectors if path.startswith("Port/") else [view])
        if path and _at(path.removeprefix("Port/"), place) is not None
    }
    said = view.get("configuration") or {}
    for setting in _SAMPLED:
        for measurand in str(said.get(setting) or "").split(","):
            found.update(_MEASURANDS.get(measurand.strip(), ()))
    return tuple(sorted(found))


def _at(path: str, facts: Mapping[str, Any]) -> Any:
    """Return the value at a path like limit/accepted_kw; None where there is none."""
    value: Any = facts
    for step in path.split("/"):
        value = value.get(_INSTEAD.get(step, step)) if isinstance(value, Mapping) else None
    return value
