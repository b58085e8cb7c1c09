"""Operations of the central system by name, for callers in Python."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["NamedOperations"]


class NamedOperations:
    """Operations on a charger, each as a method. All raise InvalidValueError before anything is
    sent, NotFoundError, TransientError (not sent), WriteRejectedError (refused) and
    OutcomeUnknownError (no answer)."""

    @abstractmethod
    def operate(self, station_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one operation of `operations.OPERATIONS`."""

    def get_settings(self, station_id: str, keys: Sequence[str] | None = None) -> dict[str, Any]:
        """Read settings: {"settings": name to text, "unknown": names without a value}. 2.x has
        names like Component.Variable. None: all of them (1.6), or those known by name (2.x)."""
        given = None if keys is None else list(keys)
        return self.operate(station_id, "get_settings", {"keys": given})

    def set_setting(self, station_id: str, key: str, value: str) -> str:
        """Change a setting: Accepted, or RebootRequired."""
        answer = self.operate(station_id, "set_setting", {"key": key, "value": value})
        return str(answer["status"])

    def trigger(self, station_id: str, message: str, connector_id: int | None = None) -> str:
        """Ask for a message by its OCPP name: Accepted."""
        arguments = {"message": message, "connector": connector_id}
        return str(self.operate(station_id, "trigger", arguments)["status"])

    def get_diagnostics(self, station_id: str, location: str, **options: Any) -> dict[str, Any]:
        """Ask for the upload of diagnostics to a URL: GetDiagnostics, or GetLog of 2.x.

        Options: `oldest`, `latest` (ISO 8601), `retries`, `retry_interval_s`. Returns `status`
        and `file_name`; NoDiagnostics and None where there is nothing to upload."""
        return self.operate(station_id, "get_diagnostics", {"location": location, **options})

    def get_log(
        self, station_id: str, location: str, kind: str = "DiagnosticsLog", **options: Any
    ) -> dict[str, Any]:
        """Ask for the upload of a log: GetLog. `kind` is DiagnosticsLog or SecurityLog; options
        and answer are those of `get_diagnostics`, with `request_id`."""
        arguments = {"location": location, "kind": kind, **options}
        return self.operate(station_id, "get_log", arguments)

    def update_firmware(self, station_id: str, location: str, **options: Any) -> dict[str, Any]:
        """Have firmware downloaded from a URL and installed: `status` and `request_id`.

        Options: `retrieve`, `install` (ISO 8601), `signing_certificate`, `signature`, `retries`,
        `retry_interval_s`. A charger of OCPP 1.6 cannot refuse, and its answer has no id."""
        return self.operate(station_id, "update_firmware", {"location": location, **options})

    def local_list_version(self, station_id: str) -> int | None:
        """Return the version of the local list; None: the charger has no such list."""
        version: int | None = self.operate(station_id, "local_list_version", {})["version"]
        return version

    def send_local_list(
        self,
        station_id: str,
        id_tags: Sequence[Mapping[str, Any]] | None = None,
        *,
        full: bool = True,
        version: int | None = None,
    ) -> dict[str, Any]:
        """Send the local list: `status`, `version` and the number `sent`.

        `id_tags` are {id_tag, status, expires}; None: those known here. `full` replaces the
        list. `version` None: the charger's, plus one."""
        given = None if id_tags is None else [dict(each) for each in id_tags]
        arguments = {"id_tags": given, "full": full, "version": version}
        return self.operate(station_id, "send_local_list", arguments)
