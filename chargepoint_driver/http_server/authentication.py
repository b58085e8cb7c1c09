"""The secret that a request brings, and failed logins: delayed, logged and counted."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web

from chargepoint_driver.rate_limited_log import RateLimitedLog

__all__ = ["FailedLogins", "Key", "brought"]

# The first failure of an address waits so long for its answer, each further one twice as long.
_FIRST_S = 0.25
_MAX_S = 4.0
_FORGOTTEN_AFTER_S = 60.0
_MAX_ADDRESSES = 1_000


def brought(request: web.Request) -> str | None:
    """Return the secret that a request brings, as `X-API-Key` or as `Authorization: Bearer`; None
    for none. Other kinds of `Authorization`, as of a proxy that asks for a password, are not for
    us."""
    given = request.headers.get("X-API-Key")
    if given is not None:
        return given
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return given if kind.lower() == "bearer" else None


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
        """Return True if the request brings a secret, right or wrong."""
        return brought(request) is not None

    def opens(self, request: web.Request) -> bool:
        """Return True if the request brings this secret."""
        given = brought(request)
        return given is not None and self.is_right(given)


class FailedLogins:
    """Answers to wrong tokens wait the longer the more of them an address sends. Right tokens
    never wait."""

    def __init__(self, log: RateLimitedLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._addresses: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def delay_s(self, address: str) -> float:
        """Note a failure of an address; the seconds that its answer waits."""
        now_s = self._clock()
        number, before_s = self._addresses.pop(address, (0, now_s))
        if now_s - before_s > _FORGOTTEN_AFTER_S:
            number = 0
        self._addresses[address] = number + 1, now_s
        if len(self._addresses) > _MAX_ADDRESSES:
            self._addresses.popitem(last=False)
        return min(_MAX_S, float(_FIRST_S * 2 ** min(number, 10)))

    async def wait(self, request: web.Request) -> None:
        """Log a request that came with a wrong token, and have its answer wait."""
        address = request.remote or ""
        self._log.warning("wrong_tokens", address=address, reason=f"at {request.path[:80]}")
        await asyncio.sleep(self.delay_s(address))
