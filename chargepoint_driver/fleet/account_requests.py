"""Requests to accounts of the fleet: to the node that holds the account, this one or another.

PostgreSQL has which node that is. A request names the account, and a node that does not hold it
begins nothing. So a request is repeated only where it certainly was not begun, or is a read. While
nobody holds the account, a request waits for a holder for some seconds.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    StoreError,
    TransientError,
    error_from_dict,
)
from chargepoint_driver.fleet.interface import METHODS, Holder, Method, NodeAccounts, NotHolderError
from chargepoint_driver.messaging.interface import Messaging

__all__ = ["AccountRequests"]

# A lease ends after 3 s, and the next holder begins within about another second.
_PATIENCE_S = 6.0
_PAUSE_S = 0.25
# A node that answers this is not frozen: a write is sent to it only then.
_READY_S = 2.0
# Whether the holder is still the holder is looked up so often while its answer is waited for.
_LOOK_S = 1.0
_PART_BYTES = 262_144
_PARTS_KEPT_S = 60.0
_MAX_KEPT = 100


class _UnsentError(Exception):
    """A request that the holder has not begun."""


class _Request(msgspec.Struct):
    """A request of another node. `arguments` are packed. After `expires_s` (seconds since 1970)
    nobody waits for the answer any more."""

    account: str
    method: str
    arguments: str
    expires_s: float


class _Part(msgspec.Struct):
    """The question for one part of an answer."""

    key: str
    part: int


class AccountRequests:
    """See the module. `serve` before others can ask."""

    def __init__(
        self,
        accounts: NodeAccounts,
        messaging: Messaging | None,
        run: int,
        now: Callable[[], float] = time.time,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """Without `messaging` only accounts that this node holds can be asked."""
        self._accounts = accounts
        self._messaging = messaging
        self._run = run
        self._now = now
        self._patience_s = patience_s
        self._fleet = ""
        self._ends: list[Callable[[], Awaitable[None]]] = []
        self._keys = itertools.count(1)
        # Key to the parts of an answer that another node fetches, and until when.
        self._kept: dict[str, tuple[list[str], float]] = {}

    async def serve(self, fleet: str) -> None:
        """Answer requests of other nodes. `fleet` is which fleet it is."""
        self._fleet = fleet
        if self._messaging is not None:
            own = self._subject(self._run)
            self._ends.append(await self._messaging.serve(own, self._answer))
            self._ends.append(await self._messaging.serve(f"{own}.parts", self._answer_part))

    async def end(self) -> None:
        """Take no more requests; those that run go on."""
        ends, self._ends = self._ends, []
        for each in ends:
            await each()

    def _subject(self, run: int) -> str:
        return f"cp.account.{self._fleet}-{run}"

    # ---- requests ------------------------------------------------------------------------

    async def ask(
        self, account: str, name: str, arguments: dict[str, Any], limit_s: float
    ) -> dict[str, Any]:
        """Return {"answer"}, or {"failed": the error that the account raised}. Raises errors of the
        tree where the account was not reached, and OutcomeUnknownError."""
        method = method_of(name)
        if account not in self._accounts.backends:
            known = ", ".join(self._accounts.backends) or "none"
            raise NotFoundError(f"no account {account[:64]!r}; this node knows {known}")
        ends = time.monotonic() + min(limit_s, method.limit_s)
        waits_until = min(ends, time.monotonic() + self._patience_s)
        while True:
            try:
                return await self._once(account, name, method, arguments, ends)
            except _UnsentError as error:
                reason = str(error)
            if time.monotonic() >= waits_until:
                raise TransientError(f"account {account}: {reason}; nothing was sent")
            await asyncio.sleep(_PAUSE_S)

    async def _once(
        self, account: str, name: str, method: Method, arguments: dict[str, Any], ends: float
    ) -> dict[str, Any]:
        try:
            return await self._here(account, name, arguments)
        except NotHolderError as error:
            holder = error.holder
        if holder is None or holder.run == self._run:
            try:
                holder = await self._accounts.holder(account)
            except StoreError as error:
                raise _UnsentError(f"its holder is not known ({error})") from None
        if holder is None or holder.run == self._run:
            raise _UnsentError("no node holds it at present")
        return await self._elsewhere(holder, account, name, method, arguments, ends)

    async def _here(self, account: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        given = dict(arguments)
        warnings = given.get("warnings")
        try:
            answer = await self._accounts.request(account, name, given)
        except ChargePointError as error:
            return {"failed": error.to_dict()}
        if isinstance(warnings, list):
            answer = {"value": answer, "warnings": warnings}
        return {"answer": answer}

    async def _elsewhere(
        self,
        holder: Holder,
        account: str,
        name: str,
        method: Method,
        arguments: dict[str, Any],
        ends: float,
    ) -> dict[str, Any]:
        messaging = self._messaging
        if messaging is None:
            raise TransientError(
                f"account {account}: node {holder.node} holds it, and this one has no nats to "
                "reach it; nothing was sent"
            )
        subject = self._subject(holder.run)
        limit_s = max(0.1, ends - time.monotonic())
        request = _Request(account, name, _packed(arguments), self._now() + limit_s)
        if not method.is_read:
            await self._ready(messaging, subject, holder)
        asking = asyncio.ensure_future(
            messaging.request(subject, msgspec.to_builtins(request), limit_s)
        )
        try:
            await self._watched(asking, account, holder)
            if not asking.done():
                raise OutcomeUnknownError(f"node {holder.node} does not hold it any more")
            answer = asking.result()
            if "parts" in answer:
                answer = await self._joined(messaging, subject, answer, ends)
        except OutcomeUnknownError as error:
            if method.is_read:
                raise _UnsentError(f"node {holder.node}: {error}") from None
            raise OutcomeUnknownError(
                f"account {account}: node {holder.node} did not report the outcome: {error}"
            ) from None
        except TransientError as error:
            raise _UnsentError(f"node {holder.node}: {error}") from None
        finally:
            asking.cancel()
        if answer.get("moved"):
            raise _UnsentError(f"node {holder.node} does not hold it any more")
        return answer

    @staticmethod
    async def _ready(messaging: Messaging, subject: str, holder: Holder) -> None:
        """Return when the holder answers."""
        try:
            await messaging.request(f"{subject}.parts", {"key": "", "part": 0}, _READY_S)
        except TransientError as error:
            raise _UnsentError(f"node {holder.node} is not ready ({error})") from None

    async def _watched(self, asking: asyncio.Future[Any], account: str, holder: Holder) -> None:
        """Wait until there is an answer, or somebody else holds the account."""
        while not asking.done():
            await asyncio.wait({asking}, timeout=_LOOK_S)
            if asking.done():
                return
            try:
                if await self._accounts.holder(account) != holder:
                    # What the holder began before may be answered just now.
                    await asyncio.wait({asking}, timeout=_PAUSE_S)
                    return
            except StoreError:
                continue

    async def _joined(
        self, messaging: Messaging, subject: str, answer: dict[str, Any], ends: float
    ) -> dict[str, Any]:
        """Return the answer whose parts the holder keeps. Raises TransientError."""
        texts = []
        for part in range(int(answer["parts"])):
            limit_s = max(0.1, ends - time.monotonic())
            asked = {"key": answer["key"], "part": part}
            texts.append((await messaging.request(f"{subject}.parts", asked, limit_s))["text"])
        return dict(msgspec.json.decode(zlib.decompress(base64.b64decode("".join(texts)))))

    # ---- requests of other nodes ---------------------------------------------------------

    async def _answer(self, fields: dict[str, Any]) -> dict[str, Any]:
        try:
            request = msgspec.convert(fields, _Request)
            arguments = _unpacked(request.arguments)
        except (msgspec.MsgspecError, ValueError, zlib.error) as error:
            raise InvalidValueError(f"the request of a node cannot be read: {error}") from None
        method = method_of(request.method)
        late_s = self._now() - request.expires_s
        if late_s > 0 and not method.is_read:
            # This node was frozen, or the clocks of the two differ.
            raise TransientError(
                f"the request came {late_s:.0f} s after its end by the clock of this node; nothing "
                "was sent; check that both clocks are synchronized"
            )
        try:
            answer = await self._here(request.account, request.method, arguments)
        except NotHolderError:
            return {"moved": True}
        return self._parted(answer)

    def _parted(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return an answer, or where to fetch its parts."""
        encoded = msgspec.json.encode(answer)
        if len(encoded) <= _PART_BYTES:
            return answer
        text = base64.b64encode(zlib.compress(encoded, 1)).decode("ascii")
        parts = [text[first : first + _PART_BYTES] for first in range(0, len(text), _PART_BYTES)]
        now = time.monotonic()
        kept = {key: each for key, each in self._kept.items() if each[1] > now}
        while len(kept) >= _MAX_KEPT:
            kept.pop(next(iter(kept)))
        key = str(next(self._keys))
        self._kept = {**kept, key: (parts, now + _PARTS_KEPT_S)}
        return {"parts": len(parts), "key": key}

    async def _answer_part(self, fields: dict[str, Any]) -> dict[str, Any]:
        try:
            asked = msgspec.convert(fields, _Part)
        except msgspec.ValidationError as error:
            raise InvalidValueError(f"the request of a node cannot be read: {error}") from None
        if not asked.key:
            return {}  # whether this node is ready
        parts, _ = self._kept.get(asked.key, ([], 0.0))
        if not 0 <= asked.part < len(parts):
            raise TransientError("this part of the answer is not kept any more; ask again")
        text = parts[asked.part]
        if asked.part == len(parts) - 1:
            self._kept.pop(asked.key, None)
        return {"text": text}


def method_of(name: str) -> Method:
    """Return a method by its name. Raises InvalidValueError."""
    method = METHODS.get(name)
    if method is None:
        raise InvalidValueError(
            f"no method {name[:64]!r}; expected one of {', '.join(sorted(METHODS))}"
        )
    return method


def error_of(answer: dict[str, Any]) -> ChargePointError | None:
    """Return the error that the account raised; None for an answer."""
    return error_from_dict(answer["failed"]) if "failed" in answer else None


def _packed(arguments: dict[str, Any]) -> str:
    return base64.b64encode(zlib.compress(msgspec.json.encode(arguments), 1)).decode("ascii")


def _unpacked(text: str) -> dict[str, Any]:
    return msgspec.json.decode(zlib.decompress(base64.b64decode(text)), type=dict[str, Any])
