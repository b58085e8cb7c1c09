"""Statuses as chargers send them: old ones, connector 0 that is never taken back, and faults."""

from __future__ import annotations

import itertools
import json
import threading
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from chargepoint_driver.backends.ocpp.protocol import set_up

from ..conftest import Charger, eventually

BOOT_201 = {"reason": "PowerUp", "chargingStation": {"model": "Raw", "vendorName": "Test Works"}}
MONTH_S = 30 * 86_400.0


class Both:
    """A charger of either version that answers what it is asked, on a thread."""

    def __init__(self, site, ocpp: str, **answers: Any) -> None:
        self.site, self.ocpp, self.answers = site, ocpp, answers
        self.asked: list[tuple[str, Any]] = []
        self._ids = itertools.count()
        self._answered = {}
        self.connect()

    def connect(self) -> None:
        name = "ocpp1.6" if self.ocpp == "1.6" else "ocpp2.0.1"
        self.raw: Charger = self.site.charger(subprotocols=[name])
        threading.Thread(target=self._read, args=(self.raw,)).start()

    def _read(self, raw: Charger) -> None:
        with suppress(ConnectionClosed):
            for text in raw.ws:
                self._take(raw, json.loads(text))

    def _take(self, raw: Charger, frame: list[Any]) -> None:
        if frame[0] == 2:
            self.asked.append((frame[2], frame[3]))
            answer = self.answers.get(frame[2])
            refusal = [4, frame[1], "NotImplemented", "", {}]
            raw.ws.send(json.dumps(refusal if answer is None else [3, frame[1], answer]))
        else:
            self._answered[frame[1]] = frame

    def ask(self, action: str, payload: Any) -> Any:
        number = f"b{next(self._ids)}"
        self.raw.ws.send(json.dumps([2, number, action, payload]))
        frame = eventually(lambda: self._answered.get(number))
        assert frame[0] == 3, frame
        return frame[2]

    def boot(self) -> None:
        boot = {"chargePointVendor": "Test Works", "chargePointModel": "Raw"}
        self.ask("BootNotification", boot if self.ocpp == "1.6" else BOOT_201)

    def status(self, number: int, status: str, at: str | None = None, part: int = 1) -> None:
        if self.ocpp == "1.6":
            reported = {} if at is None else {"timestamp": at}
            payload = {"connectorId": number, "errorCode": "NoError", "status": status, **reported}
        else:
            payload = {
                "evseId": number,
                "connectorId": part if number else 0,
                "connectorStatus": status,
                "timestamp": at or self.site.clock.iso(),
            }
        self.ask("StatusNotification", payload)

    def triggers(self) -> list[Any]:
        return [payload for action, payload in self.asked if action == "TriggerMessage"]

    def hang_up(self) -> None:
        self.raw.close()
        eventually(lambda: not self.site.point().connected)


@pytest.fixture(params=["1.6", "2.0.1"])
def meet(request, start):
    def make(answers=None, **fields) -> Both:
        site = start(**{"boot_grace_s": 0.05, **fields})
        charger = Both(site, request.param, **(answers or {}))
        charger.boot()
        return charger

    return make


def busy(charger: Both) -> str:
    return "Charging" if charger.ocpp == "1.6" else "Occupied"


# ---- which status counts ---------------------------------------------------------------------


def test_a_change_of_days_ago_is_what_is(meet) -> None:
    """Nothing of another connector, and no meter value, makes it old."""
    it = meet()
    clock = it.site.clock
    it.status(0, "Available", clock.iso(5))
    it.status(2, busy(it), clock.iso(1))
    it.status(1, "Available", clock.iso(MONTH_S))
    connector = it.site.connector()
    assert (connector.ocpp_status, connector.available_for_charging) == ("Available", 1)
    assert it.site.point().counters.get("late_messages", 0) == 0


@pytest.mark.parametrize("ago_s", [900, 1_100])
def test_what_changed_while_away_counts_when_it_comes(meet, ago_s) -> None:
    """Its time may even be before that of the last status: a boot may have set the clock."""
    it = meet()
    clock = it.site.clock
    it.status(1, busy(it), clock.iso(1_000))
    it.hang_up()
    it.connect()
    it.boot()
    it.status(0, "Available", clock.iso())
    it.status(1, "Available", clock.iso(ago_s))
    assert it.site.connector().status == "AVAILABLE"
    assert it.site.connector().load_kw == 0


