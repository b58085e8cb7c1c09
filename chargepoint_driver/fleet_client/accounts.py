"""Accounts of this process, and accounts that nodes of a fleet hold, by one name space.

What concerns an account of a fleet is forwarded as it is. All else is that of `service.Accounts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chargepoint_driver.catalogue import TABLES, Catalogue
from chargepoint_driver.config import AgentConfig, FleetAccountConfig
from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidValueError,
    NotFoundError,
)
from chargepoint_driver.fleet_client.changes import Changes
from chargepoint_driver.fleet_client.fleet_account import FleetAccount
from chargepoint_driver.records import Value
from chargepoint_driver.service import Accounts, Service

__all__ = ["ForwardingAccounts"]

OnChange = Callable[[str, "list[str] | None"], None]


class ForwardingAccounts(Accounts):
    """`Accounts` whose accounts may be a fleet's."""

    _forwards = True

    def __init__(self, serve: Callable[..., Service] = Service.of_account) -> None:
        super().__init__(serve)
        self._fleet: dict[str, FleetAccount] = {}
        self._changes: dict[str, Changes] = {}
        self._on_change: OnChange = lambda _account, _stations: None

    def configure(self, fields: Mapping[str, Any]) -> list[str]:
        """See `Accounts.configure`."""
        faults = super().configure(fields)
        config, _ = AgentConfig.from_dict(fields)
        wanted = config.fleet_accounts
        for name in list(self._fleet):
            if name not in wanted or self._fleet[name].config != wanted[name]:
                self._changes.pop(name).stop()
                self._fleet.pop(name).close()
        for name, account in wanted.items():
            if name not in self._fleet:
                self._join(name, account)
            if (missing := account.missing_secret()) is not None:
                faults.append(f"config: accounts.{name}: {missing}")
        return faults

    def _join(self, name: str, config: FleetAccountConfig) -> None:
        account = self._fleet[name] = FleetAccount(config)
        self._changes[name] = Changes(account, lambda stations: self._on_change(name, stations))

    def follow_changes(self, on_change: OnChange) -> None:
        """Call back with an account of a fleet and the ids of its stations with news; None: of any.
        On a thread or greenlet of ours."""
        self._on_change = on_change

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the accounts."""
        return (*super().names, *self._fleet)

    def fleet_account(self, account: str | None) -> FleetAccount | None:
        """Return the account of a fleet by that name, None for one of this process. No name is that
        of the only account."""
        if account in self._fleet:
            return self._fleet[account]
        if not account and len(self._fleet) == 1 and not self.services():
            return next(iter(self._fleet.values()))
        if not account and self._fleet:
            raise ConfigurationError(
                f"no account is named; the caching agent holds {', '.join(self.names)}"
            )
        return None

    def service_of(self, account: str | None = None) -> Service:
        """See `Accounts.service_of`. Raises InvalidValueError for an account of a fleet."""
        if self.fleet_account(account) is not None:
            raise InvalidValueError(
                f"{account or 'the account'} is held by nodes of a fleet, which do not answer this "
                "here; ask a node of the fleet"
            )
        return super().service_of(account)

    # ---- points --------------------------------------------------------------------------

    def read(
        self,
        points: Mapping[str, Mapping[str, Any]],
        account: str | None = None,
        *,
        reader: str = "",
    ) -> dict[str, Any]:
        """See `Accounts.read`."""
        fleet = self.fleet_account(account)
        if fleet is None:
            return super().read(points, account, reader=reader)
        try:
            answer = fleet.read(points, reader=reader)
        except ChargePointError as error:
            if not isinstance(points, Mapping):
                raise
            return {"values": {}, "errors": dict.fromkeys(points, error.to_dict()), "ages_s": {}}
        missing = points.keys() - answer["values"].keys() - answer["errors"].keys()
        for name in missing:
            lost = ChargePointError(f"{name}: the fleet left it out of its answer")
            answer["errors"][name] = lost.to_dict()
        return answer

    def write(
        self,
        point: Mapping[str, Any],
        value: Any,
        account: str | None = None,
        *,
        minutes: float | None = None,
        writer: str = "",
        warnings: list[str] | None = None,
        **shed: Any,
    ) -> Value:
        """See `Accounts.write`."""
        fleet = self.fleet_account(account)
        given: dict[str, Any] = {"minutes": minutes, "writer": writer, "warnings": warnings, **shed}
        if fleet is None:
            return super().write(point, value, account, **given)
        return fleet.write(point, value, **given)

    def release(
        self, point: Mapping[str, Any], account: str | None = None, on_delete: str = "clear"
    ) -> bool:
        """See `Accounts.release`."""
        fleet = self.fleet_account(account)
        if fleet is None:
            return super().release(point, account, on_delete)
        return fleet.release(point, on_delete)

    def revert(
        self, point: Mapping[str, Any], account: str | None = None, *, writer: str = ""
    ) -> bool:
        """See `Accounts.revert`."""
        fleet = self.fleet_account(account)
        if fleet is None:
            return super().revert(point, account, writer=writer)
        return fleet.revert(point, writer=writer)

    # ---- load shed events ----------------------------------------------------------------

    def create_load_shed_event(
        self,
        start: str,
        duration: int,
        station: str | None = None,
        group: str | int | None = None,
        allowed_load_per_port: float | None = None,
        percent_shed_per_station: float | None = None,
        allow_opt_out: bool | None = None,
        account: str | None = None,
    ) -> int:
        """See `Accounts.create_load_shed_event`."""
        fields: dict[str, Any] = {
            "station": station,
            "group": group,
            "allowed_load_per_port": allowed_load_per_port,
            "percent_shed_per_station": percent_shed_per_station,
            "allow_opt_out": allow_opt_out,
        }
        fleet = self.fleet_account(account)
        if fleet is None:
            return super().create_load_shed_event(start, duration, **fields, account=account)
        return fleet.create_load_shed_event(start, duration, **fields)

    def remove_load_shed_event(self, event_id: int, account: str | None = None) -> None:
        """See `Accounts.remove_load_shed_event`."""
        fleet = self.fleet_account(account)
        if fleet is None:
            super().remove_load_shed_event(event_id, account)
        else:
            fleet.remove_load_shed_event(event_id)

    # ---- chargers ------------------------------------------------------------------------

    def command(
        self, name: str, station: str, port: int | None, value: Any, account: str | None = None
    ) -> str:
        """See `Accounts.command`."""
        fleet = self.fleet_account(account)
        if fleet is None:
            return super().command(name, station, port, value, account)
        return fleet.command(name, station, port, value)

    def call(
        self,
        station: str,
        action: str,
        payload: Mapping[str, Any] | None = None,
        account: str | None = None,
        timeout: float = 30.0,
    ) -> dict[str, Any]:
        """See `Accounts.call`."""
        fleet = self.fleet_account(account)
        if fleet is None:
            return super().call(station, action, payload, account, timeout)
        return fleet.call(station, action, payload, timeout)

    def operate(
        self,
        name: str,
        station: str,
        arguments: Mapping[str, Any] | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """See `Accounts.operate`."""
        fleet = self.fleet_account(account)
        if fleet is None:
            return super().operate(name, station, arguments, account)
        return fleet.operate(name, station, arguments)

    def stored_messages(
        self,
        station: str,
        account: str | None = None,
        before: int | None = None,
        limit: int = 100,
        action: str | None = None,
    ) -> tuple[list[dict[str, Any]], int | None]:
        """See `Accounts.stored_messages`."""
        fleet = self.fleet_account(account)
        if fleet is None:
            return super().stored_messages(station, account, before, limit, action)
        return fleet.stored_messages(station, before, limit, action)

    # ---- stations, sessions and state ----------------------------------------------------

    def stations(self, account: str | None = None) -> list[dict[str, Any]]:
        """See `Accounts.stations`."""
        fleet = self.fleet_account(account)
        return super().stations(account) if fleet is None else fleet.stations()

    def sessions(
        self,
        station: str | None,
        start: str,
        end: str | None = None,
        account: str | None = None,
    ) -> list[dict[str, Any]]:
        """See `Accounts.sessions`."""
        fleet = self.fleet_account(account)
        if fleet is None:
            return super().sessions(station, start, end, account)
        return fleet.sessions(station, start, end)

    def writes(self, account: str | None = None, most: int = 100) -> list[dict[str, Any]]:
        """See `Accounts.writes`."""
        fleet = self.fleet_account(account)
        if fleet is None:
            return super().writes(account, most)
        return fleet.writes(most)

    def tables(self) -> dict[str, Catalogue]:
        """See `Accounts.tables`."""
        fleet = {name: TABLES[each.config.account_backend] for name, each in self._fleet.items()}
        return {**super().tables(), **fleet}

    def stats(self) -> dict[str, Any]:
        """See `Accounts.stats`. Of an account whose nodes do not answer there is an error."""
        found = super().stats()
        for name, account in list(self._fleet.items()):
            try:
                found[name] = account.stats()
            except ChargePointError as error:
                found[name] = {"error": error.to_dict()}
        return found

    def health(self) -> dict[str, Any]:
        """See `Accounts.health`. The error of `fleet` is that no node answers."""
        found = super().health()
        accounts = found["accounts"]
        for name, account in list(self._fleet.items()):
            try:
                accounts[name] = account.health()
            except ChargePointError as error:
                accounts[name] = {"fleet": error.to_dict()}
        good = not found["faults"] and not any(accounts.values()) and bool(accounts)
        return {**found, "good": good}

    def live_status(
        self, station: str | None = None, account: str | None = None
    ) -> list[dict[str, Any]]:
        """See `Accounts.live_status`."""
        found: list[dict[str, Any]] = []
        if account is None or account not in self._fleet:
            try:
                found = super().live_status(station, account)
            except NotFoundError:
                if not self._fleet or account is not None:
                    raise
        for name, each in list(self._fleet.items()):
            if account in (None, name):
                try:
                    rows = each.live_status(station)
                except NotFoundError:
                    continue
                found += [{**row, "account": name} for row in rows]
        if station is not None and not found:
            raise NotFoundError(f"station {station[:128]!r} is not known here")
        return found

    def close(self) -> None:
        """See `Accounts.close`."""
        super().close()
        for changes in self._changes.values():
            changes.stop()
        for account in self._fleet.values():
            account.close()
