"""A 1.6 twin from boot to stop, and its reactions to requests."""

from __future__ import annotations

import pytest

from chargepoint_driver.simulator.ocpp import NotNowError

from ..conftest import values

CP = "CP0001"


def test_boots_tells_every_status_and_beats(central, twins_of):
    twins = twins_of(connectors=2)
    boot = central.wait_for("BootNotification")
    assert boot["chargePointVendor"]
    assert boot["chargePointModel"]
    central.wait_for("StatusNotification", 3)
    reported = {one["connectorId"]: one["status"] for one in central.payloads("StatusNotification")}
    assert reported == {0: "Available", 1: "Available", 2: "Available"}
    assert central.opened[0][1] == "ocpp1.6"
    twins.advance(299)
    assert central.payloads("Heartbeat") == []
    twins.advance(2)
    central.wait_for("Heartbeat")


def test_a_boot_that_is_not_accepted_is_tried_again_and_holds_everything_else(central, twins_of):
    accepted = central.answers["BootNotification"]
    central.answers["BootNotification"] = {**accepted, "status": "Pending", "interval": 30}
    twins = twins_of(connects=False)
    central.wait_for("BootNotification")
    twins.wait(CP, lambda actual: actual["boot_status"] == "Pending")
    twins.start_charging(CP)
    central.answers["BootNotification"] = accepted
    twins.advance(31)
    twins.wait_connected()
    central.wait_for("StartTransaction")
    assert central.actions()[:2] == ["BootNotification", "BootNotification"]


def test_a_charge_from_plug_to_unplug(central, twins_of):
    twins = twins_of()
    assert twins.start_charging(CP, battery_kwh=60, soc_percent=20, max_ac_kw=11) == "Accepted"
    actual = twins.wait(CP, lambda actual: actual["connectors"][0]["transaction_id"] == 100)
    assert actual["connectors"][0]["power_kw"] == pytest.approx(11)
    twins.advance(600)
    central.wait_for("MeterValues", 10)
    twins.stop_charging(CP)
    twins.unplug(CP)
    central.wait_for("StatusNotification", 2, connectorId=1, status="Available")
    start, stop = central.payloads("StartTransaction")[0], central.payloads("StopTransaction")[0]
    # 11 kW for ten minutes.
    assert stop["meterStop"] - start["meterStart"] == pytest.approx(11_000 / 6, abs=1)
    assert stop["transactionId"] == 100
    statuses = [
        one["status"] for one in central.payloads("StatusNotification") if one["connectorId"] == 1
    ]
    assert statuses == ["Available", "Preparing", "Charging", "Finishing", "Available"]
    samples = central.payloads("MeterValues")
    assert {one["transactionId"] for one in samples} == {100}
    assert [one["meterValue"][0]["timestamp"][11:19] for one in samples[:2]] == [
        "18:01:00",
        "18:02:00",
    ]
    assert values(samples[0], "Power.Active.Import") == [11_000]
    assert values(samples[0], "Voltage") == [230, 230, 230]
    registers = [values(one, "Energy.Active.Import.Register")[0] for one in samples]
    assert registers == sorted(registers)


def test_an_authorisation_that_is_refused_starts_nothing(central, twins_of):
    central.answers["Authorize"] = {"idTagInfo": {"status": "Blocked"}}
    twins = twins_of()
    assert twins.start_charging(CP) == "Blocked"
    assert twins.state(CP)["connectors"][0]["status"] == "Preparing"
    assert central.payloads("StartTransaction") == []


def test_a_start_that_is_refused_afterwards_is_stopped(central, twins_of):
    central.answers["StartTransaction"] = {"transactionId": 5, "idTagInfo": {"status": "Invalid"}}
    twins = twins_of()
    twins.start_charging(CP)
    assert central.wait_for("StopTransaction")["reason"] == "DeAuthorized"


