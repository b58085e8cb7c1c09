"""Chargers that restart when they are set up: the second time is the last."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.model.set_up_restarts import harmful_requests, is_suspected
from chargepoint_driver.backends.ocpp.protocol import set_up_guard
from chargepoint_driver.backends.ocpp.protocol.measurands import set_meter_values
from chargepoint_driver.backends.ocpp.protocol.set_up_guard import (
    SetUpGuard,
    is_barred,
)
from chargepoint_driver.backends.ocpp.protocol.v16.outbound import RequestBuilder16
from chargepoint_driver.backends.ocpp.protocol.v201.outbound import RequestBuilder201
from chargepoint_driver.config.quirks import MEASURANDS

from ..conftest import eventually
from .test_status_notifications import Both

WHOLE = ",".join(MEASURANDS)
SHORT = ",".join(MEASURANDS[:2])
OUT = {"1.6": RequestBuilder16(), "2.0.1": RequestBuilder201()}


class Watched:
    """A guard with a clock to set, and one charge point."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.saved: list[Any] = []
        self.counted: list[str] = []
        self.point = Charger("CP1", Electrical(230, 3))
        self.guard = SetUpGuard(
            lambda point, name, detail: self.counted.append(f"{name} {detail}"),
            lambda point: self.saved.append(point.learned),
            lambda: self.now_s,
        )

    def restart_after(self, *asks: Any, wait_s: float = 1.0) -> None:
        for ask in asks:
            self.guard.sent(self.point, ask)
        self.now_s += wait_s
        self.guard.restarted(self.point)
        self.now_s += 60

    def barred(self, ask: Any) -> bool:
        return is_barred(self.point, ask)


@pytest.fixture
def it() -> Watched:
    return Watched()


@pytest.fixture(params=["1.6", "2.0.1"])
def out(request):
    return OUT[request.param]


def test_twice_is_enough_and_is_kept(it, out) -> None:
    ask = out.configuration(out.names)
    it.restart_after(ask)
    assert (it.barred(ask), is_suspected(it.point)) == (False, True)
    it.restart_after(ask)
    assert it.barred(ask)
    (shown,) = harmful_requests(it.point).values()
    assert shown == {"restarts": 2, "is_sent": False, "setting": "read_configuration: false"}
    assert it.saved[-1] is it.point.learned
    json.dumps(it.point.learned)


@pytest.mark.parametrize(("wait_s", "is_its_fault"), [(0, True), (30, True), (31, False)])
def test_a_restart_within_30_s_is_put_down_to_it(it, out, wait_s, is_its_fault) -> None:
    it.restart_after(out.configuration(out.names), wait_s=wait_s)
    assert is_suspected(it.point) is is_its_fault


def test_a_calm_time_after_it_clears_the_suspicion(it, out) -> None:
    ask = out.configuration(out.names)
    it.restart_after(ask)
    it.restart_after(ask, wait_s=100)
    assert not is_suspected(it.point)
    it.restart_after(ask)
    assert not it.barred(ask)


def test_what_is_barred_stays_so(it, out) -> None:
    ask = out.configuration(out.names)
    it.restart_after(ask)
    it.restart_after(ask)
    it.restart_after(ask, wait_s=100)
    assert it.barred(ask)


def test_a_restart_that_nothing_went_before_counts_nothing(it) -> None:
    it.guard.restarted(it.point)
    assert (it.saved, it.counted) == ([], [])


def test_a_write_is_suspected_before_the_reading(it, out) -> None:
    it.restart_after(out.configuration(out.names), out.configure(out.sampled, WHOLE))
    assert list(harmful_requests(it.point)) == [
        f"{out.configure('', '')[0] if out is OUT['1.6'] else 'SetVariables'} "
        f"{out.sampled} (whole list)"
    ]


def test_the_next_smaller_one_may_be_tried_once(it) -> None:
    out = OUT["1.6"]
    every, some = out.configuration(None), out.configuration(["HeartbeatInterval"])
    # The first time it is not known which of the two it was.
    it.restart_after(some, every)
    it.restart_after(every)
    assert (it.barred(every), it.barred(some)) == (True, False)
    it.restart_after(some)
    assert it.barred(some)


