"""Digital twins of charge points, to be used from any thread: a loop of their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from threading import Event, Thread
from types import TracebackType
from typing import Any, TypeVar

from ..world.clock import Clock, ScaledClock
from .http_api import HttpApi
from .power.spec import read_spec
from .scenarios.fleet import Fleet
from .scenarios.replay import replay
from .scenarios.scenario import Scenario, play
from .scenarios.state_json import state_of
from .server import Server

T = TypeVar("T")
READY_S = 30.0


class Twins:
    """Charge points that connect to a central system, from `start` to `stop`.

    Used as a context manager. Every method may be called from any thread.
    """

    def __init__(
        self,
        csms_url: str = "ws://127.0.0.1:9000/ocpp",
        charge_points: int | Sequence[Mapping[str, Any]] = 1,
        ocpp: str = "1.6",
        connectors: int | Sequence[Mapping[str, Any]] = 1,
        seed: int = 7,
        speed: float = 60.0,
        clock: Clock | None = None,
        control_port: int = 0,
        **defaults: Any,
    ) -> None:
        """Describe them; nothing connects before `start`.

        `charge_points` is a number, or descriptions (see docs/reference/twins.md). `defaults` are
        further keys of a description that hold for all. `clock` None means real time multiplied by
        `speed`. Raises ValueError naming all that is wrong.
        """
        self.clock: Clock = ScaledClock(speed) if clock is None else clock
        defaults_used = {
            "csms_url": csms_url,
            "ocpp": ocpp,
            "connectors": list(connectors) if not isinstance(connectors, int) else connectors,
            **defaults,
        }
        read_spec({"id": "CP", **defaults_used})
        if isinstance(charge_points, int):
            self._first: list[Mapping[str, Any]] = [{}] * charge_points
        else:
            self._first = list(charge_points)
        self._defaults = defaults_used
        self._seed = seed
        self._port = control_port
        self._thread = Thread(target=self._run, name="twins")
        self._ready = Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._fleet: Fleet | None = None
        self._server: Server | None = None

    # -- from start to stop ---------------------------------------------------------

    def start(self) -> Twins:
        """Connect in the background; once only. Raises ValueError, OSError."""
        self._thread.start()
        self._ready.wait(READY_S)
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def stop(self) -> None:
        """Hang up everywhere and end the thread; twice does no harm."""
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stopping.set)
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> Twins:  # noqa: PYI034 - Self came with Python 3.11
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that started us
            self._failure = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        fleet = Fleet(self.clock, self._seed, self._defaults)
        server = Server(HttpApi(fleet))
        try:
            for given in self._first:
                fleet.create(given)
            await server.start(self._port)
            fleet.start()
            self._fleet, self._server = fleet, server
            self._ready.set()
            await self._stopping.wait()
        finally:
            await server.stop()
            await fleet.stop()

    # -- looking ---------------------------------------------------------------------

    @property
    def control_url(self) -> str:
        """Return what the paths of the JSON control are appended to."""
        assert self._server is not None, "not started"
        return self._server.url

    @property
    def ids(self) -> list[str]:
        """The ids of all twins."""
        return self._sync(lambda: list(self._running.points))

    def state(self, identity: str) -> dict[str, Any]:
        """Return what is really going on at a twin (see docs/reference/twins.md). Raises
        KeyError."""
        return self._sync(lambda: state_of(self._running.point(identity)))

    def messages(self, identity: str) -> list[dict[str, Any]]:
        """Its last frames and remarks, oldest first. Raises KeyError."""

        def read() -> list[dict[str, Any]]:
            return self._running.point(identity).link.message_log.as_json()

        return self._sync(read)

    def stats(self) -> dict[str, Any]:
        """Counts over all twins."""
        return self._sync(self._running.stats)

    @property
    def errors(self) -> list[BaseException]:
        """Return what went wrong inside the twins: must be nothing."""
        return self._sync(self._running.errors)

    def wait(
        self, identity: str, true: Callable[[dict[str, Any]], bool], timeout_s: float = 10.0
    ) -> dict[str, Any]:
        """Wait until that holds of a twin's state; returns the state. Raises TimeoutError."""
        try:
            self._wait(lambda: true(state_of(self._running.point(identity))), timeout_s)
        except TimeoutError:
            raise TimeoutError(f"{identity} is still {self.state(identity)}") from None
        return self.state(identity)

    def wait_connected(self, timeout_s: float = 30.0) -> None:
        """Wait until the central system has accepted every boot. Raises TimeoutError."""
        self._wait(
            lambda: all(point.is_connected() for point in self._running.points.values()), timeout_s
        )

    # -- doing -----------------------------------------------------------------------

    def create(self, **given: Any) -> str:
        """One more twin; returns its id. Raises ValueError."""

        async def work() -> str:
            return self._running.create(given)

        return self._await(work())

    def remove(self, identity: str) -> None:
        """End a twin. Raises KeyError."""
        self._await(self._running.remove(identity))

    def advance(self, seconds: float) -> None:
        """Jump ahead by simulated seconds; all that is due in between has happened then."""
        self._sync(lambda: self._running.advance(seconds))

    def act(self, identity: str, action: str, **given: Any) -> dict[str, Any]:
        """Any action of the table by name. Raises KeyError, ValueError, NotNowError."""
        return self._await(self._running.act(identity, action, given))

    def plug(self, identity: str, connector: int = 1, **vehicle: Any) -> dict[str, Any]:
        """Plug a vehicle in (without a description: one of the fleet)."""
        return self.act(identity, "plug", connector=connector, vehicle=vehicle or None)

    def unplug(self, identity: str, connector: int = 1) -> None:
        """Take the vehicle away."""
        self.act(identity, "unplug", connector=connector)

    def start_charging(
        self, identity: str, connector: int = 1, id_tag: str = "TWIN0001", **vehicle: Any
    ) -> str:
        """Plug in where nothing is, authorise, charge; returns the idTag's status."""
        given = {"connector": connector, "id_tag": id_tag, "vehicle": vehicle or None}
        return str(self.act(identity, "start", **given)["status"])

    def stop_charging(self, identity: str, connector: int = 1, reason: str = "Local") -> None:
        """End the transaction."""
        self.act(identity, "stop", connector=connector, reason=reason)

    def quirk(self, identity: str, name: str, **parameters: Any) -> None:
        """Switch a quirk on."""
        self.act(identity, "quirk", name=name, parameters=parameters)

    def play(self, scenario: Scenario, timeout_s: float | None = None) -> None:
        """Carry a scenario out, to its end; a recording by `replay`."""
        carry_out = replay if scenario.tolerant else play
        self._await(carry_out(self._running, scenario), timeout_s)

    # -- the other thread ---------------------------------------------------------------

    @property
    def _running(self) -> Fleet:
        if self._fleet is None:
            raise RuntimeError("the twins are not started")
        return self._fleet

    def _sync(self, work: Callable[[], T]) -> T:
        async def run() -> T:
            return work()

        return self._await(run())

    def _wait(self, true: Callable[[], bool], timeout_s: float) -> None:
        try:
            self._await(self._running.until(true, timeout_s))
        except asyncio.TimeoutError:
            raise TimeoutError(f"not within {timeout_s} s") from None

    def _await(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        loop = self._loop
        if loop is None or not self._thread.is_alive():
            work.close()
            raise RuntimeError("the twins are not running")
        return asyncio.run_coroutine_threadsafe(work, loop).result(timeout_s)
