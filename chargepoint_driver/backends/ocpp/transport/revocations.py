"""Revocation lists: files that are read again when they change."""

from __future__ import annotations

import hashlib
from pathlib import Path

from websockets.asyncio.server import ServerConnection

from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.process.files import read_text
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

__all__ = ["Revocations"]

_log = get_logger(__name__)


class _ListFile:
    """The lines of a file; empty ones and comments (#) do not count."""

    def __init__(self, path: Path | None, setting: str, log: RateLimitedLog) -> None:
        """Raises ConfigurationError when the file cannot be read."""
        self._path = path
        self._setting = setting
        self._log = log
        self._stamp: tuple[int, int, int] | None = None
        self._lines: frozenset[str] = frozenset()
        if path is not None:
            try:
                self._read(path)
            except (OSError, UnicodeError) as error:
                raise ConfigurationError(
                    f"{setting}: {path} cannot be read ({type(error).__name__}); correct it"
                ) from None

    def lines(self) -> frozenset[str]:
        """As the file has them now; as it was last readable where it is not."""
        if self._path is not None:
            try:
                self._read(self._path)
            except (OSError, UnicodeError) as error:
                self._log.warning(
                    "unreadable_lists",
                    reason=f"{self._setting}: {self._path} cannot be read "
                    f"({type(error).__name__}); what it held before counts",
                )
        return self._lines

    def _read(self, path: Path) -> None:
        found = path.stat()
        stamp = found.st_mtime_ns, found.st_size, found.st_ino
        if stamp == self._stamp:
            return
        lines = (line.strip() for line in read_text(path).splitlines())
        self._lines = frozenset(line for line in lines if line and not line.startswith("#"))
        self._stamp = stamp


class Revocations:
    """Ids of `blocked_charge_points`, and certificates of `tls.revoked_certificates`."""

    def __init__(self, config: OcppConfig) -> None:
        """Raises ConfigurationError when a list cannot be read."""
        log = RateLimitedLog(_log)
        revoked = None if config.tls is None else config.tls.revoked_certificates
        self._ids = _ListFile(config.blocked_charge_points, "blocked_charge_points", log)
        self._certificates = _ListFile(revoked, "tls.revoked_certificates", log)

    def why(self, connection: ServerConnection, station_id: str) -> str | None:
        """Return why a charge point may not connect with this socket; None where it may."""
        if station_id in self._ids.lines():
            return "this id is one of blocked_charge_points"
        listed = self._certificates.lines()
        if listed and not _names_of(connection).isdisjoint(_plain(line) for line in listed):
            return "the client certificate is one of tls.revoked_certificates"
        return None


def _names_of(connection: ServerConnection) -> set[str]:
    """SHA-256 fingerprint and serial number of the client certificate, as hexadecimal digits."""
    tls = connection.transport.get_extra_info("ssl_object")
    whole = None if tls is None else tls.getpeercert(binary_form=True)
    if not whole:
        return set()
    serial = str(tls.getpeercert().get("serialNumber", ""))
    return {_plain(hashlib.sha256(whole).hexdigest()), _plain(serial)} - {""}


def _plain(text: str) -> str:
    """Hexadecimal digits as they are compared: without colons, case and leading zeros."""
    return text.replace(":", "").casefold().lstrip("0")
