"""Who may connect: ids out of paths, passwords, certificates. Secrets are compared, not kept."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import ssl
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from chargepoint_driver.config.ocpp import LONGEST_ID, ChargePointConfig, Tls
from chargepoint_driver.errors import BadConfiguration

__all__ = ["certificate_is_of", "password_is_right", "station_id_of", "tls_context"]

_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def station_id_of(path: str) -> str | None:
    """The charge point id: the last segment of the path, decoded. None when it cannot be one."""
    segment = urlsplit("//host" + path).path.rstrip("/").rpartition("/")[2]
    if not segment or _ESCAPE.search(segment):
        return None
    try:
        station_id = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if len(station_id) > LONGEST_ID or not station_id.isprintable() or not station_id.strip():
        return None
    return station_id


def password_is_right(station_id: str, header: str | None, config: ChargePointConfig) -> bool:
    """Whether an Authorization header holds the charge point's id and password.

    The pair is compared as a whole, since an id may hold ":" and the first one would cut it.
    A password of 40 hexadecimal digits may be sent as the 20 bytes that it stands for.
    Raises BadConfiguration when the password cannot be had.
    """
    password = config.read_password()
    kind, _, encoded = (header or "").partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    user = station_id.encode() + b":"
    right = hmac.compare_digest(given, user + password.encode())
    if len(password) == 40:
        try:
            raw = bytes.fromhex(password)
        except ValueError:
            return right
        right |= hmac.compare_digest(given, user + raw)
    return right


def certificate_is_of(station_id: str, certificate: dict[str, Any] | None) -> bool:
    """Whether a verified client certificate names the charge point."""
    if not certificate:
        return False
    names = [
        value
        for part in certificate.get("subject", ())
        for key, value in part
        if key == "commonName"
    ]
    names += [value for key, value in certificate.get("subjectAltName", ()) if key == "DNS"]
    return station_id in names


def tls_context(tls: Tls) -> ssl.SSLContext:
    """The server's side of TLS 1.2 or later. Raises BadConfiguration."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ssl.SSLError) as error:
        raise BadConfiguration(
            f"tls: certificate and key cannot be used ({type(error).__name__}); they must be PEM"
            " files that belong together, the key without passphrase"
        ) from None
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise BadConfiguration(
                f"tls.client_ca: {tls.client_ca} cannot be used ({type(error).__name__})"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context
