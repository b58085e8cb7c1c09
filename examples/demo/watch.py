"""Messages on the bus that the demo reads: the state of the ports and the phases of the event."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Load:
    """The load of a port at a poll, or when it changed.

    `status` is the shedStatus of the same message. `measured_at` is the time that the charger's
    own meter gave. None: not in the message.
    """

    time: datetime
    kw: float
    status: str | None = None
    measured_at: datetime | None = None


@dataclass(frozen=True)
class Shed:
    """Values of shedStatus and shedReason from one poll on."""

    time: datetime
    status: str
    reason: str


@dataclass
class Watch:
    """Everything seen so far. Fed with take(), read by the table and the report."""

    results_topic: str
    ports: dict[str, dict[str, Any]] = field(default_factory=dict)
    loads: dict[str, list[Load]] = field(default_factory=dict)
    phases: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: dict[str, list[Shed]] = field(default_factory=dict)

    def take(self, message: dict[str, Any]) -> None:
        """Note one message; others than polls and phases are of no interest."""
        topic: str = message["topic"]
        if topic == self.results_topic:
            phase = message["message"]["phase"]
            self.phases.pop(phase, None)  # The newest is the last, also in a second event.
            self.phases[phase] = message["message"]
        elif topic.startswith("devices/") and topic.endswith("/multi"):
            device = topic.removeprefix("devices/").removesuffix("/multi")
            values: dict[str, Any] = message["message"][0]
            self.ports.setdefault(device, {}).update(values)
            time = datetime.fromisoformat(message["headers"]["TimeStamp"])
            if values.get("shedStatus") is not None:
                now = Shed(time, values["shedStatus"], values.get("shedReason") or "")
                seen = self.statuses.setdefault(device, [])
                if not seen or seen[-1].status != now.status:
                    seen.append(now)
            if values.get("portLoad") is not None:
                measured = values.get("meterTime")
                load = Load(
                    time,
                    float(values["portLoad"]),
                    values.get("shedStatus"),
                    datetime.fromisoformat(measured) if measured else None,
                )
                self.loads.setdefault(device, []).append(load)

    @property
    def phase(self) -> str:
        """The newest phase of the event; empty before the agent reports anything."""
        return list(self.phases)[-1] if self.phases else ""

    @property
    def device(self) -> str | None:
        """The port that the agent chose; None before."""
        chosen = self.phases.get("before")
        return chosen["device"] if chosen else None

    @property
    def sheds(self) -> list[Shed]:
        """Return the changes of the chosen port, one entry for each; [] before it is chosen."""
        return self.statuses.get(self.device or "", [])

    def time_of(self, phase: str) -> datetime | None:
        """Return when a phase began; None when it did not."""
        facts = self.phases.get(phase)
        return datetime.fromisoformat(facts["time"]) if facts else None

    def chosen_loads(self, since: datetime | None, until: datetime | None = None) -> list[float]:
        """Loads of the chosen port in a stretch of time, oldest first; [] before it is chosen."""
        return [
            load.kw
            for load in self.loads.get(self.device or "", [])
            if (since is None or load.time >= since) and (until is None or load.time < until)
        ]

    def shed_loads(self, until: datetime) -> list[float]:
        """Loads of the chosen port in kW that show whether it obeys, oldest first.

        Only polls count that follow the first one with "in force". A charger that connects
        directly takes a limit before it measures again, and may still have a measurement to
        send. So its first measurement after that poll does not count either; later ones do.
        """
        loads = [load for load in self.loads.get(self.device or "", []) if load.time < until]
        metered = any(load.measured_at for load in loads)
        polls = [load for load in loads if load.measured_at or not metered]
        first = next((i for i, load in enumerate(polls) if load.status == "in force"), None)
        if first is None:
            return []
        if not metered:
            return [load.kw for load in polls[first + 1 :]]
        times = sorted({load.measured_at for load in polls[first:] if load.measured_at})
        return [
            load.kw for load in polls[first:] if load.measured_at and load.measured_at in times[2:]
        ]
