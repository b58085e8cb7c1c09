"""RPC of the caching agent: any request of OCPP, and operations by name.

Each is a method of its own, so that the platform's authorization can protect each of its own. All
need `allow_call` of the account, and raise the charger's refusal.
"""

from __future__ import annotations

from typing import Any

from volttron.client.vip.agent import RPC

from chargepoint_driver.adapters.host.host_errors import answered
from chargepoint_driver.service import Accounts

__all__ = ["OcppRequests"]


class OcppRequests:
    """Requests over `Accounts`. What is None is left out."""

    _accounts: Accounts

    @RPC.export  # type: ignore[untyped-decorator]
    def call(
        self,
        station: str,
        action: str,
        payload: dict[str, Any] | None = None,
        account: str | None = None,
        timeout: float = 30.0,
    ) -> dict[str, Any]:
        """Send any request of OCPP, checked against the schemas of the charger's version. Returns
        the payload of the answer. `timeout`: seconds."""
        return dict(
            answered(lambda: self._accounts.call(station, action, payload, account, timeout))
        )

    @RPC.export  # type: ignore[untyped-decorator]
    def get_settings(
        self, station: str, keys: list[str] | None = None, account: str | None = None
    ) -> dict[str, Any]:
        """Read settings: {"settings": name to text, "unknown": names}."""
        return self._operate("get_settings", station, account, keys=keys)

    @RPC.export  # type: ignore[untyped-decorator]
    def set_setting(
        self, station: str, key: str, value: str, account: str | None = None
    ) -> dict[str, Any]:
        """Change a setting: {"status": Accepted or RebootRequired}."""
        return self._operate("set_setting", station, account, key=key, value=value)

    @RPC.export  # type: ignore[untyped-decorator]
    def trigger(
        self,
        station: str,
        message: str,
        connector: int | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """Ask for a message by its OCPP name."""
        return self._operate("trigger", station, account, message=message, connector=connector)

    @RPC.export  # type: ignore[untyped-decorator]
    def get_diagnostics(
        self, station: str, location: str, account: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Ask for the upload of diagnostics. Options: oldest, latest, retries,
        retry_interval_s."""
        return self._operate("get_diagnostics", station, account, location=location, **options)

    @RPC.export  # type: ignore[untyped-decorator]
    def get_log(
        self, station: str, location: str, account: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Ask for the upload of a log. Options: kind, and those of `get_diagnostics`."""
        return self._operate("get_log", station, account, location=location, **options)

    @RPC.export  # type: ignore[untyped-decorator]
    def update_firmware(
        self, station: str, location: str, account: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Have firmware installed. Options: retrieve, install, signing_certificate, signature,
        retries, retry_interval_s."""
        return self._operate("update_firmware", station, account, location=location, **options)

    @RPC.export  # type: ignore[untyped-decorator]
    def reserve(
        self,
        station: str,
        id_tag: str,
        connector: int | None = None,
        expires: str | None = None,
        minutes: float | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """Reserve a connector (None: any) until a time, or for `minutes`; the reservation."""
        place = {"connector": connector, "expires": expires, "minutes": minutes}
        return self._operate("reserve", station, account, id_tag=id_tag, **place)

    @RPC.export  # type: ignore[untyped-decorator]
    def cancel_reservation(
        self, station: str, reservation: int, account: str | None = None
    ) -> dict[str, Any]:
        """End a reservation; the reservation."""
        return self._operate("cancel_reservation", station, account, reservation=reservation)

    @RPC.export  # type: ignore[untyped-decorator]
    def list_reservations(self, station: str, account: str | None = None) -> dict[str, Any]:
        """List the reservations of a charger: {"reservations"}."""
        return self._operate("list_reservations", station, account)

    @RPC.export  # type: ignore[untyped-decorator]
    def local_list_version(self, station: str, account: str | None = None) -> dict[str, Any]:
        """Read the version of the local list: {"version"}; null: there is no such list."""
        return self._operate("local_list_version", station, account)

    @RPC.export  # type: ignore[untyped-decorator]
    def send_local_list(
        self,
        station: str,
        id_tags: list[dict[str, Any]] | None = None,
        full: bool = True,
        version: int | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """Send the local list: idTags as {id_tag, status, expires}; None: those known here."""
        given = {"id_tags": id_tags, "full": full, "version": version}
        return self._operate("send_local_list", station, account, **given)

    def _operate(
        self, name: str, station: str, account: str | None, **arguments: Any
    ) -> dict[str, Any]:
        given = {key: value for key, value in arguments.items() if value is not None}
        return dict(answered(lambda: self._accounts.operate(name, station, given, account)))
