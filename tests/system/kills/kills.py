"""One kill after the other, each in the middle of a write or apart from one, and the state then."""

from __future__ import annotations

import random
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from examples.demo.platform import temporary_home
from examples.demo.processes import Processes

from .site import Site

# A write takes about a third of a second: kills come before, within and after it.
MAX_WAIT_S = 1.0


@dataclass
class Outcome:
    """Counts over all kills, and what was wrong."""

    kills: int = 0
    acknowledged: int = 0
    pending: int = 0
    lost: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost and nothing false was said."""
        return self.kills > 0 and not (self.lost or self.false or self.orphans)

    def __str__(self) -> str:
        lines = [
            f"{self.kills} kills, {self.acknowledged} writes acknowledged, {self.pending} ports "
            f"pending; lost {len(self.lost)}, false {len(self.false)}, orphans {len(self.orphans)}"
        ]
        return "\n".join([*lines, *self.lost, *self.false, *self.orphans])


@contextmanager
def running(logs: Path, *, agent: bool, ports: int = 8) -> Iterator[Site]:
    """A site, gone afterwards."""
    with temporary_home() as home, Processes(logs) as processes:
        yield Site(home, processes, agent=agent, ports=ports)


def kill(site: Site, count: int, seed: int, outcome: Outcome) -> None:
    """Kill the process that has the account so often, around writes to random ports."""
    chance = random.Random(seed)
    topics = list(site.ports)
    for number in range(count):
        topic = chance.choice(topics)
        limit_kw = chance.choice([1.5, 2.0, 2.5, 3.0, None])
        written: list[str | None] = []

        def write(topic: str = topic, kw: float | None = limit_kw, to: Any = written) -> None:
            point, value = ("shedState", 0) if kw is None else ("allowedLoad", kw)
            to.append(site.write(topic, point, value))

        writer = threading.Thread(target=write)
        writer.start()
        writer.join(chance.uniform(0.0, MAX_WAIT_S))
        site.kill()
        site.restart()
        writer.join(60)
        outcome.kills += 1
        where = f"kill {number + 1} of {site.victim}, {topic} to {limit_kw}"
        judge(site, where, outcome)
        if written == [None]:
            outcome.acknowledged += 1
            said, true = site.answers()[topic], site.actual()[topic]
            wanted = (0, None) if limit_kw is None else (1, limit_kw)
            if (true["shedState"], true["allowed_kw"]) != wanted or (
                limit_kw is not None and said["commandedLoad"] != limit_kw
            ):
                outcome.lost.append(f"{where}: acknowledged; {said}; truth {true}")


def judge(site: Site, where: str, outcome: Outcome) -> None:
    """Compare what each port is said to be held to with what is so."""
    actual = site.actual()
    for topic, said in site.answers().items():
        true = actual[topic]
        status, kw = said["shedStatus"], said["commandedLoad"]
        is_shed = bool(true["shedState"])
        words = f"{where}: {topic} reports {said}; truth {true}"
        is_reported = bool(said["shedState"]) == is_shed and (
            not is_shed or said["allowedLoad"] == true["allowed_kw"]
        )
        claims = status in ("in force", "adopted") and not (
            is_shed and kw in (None, true["allowed_kw"])
        )
        if not is_reported or claims:
            outcome.false.append(words)
        elif is_shed and status in ("none", "released"):
            outcome.orphans.append(words)
        outcome.pending += status == "pending"


def play(count: int, seed: int) -> Outcome:
    """Half of the kills hit a driver that has the account itself, half the caching agent."""
    outcome = Outcome()
    for agent, part in ((False, count // 2), (True, count - count // 2)):
        with (
            tempfile.TemporaryDirectory(prefix="chargepoint-kills-") as logs,
            running(Path(logs), agent=agent) as site,
        ):
            kill(site, part, seed, outcome)
    return outcome
