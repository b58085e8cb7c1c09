"""Commands to chargers through the control API of any node, and what the chargers got of them.

Each command has a number, which its charger receives: a message (DataTransfer) or a shed
(SetChargingProfile with a duration).
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from .chargers import Charger
from .nodes import TOKEN, NodeProcess

__all__ = ["SHED_S", "Asked", "Commands", "Verdict", "numbers_of"]

SHED_S = 20
LIMIT_S = 120.0
_OUTCOMES = {200: "done", 503: "try_later", 504: "fate_unknown"}


@dataclass
class Asked:
    """One command. `outcome` is done, try_later, fate_unknown, cut (the node that was asked ended
    before its answer), or what else the answer was."""

    number: int
    charger: str
    is_shed: bool
    is_local: bool
    asked_s: float
    outcome: str = "open"
    answered_s: float = 0.0
    text: str = ""

    @property
    def took_s(self) -> float:
        """Seconds until the answer."""
        return self.answered_s - self.asked_s


@dataclass
class Verdict:
    """Commands by outcome, and what is wrong. `other` are outcomes that no failure may have."""

    outcomes: Counter[str]
    twice: list[Asked]
    sheds_twice: list[Asked]
    unsent_but_received: list[Asked]
    done_but_missing: list[Asked]
    other: list[Asked]
    unknown_and_received: int

    @property
    def is_good(self) -> bool:
        """Return True if every outcome was true."""
        return not (self.twice or self.unsent_but_received or self.done_but_missing or self.other)


class Commands:
    """Commands of a test, on one loop."""

    def __init__(self, session: aiohttp.ClientSession, seed: int = 7) -> None:
        self._session = session
        self._chance = random.Random(seed)
        self._numbers = itertools.count(1)
        self.all: list[Asked] = []
        self.tasks: list[asyncio.Task[Asked]] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls, seed: int = 7) -> AsyncIterator[Commands]:
        """Return an empty list of commands that can be asked for."""
        timeout = aiohttp.ClientTimeout(total=LIMIT_S)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        # A connection each: what a killed node had is not tried again elsewhere.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(
            timeout=timeout, headers=headers, connector=connector
        ) as session:
            yield cls(session, seed)

    async def ask(self, node: NodeProcess, charger: Charger, *, is_shed: bool = False) -> Asked:
        """Ask one node for a command to a charger, and wait for the outcome."""
        number = next(self._numbers)
        is_local = charger.url == node.url
        asked = Asked(number, charger.name, is_shed, is_local, time.monotonic())
        self.all.append(asked)
        action, payload = _request(number, is_shed=is_shed)
        url = f"{node.control_url}/charge-points/{charger.name}/{action}"
        try:
            async with self._session.post(url, json=payload) as answer:
                content = await answer.json()
                error = content.get("error", {}) if answer.status != 200 else {}
                known = _OUTCOMES.get(answer.status, str(answer.status))
                asked.outcome = str(error.get("code", known))
                asked.text = str(error.get("message", ""))
        except (OSError, aiohttp.ClientError, asyncio.TimeoutError) as error:
            asked.outcome, asked.text = "cut", repr(error)
        asked.answered_s = time.monotonic()
        return asked

    def begin(self, node: NodeProcess, charger: Charger, *, is_shed: bool = False) -> None:
        """Ask without a wait: `tasks` has it."""
        self.tasks.append(asyncio.create_task(self.ask(node, charger, is_shed=is_shed)))

    async def read(self, node: NodeProcess, path: str) -> tuple[int, Any]:
        """Return status and content of an answer to GET."""
        async with self._session.get(f"{node.control_url}{path}") as answer:
            return answer.status, await answer.json()

    async def keep_asking(
        self,
        nodes: Callable[[], Sequence[NodeProcess]],
        chargers: Sequence[Charger],
        until: asyncio.Event,
        pause_s: float = 0.02,
    ) -> None:
        """Ask any node for commands to any charger, one after the other, until the event. Every
        other command is a shed."""
        while not until.is_set():
            node, charger = self._chance.choice(nodes()), self._chance.choice(chargers)
            await self.ask(node, charger, is_shed=self._chance.random() < 0.5)
            await asyncio.sleep(pause_s)

    def verdict(self, chargers: Iterable[Charger]) -> Verdict:
        """Compare every outcome with what the chargers got."""
        counts = Counter(number for each in chargers for number in numbers_of(each))
        twice = [each for each in self.all if counts[each.number] > 1]
        return Verdict(
            Counter(each.outcome for each in self.all),
            twice,
            [each for each in twice if each.is_shed],
            [each for each in self.all if each.outcome == "try_later" and counts[each.number]],
            [each for each in self.all if each.outcome == "done" and not counts[each.number]],
            [each for each in self.all if each.outcome not in (*_OUTCOMES.values(), "cut")],
            sum(
                bool(counts[each.number])
                for each in self.all
                if each.outcome in ("fate_unknown", "cut")
            ),
        )


def numbers_of(charger: Charger) -> list[int]:
    """Return the numbers of the commands that a charger got."""
    found = []
    for each in charger.received:
        if each.action == "DataTransfer":
            found.append(int(each.payload["data"]))
        elif each.action == "SetChargingProfile":
            found.append(int(each.payload["csChargingProfiles"]["chargingProfileId"]))
    return found


def _request(number: int, *, is_shed: bool) -> tuple[str, dict[str, Any]]:
    if not is_shed:
        return "DataTransfer", {"vendorId": "test", "data": str(number)}
    profile = {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "duration": SHED_S,
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 3000.0}],
        },
    }
    return "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}
