"""Each quirk has the effect in its row, and only while it is on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from chargepoint_driver.simulator.ocpp import QUIRKS
from chargepoint_driver.simulator.ocpp.quirks.quirks import Quirks, quirk_faults

from ..conftest import values
from ..power.test_profiles import set_profile

CP = "CP0001"


def charging(twins, central, **vehicle):
    assert twins.start_charging(CP, **{"battery_kwh": 80, "max_ac_kw": 11, **vehicle}) == "Accepted"
    central.wait_for("StartTransaction")
    twins.wait(CP, lambda actual: actual["connectors"][0]["transaction_id"] is not None)


def sample(twins, central):
    """The next MeterValues."""
    before = len(central.payloads("MeterValues"))
    twins.act(CP, "sample")
    return central.wait_for("MeterValues", before + 1)


def powers(message):
    return [
        (one.get("phase"), float(one["value"]))
        for one in message["meterValue"][0]["sampledValue"]
        if one.get("measurand") == "Power.Active.Import"
    ]


# -- the table ----------------------------------------------------------------------------


def test_all_faults_are_named_at_once():
    wanted = {"limit_unit": {"unit": "kW"}, "max_keys": {"keys": -1, "x": 1}, "nonsense": {}}
    faults = quirk_faults(wanted)
    assert len(faults) == 4
    with pytest.raises(ValueError, match="nonsense"):
        Quirks(wanted)
    assert quirk_faults([]) == ["quirks: must be an object of name: parameters"]
    assert quirk_faults({"deaf": 3})
    assert quirk_faults({"limit_unit": {}}) == ["quirk limit_unit: needs unit: W or A"]


def test_every_quirk_is_tested_here():
    folder = Path(__file__).parent
    text = "".join(one.read_text(encoding="utf-8") for one in folder.glob("test_quirks*.py"))
    assert [name for name in QUIRKS if f'"{name}"' not in text] == []


def test_on_and_off_while_it_runs(central, twins_of):
    twins = twins_of(quirks={"refuses_availability_0": {}})
    ask = {"connectorId": 0, "type": "Operative"}
    assert central.call(CP, "ChangeAvailability", **ask) == {"status": "Rejected"}
    twins.act(CP, "quirk_off", name="refuses_availability_0")
    assert central.call(CP, "ChangeAvailability", **ask) == {"status": "Accepted"}
    twins.quirk(CP, "refuses_availability_0")
    assert central.call(CP, "ChangeAvailability", **ask) == {"status": "Rejected"}
    ask["connectorId"] = 1
    assert central.call(CP, "ChangeAvailability", **ask) == {"status": "Accepted"}
    with pytest.raises(ValueError, match="nonsense"):
        twins.quirk(CP, "nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        twins.act(CP, "quirk_off", name="nonsense")


# -- charging profiles --------------------------------------------------------------------


def test_one_unit_only_and_its_spelling(central, twins_of):
    twins = twins_of(quirks={"limit_unit": {"unit": "W"}})
    key = "ChargingScheduleAllowedChargingRateUnit"

    def spelt():
        return central.call(CP, "GetConfiguration", key=[key])["configurationKey"][0]["value"]

    assert set_profile(central, 10, unit="A") == "Rejected"
    assert set_profile(central, 5000, unit="W") == "Accepted"
    assert spelt() == "Power"
    twins.quirk(CP, "rate_unit_spelling", text="Watts;Amps")
    assert spelt() == "Watts;Amps"
    answer = central.call(CP, "GetCompositeSchedule", connectorId=1, duration=9)
    assert answer["chargingSchedule"]["chargingRateUnit"] == "W"
    ask = {"connectorId": 1, "duration": 9, "chargingRateUnit": "A"}
    assert central.call(CP, "GetCompositeSchedule", **ask) == {"status": "Rejected"}


def test_purposes_kinds_and_levels_that_it_refuses(central, twins_of):
    refused = {"purposes": ["TxDefaultProfile"], "status": "NotSupported"}
    twins = twins_of(quirks={"refuses_purpose": refused})
    assert set_profile(central, 10) == "NotSupported"
    assert set_profile(central, 10, 0, "ChargePointMaxProfile") == "Accepted"
    twins.act(CP, "quirk_off", name="refuses_purpose")
    twins.quirk(CP, "profile_kinds", kinds=["Relative"])
    assert set_profile(central, 10) == "Rejected"
    assert set_profile(central, 10, chargingProfileKind="Relative") == "Accepted"
    twins.act(CP, "quirk_off", name="profile_kinds")
    twins.quirk(CP, "max_stack_level", level=0)
    assert set_profile(central, 10, stackLevel=1) == "Rejected"
    assert set_profile(central, 10, stackLevel=0) == "Accepted"


@pytest.mark.parametrize(("composite", "shown_w"), [("truth", 22_000), ("echo", 5_000)])
def test_it_accepts_and_does_nothing(central, twins_of, composite, shown_w):
    twins = twins_of(quirks={"ignores_profiles": {"composite": composite}})
    charging(twins, central)
    assert set_profile(central, 5000, unit="W") == "Accepted"
    assert twins.state(CP)["power_kw"] == pytest.approx(11)
    ask = {"connectorId": 1, "duration": 60, "chargingRateUnit": "W"}
    answer = central.call(CP, "GetCompositeSchedule", **ask)
    periods = answer["chargingSchedule"]["chargingSchedulePeriod"]
    assert [one["limit"] for one in periods] == [shown_w]
    twins.act(CP, "quirk_off", name="ignores_profiles")
    assert twins.state(CP)["power_kw"] == pytest.approx(5)


def test_a_transaction_profile_overrules_the_default_one(central, twins_of):
    twins = twins_of(quirks={"tx_profile_overrules": {}})
    charging(twins, central)
    assert set_profile(central, 5000, unit="W") == "Accepted"
    more = {"purpose": "TxProfile", "unit": "W", "transactionId": 100, "chargingProfileId": 2}
    assert set_profile(central, 9000, **more) == "Accepted"
    assert twins.state(CP)["power_kw"] == pytest.approx(9)
    twins.act(CP, "quirk_off", name="tx_profile_overrules")
    assert twins.state(CP)["power_kw"] == pytest.approx(9)
    twins.quirk(CP, "min_of_purposes")
    assert twins.state(CP)["power_kw"] == pytest.approx(5)


@pytest.mark.parametrize("forgets", [False, True])
def test_profiles_outlive_a_reboot_or_not(central, twins_of, forgets):
    twins = twins_of(quirks={"forgets_profiles": {}} if forgets else {})
    assert set_profile(central, 10) == "Accepted"
    twins.act(CP, "reboot")
    central.wait_for("BootNotification", 2)
    assert len(twins.state(CP)["profiles"]) == (0 if forgets else 1)


def test_no_second_start_without_a_new_plug(central, twins_of):
    twins = twins_of(quirks={"needs_replug": {}})
    charging(twins, central)
    twins.stop_charging(CP)
    ask = {"idTag": "R", "connectorId": 1}
    assert central.call(CP, "RemoteStartTransaction", **ask) == {"status": "Rejected"}
    twins.unplug(CP)
    twins.plug(CP)
    assert central.call(CP, "RemoteStartTransaction", **ask) == {"status": "Accepted"}


# -- the connection -----------------------------------------------------------------------


def test_no_boot_when_it_merely_reconnects(central, twins_of):
    twins = twins_of(quirks={"no_boot_on_reconnect": {}})
    central.wait_for("StatusNotification", 2)
    central.drop(CP)
    central.wait_for("StatusNotification", 4)
    assert len(central.payloads("BootNotification")) == 1
    central.call(CP, "TriggerMessage", requestedMessage="BootNotification")
    central.wait_for("BootNotification", 2)
    twins.act(CP, "reboot")
    central.wait_for("BootNotification", 3)


def test_subprotocols(central, twins_of):
    twins = twins_of(quirks={"no_subprotocol": {}})
    assert central.opened[0][1] is None
    assert "sec-websocket-protocol" not in central.opened[0][2]
    twins.create(id="two", quirks={"subprotocols": {"offered": ["ocpp2.0.1", "ocpp1.6"]}})
    twins.create(id="probing", quirks={"probes": {"offered": ["ocpp1.6", "ocpp2.0.1"]}})
    twins.wait_connected()
    headers = {identity: headers for identity, _, headers in central.opened}
    assert headers["two"]["sec-websocket-protocol"] == "ocpp2.0.1, ocpp1.6"
    probed = [protocol for identity, protocol, _ in central.opened if identity == "probing"]
    assert probed == ["ocpp1.6", "ocpp2.0.1", "ocpp1.6"]


def test_the_old_socket_stays_open(central, twins_of):
    twins = twins_of(quirks={"keeps_old_socket": {}})
    twins.act(CP, "drop")
    central.wait_for("BootNotification", 2)
    twins.wait_connected()
    assert central.closed == []
    assert len(central.open_now) == 2
    assert central.call(CP, "ClearCache") == {"status": "Accepted"}


def test_every_character_of_the_id_encoded(central, twins_of):
    twins = twins_of(quirks={"encodes_whole_id": {}})
    assert central.opened[0][0] == CP
    assert twins.state(CP)["connected"]


def test_late_and_no_answers(central, twins_of):
    twins = twins_of(quirks={"late_answers": {"seconds": 0.2}})
    began = time.monotonic()
    assert central.call(CP, "ClearCache") == {"status": "Accepted"}
    assert time.monotonic() - began >= 0.19
    twins.act(CP, "quirk_off", name="late_answers")
    twins.quirk(CP, "deaf")
    never = central.ask(CP, "ClearCache")
    twins.advance(301)
    central.wait_for("Heartbeat")
    assert not never.done()
    twins.act(CP, "quirk_off", name="deaf")
    assert central.call(CP, "ClearCache") == {"status": "Accepted"}


def test_one_message_id_for_all(central, twins_of):
    twins_of(quirks={"same_message_ids": {}})
    central.wait_for("StatusNotification", 2)
    assert set(central.ids) == {"1"}


def test_actions_refused_with_a_callerror(central, twins_of):
    twins_of(quirks={"refuses_actions": {"actions": ["ClearCache"], "code": "InternalError"}})
    assert central.call(CP, "ClearCache")[0] == "InternalError"
    assert central.call(CP, "GetLocalListVersion") == {"listVersion": 0}


# -- transactions and meter values ----------------------------------------------------------


@pytest.mark.parametrize("value", [-1, 2**40])
def test_an_id_of_its_own(central, twins_of, value):
    quirk = {"value": value, "actions": ["MeterValues"]}
    twins = twins_of(quirks={"transaction_id": quirk})
    charging(twins, central)
    assert sample(twins, central)["transactionId"] == value
    twins.stop_charging(CP)
    assert central.wait_for("StopTransaction")["transactionId"] == 100


def test_values_after_the_stop(central, twins_of):
    twins = twins_of(quirks={"meter_values_after_stop": {"times": 2}})
    charging(twins, central)
    twins.stop_charging(CP)
    central.wait_for("MeterValues", 2)
    actions = central.actions()
    assert actions.index("StopTransaction") < actions.index("MeterValues")
    assert central.payloads("MeterValues")[0]["transactionId"] == 100


def test_a_start_sent_twice(central, twins_of):
    twins = twins_of(quirks={"repeats_start": {}})
    charging(twins, central)
    central.wait_for("StartTransaction", 2)
    first, second = central.payloads("StartTransaction")
    assert first == second


def test_a_register_of_the_session_only(central, twins_of):
    twins = twins_of(quirks={"session_register": {}})
    charging(twins, central)
    assert central.payloads("StartTransaction")[0]["meterStart"] == 0
    twins.advance(600)
    twins.stop_charging(CP)
    assert central.wait_for("StopTransaction")["meterStop"] == pytest.approx(1833, abs=1)


def test_gaps_in_seq_no(central, twins_of):
    twins = twins_of(ocpp="2.0.1", quirks={"skips_seq_no": {}})
    twins.start_charging(CP)
    twins.stop_charging(CP)
    central.wait_for("TransactionEvent", 2)
    assert [one["seqNo"] for one in central.payloads("TransactionEvent")] == [0, 2]


def test_totals_and_phases(central, twins_of):
    twins = twins_of()
    charging(twins, central)
    assert powers(sample(twins, central)) == [(None, 11_000)]
    twins.quirk(CP, "totals_and_phases", neutral=True)
    each = pytest.approx(11_000 / 3, abs=0.1)
    phases = [("L1", each), ("L2", each), ("L3", each)]
    assert powers(sample(twins, central)) == [(None, 11_000), *phases, ("N", 0)]
    twins.act(CP, "quirk_off", name="totals_and_phases")
    twins.quirk(CP, "phases_only")
    assert powers(sample(twins, central)) == phases


def test_bare_empty_and_odd_values(central, twins_of):
    twins = twins_of()
    charging(twins, central)
    twins.quirk(CP, "bare_values")
    first = sample(twins, central)["meterValue"][0]["sampledValue"][0]
    assert set(first) == {"value"}
    twins.act(CP, "quirk_off", name="bare_values")
    twins.quirk(CP, "empty_values")
    found = sample(twins, central)["meterValue"][0]["sampledValue"]
    assert {one["measurand"] for one in found if one["value"] == ""} == {"Voltage", "SoC"}
    twins.act(CP, "quirk_off", name="empty_values")
    twins.quirk(CP, "breaks_schema")
    found = sample(twins, central)["meterValue"][0]["sampledValue"]
    assert {one["context"] for one in found} == {"Sample.periodic"}
    assert "Watts" in {one["unit"] for one in found}
    ask = {"key": ["LocalPreAuthorize"]}
    shown = central.call(CP, "GetConfiguration", **ask)["configurationKey"]
    assert shown[0]["value"] is False
    twins.act(CP, "quirk_off", name="breaks_schema")
    twins.quirk(CP, "kilo_units")
    kilo = sample(twins, central)
    assert values(kilo, "Power.Active.Import") == [11.0]


# -- time ---------------------------------------------------------------------------------


def test_clocks(central, twins_of):
    twins = twins_of(quirks={"clock_1970": {}})
    reported = central.wait_for("StatusNotification")
    assert reported["timestamp"].startswith("1970-01-01T00:00:00")
    twins.act(CP, "quirk_off", name="clock_1970")
    twins.quirk(CP, "local_time_as_utc", offset_s=-28_800)
    twins.plug(CP)
    reported = central.wait_for("StatusNotification", status="Preparing")
    assert reported["timestamp"] == "2026-03-03T10:00:00.000Z"


# -- configuration ------------------------------------------------------------------------


def test_measurands_refused_as_a_whole(central, twins_of):
    known = ["Energy.Active.Import.Register", "Power.Active.Import", "Voltage"]
    twins_of(quirks={"sampled_data_as_a_whole": {"known": known, "most": 2}})

    def change(*names):
        wish = {"key": "MeterValuesSampledData", "value": ",".join(names)}
        return central.call(CP, "ChangeConfiguration", **wish)["status"]

    assert change("Power.Active.Import", "SoC") == "Rejected"
    assert change(*known) == "Rejected"
    assert change(*known[:2]) == "Accepted"


def test_so_many_keys_at_once(central, twins_of):
    twins_of(quirks={"max_keys": {"keys": 1}})
    keys = ["GetConfigurationMaxKeys", "NumberOfConnectors"]
    assert central.call(CP, "GetConfiguration", key=keys)[0] == "OccurenceConstraintViolation"
    shown = central.call(CP, "GetConfiguration", key=keys[:1])["configurationKey"]
    assert shown[0]["value"] == "1"


def test_the_page_has_every_quirk():
    page = (Path(__file__).parents[5] / "docs" / "reference" / "twins.md").read_text(
        encoding="utf-8"
    )
    assert [name for name in QUIRKS if f"| `{name}` |" not in page] == []