def test_remote_start_and_stop(central, twins_of):
    twins = twins_of(connectors=2)
    twins.plug(CP, 2)
    assert central.call(CP, "RemoteStartTransaction", idTag="REMOTE") == {"status": "Accepted"}
    start = central.wait_for("StartTransaction")
    assert (start["connectorId"], start["idTag"]) == (2, "REMOTE")
    twins.wait(CP, lambda actual: actual["connectors"][1]["transaction_id"] == 100)
    assert central.call(CP, "RemoteStopTransaction", transactionId=99) == {"status": "Rejected"}
    assert central.call(CP, "RemoteStopTransaction", transactionId=100) == {"status": "Accepted"}
    assert central.wait_for("StopTransaction")["reason"] == "Remote"


def test_a_remote_start_waits_for_the_vehicle_but_not_for_ever(central, twins_of):
    twins = twins_of()
    central.call(CP, "RemoteStartTransaction", idTag="REMOTE", connectorId=1)
    central.wait_for("StatusNotification", connectorId=1, status="Preparing")
    twins.advance(121)
    central.wait_for("StatusNotification", 2, connectorId=1, status="Available")
    central.call(CP, "RemoteStartTransaction", idTag="REMOTE", connectorId=1)
    central.wait_for("StatusNotification", 2, connectorId=1, status="Preparing")
    twins.plug(CP)
    central.wait_for("StartTransaction")


@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
def test_reset_ends_transactions_and_really_reconnects(central, twins_of, kind, reason):
    twins = twins_of()
    twins.start_charging(CP)
    twins.wait(CP, lambda actual: actual["connectors"][0]["transaction_id"] is not None)
    assert central.call(CP, "Reset", type=kind) == {"status": "Accepted"}
    central.wait_for("BootNotification", 2)
    stop = central.wait_for("StopTransaction")
    assert (stop["reason"], stop["transactionId"]) == (reason, 100)
    assert central.closed == [CP]
    order = [one for one in central.actions() if one in ("BootNotification", "StopTransaction")]
    first = ["BootNotification", "StopTransaction"]
    assert order[1:] == (first[::-1] if kind == "Soft" else first)


def test_availability_of_one_and_of_all(central, twins_of):
    twins = twins_of(connectors=2)
    reply = central.call(CP, "ChangeAvailability", connectorId=2, type="Inoperative")
    assert reply == {"status": "Accepted"}
    central.wait_for("StatusNotification", connectorId=2, status="Unavailable")
    twins.start_charging(CP, 1)
    reply = central.call(CP, "ChangeAvailability", connectorId=0, type="Inoperative")
    assert reply == {"status": "Scheduled"}
    central.wait_for("StatusNotification", connectorId=0, status="Unavailable")
    assert twins.state(CP)["connectors"][0]["status"] == "Charging"
    twins.stop_charging(CP, 1)
    central.wait_for("StatusNotification", connectorId=1, status="Unavailable")
    with pytest.raises(NotNowError):
        twins.start_charging(CP, 1)
    central.call(CP, "ChangeAvailability", connectorId=0, type="Operative")
    central.wait_for("StatusNotification", 2, connectorId=2, status="Available")


def test_unlocking_ends_the_transaction(central, twins_of):
    twins = twins_of()
    twins.start_charging(CP)
    assert central.call(CP, "UnlockConnector", connectorId=1) == {"status": "Unlocked"}
    assert central.wait_for("StopTransaction")["reason"] == "UnlockCommand"
    assert central.call(CP, "UnlockConnector", connectorId=7) == {"status": "NotSupported"}


