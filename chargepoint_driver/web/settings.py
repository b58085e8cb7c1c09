"""Settings of the page's server: address and access."""

from __future__ import annotations

import ipaddress
import os
import secrets
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from chargepoint_driver.config.ocpp import parse_address
from chargepoint_driver.errors import ConfigurationError

__all__ = ["TOKEN", "Settings"]

TOKEN = "CHARGEPOINT_WEB_TOKEN"  # noqa: S105 - the variable's name
_MIN_TOKEN_CHARS = 16


@dataclass(frozen=True)
class Settings:
    """Address, TLS and token; `of` checks them."""

    address: tuple[str, int]
    token: str = field(repr=False)
    is_generated: bool
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(
        cls,
        listen: str,
        *,
        allow_remote: bool = False,
        certificate: Path | None = None,
        key: Path | None = None,
        token: str | None = None,
        needs_token: bool = True,
    ) -> Settings:
        """`token` None: the environment's, else a new one; "" in place of a new one where
        `needs_token` is False. Raises ConfigurationError with every fault."""
        faults = []
        address = ("127.0.0.1", 0)
        try:
            address = parse_address(listen)
        except ValueError as error:
            faults.append(f"--listen: {error}")
        if not _is_loopback(address) and not allow_remote:
            faults.append(
                f"--listen: {listen} can be reached by others; add --allow-remote to want that, "
                "and --certificate and --key so that the token is not readable on the way"
            )
        context = None
        if (certificate is None) != (key is None):
            faults.append("--certificate and --key: give both or none")
        elif certificate is not None:
            try:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(certificate, key)
            except (OSError, ssl.SSLError) as error:
                faults.append(
                    f"--certificate: {certificate} and {key} cannot be used ({error}); both must "
                    "be PEM files that belong together"
                )
        given = token or os.environ.get(TOKEN) or ""
        if given and len(given) < _MIN_TOKEN_CHARS:
            faults.append(
                f"{TOKEN}: is shorter than {_MIN_TOKEN_CHARS} characters; take a longer one"
            )
        if faults:
            raise ConfigurationError("\n".join(faults))
        if not given and not needs_token:
            return cls(address, "", is_generated=False, tls=context)
        return cls(address, given or secrets.token_urlsafe(24), not given, context)

    @property
    def is_readable(self) -> bool:
        """Return True if the token crosses a network that others can read."""
        return self.tls is None and not _is_loopback(self.address)


def _is_loopback(address: tuple[str, int]) -> bool:
    return ipaddress.ip_address(address[0]).is_loopback
