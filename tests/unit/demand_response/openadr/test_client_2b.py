"""The agent against a real OpenADR 2.0b VTN (openleadr) on loopback."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from .rig import Garage, Loop, Running, eventually, free_port

pytest.importorskip("openleadr", reason="needs the extra openadr")
from openleadr import OpenADRServer

# The VTN of the library warns of its own use of aiohttp.
pytestmark = pytest.mark.filterwarnings("default")
VEN_ID = "ven-1"


class Vtn:
    """A VTN that asks for the reports of `granularity_s`."""

    def __init__(self, granularity_s: float = 60.0, **options: Any) -> None:
        logging.getLogger("openleadr").setLevel(logging.CRITICAL)
        self.port = free_port()
        self.granularity_s = granularity_s
        self._options = options
        self.opts: list[tuple[str, str]] = []
        self.reports: dict[str, list[tuple[datetime, float]]] = {}
        self._loop = Loop()
        self.server: Any = None
        self.start()

    @property
    def url(self) -> str:
        scheme = "https" if "http_cert" in self._options else "http"
        return f"{scheme}://localhost:{self.port}/OpenADR2/Simple/2.0b"

    def start(self) -> None:
        self._loop.run(self._start())

    async def _start(self) -> None:
        self.server = OpenADRServer(
            vtn_id="vtn",
            http_port=self.port,
            requested_poll_freq=timedelta(seconds=1),
            show_fingerprint=False,
            **self._options,
        )
        self.server.add_handler("on_create_party_registration", self._registered)
        self.server.add_handler("on_register_report", self._offered)
        await self.server.run()

    async def _registered(self, info: dict[str, Any]) -> tuple[str, str]:
        del info
        return VEN_ID, "registration-1"

    async def _offered(self, report: Any) -> list[Any]:
        """Ask for everything that is offered."""
        every = timedelta(seconds=self.granularity_s)
        return [
            (each["r_id"], functools.partial(self._report, each["r_id"]), every)
            for each in report["report_descriptions"]
        ]

    async def _report(self, rid: str, data: list[tuple[datetime, float]]) -> None:
        self.reports.setdefault(rid, []).extend(data)

    def event(
        self,
        name: str,
        kind: str,
        *values: float,
        event_id: str,
        seconds: float = 600.0,
        begin_s: float = -1.0,
    ) -> str:
        """Add an event of as many intervals as values."""

        async def add() -> str:
            at = datetime.now(timezone.utc) + timedelta(seconds=begin_s)
            lasts = timedelta(seconds=seconds)
            found: str = self.server.add_event(
                ven_id=VEN_ID,
                signal_name=name,
                signal_type=kind,
                event_id=event_id,
                intervals=[
                    {"dtstart": at + index * lasts, "duration": lasts, "signal_payload": value}
                    for index, value in enumerate(values)
                ],
                callback=self._opted,
            )
            return found

        return self._loop.run(add())

    async def _opted(self, ven_id: str, event_id: str, opt_type: str) -> None:
        del ven_id
        self.opts.append((event_id, opt_type))

    def change(self, event_id: str, edit: Callable[[Any], None]) -> None:
        """Edit an event of the VTN and send it again."""

        async def do() -> None:
            (event,) = (
                each
                for each in self.server.events[VEN_ID]
                if each.event_descriptor.event_id == event_id
            )
            edit(event)
            event.event_descriptor.modification_number += 1
            self.server.events_updated[VEN_ID] = True

        self._loop.run(do())

    def cancel(self, event_id: str) -> None:
        async def do() -> None:
            self.server.cancel_event(VEN_ID, event_id)

        self._loop.run(do())

    def stop(self) -> None:
        self._loop.run(self.server.stop())

    def close(self) -> None:
        self.stop()
        self._loop.close()


@pytest.fixture
def vtn() -> Iterator[Vtn]:
    found = Vtn()
    yield found
    found.close()


@pytest.fixture
def running(vtn: Vtn, start: Callable[..., Running]) -> Running:
    return start(vtns={"utility": {"version": "2.0b", "url": vtn.url, "poll_seconds": 0.2}})


@pytest.mark.parametrize(
    ("name", "kind", "value", "kw"),
    [
        ("SIMPLE", "level", 2.0, 3.0),
        ("LOAD_DISPATCH", "setpoint", 4.0, 4.0),
        ("ELECTRICITY_PRICE", "price", 0.9, 2.0),
    ],
)
def test_an_event_holds_the_port_until_it_is_cancelled(
    vtn: Vtn, running: Running, garage: Garage, name: str, kind: str, value: float, kw: float
) -> None:
    vtn.event(name, kind, value, event_id="peak")
    eventually(lambda: garage.ceiling() == kw)
    eventually(lambda: ("peak", "optIn") in vtn.opts)
    eventually(lambda: running.status["limit_kw"] == kw)
    vtn.cancel("peak")
    eventually(lambda: garage.ceiling() is None)
    assert eventually(lambda: not running.status["held"])


def test_an_update_replaces_the_event(vtn: Vtn, running: Running, garage: Garage) -> None:
    vtn.event("SIMPLE", "level", 1.0, event_id="peak")
    eventually(lambda: garage.ceiling() == 5.0)

    def lower(event: Any) -> None:
        event.event_signals[0].intervals[0]["signal_payload"] = 3.0

    vtn.change("peak", lower)
    eventually(lambda: garage.ceiling() == 1.5)
    eventually(lambda: [event["id"] for event in running.status["events"]] == ["peak"])


def test_two_intervals_are_one_event(vtn: Vtn, running: Running, garage: Garage) -> None:
    vtn.event("LOAD_DISPATCH", "setpoint", 5.0, 2.0, event_id="steps", seconds=3.0, begin_s=0.0)
    eventually(lambda: garage.ceiling() == 5.0)
    eventually(lambda: garage.ceiling() == 2.0)
    eventually(lambda: garage.ceiling() is None)
    eventually(lambda: [event["id"] for event in running.status["events"]] == ["steps"])


def test_a_signal_that_cannot_be_carried_out_is_opted_out(
    vtn: Vtn, running: Running, garage: Garage
) -> None:
    vtn.event("CHARGE_STATE", "setpoint", 4.0, event_id="battery")
    eventually(lambda: ("battery", "optOut") in vtn.opts)
    assert garage.ceiling() is None
    eventually(lambda: "CHARGE_STATE" in running.status["events"][0]["refused"])


def test_the_operator_opts_out(vtn: Vtn, running: Running, garage: Garage) -> None:
    vtn.event("SIMPLE", "level", 2.0, event_id="peak")
    eventually(lambda: garage.ceiling() == 3.0)
    from chargepoint_driver.demand_response.openadr.store import Store  # noqa: PLC0415

    other = Store(running.config.state_file)
    other.opt(("utility", "peak"), False)
    other.close()
    eventually(lambda: garage.ceiling() is None)
    eventually(lambda: running.status["events"][0]["opt"] == "out")


def test_a_vtn_that_is_away_leaves_what_is_known(
    vtn: Vtn, running: Running, garage: Garage
) -> None:
    vtn.event("SIMPLE", "level", 2.0, event_id="peak")
    eventually(lambda: garage.ceiling() == 3.0)
    vtn.stop()
    lost = eventually(lambda: running.status["vtns"]["utility"]["unreachable_since"])
    assert lost is not None
    assert garage.ceiling() == 3.0
    # It comes back and does not know the VEN or the event: no list, so nothing is cancelled.
    vtn.start()
    eventually(lambda: running.status["vtns"]["utility"]["reachable"])
    assert garage.ceiling() == 3.0


def test_reports_have_the_energy_of_the_simulator(
    garage: Garage, start: Callable[..., Running]
) -> None:
    vtn = Vtn(granularity_s=1.0)
    try:
        running = start(vtns={"utility": {"version": "2.0b", "url": vtn.url, "poll_seconds": 0.2}})
        vtn.event("LOAD_DISPATCH", "setpoint", 4.0, event_id="dispatch")
        eventually(lambda: running.status["load_kw"] == pytest.approx(4.0, rel=0.01))
        is_limiting = datetime.now(timezone.utc) + timedelta(seconds=1)

        def settled(rid: str) -> list[float]:
            return [value for at, value in vtn.reports.get(rid, []) if at > is_limiting]

        eventually(lambda: len(settled("limit")) >= 3)
        before, since = garage.energy_kwh(), garage.sim.world.now_s()
        eventually(lambda: len(settled("energy")) >= 6)
        after, until = garage.energy_kwh(), garage.sim.world.now_s()
        actual_kw = (after - before) / (until - since) * 3600
        assert actual_kw == pytest.approx(4.0, rel=0.01)
        for kwh in settled("energy"):
            assert kwh * 3600 == pytest.approx(actual_kw, rel=0.01)
        assert settled("load") == pytest.approx([actual_kw] * len(settled("load")), rel=0.01)
        assert set(settled("limit")) == {4.0}
        assert settled("headroom") == pytest.approx([0.0] * len(settled("headroom")), abs=0.04)
        assert set(settled("ports")) == set(settled("reporting")) == {1.0}
        # The port drew about 6.4 kW before the event, which is what the reduction is against.
        assert settled("baseline")[0] == pytest.approx(6.4, rel=0.1)
        assert settled("reduction")[0] == pytest.approx(2.4, abs=0.5)
        assert running.status["failed"] == []
    finally:
        vtn.close()
