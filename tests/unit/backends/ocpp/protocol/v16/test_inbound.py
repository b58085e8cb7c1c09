"""OCPP 1.6: messages of a charger, and the answers to them."""

from __future__ import annotations

import pytest

from chargepoint_driver.backends.ocpp import OcppConfig
from chargepoint_driver.errors import ConfigurationError

from ...conftest import eventually


def test_boot_is_accepted_and_known(site) -> None:
    charger = site.charger()
    answer = charger.ask(
        "BootNotification",
        {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1.2"},
    )
    assert answer["interval"] == 60
    point = site.point()
    assert (point.connected, point.ocpp_version) == (True, "1.6")
    assert (point.boot["vendor"], point.boot["firmware"]) == ("V", "1.2")


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Heartbeat", {}),
        ("Authorize", {"idTag": "a"}),
        ("DataTransfer", {"vendorId": "v", "data": "x"}),
        ("DiagnosticsStatusNotification", {"status": "Idle"}),
        ("FirmwareStatusNotification", {"status": "Installed"}),
        ("LogStatusNotification", {"status": "Uploaded", "requestId": 1}),
        ("SecurityEventNotification", {"type": "x", "timestamp": "2026-01-01T00:00:00Z"}),
        ("SignedFirmwareStatusNotification", {"status": "Installed", "requestId": 1}),
        ("SignCertificate", {"csr": "x"}),
    ],
)
def test_every_request_is_answered(site, action, payload) -> None:
    site.charger().ask(action, payload)


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Nonsense", {}, "NotImplemented"),
        ("RemoteStopTransaction", {"transactionId": 1}, "NotSupported"),
        ("Authorize", {"idTag": 5}, "TypeConstraintViolation"),
        ("Authorize", {}, "ProtocolError"),
        ("Authorize", [], "FormationViolation"),
        ("Authorize", {"idTag": "x" * 21}, "TypeConstraintViolation"),
        (
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": "Dancing"},
            "PropertyConstraintViolation",
        ),
        (
            "StatusNotification",
            {"connectorId": -1, "errorCode": "NoError", "status": "Available"},
            "PropertyConstraintViolation",
        ),
    ],
)
def test_errors_have_the_code_of_the_standard(start, action, payload, code) -> None:
    site = start(charge_points={"*": {"quirks": {"validation": "strict"}}})
    answer = site.charger().request(action, payload)
    assert answer[0] == 4
    assert answer[2] == code
    assert site.system.counters()["refused_requests"] == 1


def test_a_repeated_start_has_the_same_id(site, clock) -> None:
    charger = site.charger()
    at = clock.iso(30)
    first = charger.start(at, meter=10)
    assert 0 < first < 2**31
    assert charger.start(at, meter=10) == first
    assert charger.start(at, meter=11) == first + 1
    assert site.charger("CP2").start(at, meter=10) == first + 2


def test_a_repeated_message_is_answered_alike_and_done_once(site, clock) -> None:
    charger = site.charger()
    frame = (
        '[2,"same","StartTransaction",{"connectorId":1,"idTag":"a","meterStart":0,'
        f'"timestamp":"{clock.iso()}"}}]'
    )
    assert charger.send(frame) == charger.send(frame)
    assert site.point().counters["repeated_messages"] == 1
    assert charger.send('[2,"same","Heartbeat",{}]')[0] == 3


def test_a_session_from_start_to_stop(site, clock) -> None:
    charger = site.charger()
    charger.status("Preparing")
    transaction = charger.start(clock.iso(600), meter=1000, tag="blue")
    charger.status("Charging")
    charger.meter(
        clock.iso(0), transaction, Power_Active_Import="3500", Energy_Active_Import_Register="1400"
    )
    connector = site.connector()
    assert (connector.load_kw, connector.status, connector.ocpp_status) == (
        3.5,
        "INUSE",
        "Charging",
    )
    assert connector.transaction.energy_wh == 400
    assert connector.transaction.id_tag == "blue"
    assert site.system.last_energy(transaction)["energy_wh"] == 400
    charger.stop(transaction, clock.iso(0), 1500)
    assert site.connector().transaction is None
    assert site.connector().load_kw == 0
    (row,) = site.month()
    assert (row["id"], row["duration_s"], row["energy_wh"]) == (transaction, 600, 500)


