"""Every message of a busy twin against the schemas of OCPP, as another project ships them."""

from __future__ import annotations

import asyncio
import json

import pytest

messages = pytest.importorskip("ocpp.messages")

CP = "CP0001"
TOKEN = {"idToken": "REMOTE", "type": "ISO14443"}


def check(central, version):
    """Validate every frame the twins have sent."""
    seen = set()
    for _, text in central.frames:
        frame = json.loads(text)
        if frame[0] == 2:
            _, unique_id, action, payload = frame
        elif frame[0] == 3:
            continue
        else:
            raise AssertionError(frame)
        asyncio.run(messages.validate_payload(messages.Call(unique_id, action, payload), version))
        seen.add(action)
    return seen


def check_answer(central, version, action, **payload):
    """Ask, and validate the answer."""
    answer = central.call(CP, action, **payload)
    assert isinstance(answer, dict), answer
    for message in (
        messages.Call("1", action, payload),
        messages.CallResult("1", answer, action),
    ):
        asyncio.run(messages.validate_payload(message, version))


def test_1_6(central, twins_of):
    dc = {"kind": "DC", "rated_kw": 50}
    twins = twins_of(connectors=[dc, {"kind": "AC", "phases": 1, "rated_kw": 7.4}])
    twins.start_charging(CP, 1, soc_percent=70)
    twins.start_charging(CP, 2)
    twins.advance(7200)
    twins.act(CP, "fault", info="hot", vendor_error_code="9")
    ask = lambda action, **payload: check_answer(central, "1.6", action, **payload)  # noqa: E731
    ask("GetConfiguration")
    ask("GetConfiguration", key=["Nonsense"])
    ask("ChangeConfiguration", key="StopTxnSampledData", value="Energy.Active.Import.Register")
    ask("GetCompositeSchedule", connectorId=1, duration=60)
    ask("GetCompositeSchedule", connectorId=9, duration=60)
    ask("ClearChargingProfile")
    ask("GetLocalListVersion")
    ask("SendLocalList", listVersion=1, updateType="Full")
    ask("UnlockConnector", connectorId=1)
    ask("DataTransfer", vendorId="twin", data="x")
    ask("TriggerMessage", requestedMessage="MeterValues")
    ask("GetDiagnostics", location="ftp://x")
    ask("UpdateFirmware", location="ftp://x", retrieveDate="2026-03-03T20:00:00Z")
    ask("CancelReservation", reservationId=1)
    ask("RemoteStopTransaction", transactionId=1)
    ask("ChangeAvailability", connectorId=1, type="Operative")
    ask("ClearCache")
    ask("Reset", type="Soft")
    central.wait_for("BootNotification", 2)
    twins.wait_connected()
    twins.advance(120)
    central.wait_for("FirmwareStatusNotification", status="Installed")
    central.wait_for("StopTransaction", 2)
    assert len(check(central, "1.6")) >= 9


def test_2_0_1(central, twins_of):
    twins = twins_of(ocpp="2.0.1", connectors=[{"kind": "DC"}, {"kind": "AC"}])
    twins.start_charging(CP, 1, soc_percent=70)
    twins.start_charging(CP, 2)
    twins.advance(7200)
    twins.act(CP, "fault", info="hot", vendor_error_code="9")
    ask = lambda action, **payload: check_answer(central, "2.0.1", action, **payload)  # noqa: E731
    pair = {"component": {"name": "EVSE"}, "variable": {"name": "Count"}}
    ask("GetVariables", getVariableData=[pair])
    ask("SetVariables", setVariableData=[{**pair, "attributeValue": "1"}])
    ask("GetBaseReport", requestId=1, reportBase="FullInventory")
    ask("GetReport", requestId=2)
    ask("GetCompositeSchedule", evseId=1, duration=60)
    ask("GetCompositeSchedule", evseId=9, duration=60)
    ask("ClearChargingProfile")
    ask("GetChargingProfiles", requestId=3, chargingProfile={})
    ask("GetLocalListVersion")
    ask("SendLocalList", versionNumber=1, updateType="Full")
    ask("UnlockConnector", evseId=1, connectorId=1)
    ask("DataTransfer", vendorId="twin", data="x")
    ask("TriggerMessage", requestedMessage="TransactionEvent")
    ask("TriggerMessage", requestedMessage="MeterValues")
    ask("GetLog", logType="DiagnosticsLog", requestId=1, log={"remoteLocation": "x"})
    when = {"location": "x", "retrieveDateTime": "2026-03-03T20:00:00Z"}
    ask("UpdateFirmware", requestId=4, firmware=when)
    ask("CancelReservation", reservationId=1)
    ask("RequestStartTransaction", idToken=TOKEN, remoteStartId=1)
    ask("RequestStopTransaction", transactionId="x")
    ask("GetTransactionStatus")
    ask("ChangeAvailability", operationalStatus="Operative")
    ask("ClearCache")
    central.wait_for("NotifyReport", requestId=2, tbc=False)
    central.wait_for("MeterValues")
    central.wait_for("NotifyEvent")
    ask("Reset", type="Immediate")
    central.wait_for("BootNotification", 2)
    twins.wait_connected()
    twins.advance(120)
    central.wait_for("FirmwareStatusNotification", status="Installed")
    central.wait_for("TransactionEvent", 2, eventType="Ended")
    assert len(check(central, "2.0.1")) >= 9
