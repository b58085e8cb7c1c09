"""Interface of the scheduler to chargers, and its implementation over accounts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from chargepoint_driver.demand_response.schedule.config import ScheduleConfig
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.service import Accounts

__all__ = [
    "READING_POINTS",
    "AccountDevices",
    "Devices",
    "PortReading",
    "check_account_devices",
    "check_topics",
    "key_of",
]

READING_POINTS = (
    "Status",
    "portLoad",
    "shedState",
    "allowedLoad",
    "currentL1",
    "currentL2",
    "currentL3",
    "energyNeeded",
    "departureTime",
    "rfidSerialNumber",
    "sessionID",
    "endTime",
    "bootTime",
)
_PORT_STATUS = "StationStatusRegister"


@dataclass(frozen=True)
class PortReading:
    """Reported state of a port. None: not reported; `is_active` None: out of reach.

    `currents`: A of the port's own lines 1 to 3. `session`: the one that runs. `booted`: changes
    when the charger restarts. `limit_kw`: the limit in force; infinity: none is."""

    is_active: bool | None
    load_kw: float | None = None
    currents: Mapping[int, float] | None = None
    energy_kwh: float | None = None
    departure: datetime | None = None
    id_tag: str | None = None
    session: str | None = None
    booted: str | None = None
    limit_kw: float | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> PortReading:
        """Return the reading of a port's points by attribute."""
        status = values.get("Status")
        is_active = {"INUSE": True, "AVAILABLE": False}.get(str(status))
        lines = {n: _number(values.get(f"currentL{n}")) for n in (1, 2, 3)}
        ended = values.get("endTime")
        session = None if ended else values.get("sessionID")
        return cls(
            is_active,
            _number(values.get("portLoad")),
            {n: a for n, a in lines.items() if a is not None} or None,
            _number(values.get("energyNeeded")),
            _time(values.get("departureTime")),
            None if session is None else _text(values.get("rfidSerialNumber")),
            _text(session),
            _text(values.get("bootTime")),
            _limit_kw(values),
        )


class Devices(Protocol):
    """Ports, stations and groups. Every method may wait, and raises ChargePointError."""

    def read(self, device: Any) -> PortReading:
        """Return what a port reports."""

    def hold(self, device: Any, kw: float, *, lease_s: float) -> None:
        """Send a limit, or renew its lease. `lease_s` 0: it stays until it is changed."""

    def release(self, device: Any) -> None:
        """End what `hold` did: what was in force before comes back."""

    def plan(self, device: Any, text: str) -> bool:
        """Have a charger keep to a plan; empty text ends it. False where it has it already."""


def key_of(device: Any) -> str:
    """Return a device as a text, for logs and as a key."""
    if isinstance(device, Mapping):
        return " ".join(str(value) for value in device.values())
    return str(device)


def check_account_devices(
    config: ScheduleConfig, accounts: Mapping[str, Any] | None = None
) -> None:
    """Raise ConfigurationError for what a scheduler without VOLTTRON cannot do. `accounts`: name to
    settings of those that run it; None: those of the configuration."""
    known = config.accounts if accounts is None else accounts
    users = {each.get("username") for each in known.values() if isinstance(each, Mapping)}
    for name, group in config.groups.items():
        for device in (*group.devices, *group.ports):
            AccountDevices.check(device, f"groups.{name}")
            account = device.get("account")
            if known and account is not None and account not in {*known, *users}:
                raise ConfigurationError(
                    f"groups.{name}: account: there is no {account!r}; the accounts are "
                    f"{', '.join(known)}"
                )
    for name, circuit in config.circuits.items():
        for port, settings in circuit.ports.items():
            AccountDevices.check(settings.device, f"circuits.{name}.ports.{port}")
        if circuit.meter_topic:
            raise ConfigurationError(
                f"circuits.{name}: meter_topic: needs VOLTTRON; run the scheduler agent"
            )
    if config.prices_topic:
        raise ConfigurationError("prices_topic: needs VOLTTRON; use prices_file")


def check_topics(config: ScheduleConfig) -> None:
    """Raise ConfigurationError for a device that is not a topic."""
    for name, group in config.groups.items():
        for device in (*group.devices, *group.ports):
            if not isinstance(device, str) or not device.strip("/ "):
                raise ConfigurationError(
                    f"groups.{name}: for the agent a device is a topic without `devices/`, like "
                    "campus/garage/left"
                )


class AccountDevices:
    """Devices of accounts that this process holds: {"station", "port"?} or {"group"}, and
    "account" where there are several."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    @staticmethod
    def check(device: Any, where: str) -> None:
        """Raise ConfigurationError for what is not a device."""
        is_good = (
            isinstance(device, Mapping)
            and ("station" in device) != ("group" in device)
            and not set(device) - {"station", "port", "group", "account"}
        )
        if not is_good:
            raise ConfigurationError(
                f'{where}: without VOLTTRON a device is written like {{"station": "CP1", '
                '"port": 1}} or {{"group": "garage"}}'
            )

    def read(self, device: Any) -> PortReading:
        account, where = _split(device)
        table = self._accounts.tables()
        rows = table[account] if account in table else next(iter(table.values()))
        points = {name: {"attribute": name, **where} for name in READING_POINTS if rows.named(name)}
        # At ChargePoint's service a station has a Status too, in another register.
        if rows.find(_PORT_STATUS, "Status") is not None:
            points["Status"]["register"] = _PORT_STATUS
        return PortReading.of(self._accounts.read(points, account)["values"])

    def hold(self, device: Any, kw: float, *, lease_s: float) -> None:
        account, where = _split(device)
        # `limit` releases at the rated power. A port under a circuit always gets its limit.
        point = {"attribute": "limit" if lease_s else "allowedLoad", **where}
        options: dict[str, Any] = (
            {"command_lease": lease_s} if lease_s else {"shed_on_write": True, "shed_duration": 0}
        )
        self._accounts.write(point, kw, account, writer="scheduler", **options)

    def release(self, device: Any) -> None:
        account, where = _split(device)
        self._accounts.revert({"attribute": "limit", **where}, account, writer="scheduler")

    def plan(self, device: Any, text: str) -> bool:
        account, where = _split(device)
        if "group" in where:
            raise ConfigurationError("a plan is for a station or port, not for a group")
        station, port = str(where["station"]), where.get("port")
        return bool(self._accounts.command("chargingPlan", station, port, text, account))


def _split(device: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    return device.get("account"), {k: v for k, v in device.items() if k != "account"}


def _limit_kw(values: Mapping[str, Any]) -> float | None:
    """Return the limit in force; infinity: none is, None: not reported."""
    state = values.get("shedState")
    if state is None:
        return None
    return _number(values.get("allowedLoad")) if state else math.inf


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else None


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _time(value: Any) -> datetime | None:
    if not isinstance(value, datetime):
        try:
            value = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        except ValueError:
            return None
    return value if value.tzinfo is not None else None
