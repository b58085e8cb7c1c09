"""The secret that a request brings."""

from __future__ import annotations

import hmac

from aiohttp import web

__all__ = ["Key"]


class Key:
    """A secret; compared in constant time, never shown."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def __repr__(self) -> str:
        return "Key(…)"

    def is_right(self, given: str) -> bool:
        """Return True if this is the secret."""
        return hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._secret)

    @staticmethod
    def is_brought(request: web.Request) -> bool:
        """Return True if the request brings a secret, right or wrong. Other kinds of
        `Authorization`, as of a proxy that asks for a password, are not for us."""
        kind = request.headers.get("Authorization", "").partition(" ")[0]
        return "X-API-Key" in request.headers or kind.lower() == "bearer"

    def opens(self, request: web.Request) -> bool:
        """Return True if the request brings it: as `X-API-Key`, or as `Authorization: Bearer`."""
        given = request.headers.get("X-API-Key")
        if given is not None:
            return self.is_right(given)
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.is_right(given)