def test_a_fault_stops_the_power_and_is_told(central, twins_of):
    twins = twins_of()
    twins.start_charging(CP)
    twins.act(CP, "fault", error_code="GroundFailure", info="wet", vendor_error_code="E7")
    reported = central.wait_for("StatusNotification", connectorId=1, status="Faulted")
    assert (reported["errorCode"], reported["info"], reported["vendorErrorCode"]) == (
        "GroundFailure",
        "wet",
        "E7",
    )
    before = twins.state(CP)["connectors"][0]["register_wh"]
    twins.advance(600)
    assert twins.state(CP)["connectors"][0]["register_wh"] == before
    twins.act(CP, "clear_fault")
    central.wait_for("StatusNotification", 2, connectorId=1, status="Charging")
    twins.act(CP, "fault", connector=0, error_code="InternalError")
    central.wait_for("StatusNotification", connectorId=0, status="Faulted")


def test_configuration(central, twins_of):
    twins = twins_of()
    reply = central.call(CP, "GetConfiguration", key=["NumberOfConnectors", "Nonsense"])
    assert reply == {
        "configurationKey": [{"key": "NumberOfConnectors", "readonly": True, "value": "1"}],
        "unknownKey": ["Nonsense"],
    }
    assert len(central.call(CP, "GetConfiguration")["configurationKey"]) > 30

    def change(key: str, value: str) -> str:
        return central.call(CP, "ChangeConfiguration", key=key, value=value)["status"]

    assert change("NumberOfConnectors", "4") == "Rejected"
    assert change("Nonsense", "4") == "NotSupported"
    assert change("HeartbeatInterval", "soon") == "Rejected"
    assert change("HeartbeatInterval", "10") == "Accepted"
    twins.advance(11)
    central.wait_for("Heartbeat")
    assert change("MeterValueSampleInterval", "0") == "Accepted"
    twins.start_charging(CP)
    twins.advance(300)
    assert central.payloads("MeterValues") == []
    assert change("MeterValueSampleInterval", "30") == "Accepted"
    assert change("MeterValuesSampledData", "SoC,Power.Active.Import") == "Accepted"
    twins.advance(31)
    sampled = central.wait_for("MeterValues")["meterValue"][0]["sampledValue"]
    assert [one["measurand"] for one in sampled] == ["Power.Active.Import"]
    assert change("ClockAlignedDataInterval", "900") == "Accepted"
    twins.advance(900)
    clock = central.wait(
        lambda: [one for one in central.payloads("MeterValues") if "Clock" in str(one)]
    )
    assert clock[0]["meterValue"][0]["timestamp"] == "2026-03-03T18:15:00.000Z"


def test_reservations(central, twins_of):
    twins = twins_of()

    def reserve(number: int, until: str = "2026-03-03T19:00:00Z") -> str:
        wish = {"connectorId": 1, "expiryDate": until, "idTag": "MINE", "reservationId": number}
        return central.call(CP, "ReserveNow", **wish)["status"]

    assert reserve(1) == "Accepted"
    central.wait_for("StatusNotification", connectorId=1, status="Reserved")
    assert reserve(2) == "Occupied"
    twins.plug(CP)
    with pytest.raises(NotNowError):
        twins.start_charging(CP, id_tag="OTHER")
    twins.unplug(CP)
    assert central.call(CP, "CancelReservation", reservationId=2) == {"status": "Rejected"}
    assert central.call(CP, "CancelReservation", reservationId=1) == {"status": "Accepted"}
    assert reserve(3, "2026-03-03T17:00:00Z") == "Rejected"
    assert reserve(4) == "Accepted"
    twins.advance(3601)
    central.wait_for("StatusNotification", 3, connectorId=1, status="Available")
    assert reserve(5, "2026-03-03T20:00:00Z") == "Accepted"
    twins.start_charging(CP, id_tag="MINE")
    assert central.wait_for("StartTransaction")["reservationId"] == 5


