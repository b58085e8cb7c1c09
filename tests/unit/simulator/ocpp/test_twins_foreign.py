"""What a foreign central system needs: ids, credentials, vehicles that come by request."""

from __future__ import annotations

from base64 import b64decode
from http import HTTPStatus

import pytest
import requests

from chargepoint_driver.cli.commands.sim import sim, twin_options
from chargepoint_driver.simulator import ManualClock
from chargepoint_driver.simulator.ocpp import Twins

from .conftest import ANSWERS_201, values

K16, K20 = "00112233445566778899aabbccddeeff", "00112233445566778899AABBCCDDEEFF00112233"

CP = "CP0001"
VERSIONS = ("1.6", "2.0.1")


def ask(twins, method, path, content):
    response = requests.request(method, twins.control_url + path, json=content, timeout=60)
    return response.status_code, response.json()


def remote_start(central, ocpp):
    if ocpp == "1.6":
        return central.call(CP, "RemoteStartTransaction", connectorId=1, idTag="FAR")["status"]
    token = {"idToken": "FAR", "type": "Central"}
    start = {"evseId": 1, "remoteStartId": 7, "idToken": token}
    return central.call(CP, "RequestStartTransaction", **start)["status"]


def remote_stop(central, ocpp, twins):
    wire_id = twins.state(CP)["connectors"][0]["transaction_id"]
    action = "RemoteStopTransaction" if ocpp == "1.6" else "RequestStopTransaction"
    return central.call(CP, action, transactionId=wire_id)["status"]


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_remote_starts_alone_drive_a_twin(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, plug_on_remote_start=True)
    for _ in range(2):
        assert remote_start(central, ocpp) == "Accepted"
        twins.wait(CP, lambda actual: actual["power_kw"] > 0)
        twins.wait(CP, lambda actual: actual["connectors"][0]["transaction_id"] is not None)
        assert remote_stop(central, ocpp, twins) == "Accepted"
        twins.wait(CP, lambda actual: actual["connectors"][0]["status"] == "Finishing")
        twins.advance(31)
        twins.wait(CP, lambda actual: actual["connectors"][0]["status"] == "Available")


def test_a_second_start_keeps_the_vehicle(central, twins_of):
    twins = twins_of(plug_on_remote_start=True)
    for seconds in (20, 20):
        assert remote_start(central, "1.6") == "Accepted"
        twins.wait(CP, lambda actual: actual["connectors"][0]["transaction_id"] is not None)
        twins.advance(seconds)
        assert twins.state(CP)["power_kw"] > 0
        assert remote_stop(central, "1.6", twins) == "Accepted"
        twins.wait(CP, lambda actual: actual["connectors"][0]["status"] == "Finishing")
    twins.advance(31)
    assert not twins.state(CP)["connectors"][0]["plugged"]


def test_it_is_switched_by_the_control_api(central, twins_of):
    twins = twins_of(ocpp="1.6")
    assert remote_start(central, "1.6") == "Accepted"
    twins.wait(CP, lambda actual: actual["connectors"][0]["status"] == "Preparing")
    twins.advance(121)
    vehicle = {"max_ac_kw": 3.7, "ac_phases": 1}
    path = f"/charge-points/{CP}/plug_on_remote_start"
    status, found = ask(twins, "POST", path, {"vehicle": vehicle})
    assert (status, found["state"]["plug_on_remote_start"]) == (HTTPStatus.OK, True)
    assert remote_start(central, "1.6") == "Accepted"
    twins.wait(CP, lambda actual: actual["power_kw"] == pytest.approx(3.7))
    # A vehicle that somebody else brought stays.
    twins.act(CP, "plug_on_remote_start", on=False)
    assert not twins.state(CP)["plug_on_remote_start"]


def test_it_is_an_option_of_the_command() -> None:
    for given in ([], ["--plug-on-remote-start"]):
        options = sim.make_context("sim", ["--charge-points", "2", *given]).params
        twins = twin_options(options)
        assert twins is not None
        assert twins["plug_on_remote_start"] == bool(given)


def test_ids_are_unique_over_restarts(central):
    central.answers |= ANSWERS_201
    for _ in range(2):
        with Twins(central.url, 1, "2.0.1", clock=ManualClock(), shared_clock=True) as twins:
            twins.wait_connected()
            twins.start_charging(CP)
            twins.stop_charging(CP)
            twins.wait(CP, lambda actual: not actual["queued"])
    started = [one for one in central.payloads("TransactionEvent") if one["eventType"] == "Started"]
    assert len({one["transactionInfo"]["transactionId"] for one in started}) == 2
    assert len(set(central.ids)) == len(central.ids) > 6
    assert all(len(one) <= 36 for one in central.ids)


@pytest.mark.parametrize(
    ("ocpp", "password", "sent"),
    [
        ("1.6", K16, bytes.fromhex(K16)),
        ("1.6", K20, bytes.fromhex(K20)),
        ("1.6", "00112233445566778899aabbccddeef", b"00112233445566778899aabbccddeef"),
        ("1.6", "00112233445566778899aabbccddeeff0", b"00112233445566778899aabbccddeeff0"),
        ("1.6", "a password of words", b"a password of words"),
        ("2.0.1", K16, K16.encode()),
    ],
)
def test_a_hexadecimal_key_is_sent_as_bytes(central, twins_of, ocpp, password, sent):
    twins_of(ocpp=ocpp, password=password)
    kind, _, secret = central.opened[0][2]["authorization"].partition(" ")
    assert (kind, b64decode(secret)) == ("Basic", CP.encode() + b":" + sent)


def test_a_refused_creation_costs_no_id(central, twins_of):
    twins = twins_of(2)
    for _ in range(3):
        assert ask(twins, "POST", "/charge-points", {"ocpp": "9"})[0] == HTTPStatus.BAD_REQUEST
    assert ask(twins, "POST", "/charge-points", {"id": "CP0003"}) == (201, {"id": "CP0003"})
    assert ask(twins, "POST", "/charge-points", {}) == (201, {"id": "CP0004"})
    # An id is never given twice, also not after its twin has ended.
    twins.remove("CP0004")
    assert twins.create() == "CP0005"


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_what_a_dc_twin_offers_and_measures(central, twins_of, ocpp):
    measurands = "Power.Active.Import,Current.Import,Voltage,Current.Offered,Power.Offered"
    name = "MeterValuesSampledData" if ocpp == "1.6" else "SampledDataCtrlr.TxUpdatedMeasurands"
    connectors = [{"kind": "DC", "rated_kw": 60}]
    twins = twins_of(ocpp=ocpp, connectors=connectors, configuration={name: measurands})
    twins.start_charging(CP, battery_kwh=80, soc_percent=50, max_dc_kw=40)
    twins.advance(1)
    twins.wait(CP, lambda actual: not actual["queued"])
    action = "MeterValues" if ocpp == "1.6" else "TransactionEvent"
    before = len(central.payloads(action))
    twins.act(CP, "sample")
    message = central.wait_for(action, before + 1)
    (voltage_v,) = values(message, "Voltage")
    assert voltage_v == pytest.approx(380, abs=1)
    assert values(message, "Power.Active.Import") == [pytest.approx(40_000)]
    assert values(message, "Current.Import") == [pytest.approx(40_000 / voltage_v, abs=0.1)]
    assert values(message, "Power.Offered") == [60_000]
    assert values(message, "Current.Offered") == [pytest.approx(60_000 / voltage_v, abs=0.1)]