def test_meter_values_after_a_stop_revive_nothing(site, clock) -> None:
    charger = site.charger()
    charger.status("Charging")
    transaction = charger.start(clock.iso(600))
    charger.stop(transaction, clock.iso(5), 100)
    charger.meter(clock.iso(0), transaction, Power_Active_Import="3500")
    connector = site.connector()
    assert (connector.transaction, connector.load_kw) == (None, 0)


def test_an_unknown_stop_is_acknowledged_and_kept(site, clock) -> None:
    charger = site.charger()
    charger.stop(77, clock.iso(0), 100)
    charger.stop(77, clock.iso(0), 100)
    (row,) = site.month()
    assert (row["state"], row["wire_id"], row["energy_wh"]) == ("orphan", "77", None)


def test_nobody_ends_the_transaction_of_another(site, clock) -> None:
    transaction = site.charger("CP1").start(clock.iso(60))
    site.charger("CP2").stop(transaction, clock.iso(0), 5)
    assert site.connector(station_id="CP1").transaction is not None


def test_an_id_of_its_own_in_meter_values_is_adopted(site, clock) -> None:
    charger = site.charger()
    charger.status("Charging")
    charger.meter(clock.iso(2), -5, Energy_Active_Import_Register="10")
    adopted = site.connector().transaction
    assert adopted is not None
    charger.meter(clock.iso(1), -5, Energy_Active_Import_Register="20")
    charger.stop(-5, clock.iso(0), 30)
    assert site.connector().transaction is None
    assert site.month()[0]["state"] == "completed"


def test_late_messages_are_history_and_never_move_live_values_back(site, clock) -> None:
    charger = site.charger()
    transaction = charger.start(clock.iso(7200))
    charger.status("Charging", timestamp=clock.iso(0))
    charger.meter(clock.iso(0), transaction, Power_Active_Import="7000")
    charger.meter(clock.iso(3600), transaction, Power_Active_Import="1000")
    charger.status("Finishing", timestamp=clock.iso(3600))
    connector = site.connector()
    assert (connector.load_kw, connector.ocpp_status) == (7, "Charging")
    assert [e["action"] for e in site.system.events()].count("MeterValues") == 2
    assert site.point().counters["late_messages"] == 2


def test_values_that_break_the_schema_are_used_and_counted(site) -> None:
    charger = site.charger()
    charger.status("Charging")
    charger.ask(
        "MeterValues",
        {
            "connectorId": 1,
            "meterValue": {
                "timestamp": site.clock.iso(),
                "sampledValue": [
                    {"value": 3.5, "measurand": "Power.Active.Import", "unit": "kw", "phase": ""},
                    {"value": "", "measurand": "Voltage"},
                    {"value": "9", "measurand": "Odd.Thing", "context": "Odd"},
                ],
            },
        },
    )
    assert (site.connector().load_kw, site.connector().voltage_v) == (3.5, None)
    assert site.point().counters["forgiven"] == 1


def test_stale_and_disconnected_is_not_reported(site, clock) -> None:
    charger = site.charger()
    charger.status("Charging")
    transaction = charger.start(clock.iso(60))
    charger.meter(clock.iso(), transaction, Power_Active_Import="7000")
    clock.ahead_s += 200
    charger.request("Heartbeat", {})
    assert site.connector().load_kw is None
    charger.meter(clock.iso(), transaction, Power_Active_Import="6000")
    assert site.connector().load_kw == 6
    charger.close()
    connector = eventually(lambda: not site.point().connected and site.connector())
    assert (connector.load_kw, connector.status) == (None, "UNREACHABLE")


def test_id_tags_of_a_file(start, tmp_path) -> None:
    tags = tmp_path / "tags"
    tags.write_text("# ours\nBlue\n")
    charger = start(accept_id_tags=tags).charger()
    assert charger.ask("Authorize", {"idTag": "blue"})["idTagInfo"]["status"] == "Accepted"
    assert charger.ask("Authorize", {"idTag": "red"})["idTagInfo"]["status"] == "Invalid"


def test_faults_of_the_configuration_come_all_at_once(tmp_path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OcppConfig.from_dict({"listen": "here", "phases": 7, "lissen": 1})
    text = str(caught.value)
    assert all(word in text for word in ("listen", "phases", "lissen", "database"))
    with pytest.raises(ConfigurationError, match="allow_unauthenticated"):
        OcppConfig.from_dict({"listen": "0.0.0.0:1", "database": tmp_path / "x"})
