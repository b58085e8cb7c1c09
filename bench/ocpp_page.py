"""Cost of the web page for many chargers: its delay, and the share of each viewer.

What a user gains: the page shows what is so now, for one viewer and for fifty.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from bench.figure import Figure
from chargepoint_driver.service import Accounts
from chargepoint_driver.web.api.schemas import Station
from chargepoint_driver.web.live.account_poller import AccountPoller
from chargepoint_driver.web.live.stream import _NOTHING, Stream

CHARGERS = 2_000
PACE = 200
TURN_S = 2.0
TURNS = 5
VIEWERS = (10, 50)


def figures() -> Iterator[Figure]:
    """Processor time of a reading of what changed, and bytes and time of what is sent of it."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        accounts = Accounts()
        account = {
            "backend": "ocpp",
            "listen": "127.0.0.1:0",
            "database": f"{folder}/ocpp.db",
            "configuration_delay_s": None,
        }
        assert accounts.configure({"accounts": {"yard": account}}) == []
        url = accounts.service_of("yard")._backend.system.ocpp_url  # type: ignore[attr-defined]
        port = url.rsplit(":", 1)[1].split("/")[0]
        command = [sys.executable, "-m", "bench.ocpp_pace", port, str(CHARGERS)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as load:
            assert load.stdin is not None
            assert load.stdout is not None
            load.stdout.readline()
            watch = AccountPoller(accounts, "yard", accounts.tables()["yard"], time.time)
            accounts.follow(lambda _, event: watch.heard(event["charge_point"]))

            def send(rate: float, seconds: float) -> None:
                assert load.stdin is not None
                assert load.stdout is not None
                load.stdin.write(f"{rate} {seconds}\n")
                load.stdin.flush()
                load.stdout.readline()

            send(PACE * 2, CHARGERS / PACE / 2 + 1)
            begun = time.process_time()
            watch.refresh()
            whole_s = time.process_time() - begun
            took: list[float] = []
            sizes: list[int] = []
            sent: dict[int, float] = {}
            for viewers in (1, *VIEWERS):
                stream = Stream(_Board(watch), lambda _: True)  # type: ignore[arg-type]
                known = [stream._changes_since(_NOTHING)[0]] * viewers
                sent[viewers] = 0.0
                for _ in range(TURNS):
                    send(PACE, TURN_S)
                    begun = time.process_time()
                    watch.refresh_next()
                    took.append(time.process_time() - begun)
                    for viewer in range(viewers):
                        known[viewer], event = stream._changes_since(known[viewer])
                        assert event is not None
                        sizes.append(len(event.deflated))
                    sent[viewers] += time.process_time() - begun
            load.stdin.close()
        accounts.close()
    every = f"{CHARGERS:,} chargers, {PACE} frames a second"
    yield Figure(f"page of {every}: read what changed in 2 s", max(took), "s", at_most=TURN_S)
    yield Figure(f"page of {every}: the same, against reading all", max(took) / whole_s, "times")
    yield Figure(f"page of {every}: sent to each viewer every 2 s", max(sizes) / 1024, "KiB")
    for viewers, at_most in zip(VIEWERS, (1.3, 2), strict=True):
        yield Figure(
            f"page of {every}: {viewers} viewers against one, up to their sockets",
            sent[viewers] / sent[1],
            "times",
            at_most=at_most,
        )


class _Board:
    """The dashboard's methods that a stream uses."""

    def __init__(self, watch: AccountPoller) -> None:
        self._watch = watch

    @property
    def version(self) -> int:
        return id(self._watch.snapshot)

    def stations(self) -> list[Station]:
        return list(self._watch.snapshot.stations.values())
