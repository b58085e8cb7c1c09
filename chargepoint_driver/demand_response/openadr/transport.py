"""Shared HTTP parts of both clients: TLS settings of a VTN, and bodies of limited size."""

from __future__ import annotations

import ssl

import aiohttp

from chargepoint_driver.demand_response.openadr.config import VtnConfig
from chargepoint_driver.errors import ConfigurationError

__all__ = ["MAX_BODY_BYTES", "RequestFailedError", "read_body", "ssl_context"]

MAX_BODY_BYTES = 5_000_000


class RequestFailedError(Exception):
    """The VTN did not answer, or not as it should."""


def ssl_context(config: VtnConfig) -> ssl.SSLContext | None:
    """Return the TLS settings of a VTN: its authorities, and the client certificate. None for
    http://. Raises ConfigurationError where a file cannot be read."""
    if not config.url.startswith("https:"):
        return None
    try:
        context = ssl.create_default_context(cafile=config.ca)
        if config.certificate is not None:
            context.load_cert_chain(config.certificate, config.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"ca, certificate or key cannot be used: {error}") from None
    return context


async def read_body(reply: aiohttp.ClientResponse) -> bytes:
    """Return the body of an answer. Raises RequestFailedError for one that is too large."""
    body = b""
    while chunk := await reply.content.read(MAX_BODY_BYTES + 1 - len(body)):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RequestFailedError(
                f"{reply.method} {reply.url} answered more than {MAX_BODY_BYTES} bytes"
            )
    return body
