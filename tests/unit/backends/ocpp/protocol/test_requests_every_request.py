"""Every request that we may send, once for real: control API, socket, twin, and what it tells back.

No message of a twin may break the schema, and no request to it may be refused.
"""

# ruff: noqa: E501 - a row for each request
from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import eventually

PERIODS = [{"startPeriod": 0, "limit": 16.0}]
TOKEN = {"idToken": "B", "type": "Central"}
VARIABLE = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}


def later(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def profile(purpose: str, version: str) -> dict[str, Any]:
    schedule: dict[str, Any] = {"chargingRateUnit": "A", "chargingSchedulePeriod": PERIODS}
    common = {"stackLevel": 1, "chargingProfilePurpose": purpose, "chargingProfileKind": "Relative"}
    if version == "1.6":
        return {"chargingProfileId": 7, **common, "chargingSchedule": schedule}
    return {"id": 7, **common, "chargingSchedule": [{"id": 1, **schedule}]}


# (action, payload, what the answer must hold, event that follows); "tx" stands for the id of
# the transaction that runs on connector 1.
ASKED_16: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    ("GetConfiguration", {"key": ["HeartbeatInterval"]}, {}, None),
    ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "90"}, {"status": "Accepted"}, None),
    ("TriggerMessage", {"requestedMessage": "StatusNotification"}, {"status": "Accepted"}, "StatusNotification"),
    ("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}, {"status": "Accepted"}, "MeterValues"),
    ("TriggerMessage", {"requestedMessage": "BootNotification"}, {"status": "Accepted"}, "BootNotification"),
    ("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile("TxDefaultProfile", "1.6")}, {"status": "Accepted"}, None),
    ("GetCompositeSchedule", {"connectorId": 1, "duration": 60}, {"status": "Accepted"}, None),
    ("ClearChargingProfile", {"id": 7}, {"status": "Accepted"}, None),
    ("ReserveNow", {"connectorId": 2, "expiryDate": later(86_400), "idTag": "B", "reservationId": 5}, {"status": "Accepted"}, "StatusNotification"),
    ("CancelReservation", {"reservationId": 5}, {"status": "Accepted"}, "StatusNotification"),
    ("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"}, {"status": "Accepted"}, "StatusNotification"),
    ("ChangeAvailability", {"connectorId": 2, "type": "Operative"}, {"status": "Accepted"}, "StatusNotification"),
    ("ClearCache", {}, {"status": "Accepted"}, None),
    ("SendLocalList", {"listVersion": 3, "updateType": "Full", "localAuthorizationList": [{"idTag": "B", "idTagInfo": {"status": "Accepted"}}]}, {"status": "Accepted"}, None),
    ("GetLocalListVersion", {}, {"listVersion": 3}, None),
    ("DataTransfer", {"vendorId": "nobody"}, {"status": "UnknownVendorId"}, None),
    ("GetDiagnostics", {"location": "ftp://127.0.0.1/x"}, {}, "DiagnosticsStatusNotification"),
    ("RemoteStopTransaction", {"transactionId": "tx"}, {"status": "Accepted"}, "StopTransaction"),
    ("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"}, None),
    ("RemoteStartTransaction", {"connectorId": 1, "idTag": "B"}, {"status": "Accepted"}, "StartTransaction"),
    ("UpdateFirmware", {"location": "ftp://127.0.0.1/x", "retrieveDate": later(0)}, {}, "FirmwareStatusNotification"),
    ("Reset", {"type": "Soft"}, {"status": "Accepted"}, "BootNotification"),
]  # fmt: skip
ASKED_201: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    ("GetVariables", {"getVariableData": [VARIABLE]}, {}, None),
    ("SetVariables", {"setVariableData": [{**VARIABLE, "attributeValue": "90"}]}, {}, None),
    ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}, {"status": "Accepted"}, "NotifyReport"),
    ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}}, {"status": "Accepted"}, "StatusNotification"),
    ("TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}, {"status": "Accepted"}, "TransactionEvent"),
    # Rejected is right: it was accepted, and 2.0.1 asks for no second one.
    ("TriggerMessage", {"requestedMessage": "BootNotification"}, {"status": "Rejected"}, None),
    ("SetChargingProfile", {"evseId": 1, "chargingProfile": profile("TxDefaultProfile", "2.0.1")}, {"status": "Accepted"}, None),
    ("GetChargingProfiles", {"requestId": 2, "chargingProfile": {}}, {"status": "Accepted"}, "ReportChargingProfiles"),
    ("GetCompositeSchedule", {"evseId": 1, "duration": 60}, {"status": "Accepted"}, None),
    ("ClearChargingProfile", {"chargingProfileId": 7}, {"status": "Accepted"}, None),
    ("GetTransactionStatus", {"transactionId": "tx"}, {"ongoingIndicator": True}, None),
    ("ReserveNow", {"id": 5, "expiryDateTime": later(86_400), "idToken": TOKEN, "evseId": 2}, {"status": "Accepted"}, "StatusNotification"),
    ("CancelReservation", {"reservationId": 5}, {"status": "Accepted"}, "StatusNotification"),
    ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 2}}, {"status": "Accepted"}, "StatusNotification"),
    ("ChangeAvailability", {"operationalStatus": "Operative", "evse": {"id": 2}}, {"status": "Accepted"}, "StatusNotification"),
    ("ClearCache", {}, {"status": "Accepted"}, None),
    ("SendLocalList", {"versionNumber": 3, "updateType": "Full", "localAuthorizationList": [{"idToken": TOKEN, "idTokenInfo": {"status": "Accepted"}}]}, {"status": "Accepted"}, None),
    ("GetLocalListVersion", {}, {"versionNumber": 3}, None),
    ("DataTransfer", {"vendorId": "nobody"}, {"status": "UnknownVendorId"}, None),
    ("GetLog", {"logType": "DiagnosticsLog", "requestId": 4, "log": {"remoteLocation": "ftp://127.0.0.1/x"}}, {"status": "Accepted"}, "LogStatusNotification"),
    ("RequestStopTransaction", {"transactionId": "tx"}, {"status": "Accepted"}, "TransactionEvent"),
    ("UnlockConnector", {"evseId": 1, "connectorId": 1}, {"status": "Unlocked"}, None),
    ("RequestStartTransaction", {"evseId": 1, "idToken": TOKEN, "remoteStartId": 9}, {"status": "Accepted"}, "TransactionEvent"),
    ("UpdateFirmware", {"requestId": 6, "firmware": {"location": "ftp://127.0.0.1/x", "retrieveDateTime": later(0)}}, {"status": "Accepted"}, "FirmwareStatusNotification"),
    ("Reset", {"type": "Immediate"}, {"status": "Accepted"}, "BootNotification"),
]  # fmt: skip


