"""RPC of the caching agent: commands to chargers that connect directly, simple questions."""

from __future__ import annotations

from typing import Any

from volttron.client.vip.agent import RPC

from chargepoint_driver.adapters.host.host_errors import answered
from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.service import Accounts, session_reports

__all__ = ["OcppRpc"]


class OcppRpc:
    """Commands over `Accounts`. A refusal by the charger is an error to the caller; the answer is
    the charger's word. `port` is the connector (2.0.1: the EVSE), null for the whole charger."""

    _accounts: Accounts

    @RPC.export  # type: ignore[untyped-decorator]
    def command(
        self, name: str, station: str, port: int | None, value: Any, account: str | None = None
    ) -> str:
        """Any command of the CommandRegister by its attribute's name."""
        return self._command(name, station, port, value, account)

    @RPC.export  # type: ignore[untyped-decorator]
    def remote_start(
        self, station: str, id_tag: str, port: int | None = None, account: str | None = None
    ) -> str:
        """Begin a transaction."""
        return self._command("remoteStart", station, port, id_tag, account)

    @RPC.export  # type: ignore[untyped-decorator]
    def remote_stop(self, station: str, port: int | None = None, account: str | None = None) -> str:
        """End the transaction that runs there."""
        return self._command("remoteStop", station, port, 1, account)

    @RPC.export  # type: ignore[untyped-decorator]
    def availability(
        self, station: str, operative: bool, port: int | None = None, account: str | None = None
    ) -> str:
        """Take a connector, or the whole charger, in or out of service: Accepted or Scheduled."""
        return self._command("availability", station, port, operative, account)

    @RPC.export  # type: ignore[untyped-decorator]
    def reset(self, station: str, kind: str = "Soft", account: str | None = None) -> str:
        """Restart the charger: Soft or Hard."""
        return self._command("reset", station, None, kind, account)

    @RPC.export  # type: ignore[untyped-decorator]
    def unlock(self, station: str, port: int | None = None, account: str | None = None) -> str:
        """Release the plug."""
        return self._command("unlock", station, port, 1, account)

    @RPC.export  # type: ignore[untyped-decorator]
    def active_charge_points(self, account: str | None = None) -> list[str]:
        """The charge points that can be reached now; of any backend."""
        return list(answered(lambda: session_reports.active(self._source(account))))

    @RPC.export  # type: ignore[untyped-decorator]
    def last_contact(self, station: str, account: str | None = None) -> str | None:
        """Return when a charge point last sent something, ISO 8601."""
        found: str | None = answered(
            lambda: session_reports.last_contact(self._source(account), station)
        )
        return found

    @RPC.export  # type: ignore[untyped-decorator]
    def last_energy(
        self, transaction: str, days: int | None = None, account: str | None = None
    ) -> dict[str, Any]:
        """The last known energy of a transaction (a sessionID), running or not, however old.
        `days` leaves out what ended longer ago."""
        return dict(
            answered(lambda: session_reports.last_energy(self._source(account), transaction, days))
        )

    @RPC.export  # type: ignore[untyped-decorator]
    def completed_sessions(
        self, month: str, account: str | None = None, form: str = "json"
    ) -> list[dict[str, Any]] | str:
        """Final duration and energy of every transaction completed in YYYY-MM (UTC); as a list,
        or with `form` csv as one text."""
        if form not in {"json", "csv"}:
            raise InvalidValueError(f"form: {form!r} is not valid; write json or csv")
        rows = list(answered(lambda: session_reports.completed(self._source(account), month)))
        return session_reports.as_csv(rows) if form == "csv" else rows

    def _source(self, account: str | None) -> session_reports.Source:
        return session_reports.of_service(self._accounts.service_of(account))

    def _command(
        self, name: str, station: str, port: int | None, value: Any, account: str | None
    ) -> str:
        return str(answered(lambda: self._accounts.command(name, station, port, value, account)))
