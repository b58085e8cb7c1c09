"""How a charge point proves who it is: security profiles 0 to 3 of OCPP.

0: nothing; 1: a password over plain text; 2: a password over TLS; 3: a client certificate.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache

LEAST_TLS = ssl.TLSVersion.TLSv1_2


@dataclass(frozen=True)
class Security:
    """Credentials of a twin. The password never shows in its repr; files are PEM."""

    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = field(default=None, repr=False)

    def headers(self, identity: str) -> dict[str, str]:
        """The headers of the upgrade request."""
        if self.password is None:
            return {}
        secret = b64encode(f"{identity}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {secret}"}

    def context(self, url: str) -> ssl.SSLContext | None:
        """What TLS needs; None for a plain connection. Raises OSError, ssl.SSLError."""
        if not url.startswith("wss:"):
            return None
        return _context(self.ca_file, self.certificate_file, self.key_file)


@lru_cache(maxsize=4096)
def _context(
    ca_file: str | None, certificate_file: str | None, key_file: str | None
) -> ssl.SSLContext:
    # Shared by all twins with the same files: a context is large.
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = LEAST_TLS
    if certificate_file is not None:
        context.load_cert_chain(certificate_file, key_file)
    return context