@pytest.mark.parametrize(("ocpp", "asked"), [("1.6", ASKED_16), ("2.0.1", ASKED_201)])
def test_every_request_by_the_control_api(start, ocpp, asked) -> None:
    site = start({"control": "127.0.0.1:0", "token": "secret"})
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = "Bearer secret"

    def of(method: str, path: str, **options: Any) -> Any:
        answer = session.request(method, site.system.control_url + path, timeout=60, **options)
        assert answer.status_code == 200, (path, options, answer.text)
        return answer.json()

    with (
        session,
        Twins(site.system.ocpp_url, [{"id": "T1"}], ocpp, connectors=2, speed=60) as twins,
    ):
        twins.wait_connected()
        assert twins.start_charging("T1") == "Accepted"
        twins.wait("T1", lambda state: state["connectors"][0]["transaction_id"])
        running = eventually(lambda: site.connector(1, "T1").transaction)
        wire_id: Any = int(running.wire_id) if ocpp == "1.6" else running.wire_id
        for action, payload, holds, event in asked:
            before = of("GET", "/events")[-1]["id"]
            text = json.dumps(payload).replace('"tx"', json.dumps(wire_id))
            answer = of("POST", f"/charge-points/T1/{action}", data=text)
            assert {**answer, **holds} == answer, (action, answer)
            if event is not None:
                eventually(
                    lambda before=before, event=event: (
                        event in [each["action"] for each in of("GET", f"/events?after={before}")]
                    ),
                    30,
                )
        twins.wait_connected()
        assert twins.errors == []
    assert not set(site.system.counters()) - {"late_messages", "replaced_sockets"}


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_what_the_control_api_shows(start, ocpp) -> None:
    site = start({"control": "127.0.0.1:0", "token": "secret"}, voltage=230, phases=3)
    with Twins(site.system.ocpp_url, [{"id": "T1"}], ocpp, speed=1) as twins:
        twins.wait_connected()
        twins.start_charging("T1", ac_phases=3, max_ac_kw=11)
        eventually(lambda: site.connector(1, "T1").transaction)
        site.system.shed(Target("T1", 1), Limit(allowed_load_kw=7), 30)
        twins.act("T1", "sample", connector=1)
        eventually(lambda: site.connector(1, "T1").load_kw)
        headers = {"Authorization": "Bearer secret"}
        answer = requests.get(
            f"{site.system.control_url}/charge-points/T1", headers=headers, timeout=10
        )
    shown = answer.json()
    assert (shown["id"], shown["connected"], shown["ocpp_version"]) == ("T1", True, ocpp)
    assert shown["boot"]["vendor"]
    assert shown["connected_since"] <= shown["last_seen"]
    connector = shown["connectors"]["1"]
    assert connector["ocpp_status"] in {"Charging", "Occupied"}
    assert connector["transaction"]["transaction_id"] > 0
    assert connector["energy_wh"] is not None
    assert 0 < connector["load_kw"] <= 7
    limit = connector["limit"]
    assert limit["requested_kw"] == 7
    assert limit["accepted_kw"] == limit["confirmed_kw"] == limit["effective_kw"]
    assert 6.8 < limit["effective_kw"] <= 7