def test_the_order_of_another_connection_does_not_matter_without_a_boot_either(meet) -> None:
    it = meet(boot_grace_s=60)
    it.status(1, busy(it), it.site.clock.iso(1_000))
    it.hang_up()
    it.connect()
    it.status(1, "Available", it.site.clock.iso(1_100))
    assert it.site.connector().status == "AVAILABLE"


def test_a_boot_on_the_same_connection_begins_anew(meet) -> None:
    it = meet()
    it.status(1, busy(it), it.site.clock.iso())
    it.boot()
    it.status(1, "Available", it.site.clock.iso(3_600))
    assert it.site.connector().status == "AVAILABLE"


def test_a_repeated_older_status_of_the_same_connector_is_old(meet) -> None:
    it = meet()
    it.status(1, busy(it), it.site.clock.iso(10))
    it.status(1, "Available", it.site.clock.iso(3_600))
    assert it.site.connector().status == "INUSE"
    assert it.site.point().counters["late_messages"] == 1


def test_a_clock_that_was_put_back_is_found_out_by_asking(meet) -> None:
    """What comes when it was asked is what is."""
    it = meet({"TriggerMessage": {"status": "Accepted"}})
    it.status(1, busy(it), it.site.clock.iso(10))
    it.status(1, "Available", it.site.clock.iso(3_600))
    eventually(it.triggers)
    it.status(1, "Available", it.site.clock.iso(3_600))
    assert it.site.connector().status == "AVAILABLE"


def test_a_status_without_a_time_of_its_own_counts_as_it_comes(start) -> None:
    it = Both(start(), "1.6")
    it.boot()
    # This charger's clock is an hour slow.
    for number, status in enumerate(["Charging", "Finishing", "Available"]):
        it.status(1, status, it.site.clock.iso(3_600) if number % 2 else None)
        assert it.site.connector().ocpp_status == status


def test_connectors_of_one_evse_are_not_compared(start) -> None:
    it = Both(start(), "2.0.1")
    it.boot()
    it.status(1, "Unavailable", it.site.clock.iso(10), part=1)
    it.status(1, "Available", it.site.clock.iso(3_600), part=2)
    assert it.site.connector().ocpp_status == "Available"


def test_connector_0_of_an_evse_is_the_whole_of_it(start) -> None:
    it = Both(start(), "2.0.1")
    it.boot()
    it.status(1, "Available", part=0)
    it.status(1, "Occupied", part=1)
    assert it.site.connector().ocpp_status == "Occupied"
    it.status(1, "Available", part=1)
    assert it.site.connector().ocpp_status == "Available"


def test_the_last_status_is_known_after_a_restart(start, clock) -> None:
    first = start()
    charger = first.charger()
    charger.boot()
    charger.status("Available", 1)
    clock.ahead_s += 1
    charger.status("Unavailable", 2)
    assert first.point().composite_status == "down"
    first.stop()
    second = start()
    second.charger().boot()
    assert second.point().composite_status == "down"


# ---- connector 0 -----------------------------------------------------------------------------


def live(it: Both) -> tuple[Any, ...]:
    point, connector = it.site.point(), it.site.connector()
    return point.composite_status, point.available_for_charging, connector.available_for_charging


def operative(it: Both, number: int = 0) -> None:
    """What a control API's call does."""
    payload: dict[str, Any] = {"connectorId": number, "type": "Operative"}
    if it.ocpp != "1.6":
        payload = {"operationalStatus": "Operative", **({"evse": {"id": number}} if number else {})}
    it.site.system.call("CP1", "ChangeAvailability", payload)


IN_AND_OUT = {"ChangeAvailability": {"status": "Accepted"}}


def test_in_service_again_without_a_word(meet) -> None:
    """It is asked, and refuses to say: what the connectors do counts."""
    it = meet(IN_AND_OUT)
    it.status(1, "Available")
    it.status(0, "Unavailable")
    assert live(it) == ("down", -1, -1)
    assert it.triggers() == []
    operative(it)
    eventually(it.triggers)
    assert live(it) == ("up", 1, 1)
    assert it.site.connector(0).ocpp_status == "Unavailable"
    assert it.site.connector(0).available_for_charging is None


