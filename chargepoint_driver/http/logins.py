"""Failed logins: delayed, logged and counted."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web

from chargepoint_driver.rate_limited_log import RateLimitedLog

__all__ = ["FailedLogins"]

# The first failure of an address waits so long for its answer, each further one twice as long.
_FIRST_S = 0.25
_MAX_S = 4.0
_FORGOTTEN_AFTER_S = 60.0
_MAX_ADDRESSES = 1_000


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
