"""TLS of clients: a context that checks the server, and its authority."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from chargepoint_driver.errors import ConfigurationError

__all__ = ["check_authority", "context_of"]


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


def check_authority(path: Path) -> str:
    """Return the file of certificate authorities, for requests. Raises ConfigurationError when it
    is not one, which would otherwise look like a failure of the network."""
    path = path.expanduser()
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:  # ssl's own error is an OSError
        raise ConfigurationError(
            f"ca_file: {path} cannot be used ({type(error).__name__}); it must be a PEM file with "
            "the certificate of the authority"
        ) from None
    return str(path)
