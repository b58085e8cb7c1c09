"""The simulator put together: a world, its clock, and the service on a port."""

from __future__ import annotations

from threading import Event
from types import TracebackType

from .accounts import Accounts
from .calls import Calls
from .control import Control
from .faults import Faults
from .server import SOAP_PATH, Server
from .soap.dispatch import Service
from .world.clock import Clock, ScaledClock
from .world.world import World

DEFAULT_USERNAME = "simulator"
DEFAULT_PASSWORD = "not-a-real-password"  # noqa: S105 - and that is the point


class Simulator:
    """A ChargePoint service of its own, on 127.0.0.1, from `start` to `stop`.

    Used as a context manager. `world`, `faults`, `calls` and `accounts` can be used
    from any thread at any time; the URLs exist once it is constructed.
    """

    def __init__(
        self,
        stations: int = 4,
        ports_per_station: int = 2,
        seed: int = 7,
        speed: float = 60.0,
        soap_port: int = 0,
        username: str = DEFAULT_USERNAME,
        password: str = DEFAULT_PASSWORD,
        clock: Clock | None = None,
        groups: int | None = None,
        organisations: int = 1,
        shed_delay_s: float = 0.0,
        clear_delay_s: float = 0.0,
    ) -> None:
        """Build the world and bind the port (0: any free one).

        `clock` None means real time multiplied by `speed`; with a clock of your own
        `speed` is not used. `groups` None means one for every hundred stations.
        Delays are simulated seconds from a command to its effect. Raises ValueError
        for arguments that make no sense, OSError when the port is taken.
        """
        self.username = username
        self.password = password
        self.clock: Clock = ScaledClock(speed) if clock is None else clock
        self.world = World(
            self.clock,
            stations,
            ports_per_station,
            seed,
            groups,
            organisations,
            shed_delay_s,
            clear_delay_s,
        )
        self.faults = Faults()
        self.calls = Calls()
        self.accounts = Accounts()
        self.accounts.add(username, password)
        self._stopping = Event()
        service = Service(self.world, self.accounts, self.faults, self.calls, self._wait)
        self._server = Server(soap_port, service, Control(self.world, self.faults, self.calls))
        self._running = False

    @property
    def soap_url(self) -> str:
        """The endpoint of version 5.0."""
        return f"{self._server.url}{SOAP_PATH}5.0"

    @property
    def soap_url_5_1(self) -> str:
        """The endpoint of version 5.1."""
        return f"{self._server.url}{SOAP_PATH}5.1"

    @property
    def control_url(self) -> str:
        """Return what the paths of the JSON control are appended to."""
        return self._server.url

    @property
    def stats_url(self) -> str:
        """Return where the counts are read."""
        return f"{self._server.url}/stats"

    def start(self) -> Simulator:
        """Serve in the background; once only."""
        if self._running or self._stopping.is_set():
            raise RuntimeError("a simulator is started once")
        self._running = True
        self._server.start()
        return self

    def stop(self) -> None:
        """End every connection and thread and free the port; twice does no harm."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._running:
            self._server.stop()
        else:
            self._server.server_close()

    def __enter__(self) -> Simulator:  # noqa: PYI034 - Self came with Python 3.11
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

    def _wait(self, seconds: float) -> None:
        # A delayed reply must not hold up the end.
        self._stopping.wait(seconds)