def test_the_smaller_list_then_none_and_no_interval(it, out) -> None:
    whole, short = out.configure(out.sampled, WHOLE), out.configure(out.sampled, SHORT)
    interval = out.configure(out.interval, "60")
    for _ in range(2):
        it.restart_after(whole)
    assert [it.barred(each) for each in (whole, short, interval)] == [True, False, False]
    it.restart_after(short)
    assert it.barred(short)


def test_other_requests_are_not_concerned(it, out) -> None:
    for _ in range(2):
        it.restart_after(out.trigger("BootNotification"))
    assert not it.barred(out.configuration(out.names))
    assert not it.barred(out.trigger("StatusNotification"))
    (shown,) = harmful_requests(it.point).values()
    assert shown["setting"] == "trigger_boot: false"


def test_other_firmware_begins_anew(it, out) -> None:
    it.point.boot = {"firmware": "1"}
    ask = out.configuration(out.names)
    for _ in range(2):
        it.restart_after(ask)
    it.guard.booted(it.point)
    assert it.barred(ask)
    it.point.boot = {"firmware": "2"}
    it.guard.booted(it.point)
    assert not it.barred(ask)


def test_one_warning_names_the_setting(it, out, caplog) -> None:
    whole, short = out.configure(out.sampled, WHOLE), out.configure(out.sampled, SHORT)
    for ask in (whole, whole, whole, short, short, short):
        it.restart_after(ask)
    lines = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lines) == 1
    assert "charge_points.CP1.quirks: measurands: []" in lines[0].getMessage()


def test_the_whole_list_that_does_harm_becomes_the_short_one(it) -> None:
    """And what is set already is not set again."""
    out = OUT["1.6"]
    sent: list[Any] = []

    async def call(point: Charger, ask: Any) -> dict[str, Any]:
        sent.append(ask)
        return {"status": "Accepted"}

    def set_up() -> list[Any]:
        sent.clear()
        work = set_meter_values(it.point, out, call, MEASURANDS, 60)
        with pytest.raises(StopIteration):
            work.send(None)
        return sent

    for _ in range(2):
        it.restart_after(out.configure(out.sampled, WHOLE))
    assert set_up()[0] == out.configure(out.sampled, SHORT)
    it.point.configuration = {out.sampled: SHORT, out.interval: "60"}
    assert set_up() == []
    it.point.configuration = {}
    it.restart_after(out.configure(out.sampled, SHORT))
    it.restart_after(out.configure(out.interval, "60"))
    assert set_up() == []


# ---- over real sockets -----------------------------------------------------------------------


class Looping:
    """A 1.6 charger that hangs up when it gets one of these requests, and comes again."""

    def __init__(self, site, deadly: set[str], *, is_answering: bool) -> None:
        self.site, self.deadly, self.is_answering = site, deadly, is_answering
        self.boots = 0
        self.got: list[tuple[str, Any]] = []
        self._ended = threading.Event()
        self._raw: Any = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._raw = raw = self.site.charger()
            except (OSError, WebSocketException):
                continue
            self.boots += 1
            raw.ws.send(
                json.dumps(
                    [
                        2,
                        "b",
                        "BootNotification",
                        {"chargePointVendor": "A", "chargePointModel": "R"},
                    ]
                )
            )
            try:
                for text in raw.ws:
                    frame = json.loads(text)
                    if frame[0] == 2 and not self._answer(raw, frame):
                        break
            except ConnectionClosed:
                pass
            raw.close()

    def _answer(self, raw: Any, frame: list[Any]) -> bool:
        _, number, action, payload = frame
        self.got.append((action, payload))
        if action in self.deadly and not self.is_answering:
            return False
        known = [
            {"key": "MeterValuesSampledData", "readonly": False, "value": "Voltage"},
            {"key": "MeterValueSampleInterval", "readonly": False, "value": "900"},
            {"key": "ChargingScheduleAllowedChargingRateUnit", "readonly": True, "value": "A"},
        ]
        answer: dict[str, Any] = {"status": "Accepted"}
        if action == "GetConfiguration":
            answer = {"configurationKey": known}
        raw.ws.send(json.dumps([3, number, answer]))
        return action not in self.deadly

    def stop(self) -> None:
        self._ended.set()
        if self._raw is not None:
            self._raw.close()
        self._thread.join(60)


