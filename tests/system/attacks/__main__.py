"""`make attack`: floods against a page and a central system of one process, on loopback.

Each row prints what the flood did to another charger's Heartbeat, to memory, descriptors and the
log, and whether a shed held. It ends after about three minutes. Exit code 1 when a row is not as
promised. ROWS names rows, SIGNALS=200 ends 200 processes by SIGTERM afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.table import Table
from websockets.sync.client import connect

from .attackers import ATTACKS
from .processes import Served, commands

TOKEN = "token-of-the-attack"
ROOT = Path(__file__).parents[3]
ROW_S = 8.0
SHORT_ROW_S = 3.0
# The shed lasts a minute and is renewed after half of it: once at least within this row.
LONG_ROW_S = 65.0
MAX_FILES = 256
MAX_DELAY_S, MAX_GROWTH_MIB, MAX_LOG_BYTES = 1.0, 50.0, 1_000_000
LIMIT_S = 30.0


@dataclass
class Row:
    """What a flood has done."""

    what: str
    delay_s: float
    heartbeats: int
    growth_mib: float
    descriptors: int
    log_bytes: int
    is_shed: bool

    @property
    def is_good(self) -> bool:
        """Whether it is as promised."""
        return (
            self.delay_s <= MAX_DELAY_S
            and self.heartbeats > 0
            and self.growth_mib <= MAX_GROWTH_MIB
            and self.log_bytes <= MAX_LOG_BYTES
            and self.is_shed
        )


class Charger:
    """A charger that behaves; it notes how long its Heartbeats wait."""

    def __init__(self, url: str) -> None:
        self._delays_s: list[float] = []
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, args=(url,), daemon=True)
        self._thread.start()

    def take(self) -> list[float]:
        """The delays since the last call; one that was not answered counts as 30 s."""
        with self._lock:
            taken, self._delays_s = self._delays_s, []
        return taken

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join(LIMIT_S)

    def _run(self, url: str) -> None:
        while not self._is_over.is_set():
            try:
                with connect(
                    f"{url}/GOOD",
                    subprotocols=["ocpp1.6"],
                    proxy=None,
                    compression=None,  # type: ignore[list-item]
                ) as socket:
                    while not self._is_over.wait(0.1):
                        began_s = time.monotonic()
                        socket.send('[2,"h","Heartbeat",{}]')
                        socket.recv(LIMIT_S)
                        self._note(time.monotonic() - began_s)
            except Exception:
                self._note(LIMIT_S)
                self._is_over.wait(1)

    def _note(self, delay_s: float) -> None:
        with self._lock:
            self._delays_s.append(delay_s)


class Site:
    """The simulated service, and the process under attack, with a shed in force."""

    def __init__(self, folder: Path) -> None:
        self.sim = Served(
            ["sim", "--stations", "2", "--seed", "7", "--speed", "1"], folder / "sim.log"
        )
        config = folder / "attacked.json"
        ready = self.sim.ready
        config.write_text(
            json.dumps(
                {
                    "accounts": {
                        "garage": {
                            "username": ready["username"],
                            "password": ready["password"],
                            "endpoint": ready["soap_url"],
                        },
                        "yard": {
                            "backend": "ocpp",
                            "listen": "127.0.0.1:0",
                            "database": str(folder / "attacked.sqlite"),
                            "charge_points": {
                                "GOOD": {},
                                "BAD": {},
                                "SAFE": {"password_env": "ATTACKED_PASSWORD"},
                            },
                        },
                    }
                }
            ),
            encoding="utf-8",
        )
        self.session = requests.Session()
        self.session.trust_env = False
        station = self.world()["stations"][0]
        try:
            self.web = Served(
                [str(config), station["stationID"], str(station["ports"][0]["portNumber"])],
                folder / "web.log",
                module="tests.system.attacks.host",
                env={"CHARGEPOINT_WEB_TOKEN": TOKEN, "ATTACKED_PASSWORD": "of-the-safe-one"},
                max_files=MAX_FILES,
            )
        except BaseException:
            self.session.close()
            self.sim.end()
            raise
        port = ocpp_port(self.web.process.pid, self.web.ready["url"])
        self.targets = {
            "page": self.web.ready["url"],
            "ocpp": f"ws://127.0.0.1:{port}/ocpp",
        }

    def is_shed(self) -> bool:
        """Whether the simulated service holds the limit, by its own record."""
        return any(
            port["shedState"] for station in self.world()["stations"] for port in station["ports"]
        )

    def world(self) -> Any:
        url = self.sim.ready["stats_url"].replace("/stats", "/world")
        return self.session.get(url, timeout=LIMIT_S).json()

    def stop(self) -> None:
        self.session.close()
        self.web.end()
        self.sim.end()


def ocpp_port(pid: int, page: str) -> int:
    """The other port of loopback on which the process listens."""
    inodes = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(each.readlink()))
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        words = line.split()
        port = int(words[1].rpartition(":")[2], 16)
        if words[3] == "0A" and f"socket:[{words[9]}]" in inodes and f":{port}/" not in page:
            return port
    raise AssertionError("the central system does not listen")


def play(site: Site, charger: Charger, name: str, seconds: float) -> Row:
    """One flood."""
    web = site.web
    charger.take()
    log_before = web.log_bytes
    memory, files, sheds = [web.memory_mib], [web.descriptors], []
    with attackers(name, site.targets, seconds):
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            time.sleep(0.25)
            memory.append(web.memory_mib)
            files.append(web.descriptors)
            sheds.append(site.is_shed())
    delays_s = charger.take()
    return Row(
        ATTACKS[name].what,
        max(delays_s, default=LIMIT_S),
        len(delays_s),
        max(memory) - memory[0],
        max(files),
        web.log_bytes - log_before,
        all(sheds),
    )


@contextlib.contextmanager
def attackers(name: str, targets: dict[str, str], seconds: float) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.system.attacks.attackers", name, json.dumps(targets)]
    started = [
        subprocess.Popen([*command, str(seconds)], cwd=ROOT) for _ in range(ATTACKS[name].processes)
    ]
    try:
        yield
    finally:
        for each in started:
            try:
                each.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait(LIMIT_S)


def show(rows: list[Row], console: Console) -> None:
    table = Table(
        "attack", "Heartbeat, s", "memory, MiB", "descriptors", "log, bytes", "shed", "promised"
    )
    for row in rows:
        table.add_row(
            row.what,
            f"{row.delay_s:.3f}",
            f"{row.growth_mib:+.1f}",
            str(row.descriptors),
            f"{row.log_bytes:,}",
            "held" if row.is_shed else "LOST",
            "yes" if row.is_good else "NO",
        )
    console.print(table)


def end_processes(folder: Path, number: int, console: Console) -> bool:
    """End processes by SIGTERM, one signal and three at once in turn, some at a time."""

    def one(each: int) -> bool:
        name = ("csms", "web", "sim")[each % 3]
        home = folder / str(each)
        home.mkdir()
        served = Served(commands(home)[name], home / "log.txt")
        served.end(signals=1 if each % 2 else 3)
        return served.returncode == 0

    with ThreadPoolExecutor(4) as pool:
        ended = sum(pool.map(one, range(number)))
    console.print(f"SIGTERM: {ended} of {number} ended")
    return ended == number


def run(names: list[str], console: Console, *, is_short: bool = False) -> list[Row]:
    """Play floods one after another against the same process; each for 3 s where `is_short`."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        charger = Charger(site.targets["ocpp"])
        try:
            assert site.is_shed()
            for name in names:
                seconds = LONG_ROW_S if name == "half-heads-page" else ROW_S
                rows.append(play(site, charger, name, SHORT_ROW_S if is_short else seconds))
                console.print(f"{rows[-1].what}: {'as promised' if rows[-1].is_good else 'NOT'}")
        finally:
            charger.stop()
            site.stop()
    show(rows, console)
    return rows


def main() -> int:
    console = Console(width=140)
    names = os.environ.get("ROWS", "").split() or list(ATTACKS)
    is_good = all(row.is_good for row in run(names, console))
    number = int(os.environ.get("SIGNALS") or 0)
    if number:
        with tempfile.TemporaryDirectory() as folder:
            is_good &= end_processes(Path(folder), number, console)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
