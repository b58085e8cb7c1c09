"""OCPP 2.1: each request of chargers is answered by its schema, and 2.0.1 is preferred."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("ocpp.v21")

from chargepoint_driver.backends.ocpp.protocol.v201 import DIALECT, DIALECT_21
from chargepoint_driver.backends.ocpp.wire import schemas
from chargepoint_driver.errors import InvalidValueError

from ...conftest import eventually

NOW = "2026-11-28T10:00:00Z"
HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "a",
    "issuerKeyHash": "b",
    "serialNumber": "c",
}
CARD = {"idToken": "A", "type": "Central"}
BATTERY = {"evseId": 1, "serialNumber": "s", "soC": 50.0, "soH": 90.0}
STREAM = {"id": 1, "variableMonitoringId": 2, "params": {}}
# Requests of chargers that only 2.1 has, with a valid payload.
NEW = {
    "BatterySwap": {
        "batteryData": [BATTERY],
        "eventType": "BatteryIn",
        "idToken": CARD,
        "requestId": 1,
    },
    "ClosePeriodicEventStream": {"id": 1},
    "GetCertificateChainStatus": {
        "certificateStatusRequests": [
            {"source": "OCSP", "urls": ["https://ca.example"], "certificateHashData": HASH}
        ]
    },
    "NotifyDERAlarm": {"controlType": "FreqDroop", "timestamp": NOW},
    "NotifyDERStartStop": {"controlId": "1", "started": True, "timestamp": NOW},
    "NotifyPriorityCharging": {"transactionId": "t", "activated": True},
    "NotifySettlement": {
        "pspRef": "p",
        "status": "Settled",
        "settlementAmount": 1.0,
        "settlementTime": NOW,
    },
    "OpenPeriodicEventStream": {"constantStreamData": STREAM},
    "PullDynamicScheduleUpdate": {"chargingProfileId": 1},
    "ReportDERControl": {"requestId": 1},
    "VatNumberValidation": {"vatNumber": "NL1"},
}
# Requests that only 2.1 has and that a central system sends.
OURS = {
    "AFRRSignal",
    "AdjustPeriodicEventStream",
    "ChangeTransactionTariff",
    "ClearDERControl",
    "ClearTariffs",
    "GetDERControl",
    "GetPeriodicEventStream",
    "GetTariffs",
    "NotifyAllowedEnergyTransfer",
    "NotifyWebPaymentStarted",
    "RequestBatterySwap",
    "SetDERControl",
    "SetDefaultTariff",
    "UpdateDynamicSchedule",
    "UsePriorityCharging",
}
SENT = "NotifyPeriodicEventStream"


@pytest.fixture
def charger(site):
    return site.charger("CP1", subprotocols=["ocpp2.1"])


def test_the_schemas_hold_nothing_else() -> None:
    """A new release of the schemas may bring more: then one of the two lists lacks it."""
    new = schemas.actions("2.1") - schemas.actions("2.0.1")
    assert new == NEW.keys() | OURS | {SENT}
    assert DIALECT_21.handlers.keys() == DIALECT.handlers.keys() | NEW.keys() | {SENT}


@pytest.mark.parametrize("action", NEW)
def test_each_is_answered_by_its_schema_and_recorded(site, charger, action) -> None:
    assert schemas.faults("2.1", action, NEW[action]) == []
    answer = charger.ask(action, NEW[action])
    assert schemas.faults("2.1", action, answer, answer=True) == []
    eventually(lambda: any(event["action"] == action for event in site.system.events()))
    assert not site.point().counters


@pytest.mark.parametrize("action", NEW)
def test_it_is_answered_whatever_it_holds(charger, action) -> None:
    answer = charger.ask(action, {})
    found = schemas.faults("2.1", action, answer, answer=True)
    # Of nothing that was asked for, nothing can be said.
    assert [fault[1] for fault in found] in ([], ["minItems"])


@pytest.mark.parametrize("action", NEW)
def test_2_0_1_does_not_have_it(site, action) -> None:
    charger = site.charger("CP1", subprotocols=["ocpp2.0.1"])
    assert charger.request(action, NEW[action])[2] == "NotImplemented"


@pytest.mark.parametrize("action", sorted(OURS))
def test_not_for_a_central_system_is_what_a_central_system_sends(charger, action) -> None:
    frame = charger.request(action, {})
    assert frame[2:4] == ["NotSupported", "this request is not for a central system"]


@pytest.mark.parametrize("action", [*NEW, SENT])
def test_a_central_system_does_not_send_it(site, charger, action) -> None:
    charger.ask("Heartbeat", {})
    with pytest.raises(InvalidValueError, match="charge points send this request"):
        site.system.call("CP1", action, NEW.get(action, {}))


def test_a_message_without_answer_gets_none(site, charger) -> None:
    data = [{"t": 1.0, "v": "2"}]
    payload = {"id": 1, "pending": 0, "basetime": NOW, "data": data}
    assert schemas.faults("2.1", SENT, payload) == []
    charger.ws.send(json.dumps([6, "s1", SENT, payload]))
    charger.ask("Heartbeat", {})  # the next frame is its answer
    eventually(lambda: any(event["action"] == SENT for event in site.system.events()))
    charger.ws.send(json.dumps([6, "s2", "Nonsense", payload]))
    charger.ask("Heartbeat", {})
    assert site.point().counters == {"refused_requests": 1}


def test_a_charger_that_refuses_an_answer_gets_none(site, charger) -> None:
    charger.ws.send(json.dumps([5, "m1", "FormatViolation", "odd", {}]))
    charger.ask("Heartbeat", {})
    assert site.point().counters == {"refused_answers": 1}


@pytest.mark.parametrize("kind", [5, 6])
def test_other_versions_do_not_have_these_types(site, kind) -> None:
    charger = site.charger("CP1", subprotocols=["ocpp2.0.1"])
    answer = charger.send(json.dumps([kind, "s1", "Heartbeat", {}]))
    assert answer[:3] == [4, "s1", "MessageTypeNotSupported"]


@pytest.mark.parametrize(
    ("offered", "spoken"),
    [
        (["ocpp2.1", "ocpp2.0.1", "ocpp1.6"], "2.0.1"),
        (["ocpp1.6", "ocpp2.1"], "2.1"),
        (["ocpp2.1"], "2.1"),
        (["ocpp1.6", "ocpp2.0.1"], "2.0.1"),
    ],
)
def test_2_0_1_is_preferred(site, offered, spoken) -> None:
    site.charger("CP1", subprotocols=offered).ask("Heartbeat", {})
    eventually(lambda: site.point().ocpp_version == spoken)
