"""Check of the event's result, and its report. Pure but for two files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from examples.demo.watch import Watch

# What a meter may be off; the simulator rounds to watts.
TOLERANCE_KW = 0.05
# What shedStatus has to say, one after the other. Who obeys at once is never seen to be pending.
COURSE = ["in force", "released"]


@dataclass(frozen=True)
class Report:
    """The outcome of a demo; loads in kW, None where nothing was seen."""

    port: str | None
    port_load_kw_before: float | None
    allowed_load_kw: float | None
    port_load_kw_during: float | None  # the highest measured while the limit was in force
    port_load_kw_after: float | None  # the highest since it was cleared
    shed_at: str | None
    in_force_at: str | None  # the first poll that reported the limit
    cleared_at: str | None
    shed_statuses: list[str]  # of the port, each time that it changed
    historian_rows: int
    seconds_to_platform: float
    seconds_to_first_row: float
    seconds: float
    soap_calls: int | None = None
    ocpp_messages: int | None = None  # sent by the charge points

    def faults(self) -> list[str]:
        """A sentence for each promise that was not kept; [] when all is well."""
        before, allowed = self.port_load_kw_before, self.allowed_load_kw
        during, after = self.port_load_kw_during, self.port_load_kw_after
        if before is None or allowed is None:
            return ["The demand-response agent did not limit any port."]
        faults = []
        if before <= allowed + TOLERANCE_KW:
            faults.append(f"The load before ({before} kW) was not above the limit ({allowed} kW).")
        if during is None:
            faults.append("No load was measured while the limit was in force.")
        elif during > allowed + TOLERANCE_KW:
            faults.append(f"The load stayed at {during} kW, above the limit of {allowed} kW.")
        if after is None:
            faults.append("The port was not polled after the limit was cleared.")
        elif after <= allowed + TOLERANCE_KW:
            faults.append(
                f"The load did not come back above {allowed} kW after the limit was cleared "
                f"(highest: {after} kW)."
            )
        # A poll that began before a change may be published after the push that tells it, so a
        # word may come twice.
        seen = list(dict.fromkeys(each for each in self.shed_statuses if each in COURSE))
        if seen != COURSE or self.shed_statuses[-1] != COURSE[-1]:
            faults.append(
                f"shedStatus went {' → '.join(self.shed_statuses) or 'unseen'} instead of "
                f"{' → '.join(COURSE)}."
            )
        if not self.historian_rows:
            faults.append("The historian stored nothing.")
        if not (self.soap_calls or self.ocpp_messages):
            faults.append("The simulator was not asked for anything.")
        return faults

    def as_text(self) -> str:
        """The report for a person."""
        lines = (
            ("port", self.port),
            ("load before", _kw(self.port_load_kw_before)),
            ("allowed load", _kw(self.allowed_load_kw)),
            ("load during", _kw(self.port_load_kw_during)),
            ("load after", _kw(self.port_load_kw_after)),
            ("shedStatus", " → ".join(self.shed_statuses)),
            ("historian rows", self.historian_rows),
            ("web service calls", self.soap_calls),
            ("OCPP messages", self.ocpp_messages),
            ("platform up after", f"{self.seconds_to_platform:.1f} s"),
            ("first row after", f"{self.seconds_to_first_row:.1f} s"),
            ("seconds", f"{self.seconds:.1f}"),
        )
        return "\n".join(f"  {name:18} {value}" for name, value in lines if value is not None)

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")


def measure(
    watch: Watch,
    hold_s: float,
    historian_rows: int,
    calls: Mapping[str, int],
    seconds_to_platform: float,
    seconds_to_first_row: float,
    seconds: float,
) -> Report:
    """The report on what was seen.

    `hold_s`: how long the agent keeps the limit, in seconds. `calls`: field of the report to the
    number of calls.
    """
    shed_at, cleared_at = watch.time_of("shed"), watch.time_of("cleared")
    before = watch.chosen_loads(None, shed_at) if shed_at else []
    in_force_at = next((shed.time for shed in watch.sheds if shed.status == "in force"), None)
    during = watch.shed_loads(shed_at + timedelta(seconds=hold_s)) if shed_at else []
    after = watch.chosen_loads(cleared_at) if cleared_at else []
    return Report(
        port=watch.device,
        port_load_kw_before=before[-1] if before else None,
        allowed_load_kw=watch.phases.get("shed", {}).get("allowed_load_kw"),
        port_load_kw_during=max(during, default=None),
        port_load_kw_after=max(after, default=None),
        shed_at=_text(shed_at),
        in_force_at=_text(in_force_at),
        cleared_at=_text(cleared_at),
        shed_statuses=[shed.status for shed in watch.sheds],
        historian_rows=historian_rows,
        seconds_to_platform=round(seconds_to_platform, 2),
        seconds_to_first_row=round(seconds_to_first_row, 2),
        seconds=round(seconds, 1),
        **calls,
    )


def count_rows(database: Path, topic: str) -> int:
    """Rows that the historian has stored below a topic; 0 while there is no database."""
    query = "SELECT count(*) FROM data NATURAL JOIN topics WHERE topic_name LIKE ? || '/%'"
    try:
        with closing(_open(database)) as connection:
            return int(connection.execute(query, [topic]).fetchone()[0])
    except sqlite3.OperationalError:
        # Not made yet, or its tables are not, or just being written.
        return 0


def stored_loads(database: Path, device: str) -> list[tuple[datetime, float]]:
    """(time, kW) of a device's portLoad in the historian, oldest first; a poll that found none
    reported is left out."""
    query = "SELECT ts, value_string FROM data NATURAL JOIN topics WHERE topic_name = ? ORDER BY ts"
    with closing(_open(database)) as connection:
        rows = connection.execute(query, [f"{device}/portLoad"]).fetchall()
    loads = [(datetime.fromisoformat(time), json.loads(value)) for time, value in rows]
    return [(time, float(kw)) for time, kw in loads if kw is not None]


def copy_database(source: Path, target: Path) -> None:
    """Copy a database with everything that was committed to it; nothing when there is none."""
    if source.exists():
        with closing(_open(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)


def _open(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=5)


def _text(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _kw(value: float | None) -> str:
    return "not seen" if value is None else f"{value:.2f} kW"
