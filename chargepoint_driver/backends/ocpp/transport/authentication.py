"""Authentication of connections: ids from paths, passwords, certificates. Secrets are compared, not
kept."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import ssl
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from chargepoint_driver.config.ocpp import MAX_ID, ChargerConfig, Tls
from chargepoint_driver.errors import ConfigurationError

__all__ = ["certificate_is_of", "password_is_right", "station_id_of", "tls_context"]

_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_URL = re.compile(r"(ws|http)s?://", re.IGNORECASE)
_SCHEME = re.compile(r"(ws|http)s?:$", re.IGNORECASE)
_BASE = "ocpp"
_HEX_KEY = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,20}")


def station_id_of(path: str) -> str | None:
    """The charge point id: the last segment of the path, decoded; None when it cannot be one.

    The base path alone (`/`, `/ocpp`) has no id. A whole URL in the path, as some chargers send,
    is read like a path of its own.
    """
    segments = [each for each in urlsplit("//host" + path).path.split("/") if each]
    if segments and (whole := _decoded(segments[-1])) is not None and _URL.match(whole):
        segments = [each.replace("%", "%25") for each in whole.split("/") if each]
    for place, segment in enumerate(segments):
        if _SCHEME.match(segment):
            segments = segments[place + 2 :]  # without scheme and host
            break
    if [each.lower() for each in segments] in ([], [_BASE]):
        return None
    station_id = _decoded(segments[-1])
    if station_id is None or not 0 < len(station_id) <= MAX_ID:
        return None
    return station_id if station_id.isprintable() and station_id.strip() else None


def _decoded(segment: str) -> str | None:
    if _ESCAPE.search(segment):
        return None
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return None


def password_is_right(station_id: str, header: str | None, config: ChargerConfig) -> bool:
    """Return True if an Authorization header holds the charge point's id and password.

    The id is cut off by its length, since it may hold ":". An AuthorizationKey of 16 to 20 bytes
    (OCPP 1.6 security, A00.FR.205) may be written as 32 to 40 hexadecimal digits, here and in the
    header: both forms are the same key. Raises ConfigurationError when the password cannot be had.
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
    if not given.startswith(user):
        return False
    # Every pair is compared, whatever the first one gives: the time tells nothing.
    matches = [
        hmac.compare_digest(sent, right)
        for sent in _key_variants(given[len(user) :])
        for right in _key_variants(password.encode())
    ]
    return True in matches


def _key_variants(key: bytes) -> list[bytes]:
    """A key as it stands, and the bytes that it is the hexadecimal digits of."""
    return [key, bytes.fromhex(key.decode())] if _HEX_KEY.fullmatch(key) else [key]


def certificate_is_of(station_id: str, certificate: dict[str, Any] | None) -> bool:
    """Return True if a verified client certificate names the charge point."""
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
    """The server's side of TLS 1.2 or later. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"tls: certificate and key cannot be used ({type(error).__name__}); they must be PEM"
            " files that belong together, the key without passphrase"
        ) from None
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"tls.client_ca: {tls.client_ca} cannot be used ({type(error).__name__})"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context
