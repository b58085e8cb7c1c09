"""TLS of clients: a context that checks the server."""

from __future__ import annotations

import ssl
from typing import Any

from chargepoint_driver.errors import ConfigurationError

__all__ = ["context_of"]


def context_of(config: Any) -> ssl.SSLContext | None:
    """Return the context of a config with `tls`, `ca_file`, `certificate` and `key`.

    None where it is not encrypted. Raises ConfigurationError for files that cannot be used.
    """
    if not config.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.certificate is not None:
            context.load_cert_chain(config.certificate, config.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"ca_file, certificate or key cannot be used ({error}); correct the path, its rights "
            "or the PEM file"
        ) from None
    return context