def test_the_local_list_decides_without_a_connection(central, twins_of):
    twins = twins_of(configuration={"AllowOfflineTxForUnknownId": "false"})
    send = {
        "listVersion": 3,
        "updateType": "Full",
        "localAuthorizationList": [{"idTag": "MINE", "idTagInfo": {"status": "Accepted"}}],
    }
    assert central.call(CP, "SendLocalList", **send) == {"status": "Accepted"}
    assert central.call(CP, "GetLocalListVersion") == {"listVersion": 3}
    late = {**send, "listVersion": 2, "updateType": "Differential"}
    assert central.call(CP, "SendLocalList", **late) == {"status": "VersionMismatch"}
    twins.act(CP, "offline")
    assert twins.start_charging(CP, id_tag="OTHER") == "Invalid"
    assert twins.start_charging(CP, id_tag="MINE") == "Accepted"


@pytest.mark.parametrize(
    ("location", "last"), [("ftp://x/new", "Installed"), ("ftp://x/missing", "DownloadFailed")]
)
def test_firmware(central, twins_of, location, last):
    twins = twins_of()
    wish = {"location": location, "retrieveDate": "2026-03-03T18:01:00Z"}
    assert central.call(CP, "UpdateFirmware", **wish) == {}
    twins.advance(59)
    assert central.payloads("FirmwareStatusNotification") == []
    twins.advance(120)
    central.wait_for("FirmwareStatusNotification", status=last)
    reported = [one["status"] for one in central.payloads("FirmwareStatusNotification")]
    if last == "Installed":
        assert reported == ["Downloading", "Downloaded", "Installing", "Installed"]
        central.wait_for("BootNotification", 2)
    else:
        assert reported == ["Downloading", "DownloadFailed"]


def test_diagnostics_and_data_transfer(central, twins_of):
    twins = twins_of()
    assert central.call(CP, "GetDiagnostics", location="ftp://x")["fileName"]
    twins.advance(30)
    central.wait_for("DiagnosticsStatusNotification", status="Uploaded")
    echo = central.call(CP, "DataTransfer", vendorId="twin", messageId="echo", data="a")
    assert echo == {"status": "Accepted", "data": "a"}
    assert central.call(CP, "DataTransfer", vendorId="x") == {"status": "UnknownVendorId"}


@pytest.mark.parametrize(
    "message",
    [
        "BootNotification",
        "Heartbeat",
        "StatusNotification",
        "MeterValues",
        "FirmwareStatusNotification",
        "DiagnosticsStatusNotification",
    ],
)
def test_triggers(central, twins_of, message):
    twins_of(connectors=2)
    central.wait_for("StatusNotification", 3)
    before = len(central.payloads(message))
    reply = central.call(CP, "TriggerMessage", requestedMessage=message, connectorId=2)
    assert reply == {"status": "Accepted"}
    reported = central.wait_for(message, before + 1)
    if message in ("StatusNotification", "MeterValues"):
        assert reported["connectorId"] == 2
        assert "transactionId" not in reported


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Nonsense", {}, "NotImplemented"),
        ("Reset", {}, "OccurenceConstraintViolation"),
        ("Reset", {"type": 3}, "TypeConstraintViolation"),
        ("Reset", {"type": "Cold"}, "PropertyConstraintViolation"),
        ("Reset", {"type": "Hard", "customData": {}}, "FormationViolation"),
        ("ChangeConfiguration", {"key": "A", "value": "1", "x": 1}, "FormationViolation"),
    ],
)
def test_requests_are_read_strictly_and_a_refused_one_does_nothing(
    central, twins_of, action, payload, code
):
    twins = twins_of()
    assert central.call(CP, action, **payload)[0] == code
    assert twins.state(CP)["connections"] == 1


def test_rubbish_is_counted_and_harmless(central, twins_of):
    twins = twins_of()
    for frame in ("nonsense", "[]", '{"a":1}', '[2,"x"]', '[3,"never asked",{}]', "[" * 50_000):
        central.send(CP, frame)
    assert central.call(CP, "ClearCache") == {"status": "Accepted"}
    received = twins.state(CP)["received"]
    assert received["(bad frame)"] == 5
    assert received["(unasked answer)"] == 1