def test_out_of_service_without_a_word_is_asked(meet, monkeypatch) -> None:
    """Accepted does not change the status: the charger's report does."""
    it = meet({**IN_AND_OUT, "TriggerMessage": {"status": "Accepted"}})
    it.status(1, "Available")
    payload: dict[str, Any] = {"connectorId": 1, "type": "Inoperative"}
    if it.ocpp != "1.6":
        payload = {"operationalStatus": "Inoperative", "evse": {"id": 1}}
    it.site.system.call("CP1", "ChangeAvailability", payload)
    eventually(it.triggers)
    it.status(1, "Unavailable")
    assert (it.site.connector().out_of_service, it.site.point().composite_status) == (1, "down")


def test_a_connector_in_service_again_without_a_word_is_asked(meet) -> None:
    it = meet({**IN_AND_OUT, "TriggerMessage": {"status": "Accepted"}})
    it.status(1, "Unavailable")
    operative(it, 1)
    eventually(it.triggers)
    assert it.site.connector().available_for_charging == -1


def test_a_charger_that_says_so_itself_is_not_asked(meet, monkeypatch) -> None:
    monkeypatch.setattr(set_up, "_SETTLE_S", 0.5)
    it = meet(IN_AND_OUT, boot_grace_s=0.5)
    it.status(1, "Unavailable")
    operative(it, 1)
    it.status(1, "Available")
    eventually(lambda: not it.site.system._csms._set_up._asking)
    assert it.triggers() == []


def test_in_service_again_does_not_repair_a_connector(meet) -> None:
    it = meet(IN_AND_OUT)
    it.status(1, "Faulted")
    it.status(0, "Unavailable")
    operative(it)
    assert live(it) == ("down", -1, -1)


def test_a_refused_operative_changes_nothing(meet) -> None:
    it = meet({"ChangeAvailability": {"status": "Rejected"}})
    it.status(1, "Available")
    it.status(0, "Unavailable")
    operative(it)
    assert live(it) == ("down", -1, -1)


def test_what_it_says_when_asked_counts(meet) -> None:
    it = meet({**IN_AND_OUT, "TriggerMessage": {"status": "Accepted"}}, boot_grace_s=0.3)
    it.status(1, "Available")
    it.status(0, "Unavailable")
    operative(it)
    eventually(it.triggers)
    it.status(0, "Unavailable")
    it.status(1, "Available")  # the rest of the same answer
    assert live(it) == ("down", -1, -1)
    it.status(0, "Available")
    assert live(it) == ("up", 1, 1)


def test_what_it_says_of_its_own_accord_need_not_be_asked(meet, monkeypatch) -> None:
    monkeypatch.setattr(set_up, "_SETTLE_S", 0.5)
    it = meet(IN_AND_OUT, boot_grace_s=0.5)
    it.status(1, "Available")
    it.status(0, "Unavailable")
    operative(it)
    it.status(0, "Available")
    assert live(it) == ("up", 1, 1)
    eventually(lambda: not it.site.system._csms._set_up._asking)
    assert it.triggers() == []


def test_a_charger_that_comes_again_while_it_should_be_asked_is_asked(meet, monkeypatch) -> None:
    monkeypatch.setattr(set_up, "_SETTLE_S", 0.5)
    it = meet({"TriggerMessage": {"status": "Accepted"}}, boot_grace_s=0.5)
    it.status(0, "Unavailable")
    it.status(1, busy(it))
    it.hang_up()
    it.connect()
    it.ask("Heartbeat", {})
    it.status(1, busy(it))
    eventually(it.triggers)


def test_it_is_asked_again_when_a_connector_works_later(meet, monkeypatch) -> None:
    """What was said when asked stands until then; without an answer it does not any more."""
    monkeypatch.setattr(set_up, "_MIN_BETWEEN_S", 0.0)
    it = meet({**IN_AND_OUT, "TriggerMessage": {"status": "Accepted"}}, boot_grace_s=0.3)
    it.status(1, "Unavailable")
    it.status(0, "Unavailable")
    operative(it)
    eventually(it.triggers)
    it.status(0, "Unavailable")
    it.status(1, "Unavailable")
    it.site.clock.ahead_s += 60
    it.status(1, busy(it))
    assert live(it) == ("down", -1, -1)
    eventually(lambda: len(it.triggers()) == 2)
    eventually(lambda: live(it) == ("up", 1, 1))


