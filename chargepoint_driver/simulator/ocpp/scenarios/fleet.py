"""All twins of one process, on one event loop: one task for each, one scheduler for all."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from ...world.clock import Clock
from ..moments import iso
from ..power.spec import TwinSpec, read_spec
from ..protocol.charge_point import Charger
from ..scheduler import Scheduler
from ..v16 import charge_point16
from ..v201 import charge_point201
from .actions import act
from .visits import Visits

# Handshakes at the same time: thousands at once only get in each other's way.
MAX_HANDSHAKES = 128
VERSIONS: Mapping[str, Callable[..., Charger]] = {
    "1.6": charge_point16,
    "2.0.1": charge_point201,
}


class UnknownTwinError(KeyError):
    """No charge point has that id."""

    def __str__(self) -> str:
        return f"no charge point {self.args[0]!r}"


class Fleet:
    """Creates, drives and ends twins. Every method belongs to the loop it was started on."""

    def __init__(self, clock: Clock, seed: int, defaults: Mapping[str, Any]) -> None:
        self.clock = clock
        self.seed = seed
        self.defaults = dict(defaults)
        self.scheduler = Scheduler(clock)
        self.points: dict[str, Charger] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._handshakes = asyncio.Semaphore(MAX_HANDSHAKES)
        self._next_number = 1
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._checking = False

    def start(self) -> None:
        """Let time pass."""
        self.scheduler.start()

    async def stop(self) -> None:
        """End every twin."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        self.scheduler.stop()

    def create(self, given: Mapping[str, Any]) -> str:
        """A new twin, connecting at once; without an id it gets the next one. Raises
        InvalidSpecError."""
        number = None
        if isinstance(given, Mapping) and "id" not in given:
            number = self._free_number()
            given = {**given, "id": _name(number)}
        spec = read_spec(given, self.defaults)
        if spec.identity in self.points:
            raise ValueError(f"id: there is a charge point {spec.identity!r} already")
        if number is not None:
            # Only now: a description that is refused costs no id.
            self._next_number = number + 1
        return self.add(spec)

    def add(self, spec: TwinSpec) -> str:
        """The same from a checked description."""
        point = VERSIONS[spec.ocpp](spec, self.scheduler, self.seed, self._handshakes, self.news)
        self.points[spec.identity] = point
        if spec.visits_per_day > 0:
            Visits(point, self.seed, spec.visits_per_day).start()
        task = asyncio.get_running_loop().create_task(point.run())
        task.add_done_callback(self._ended)
        self._tasks[spec.identity] = task
        return spec.identity

    async def remove(self, identity: str) -> None:
        """End one twin. Raises UnknownTwinError."""
        self.point(identity)
        task = self._tasks.pop(identity)
        del self.points[identity]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def point(self, identity: str) -> Charger:
        """Return the twin with that id. Raises UnknownTwinError."""
        if identity not in self.points:
            raise UnknownTwinError(identity)
        return self.points[identity]

    async def act(self, identity: str, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Do something to a twin. Raises UnknownTwinError, ValueError, NotNowError,
        ConnectionError."""
        return await act(self.point(identity), action, given)

    def advance(self, seconds: float) -> None:
        """Jump ahead; all that is due in between happens."""
        self.clock.advance(seconds)
        self.scheduler.catch_up()

    def stats(self) -> dict[str, Any]:
        """Counts over all twins."""
        sent: dict[str, int] = {}
        received: dict[str, int] = {}
        for point in self.points.values():
            for total, counts in ((sent, point.link.sent), (received, point.link.received)):
                for action, count in counts.items():
                    total[action] = total.get(action, 0) + count
        return {
            "charge_points": len(self.points),
            "connected": sum(point.link.is_open for point in self.points.values()),
            "accepted": sum(point.is_connected() for point in self.points.values()),
            "sent": sent,
            "received": received,
            "simulated_time": iso(self.scheduler.now_s()),
            "errors": len(self.errors()),
        }

    def errors(self) -> list[BaseException]:
        """Return what went wrong inside the twins: must be nothing."""
        inside = [error for point in self.points.values() for error in point.link.errors]
        return [*self.scheduler.errors, *inside]

    async def until(self, true: Callable[[], bool], timeout_s: float) -> None:
        """Wait until that is so; looked at whenever anything has changed. Raises
        asyncio.TimeoutError."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((true, future))
        self.news()
        try:
            await asyncio.wait_for(future, timeout_s)
        finally:
            self._waiting = [entry for entry in self._waiting if entry[1] is not future]

    def news(self) -> None:
        """Announce that something may have changed."""
        if self._waiting and not self._checking:
            self._checking = True
            asyncio.get_running_loop().call_soon(self._check)

    def _check(self) -> None:
        self._checking = False
        for true, future in self._waiting:
            if future.done():
                continue
            try:
                if true():
                    future.set_result(None)
            except Exception as error:  # noqa: BLE001 - for the waiting caller
                future.set_exception(error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.scheduler.errors.append(error)

    def _free_number(self) -> int:
        numbers = itertools.count(self._next_number)
        return next(number for number in numbers if _name(number) not in self.points)


def _name(number: int) -> str:
    return f"CP{number:04d}"
