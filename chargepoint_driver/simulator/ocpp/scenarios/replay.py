"""Replay of recorded days: stored events, as JSON lines, become visits of simulated chargers.

A recorded session becomes a vehicle that comes and goes at the recorded times and wants the
recorded load. What the charger draws is less where the central system limits it today. Faults,
lost connections and charge points out of service come back too.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from chargepoint_driver.text import get_logger

from .fleet import Fleet
from .scenario import InvalidScenarioError, Scenario, Step

log = get_logger(__name__)

# The load of a vehicle changes where the recorded one differs by this much.
_SAME_KW = 0.05
_SAME_SHARE = 0.02
_DEFAULT_KW = 7.4
_MIN_KW = 1.4
# More than this is direct current; more than one phase gives is three phases.
_MAX_AC_KW = 43.5
_MAX_SINGLE_PHASE_KW = 7.6
_CONNECT_S = 60.0
_MAX_CONNECTORS = 32
_NO_FAULT = {None, "", "NoError"}
_VERSIONS = {"1.6": "1.6", "2.0.1": "2.0.1", "2.1": "2.0.1"}

Handler = Callable[["_Station", "_Event"], None]


@dataclass(frozen=True)
class _Event:
    """The used fields of an envelope; `time_s` is when it happened, seconds since 1970. By a clock
    that was ahead it came before it happened: then it is the receipt, and `ahead_s` before it."""

    time_s: float
    ahead_s: float
    station: str
    connector: int | None
    action: str
    data: Mapping[str, Any]


@dataclass
class _Station:
    """One station, while its events are read in order of time."""

    name: str
    version: str | None = None
    connectors: int = 1
    max_kw: float = 0.0
    # Connector to the load that its vehicle wants now, None while none is known.
    charging: dict[int, float | None] = field(default_factory=dict)
    # The charger's id of a transaction to its connector.
    places: dict[str, int] = field(default_factory=dict)
    faulted: set[int] = field(default_factory=set)
    is_offline: bool = False
    steps: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)

    def add(self, time_s: float, action: str, **parameters: Any) -> None:
        """Add a step."""
        self.steps.append((time_s, action, parameters))

    def begin(self, time_s: float, connector: int, id_tag: object = None) -> None:
        """Let a vehicle come and charge."""
        if connector in self.charging:
            self.end(time_s, connector)
        self.charging[connector] = None
        tag = {"id_tag": id_tag} if isinstance(id_tag, str) and 0 < len(id_tag) <= 20 else {}
        # A battery that does not fill within the recording: the recorded load shows what it takes.
        vehicle = {"battery_kwh": 2_000, "soc_percent": 10, "name": "recorded"}
        self.add(time_s, "start", connector=connector, vehicle=vehicle, **tag)
        self.add(time_s, "demand", connector=connector, kw=0.0)

    def end(self, time_s: float, connector: int) -> None:
        """Let the vehicle leave."""
        if self.charging.pop(connector, self) is not self:
            self.add(time_s, "unplug", connector=connector)

    def measure(self, time_s: float, connector: int, load_kw: object) -> None:
        """Set the load that the vehicle wants. A load that is not known changes nothing."""
        if connector not in self.charging or not _is_number(load_kw):
            return
        wanted_kw = max(0.0, float(load_kw))  # type: ignore[arg-type]
        self.max_kw = max(self.max_kw, wanted_kw)
        before_kw = self.charging[connector]
        if before_kw is not None and math.isclose(
            wanted_kw, before_kw, rel_tol=_SAME_SHARE, abs_tol=_SAME_KW
        ):
            return
        self.charging[connector] = wanted_kw
        self.add(time_s, "demand", connector=connector, kw=round(wanted_kw, 3))

    def fault(self, time_s: float, connector: int, error_code: object) -> None:
        """Break a connector (0: the charger), or repair it if there is no error."""
        if error_code in _NO_FAULT:
            if connector in self.faulted:
                self.faulted.discard(connector)
                self.add(time_s, "clear_fault", connector=connector)
        elif connector not in self.faulted:
            self.faulted.add(connector)
            self.add(time_s, "fault", connector=connector, error_code=str(error_code))


def load_recording(path: Path) -> Scenario:
    """Return a file of events, one JSON object a line, as a scenario. Events that are there twice
    count once. Raises InvalidScenarioError, naming the line."""
    events = sorted(_read(path), key=lambda event: event.time_s)
    stations: dict[str, _Station] = {}
    for event in events:
        station = stations.setdefault(event.station, _Station(event.station))
        if event.connector is not None:
            station.connectors = max(station.connectors, min(event.connector, _MAX_CONNECTORS))
        handle = _HANDLERS.get(event.action)
        if handle is not None:
            handle(station, event)
    if not stations:
        raise InvalidScenarioError(f"{path}: holds no event of a station")
    begin_s = events[0].time_s
    steps = [
        Step(time_s - begin_s, station.name, action, parameters)
        for station in stations.values()
        for time_s, action, parameters in station.steps
    ]
    steps.sort(key=lambda step: step.at_s)
    return Scenario(tuple(map(_description, stations.values())), tuple(steps), tolerant=True)


async def replay(fleet: Fleet, recording: Scenario) -> int:
    """Carry a recording out; return how many steps a charger did not take. A refused idTag, or a
    charger that is out of reach, costs what depends on it, and the others go on."""
    for point in recording.charge_points:
        fleet.create(point)
    try:
        await fleet.until(
            lambda: all(point.is_connected() for point in fleet.points.values()), _CONNECT_S
        )
    except asyncio.TimeoutError:
        log.warning("replay: not every charger is connected; it begins all the same")
    began_s = fleet.scheduler.now_s()
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    tasks: set[asyncio.Future[Any]] = set()
    left, missed = len(recording.steps), 0

    async def carry_out(step: Step) -> None:
        nonlocal left, missed
        try:
            await fleet.act(step.charge_point, step.action, step.parameters)
        except (KeyError, ValueError, RuntimeError, ConnectionError) as error:
            missed += 1
            log.debug("replay: %s of %s: %s", step.action, step.charge_point, error)
        finally:
            left -= 1
            if not left and not done.done():
                done.set_result(None)

    def begin(step: Step) -> None:
        # A charger that waits for the central system does not hold up the others.
        task = asyncio.ensure_future(carry_out(step))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    for step in recording.steps:
        fleet.scheduler.at(began_s + step.at_s, partial(begin, step))
    if recording.steps:
        await done
    if missed:
        log.warning("replay: %d of %d steps did not take place", missed, len(recording.steps))
    return missed


def _read(path: Path) -> Iterator[_Event]:
    """Yield the events of a file. Raises InvalidScenarioError."""
    seen: set[tuple[Any, Any]] = set()
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    found = _event(json.loads(line), seen)
                except (ValueError, KeyError, TypeError, RecursionError) as error:
                    raise InvalidScenarioError(
                        f"{path}: line {number} is not an event ({error}); use the output of the "
                        "file sink or of 'chargepoint-driver events'"
                    ) from None
                if found is not None:
                    yield found
    except (OSError, UnicodeError) as error:
        raise InvalidScenarioError(f"{path}: cannot be read ({error})") from None


def _event(fields: Any, seen: set[tuple[Any, Any]]) -> _Event | None:
    """Return an envelope; None for one of no station, or that was there before."""
    if not isinstance(fields, Mapping):
        raise TypeError("not an object")
    identity = fields["source"], fields["id"]
    if identity in seen:
        return None
    seen.add(identity)
    connector, data = fields.get("connector"), fields.get("data")
    if not fields["station"]:
        return None
    time_s, received_s = _seconds(fields["time"]), _seconds(fields["received"])
    ahead_s = max(0.0, time_s - received_s)
    return _Event(
        time_s - ahead_s,
        ahead_s,
        str(fields["station"]),
        None if connector is None else int(connector),
        str(fields["action"]),
        data if isinstance(data, Mapping) else {},
    )


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _description(station: _Station) -> dict[str, Any]:
    """Return the twin of a station: as large as its largest recorded load."""
    rated_kw = max(station.max_kw, _MIN_KW) if station.max_kw else _DEFAULT_KW
    rated_kw = math.ceil(rated_kw * 1.05 * 10) / 10
    kind = "DC" if station.max_kw > _MAX_AC_KW else "AC"
    phases = 1 if rated_kw <= _MAX_SINGLE_PHASE_KW + 0.5 and kind == "AC" else 3
    supply = {"kind": kind, "rated_kw": rated_kw, "phases": phases}
    described: dict[str, Any] = {"id": station.name, "connectors": [supply] * station.connectors}
    if station.version is not None:
        described["ocpp"] = station.version
    return described


# ---- what each action means ------------------------------------------------------------------


def _connected(station: _Station, event: _Event) -> None:
    version = _VERSIONS.get(str(event.data.get("version")))
    station.version = station.version or version
    if station.is_offline:
        station.is_offline = False
        station.add(event.time_s, "online")


def _disconnected(station: _Station, event: _Event) -> None:
    if not station.is_offline:
        station.is_offline = True
        station.add(event.time_s, "offline")


def _start_transaction(station: _Station, event: _Event) -> None:
    connector = event.connector or 1
    station.places[str(event.data.get("transactionId"))] = connector
    station.begin(event.time_s, connector, event.data.get("idTag"))


def _stop_transaction(station: _Station, event: _Event) -> None:
    place = station.places.pop(str(event.data.get("transactionId")), event.connector)
    if place is not None:
        station.end(event.time_s, place)


def _transaction_event(station: _Station, event: _Event) -> None:
    kind, connector = event.data.get("eventType"), event.connector or 1
    if kind == "Started":
        token = event.data.get("idToken")
        tag = token.get("idToken") if isinstance(token, Mapping) else None
        station.begin(event.time_s, connector, tag)
    _samples(station, event, connector)
    if kind == "Ended":
        station.end(event.time_s, connector)


def _meter_values(station: _Station, event: _Event) -> None:
    connector = event.connector or 1
    transaction = event.data.get("transactionId")
    if transaction is not None and connector not in station.charging:
        # It began before the recording.
        station.places[str(transaction)] = connector
        station.begin(event.time_s, connector)
    _samples(station, event, connector)


def _samples(station: _Station, event: _Event, connector: int) -> None:
    for sample in _objects(event.data.get("samples")):
        measured = sample.get("values")
        if isinstance(measured, Mapping) and isinstance(sample.get("time"), str):
            time_s = min(_seconds(sample["time"]) - event.ahead_s, event.time_s)
            station.measure(time_s, connector, measured.get("load_kw"))


def _objects(found: object) -> Iterable[Mapping[str, Any]]:
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _status(station: _Station, event: _Event) -> None:
    data, connector = event.data, event.connector or 0
    said = data.get("status") or data.get("connectorStatus")
    error = data.get("errorCode")
    if said == "Faulted" and error in _NO_FAULT:
        error = "OtherError"
    if said != "Faulted" and connector not in station.faulted:
        # An error while the charger continues to charge is not a fault.
        error = None
    station.fault(event.time_s, connector, error)


def _session_begin(station: _Station, event: _Event) -> None:
    station.begin(event.time_s, event.connector or 1)


def _session_end(station: _Station, event: _Event) -> None:
    station.end(event.time_s, event.connector or 1)


def _load_change(station: _Station, event: _Event) -> None:
    connector, load_kw = event.connector or 1, event.data.get("load_kw")
    if connector not in station.charging and _is_number(load_kw) and load_kw > 0:  # type: ignore[operator]
        station.begin(event.time_s, connector)
    station.measure(event.time_s, connector, load_kw)


_HANDLERS: Mapping[str, Handler] = {
    "Connected": _connected,
    "Disconnected": _disconnected,
    "LoadChange": _load_change,
    "MeterValues": _meter_values,
    "SessionBegin": _session_begin,
    "SessionEnd": _session_end,
    "StartTransaction": _start_transaction,
    "StatusNotification": _status,
    "StopTransaction": _stop_transaction,
    "TransactionEvent": _transaction_event,
}
