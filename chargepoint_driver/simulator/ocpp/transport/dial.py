"""Opening the socket: the URL with the charge point's id, subprotocols, credentials, TLS."""

from __future__ import annotations

from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from .security import Security

MAX_BYTES = 1 << 20
CLOSE_TIMEOUT_S = 1.0


def path_segment(identity: str, *, every_byte: bool = False) -> str:
    """Return the id as the last segment of a path."""
    if every_byte:
        return "".join(f"%{byte:02X}" for byte in identity.encode())
    return quote(identity, safe="")


async def dial(
    url: str,
    offered: list[str],
    security: Security,
    identity: str,
    *,
    open_timeout_s: float,
    hex_key: bool = False,
) -> ClientConnection:
    """A connection. No compression and no pings of its own: thousands share one process."""
    return await connect(
        url,
        subprotocols=[Subprotocol(name) for name in offered] or None,
        additional_headers=security.headers(identity, hex_key=hex_key),
        compression=None,
        ping_interval=None,
        open_timeout=open_timeout_s,
        close_timeout=CLOSE_TIMEOUT_S,
        max_size=MAX_BYTES,
        max_queue=4,
        proxy=None,
        ssl=security.context(url),
    )