def test_a_boot_puts_the_station_in_doubt(meet) -> None:
    it = meet({"TriggerMessage": {"status": "Accepted"}})
    it.status(0, "Unavailable")
    it.status(1, "Unavailable")
    it.hang_up()
    it.connect()
    it.boot()
    assert eventually(it.triggers)[-1]["requestedMessage"] == "StatusNotification"
    assert live(it) == ("down", -1, -1)  # the connector's own status stands
    it.status(1, busy(it))
    assert live(it) == ("up", 1, 1)


def test_a_reconnect_without_boot_is_no_reason_to_doubt(meet) -> None:
    it = meet(boot_grace_s=60)
    it.status(1, "Available")
    it.status(0, "Unavailable")
    it.hang_up()
    it.connect()
    it.ask("Heartbeat", {})
    assert live(it) == ("down", -1, -1)


def test_connectors_that_work_although_0_is_unavailable(meet) -> None:
    it = meet({"TriggerMessage": {"status": "Accepted"}})
    it.status(0, "Unavailable")
    it.status(1, busy(it))
    assert live(it) == ("up", 1, 1)
    eventually(it.triggers)
    it.status(1, "Unavailable")
    assert live(it) == ("down", -1, -1)


def test_a_transaction_that_begins_although_0_is_unavailable(meet) -> None:
    it = meet({"TriggerMessage": {"status": "Accepted"}})
    it.status(1, "Available")
    it.status(0, "Unavailable")
    assert live(it) == ("down", -1, -1)
    now = it.site.clock.iso()
    if it.ocpp == "1.6":
        start = {"connectorId": 1, "idTag": "tag", "timestamp": now, "meterStart": 0}
        it.ask("StartTransaction", start)
    else:
        event = {"eventType": "Started", "timestamp": now, "triggerReason": "Authorized"}
        event |= {"seqNo": 0, "transactionInfo": {"transactionId": "A"}, "evse": {"id": 1}}
        it.ask("TransactionEvent", event)
    eventually(lambda: live(it) == ("up", 1, 1))
    eventually(it.triggers)


def test_connectors_that_do_not_work_are_no_contradiction(meet) -> None:
    it = meet({"TriggerMessage": {"status": "Accepted"}})
    it.status(0, "Unavailable")
    it.status(1, "Unavailable")
    it.status(2, "Faulted")
    it.ask("Heartbeat", {})
    assert it.triggers() == []
    assert live(it) == ("down", -1, -1)


def test_a_faulted_station_is_not_overruled_by_a_connector(meet) -> None:
    it = meet()
    it.status(0, "Faulted")
    it.status(1, busy(it))
    assert live(it) == ("down", -1, -1)


def test_a_doubt_is_kept_over_a_restart(meet, start) -> None:
    it = meet()
    it.status(0, "Unavailable")
    it.status(1, busy(it))
    it.site.stop()
    it.site = start(boot_grace_s=60)
    it.connect()
    it.ask("Heartbeat", {})
    assert live(it) == ("up", 1, 1)


def test_a_charger_that_stands_no_triggers_is_not_asked(start) -> None:
    quirks = {"CP1": {"quirks": {"trigger_boot": False}}}
    it = Both(start(boot_grace_s=0.01, charge_points=quirks), "1.6")
    it.boot()
    it.status(0, "Unavailable")
    it.status(1, "Charging")
    it.ask("Heartbeat", {})
    eventually(lambda: live(it) == ("up", 1, 1))
    assert it.triggers() == []


# ---- up --------------------------------------------------------------------------------------


def test_a_socket_alone_is_no_charger(site) -> None:
    charger = site.charger()
    eventually(lambda: site.point().connected)
    assert (site.point().status, site.point().composite_status) == ("UNREACHABLE", "down")
    charger.ask("Heartbeat", {})
    assert site.point().composite_status == "up"


def test_what_never_booted_and_answers_nothing_is_not_up(start) -> None:
    """Statuses come, all that it is asked stays without an answer."""
    site = start(boot_grace_s=0.02, call_timeout_s=0.1)
    charger = site.charger()
    charger.ask("StatusNotification", {"connectorId": 1, "errorCode": "NoError",
                                       "status": "Available"})  # fmt: skip
    assert charger.receive()[2:] == ["TriggerMessage", {"requestedMessage": "BootNotification"}]
    eventually(lambda: site.point().composite_status == "down")
    assert site.point().available_for_charging == -1


