"""Authentication of a charger: security profiles 0 to 3 of OCPP.

0: nothing; 1: a password over plain text; 2: a password over TLS; 3: a client certificate.
"""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache

MIN_TLS = ssl.TLSVersion.TLSv1_2
# An AuthorizationKey of 16 to 20 bytes in hexadecimal digits (OCPP 1.6-J security, A00.FR.205).
HEX_KEY = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")


@dataclass(frozen=True)
class Security:
    """Credentials of a twin. The password never shows in its repr; files are PEM."""

    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = field(default=None, repr=False)

    def headers(self, identity: str, *, hex_key: bool = False) -> dict[str, str]:
        """Return the headers of the upgrade request. `hex_key`: a password of 32 to 40 hexadecimal
        digits is the AuthorizationKey of OCPP 1.6 and is sent as the bytes that it stands for."""
        if self.password is None:
            return {}
        secret = self.password.encode()
        if hex_key and HEX_KEY.fullmatch(self.password):
            secret = bytes.fromhex(self.password)
        credentials = b64encode(identity.encode() + b":" + secret).decode()
        return {"Authorization": f"Basic {credentials}"}

    def context(self, url: str) -> ssl.SSLContext | None:
        """Return what TLS needs; None for a plain connection. Raises OSError, ssl.SSLError."""
        if not url.startswith("wss:"):
            return None
        return _context(self.ca_file, self.certificate_file, self.key_file)


@lru_cache(maxsize=4096)
def _context(
    ca_file: str | None, certificate_file: str | None, key_file: str | None
) -> ssl.SSLContext:
    # Shared by all twins with the same files: a context is large.
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = MIN_TLS
    if certificate_file is not None:
        context.load_cert_chain(certificate_file, key_file)
    return context
