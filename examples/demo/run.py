"""The story of the demo, from the first process to the report."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from rich.console import Console

from examples.demo import garage, report
from examples.demo.chargers import Chargers
from examples.demo.errors import DemoError
from examples.demo.events import EventChain
from examples.demo.garage import Garage
from examples.demo.platform import Platform, child_environment, temporary_home
from examples.demo.processes import Processes
from examples.demo.report import Report
from examples.demo.table import Screen
from examples.demo.watch import Watch

T = TypeVar("T")
Place = Garage | Chargers

DRIVER = "platform.driver"
HISTORIAN = "platform.historian"
AGENT = "demand.response"
CACHE = "platform.chargepoint"
RESULTS_TOPIC = "demand_response/event"
DATABASE = "historian.sqlite"

HOLD_S = 18
FIRST_POLL_LIMIT_S = 90.0
FIRST_ROW_LIMIT_S = 60.0
EVENT_LIMIT_S = 80.0
AFTER_LIMIT_S = 60.0


@dataclass(frozen=True)
class Options:
    """Options of the command line."""

    output: Path
    keep: bool = False
    agent: bool = False
    ocpp: bool = False
    events: bool = False


class Demo:
    """One run of the demo. Everything that it starts belongs to the Processes it is given."""

    def __init__(self, options: Options, processes: Processes, platform: Platform) -> None:
        self._options = options
        self._processes = processes
        self._platform = platform
        self._screen = Screen(Console())
        self._watch = Watch(RESULTS_TOPIC)
        self._chain = EventChain(options.output) if options.events else None
        self._ports: set[str] = set()
        self._began = time.monotonic()
        self._to_platform_s = 0.0
        self._to_first_row_s = 0.0

    @property
    def database(self) -> Path:
        """Return where the historian stores while it runs."""
        return self._platform.home / DATABASE

    def run(self) -> Report:
        """Run the event, and the ports as long as wanted; the outcome."""
        with self._screen as screen:
            screen.say("Starting a VOLTTRON platform and simulated charging stations.")
            place = self._start()
            self._wait_for_rows()
            place.begin()
            self._run_event()
            outcome = self._measure(place)
            if self._chain is not None:
                screen.say(f"The event stream:\n{self._chain.as_text()}")
            if self._options.keep:
                self._keep(outcome)
                outcome = self._measure(place)
        return outcome

    def elapsed_s(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._began

    def _start(self) -> Place:
        """Everything but the demand-response agent: simulator, platform, historian, driver."""
        platform = self._platform
        program = Path(sys.executable).with_name("chargepoint-driver")
        env = child_environment(platform.home)
        place = self._launch(program, env)
        platform.connect()
        self._to_platform_s = self.elapsed_s()
        for identity in (DRIVER, HISTORIAN, AGENT, CACHE):
            platform.add_credentials(identity)
        platform.store(DRIVER, "config", {})
        platform.store(DRIVER, place.registry.name, place.registry.read_text())
        account = {**place.account(), **self._sinks()}
        access = {"cache_agent": CACHE} if self._options.agent else account
        for device, config in place.devices(access).items():
            self._ports.add(device)
            platform.store(DRIVER, f"devices/{device}", config)
        platform.link.subscribe(f"devices/{garage.TOPIC}")
        platform.link.subscribe(RESULTS_TOPIC)
        connection = {"type": "sqlite", "params": {"database": str(self.database)}}
        platform.start_agent(HISTORIAN, "historian.sql.historian", {"connection": connection})
        secrets = place.secrets
        if self._options.agent:
            platform.store(CACHE, "config", {"accounts": {"garage": account}})
            platform.start_agent(CACHE, "chargepoint_driver.adapters.agent", env=secrets)
            secrets = {}  # Who asks the agent needs none.
        # The driver comes last: it sets up /all once, for the devices it finds at its start.
        platform.start_agent(DRIVER, "platform_driver.agent", env=secrets)
        place.arrive(self._processes, program, env, platform.home)
        return place

    def _sinks(self) -> dict[str, Any]:
        """The keys of the event stream, where it is wanted."""
        if self._chain is None:
            return {}
        self._chain.start(self._processes, self._platform.home)
        return self._chain.settings()

    def _launch(self, program: Path, env: Mapping[str, str]) -> Place:
        """Begin to start the platform; what there is to be watched."""
        home = self._platform.home
        if self._options.ocpp:
            self._platform.launch()
            return Chargers(home)
        lines = garage.launch_simulator(self._processes, program, env, home)
        self._platform.launch()
        return garage.introduce(lines)

    def _wait_for_rows(self) -> None:
        """Until every port has been polled and the historian has stored something."""
        try:
            self._wait(
                "The first poll of all ports",
                lambda: self._ports <= set(self._watch.loads),
                FIRST_POLL_LIMIT_S,
            )
        except DemoError as error:
            complaints = "\n".join(self._processes.complaints(DRIVER))
            raise DemoError(f"{error}\nThe platform driver reports:\n{complaints}") from None
        self._wait("The historian's first row", self._count_rows, FIRST_ROW_LIMIT_S)
        self._to_first_row_s = self.elapsed_s()

    def _run_event(self) -> None:
        """From the start of the agent until the load is back, or a while after it should be."""
        self._platform.start_agent(
            AGENT,
            "chargepoint_driver.examples.demand_response_agent",
            {
                "devices": garage.TOPIC,
                "hold_seconds": HOLD_S,
                # The simulated stations' clock is fast: a lease would be over in a second there.
                "lease_seconds": 0,
                "wait_seconds": EVENT_LIMIT_S - HOLD_S,
                "results_topic": RESULTS_TOPIC,
            },
        )
        phases = self._watch.phases
        self._wait(
            "The end of the demand-response event",
            lambda: phases.keys() & {"cleared", "failed"},
            EVENT_LIMIT_S,
        )
        if "failed" in phases:
            failed = phases["failed"]
            raise DemoError(
                f"The demand-response agent gave up: {failed['error']}. To do: {failed['cure']}. "
                f"The logs are in {self._processes.logs}."
            )
        try:
            self._wait("The return of the load", self._load_is_back, AFTER_LIMIT_S)
        except DemoError:
            self._processes.check()  # Otherwise the report shows what did not happen.

    def _load_is_back(self) -> bool:
        """Return True if the shed is over and the load above the limit again, on the bus and in the
        historian."""
        device, cleared_at = self._watch.device, self._watch.time_of("cleared")
        assert device is not None
        assert cleared_at is not None
        limit_kw = self._watch.phases["shed"]["allowed_load_kw"] + report.TOLERANCE_KW
        if not self._watch.sheds or self._watch.sheds[-1].status != report.COURSE[-1]:
            return False
        return max(self._watch.chosen_loads(cleared_at), default=0.0) > limit_kw and any(
            kw > limit_kw
            for stored_at, kw in report.stored_loads(self.database, device)
            if stored_at > cleared_at
        )

    def _keep(self, outcome: Report) -> None:
        """Go on until Ctrl-C."""
        self._screen.say(f"The event is over:\n{outcome.as_text()}")
        self._screen.say(
            f"The platform keeps running until Ctrl-C; VOLTTRON_HOME={self._platform.home}"
        )
        try:
            while True:
                self._processes.check()
                self._look()
                time.sleep(0.2)
        except KeyboardInterrupt:
            self._screen.say("Ending.")

    def _measure(self, place: Place) -> Report:
        return report.measure(
            self._watch,
            HOLD_S,
            historian_rows=self._count_rows(),
            calls=place.count_calls(),
            seconds_to_platform=self._to_platform_s,
            seconds_to_first_row=self._to_first_row_s,
            seconds=self.elapsed_s(),
        )

    def _count_rows(self) -> int:
        return report.count_rows(self.database, garage.TOPIC)

    def _look(self) -> None:
        """Take in what was published, and show it."""
        for message in self._platform.link.messages():
            self._watch.take(message)
        self._screen.show(self._watch)

    def _wait(self, what: str, probe: Callable[[], T], limit_s: float) -> None:
        """Until probe() is true, with the screen up to date."""

        def look_and_probe() -> bool:
            self._look()
            return bool(probe())

        self._processes.wait_for(what, look_and_probe, limit_s)


def run(options: Options) -> int:
    """The demo's exit code: 0 when the event did what it promised, 1 when not, 130 on Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    logs = options.output / "logs"
    database = options.output / "historian.sqlite"
    began = time.monotonic()
    try:
        _prepare(options.output)
        outcome = _run_in_temporary_home(options, logs, database)
    except DemoError as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("The demo was interrupted; everything it started has ended.", file=sys.stderr)
        return 130
    # The historian stores what it still holds when it ends.
    rows = report.count_rows(database, garage.TOPIC)
    seconds = round(time.monotonic() - began, 1)
    outcome = replace(outcome, historian_rows=rows, seconds=seconds)
    outcome.write(options.output / "report.json")
    print(f"The demand-response event:\n{outcome.as_text()}")
    for fault in outcome.faults():
        print(f"The demo failed: {fault} The logs are in {logs}.", file=sys.stderr)
    return 1 if outcome.faults() else 0


def _run_in_temporary_home(options: Options, logs: Path, database: Path) -> Report:
    with temporary_home() as home:
        try:
            with Processes(logs) as processes:
                return Demo(options, processes, Platform(home, processes)).run()
        finally:
            # Kept after a failure too: it shows how far things went.
            report.copy_database(home / DATABASE, database)


def _prepare(output: Path) -> None:
    """Remove what an earlier run left, so that nothing old can pass for new."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name in ("report.json", "historian.sqlite", "events.jsonl"):
            (output / name).unlink(missing_ok=True)
        shutil.rmtree(output / "logs", ignore_errors=True)
        (output / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise DemoError(
            f"{output} cannot be written ({error}). It may belong to another user: remove it, or "
            "give another folder with --output."
        ) from None


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
