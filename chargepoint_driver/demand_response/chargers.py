"""Access of demand response to chargers: one interface, and the accounts of this process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from chargepoint_driver.config import Account
from chargepoint_driver.errors import ChargePointError, ConfigurationError
from chargepoint_driver.service import Accounts, Service
from chargepoint_driver.text import get_logger

__all__ = ["AccountChargers", "Chargers", "Measured", "kept_accounts", "measured_of", "share_of"]

_log = get_logger(__name__)

# Limits are written in steps of a tenth of a kW, rounded down.
_STEPS = 10


@dataclass(frozen=True)
class Measured:
    """One reading of the devices together, in kW. None: not every device reported it.

    `limit_kw`: what they are held to, None also where nothing holds one of them, which
    `is_limited` tells apart (None: not known). `ports`, `reporting`: devices in all, and those
    whose load was reported."""

    load_kw: float | None
    limit_kw: float | None
    is_limited: bool | None
    ports: int
    reporting: int


class Chargers(Protocol):
    """Chargers as demand response uses them. Every method may wait, and raises no error of the
    tree: what failed is logged, and said by the answer."""

    def measure(self) -> Measured:
        """Look at the devices."""

    def hold(self, total_kw: float) -> list[str]:
        """Hold the devices to a total under a lease, or renew it; what failed, by device."""

    def release(self) -> list[str]:
        """Give back what was in force before; what failed, by device."""

    def close(self) -> None:
        """Close all connections. Limits stay until their lease ends."""


def kept_accounts(command_file: Path) -> Accounts:
    """Accounts whose limits are kept, over a restart too: a restarted process gives back what
    an earlier one wrote. Alerts go to the log."""

    def serve(account: Account) -> Service:
        service = Service.of_account(account, command_file)
        service.keep(_alert, _alert)
        return service

    return Accounts(serve)


def _alert(about: str, what: str) -> None:
    _log.warning("alert: %s: %s", about, what)


class AccountChargers:
    """Devices of accounts that this process holds itself: stations, ports or station groups.

    A total is divided equally. A device: {"station", "port"} or {"group"}, with "account" where
    there are several."""

    def __init__(
        self,
        accounts: Accounts,
        devices: Sequence[Mapping[str, Any]],
        lease_s: float,
        writer: str = "openadr",
    ) -> None:
        if not devices:
            raise ConfigurationError("chargers.devices: must name a station, port or group")
        self._accounts = accounts
        self._devices = [
            (each.get("account"), {k: v for k, v in each.items() if k != "account"})
            for each in devices
        ]
        self._lease_s = lease_s
        self._writer = writer

    def measure(self) -> Measured:
        loads: list[float | None] = []
        limits: list[tuple[bool, float | None]] = []
        for account, device in self._devices:
            points = {
                "load": {"attribute": "siteLoad", **device},
                "limit": {"attribute": "commandedLoad", **device},
            }
            try:
                answer = self._accounts.read(points, account)
            except ChargePointError:
                answer = {"values": {}}
            values = answer["values"]
            loads.append(values.get("load"))
            limits.append(("limit" in values, values.get("limit")))
        return measured_of(loads, limits)

    def hold(self, total_kw: float) -> list[str]:
        part_kw = share_of(total_kw, len(self._devices))
        failed = []
        options: dict[str, Any] = {"command_lease": self._lease_s} if self._lease_s else {}
        for account, device in self._devices:
            try:
                self._accounts.write(
                    {"attribute": "limit", **device},
                    part_kw,
                    account,
                    writer=self._writer,
                    **options,
                )
            except ChargePointError as error:
                failed.append(f"{_name(device)}: {error}")
        return failed

    def release(self) -> list[str]:
        failed = []
        for account, device in self._devices:
            try:
                self._accounts.revert(
                    {"attribute": "limit", **device}, account, writer=self._writer
                )
            except ChargePointError as error:
                failed.append(f"{_name(device)}: {error}")
        return failed

    def close(self) -> None:
        self._accounts.close()


def measured_of(
    loads: Sequence[float | None], limits: Sequence[tuple[bool, float | None]]
) -> Measured:
    """Sum the readings of all devices: load, and (whether the limit was reported, the limit)."""
    known = [load for load in loads if load is not None]
    held = [kw for _, kw in limits if kw is not None]
    is_known = all(is_reported for is_reported, _ in limits)
    return Measured(
        load_kw=sum(known) if len(known) == len(loads) else None,
        limit_kw=sum(held) if len(held) == len(limits) else None,
        is_limited=bool(held) if is_known else None,
        ports=len(loads),
        reporting=len(known),
    )


def share_of(total_kw: float, devices: int) -> float:
    """Return the part of each device, rounded down."""
    return math.floor(total_kw / devices * _STEPS + 1e-6) / _STEPS


def _name(device: Mapping[str, Any]) -> str:
    return " ".join(f"{word} {value}" for word, value in device.items())