def test_what_booted_once_is_up_without_a_boot(start) -> None:
    first = start()
    first.charger().boot()
    first.stop()
    second = start()
    second.charger()
    eventually(lambda: second.point().connected)
    assert second.point().composite_status == "up"


# ---- faults and service ----------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"vendorErrorCode": "0x21"}])
def test_a_vehicle_that_does_not_talk_is_no_fault(site, more) -> None:
    site.charger().status("SuspendedEVSE", errorCode="EVCommunicationError", **more)
    point = site.point()
    assert (point.composite_status, point.requires_maintenance) == ("up", -1)
    assert site.connector().error_code == "EVCommunicationError"
    assert site.connector().last_error is None


def test_faulted_for_that_reason_is_faulted(site) -> None:
    site.charger().status("Faulted", errorCode="EVCommunicationError", vendorErrorCode="7")
    point = site.point()
    assert (point.composite_status, point.requires_maintenance) == ("down", 1)
    assert point.out_of_service == -1


@pytest.mark.parametrize(
    ("status", "error", "out"),
    [
        ("Unavailable", "NoError", 1),
        ("Unavailable", "EVCommunicationError", 1),
        ("Unavailable", "GroundFailure", -1),
        ("Faulted", "NoError", -1),
        ("Faulted", "GroundFailure", -1),
        ("Available", "NoError", -1),
        ("Charging", "NoError", -1),
        ("Available", "HighTemperature", -1),
    ],
)
def test_out_of_service_is_not_faulty(site, status, error, out) -> None:
    site.charger().status(status, errorCode=error)
    assert (site.connector().out_of_service, site.point().out_of_service) == (out, out)
    assert site.point().available_for_charging == (1 if status in ("Available", "Charging") else -1)


def test_out_of_service_of_several_connectors(site) -> None:
    charger = site.charger()
    charger.status("Unavailable", 1)
    charger.status("Available", 2)
    assert site.point().out_of_service == -1
    charger.status("Unavailable", 2)
    assert site.point().out_of_service == 1
    charger.status("Faulted", 2)
    assert site.point().out_of_service == -1
    charger.status("Unavailable", 0)
    assert [site.connector(number).out_of_service for number in (1, 2)] == [1, 1]
    assert site.point().out_of_service == 1


def test_out_of_service_is_not_reported_where_it_is_not_known(site, clock) -> None:
    charger = site.charger()
    charger.boot()
    assert site.point().out_of_service is None
    charger.status("Unavailable")
    clock.ahead_s += 1_000
    assert (site.point().out_of_service, site.connector().out_of_service) == (None, None)


def test_a_status_that_ocpp_does_not_have_is_not_operative(meet) -> None:
    """Not known is never taken for fine, nor for a fault, nor for out of service."""
    it = meet()
    it.status(1, "Available")
    it.status(1, "Dreaming")
    point, connector = it.site.point(), it.site.connector()
    assert (connector.status, connector.ocpp_status) == ("UNKNOWN", "Dreaming")
    assert (connector.available_for_charging, point.available_for_charging) == (-1, -1)
    assert (connector.composite_status, point.composite_status) == ("down", "down")
    assert (connector.requires_maintenance, connector.out_of_service) == (-1, None)
    assert point.status == "UNKNOWN"


def test_a_status_that_ocpp_does_not_have_says_nothing_of_the_station(meet) -> None:
    it = meet()
    it.status(0, "Unavailable")
    it.status(1, "Dreaming")
    it.ask("Heartbeat", {})
    assert live(it) == ("down", -1, -1)
    assert it.triggers() == []


@pytest.mark.parametrize(
    ("value", "status"),
    [("occupied", "INUSE"), (" Available ", "AVAILABLE"), ("Sleeping", "UNKNOWN")],
)
def test_a_status_as_an_event(start, value, status) -> None:
    it = Both(start(), "2.0.1")
    it.boot()
    it.status(1, "Reserved")
    event = {
        "eventId": 1,
        "timestamp": it.site.clock.iso(),
        "trigger": "Delta",
        "actualValue": value,
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
        "variable": {"name": "AvailabilityState"},
    }
    now = it.site.clock.iso()
    it.ask("NotifyEvent", {"generatedAt": now, "seqNo": 0, "eventData": [event]})
    assert it.site.connector().status == status
