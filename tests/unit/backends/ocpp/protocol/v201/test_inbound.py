"""OCPP 2.0.1: messages of a charging station, and the answers to them."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def charger(site):
    return site.charger(subprotocols=["ocpp2.0.1"])


def event(clock, kind, seq, ago_s=0.0, wh=None, tx="tx-1", **fields):
    info = {"transactionId": tx, **fields.pop("info", {})}
    payload = {
        "eventType": kind,
        "timestamp": clock.iso(ago_s),
        "triggerReason": "Authorized",
        "seqNo": seq,
        "transactionInfo": info,
        **fields,
    }
    if wh is not None:
        payload["meterValue"] = [{"timestamp": clock.iso(ago_s), "sampledValue": [{"value": wh}]}]
    return payload


def test_boot_and_status(site, charger, clock) -> None:
    station = {"vendorName": "V", "model": "M", "serialNumber": "S"}
    answer = charger.ask("BootNotification", {"reason": "PowerUp", "chargingStation": station})
    assert answer["status"] == "Accepted"
    for part, status in ((1, "Available"), (2, "Occupied")):
        charger.ask(
            "StatusNotification",
            {"timestamp": clock.iso(), "connectorStatus": status, "evseId": 1, "connectorId": part},
        )
    assert (site.point().ocpp_version, site.point().boot["serial"]) == ("2.0.1", "S")
    assert (site.connector().status, site.connector().ocpp_status) == ("INUSE", "Occupied")


def test_a_transaction_with_a_gap(site, charger, clock) -> None:
    token = {"idToken": "blue", "type": "ISO14443"}
    first = event(clock, "Started", 0, 600, 1000, evse={"id": 1, "connectorId": 1}, idToken=token)
    assert charger.ask("TransactionEvent", first) == {"idTokenInfo": {"status": "Accepted"}}
    charger.ask("TransactionEvent", event(clock, "Updated", 3, 300, 1500))
    running = site.connector().transaction
    assert (running.wire_id, running.energy_wh, running.id_tag) == ("tx-1", 500, "blue")
    charger.ask("TransactionEvent", event(clock, "Updated", 3, 300, 1500))
    charger.ask("TransactionEvent", event(clock, "Ended", 4, 0, 2000, offline=True))
    (row,) = site.month()
    assert (row["wire_id"], row["energy_wh"], row["duration_s"]) == ("tx-1", 1000, 600)
    assert site.point().counters["repeated_events"] == 1
    assert site.connector().transaction is None


def test_an_end_without_begin_is_kept(site, charger, clock) -> None:
    charger.ask("TransactionEvent", event(clock, "Ended", 4, 0, 2000, evse={"id": 1}))
    (row,) = site.month()
    assert (row["wire_id"], row["energy_wh"]) == ("tx-1", None)


def test_suspended_means_no_load(site, charger, clock) -> None:
    values = [
        {
            "timestamp": clock.iso(),
            "sampledValue": [
                {
                    "value": 7.2,
                    "measurand": "Power.Active.Import",
                    "unitOfMeasure": {"unit": "W", "multiplier": 3},
                }
            ],
        }
    ]
    going = event(clock, "Started", 0, evse={"id": 1}, info={"chargingState": "Charging"})
    charger.ask("TransactionEvent", {**going, "meterValue": values})
    assert site.connector().load_kw == pytest.approx(7.2)
    charger.ask(
        "TransactionEvent", event(clock, "Updated", 1, info={"chargingState": "SuspendedEV"})
    )
    assert site.connector().load_kw == 0


def test_a_problem_needs_maintenance(site, charger, clock) -> None:
    entry = {
        "eventId": 1,
        "timestamp": clock.iso(),
        "trigger": "Alerting",
        "actualValue": "true",
        "eventNotificationType": "HardWiredMonitor",
        "component": {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1}},
        "variable": {"name": "Problem"},
        "techCode": "E7",
    }
    payload = {"generatedAt": clock.iso(), "seqNo": 0, "eventData": [entry]}
    charger.ask("NotifyEvent", payload)
    connector = site.connector()
    assert (connector.requires_maintenance, connector.last_error) == (1, "E7")


def test_a_report_is_configuration_without_secrets(site, charger, clock) -> None:
    def row(component, variable, value):
        return {
            "component": {"name": component},
            "variable": {"name": variable},
            "variableAttribute": [{"value": value}],
        }

    rows = [
        row("SmartChargingCtrlr", "RateUnit", "A,W"),
        row("SecurityCtrlr", "BasicAuthPassword", "hush"),
    ]
    report = {"requestId": 1, "generatedAt": clock.iso(), "seqNo": 0, "reportData": rows}
    charger.ask("NotifyReport", report)
    assert site.point().configuration == {"SmartChargingCtrlr.RateUnit": "A,W"}
    assert "hush" not in str(site.system.events())


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Heartbeat", {}),
        ("Authorize", {"idToken": {"idToken": "a", "type": "Local"}}),
        ("DataTransfer", {"vendorId": "v"}),
        ("FirmwareStatusNotification", {"status": "Installed", "requestId": 1}),
        ("LogStatusNotification", {"status": "Uploaded"}),
        ("SecurityEventNotification", {"type": "x", "timestamp": NOW}),
        ("ClearedChargingLimit", {"chargingLimitSource": "EMS"}),
        ("SignCertificate", {"csr": "x"}),
        ("ReservationStatusUpdate", {"reservationId": 1, "reservationUpdateStatus": "Expired"}),
    ],
)
def test_every_request_is_answered(charger, action, payload) -> None:
    charger.ask(action, payload)


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("StartTransaction", {}, "NotImplemented"),
        ("SetVariables", {}, "NotSupported"),
        ("Authorize", {"idToken": {"idToken": 1, "type": "Local"}}, "TypeConstraintViolation"),
        ("Authorize", [], "FormatViolation"),
    ],
)
def test_errors(start, action, payload, code) -> None:
    site = start(charge_points={"*": {"quirks": {"validation": "strict"}}})
    charger = site.charger(subprotocols=["ocpp2.0.1"])
    assert charger.request(action, payload)[2] == code


def test_2_1_is_spoken_where_both_know_it(site) -> None:
    """Under Python 3.10 there is no `ocpp` package that has its schemas."""
    charger = site.charger("CP21", subprotocols=["ocpp1.6", "ocpp2.1"])
    charger.ask("Heartbeat", {})
    known = find_spec("ocpp.v21") is not None
    assert site.point("CP21").ocpp_version == ("2.1" if known else "1.6")
