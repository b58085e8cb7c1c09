"""Cost of a page of many ports, for a browser and for the server.

What a user gains: a page of 2,000 ports opens about as fast as one of 8, and stays open on many
screens.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from bench.figure import Figure

SIZES = {8: 4, 2_000: 1_000}  # ports to stations
OPENINGS = 7
VIEWERS = 10
READINGS = 3
START_S = 120.0
_COMMAND = [sys.executable, "-c", "from chargepoint_driver.cli import main; main()"]
_CHANGE = b"event: stations"
_TICKS = os.sysconf("SC_CLK_TCK")


class Site:
    """A simulator and a page of it, each in a process of its own."""

    def __init__(self, stations: int, folder: Path, stack: ExitStack) -> None:
        self.token = secrets.token_urlsafe(24)
        command = ["sim", "--stations", str(stations), "--speed", "20"]
        sim = stack.enter_context(started(command, {}))[1]
        config = folder / f"{stations}.json"
        account = {
            "username": sim["username"],
            "password": sim["password"],
            "endpoint": sim["soap_url"],
            "api_version": "5.1",
        }
        config.write_text(json.dumps({"accounts": {"garage": account}}))
        environment = {"CHARGEPOINT_WEB_TOKEN": self.token}
        self.process, ready = stack.enter_context(
            started(["web", "--config", str(config)], environment)
        )
        self.url: str = ready["url"]
        self.session = stack.enter_context(requests.Session())
        self.session.trust_env = False
        self.session.headers["X-API-Key"] = self.token

    def wait(self, ports: int) -> None:
        """Wait until all ports were read."""
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s:
            site = self.session.get(f"{self.url}api/v1/state", timeout=60).json()["site"]
            if site["ports"] == ports and not site["portsUnknown"]:
                return
            time.sleep(0.5)
        raise RuntimeError(f"{ports} ports were not read within {START_S:g} s")

    def cpu_s(self) -> float:
        """Return the processor time of the server so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def started(
    arguments: list[str], environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """Start a command, and yield it with the JSON line that it prints when it is ready."""
    process = subprocess.Popen(
        [*_COMMAND, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def figures() -> Iterator[Figure]:
    """Yield time to the first screen, and what viewers cost."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sites = {ports: Site(count, Path(folder), stack) for ports, count in SIZES.items()}
        for ports, site in sites.items():
            site.wait(ports)
        yield from _openings(sites)
        yield from _viewers(sites[2_000])


def _openings(sites: dict[int, Site]) -> Iterator[Figure]:
    """Yield the time to the first ports on the screen, of many against few."""
    what = "page: first screen of 2,000 ports against 8"
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    try:
        from selenium import webdriver  # noqa: PLC0415 - a tool of tests
        from selenium.webdriver.chrome.service import Service  # noqa: PLC0415
    except ModuleNotFoundError:
        browser = None
    if browser is None or driver is None:
        yield Figure(what, None, "times", skipped="needs Chromium, its driver and selenium")
        return
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server"):
        options.add_argument(argument)
    window = webdriver.Chrome(options=options, service=Service(driver))
    took: dict[int, list[float]] = {ports: [] for ports in sites}
    try:
        for site in sites.values():
            window.get(f"{site.url}login")
            window.find_element("id", "token").send_keys(site.token)
            window.find_element("css selector", "button.main").click()
            _shown_ms(window)
        # They take turns, so that a busy moment of the machine meets both.
        for _ in range(OPENINGS):
            for ports, site in sites.items():
                window.get(site.url)
                took[ports].append(_shown_ms(window))
    finally:
        window.quit()
    few, many = (statistics.median(took[ports]) for ports in SIZES)
    yield Figure("page: first screen of 8 ports", few, "ms")
    yield Figure(what, many / few, "times", at_most=1.5)


def _shown_ms(window: Any) -> float:
    """Wait for the first ports. Return the milliseconds since the page was asked for."""
    asked = "return performance.getEntriesByName('ports-shown').map((e) => e.startTime)[0] ?? null"
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        found = window.execute_script(asked)
        if found is not None:
            return float(found)
        time.sleep(0.02)
    raise RuntimeError("no port was shown")


def _viewers(site: Site) -> Iterator[Figure]:
    """Yield what viewers of 2,000 ports cost the server, and what each of them is sent."""
    cost: dict[int, float] = {}
    sent = 0.0
    for count in (1, VIEWERS):
        viewers = [_Viewer(site) for _ in range(count)]
        try:
            # All of it at first, which is not counted; then whole readings. The first stations come
            # as two events.
            first = max(viewer.wait(2) for viewer in viewers)
            before, begun, begun_s = viewers[0].size, site.cpu_s(), time.monotonic()
            viewers[0].wait(first + READINGS)
            passed_s = time.monotonic() - begun_s
            cost[count] = (site.cpu_s() - begun) / passed_s
            sent = (viewers[0].size - before) / passed_s / 1024
        finally:
            for viewer in viewers:
                viewer.close()
    yield Figure("page of 2,000 ports: sent to each viewer", sent, "KiB/s")
    yield Figure("page of 2,000 ports: server with one viewer", 100 * cost[1], "% of a core")
    yield Figure(
        "page of 2,000 ports: each viewer more",
        100 * max(cost[VIEWERS] - cost[1], 0.0) / (VIEWERS - 1),
        "% of a core",
        at_most=0.5,
    )


class _Viewer:
    """Takes the stream as a browser does, and counts what comes."""

    def __init__(self, site: Site) -> None:
        self.size = 0
        self._changes = 0
        self._site = site
        self._news = threading.Condition()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait(self, changes: int) -> int:
        """Wait until ports changed so often. Return how often that was."""
        with self._news:
            if not self._news.wait_for(lambda: self._changes >= changes, START_S):
                raise RuntimeError(f"nothing new within {START_S:g} s")
            return self._changes

    def close(self) -> None:
        self._ending.set()
        self._thread.join(60)

    def _run(self) -> None:
        headers = {"X-API-Key": self._site.token, "Accept-Encoding": "gzip"}
        unpack, tail = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS), b""
        with requests.Session() as session:
            session.trust_env = False
            url = f"{self._site.url}api/v1/events?parts=1"
            with session.get(url, headers=headers, stream=True, timeout=60) as answer:
                while not self._ending.is_set():
                    data = answer.raw.read1(65_536, decode_content=False)
                    text = tail + unpack.decompress(data)
                    tail = text[-len(_CHANGE) + 1 :]
                    with self._news:
                        self.size += len(data)
                        self._changes += text.count(_CHANGE)
                        self._news.notify_all()