@pytest.fixture
def loop(start, monkeypatch):
    # Long enough for a busy machine; a suspected charger is set up this slowly.
    monkeypatch.setattr(set_up_guard, "WATCH_S", 1.5)
    running: list[Looping] = []

    def make(deadly: set[str], *, is_answering: bool) -> Looping:
        site = start(configuration_delay_s=0)
        running.append(Looping(site, deadly, is_answering=is_answering))
        return running[-1]

    yield make
    for each in running:
        each.stop()


def barred(loop: Looping, request: str) -> bool:
    try:
        shown = loop.site.point().harmful_requests.get(request)
    except Exception:
        return False
    return shown is not None and not shown["is_sent"]


def test_a_charger_that_reboots_at_each_reading(loop) -> None:
    """All keys twice, the needed ones, then nothing: it is left as it is."""
    it = loop({"GetConfiguration"}, is_answering=False)
    eventually(lambda: barred(it, "GetConfiguration"), 30)
    # The fourth boot follows its connection.
    boots = eventually(lambda: it.site.point().connected and it.boots >= 4 and it.boots, 30)
    for _ in range(3):
        it.site.system.call("CP1", "ClearCache", {})
    asked = [payload for action, payload in it.got if action == "GetConfiguration"]
    assert [bool(payload) for payload in asked] == [False, False, True]
    assert it.boots == boots == 4
    assert not [action for action, _ in it.got if action == "ChangeConfiguration"]


def test_a_charger_that_reboots_at_each_change(loop, start) -> None:
    """It is read all the same; a limit is not refused for it; a restart of ours knows of it."""
    it = loop({"ChangeConfiguration"}, is_answering=True)
    whole = "ChangeConfiguration MeterValuesSampledData (whole list)"
    eventually(lambda: barred(it, whole), 40)
    eventually(lambda: it.boots >= 4 and it.site.point().connected, 40)
    for _ in range(3):
        it.site.system.call("CP1", "ClearCache", {})
    changes = [payload for action, payload in it.got if action == "ChangeConfiguration"]
    assert len(changes) <= 4
    assert [each for each in changes if each["value"].count(",") > 1] == changes[:2]
    boots = it.boots
    it.stop()
    it.site.stop()
    site = start(configuration_delay_s=0)
    again = Both(site, "1.6", GetConfiguration={"configurationKey": []})
    again.boot()
    for _ in range(3):
        with pytest.raises(Exception, match="NotImplemented"):
            site.system.call("CP1", "ClearCache", {})
    assert "ChangeConfiguration" not in [action for action, _ in again.asked]
    assert boots <= 5


def test_a_reset_of_ours_is_no_harm(start) -> None:
    site = start(configuration_delay_s=0)
    answers = {"Reset": {"status": "Accepted"}, "GetConfiguration": {"configurationKey": []}}
    it = Both(site, "1.6", **answers)
    it.boot()
    eventually(lambda: "ChangeConfiguration" in [action for action, _ in it.asked])
    for _ in range(2):
        eventually(lambda: site.system.call("CP1", "Reset", {"type": "Soft"}))
        it.hang_up()
        it.connect()
    assert site.point().harmful_requests == {}


def test_the_end_of_the_central_system_is_no_harm(start) -> None:
    first = start(configuration_delay_s=0)
    it = Both(first, "1.6", GetConfiguration={"configurationKey": []})
    it.boot()
    eventually(lambda: "GetConfiguration" in [action for action, _ in it.asked])
    first.system.stop()
    assert start().point().harmful_requests == {}
