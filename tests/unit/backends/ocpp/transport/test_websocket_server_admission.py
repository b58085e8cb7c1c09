"""Who comes in under which id, who does not, and that both learn why."""

from __future__ import annotations

import base64
import logging
from urllib.parse import quote, urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from chargepoint_driver.backends.ocpp.transport.authentication import station_id_of
from chargepoint_driver.errors import InvalidValueError

from ..conftest import eventually


def opening(site, path: str, **options):
    url = urlsplit(site.system.ocpp_url)
    return connect(
        f"ws://{url.netloc}{path}",
        subprotocols=["ocpp1.6"],
        compression=None,
        proxy=None,
        **options,
    )


# ---- ids -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "station_id"),
    [
        ("/ocpp/CP1", "CP1"),
        ("/CP1", "CP1"),
        ("/ocpp/1.6/CP1/", "CP1"),
        ("///CP1//", "CP1"),
        ("/ocpp/CP1?token=x/y", "CP1"),
        ("/ocpp/ocpp", "ocpp"),
        ("/ws://192.0.2.5:9000/ocpp/CP1", "CP1"),
        ("/ocpp/wss://csms.example/ocpp/CP1/", "CP1"),
        ("/ocpp/" + quote("ws://192.0.2.5:9000/ocpp/CP1", safe=""), "CP1"),
        ("/ocpp/a%2Fb", "a/b"),
        ("/ocpp/100%25", "100%"),
        ("/ocpp/DE%3AABC", "DE:ABC"),
        ("/", None),
        ("", None),
        ("//", None),
        ("/ocpp", None),
        ("/ocpp/", None),
        ("/OCPP", None),
        ("//ocpp//", None),
        ("/ocpp?id=CP1", None),
        ("/ws://192.0.2.5:9000/ocpp", None),
        ("/ws://192.0.2.5:9000", None),
        ("/ocpp/" + quote("ws://192.0.2.5:9000/ocpp", safe=""), None),
        ("/ocpp/%zz", None),
        ("/ocpp/%00", None),
        ("/ocpp/" + "x" * 129, None),
    ],
)
def test_the_id_in_a_path(path, station_id) -> None:
    assert station_id_of(path) == station_id


@pytest.mark.parametrize("path", ["/", "/ocpp", "/ocpp/", "/ocpp?token=secret"])
def test_without_an_id_the_reason_is_in_the_answer(site, caplog, path) -> None:
    with pytest.raises(InvalidStatus) as caught:
        opening(site, path)
    response = caught.value.response
    body = response.body.decode()
    assert response.status_code == 404
    assert "no charge point id" in body
    assert "/<id>" in body
    assert str(urlsplit(site.system.ocpp_url).port) in body
    assert "secret" not in body + caplog.text
    (line,) = [each for each in caplog.messages if each.startswith("bad ids")]
    assert "127.0.0.1" in line
    assert site.system.charge_points() == []


def test_a_url_in_the_path_comes_in(site) -> None:
    with opening(site, "/ws://192.0.2.5:9000/ocpp/CP1"):
        eventually(lambda: site.system.charge_points() and site.point().connected)


def test_an_unknown_one_is_told_so(start, caplog) -> None:
    site = start(charge_points={"CP1": {}})
    with pytest.raises(InvalidStatus) as caught:
        site.charger("CP9")
    assert "charge_points" in caught.value.response.body.decode()
    assert "id 'CP9'" in caplog.text


# ---- keys ------------------------------------------------------------------------------------


def header(station_id: str, key: bytes) -> dict[str, str]:
    pair = station_id.encode() + b":" + key
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


@pytest.mark.parametrize("length", [16, 17, 18, 19, 20])
@pytest.mark.parametrize("kept", ["lower", "upper"])
def test_a_key_comes_as_bytes_or_as_digits(start, monkeypatch, length, kept) -> None:
    raw = bytes((7 + 11 * number) % 256 for number in range(length))
    digits = raw.hex()
    monkeypatch.setenv("KEY", digits if kept == "lower" else digits.upper())
    site = start(charge_points={"CP:1": {"password_env": "KEY"}})
    for sent in (raw, digits.encode(), digits.upper().encode()):
        site.charger("CP:1", additional_headers=header("CP:1", sent)).boot()
    for wrong in (raw[:-1], raw + b"0", digits[:-2].encode(), digits.encode() + b"00", b""):
        with pytest.raises(InvalidStatus, match="401"):
            site.charger("CP:1", additional_headers=header("CP:1", wrong))
    with pytest.raises(InvalidStatus, match="401"):
        site.charger("CP:1", additional_headers=header("CP", raw))


@pytest.mark.parametrize("password", ["00ff" * 7, "00ff" * 11, "0f" * 16 + "0", "zz" * 16])
def test_other_lengths_and_texts_are_passwords_as_they_stand(start, monkeypatch, password) -> None:
    monkeypatch.setenv("KEY", password)
    site = start(charge_points={"CP1": {"password_env": "KEY"}})
    site.charger("CP1", password=password).boot()
    if len(password) % 2 == 0 and "z" not in password:
        sent = bytes.fromhex(password)
        with pytest.raises(InvalidStatus, match="401"):
            site.charger("CP1", additional_headers=header("CP1", sent))


def test_a_key_of_16_characters_may_be_sent_as_its_digits(start, monkeypatch) -> None:
    monkeypatch.setenv("KEY", "0123456789abcdef")
    site = start(charge_points={"CP1": {"password_env": "KEY"}})
    for sent in (b"0123456789abcdef", b"0123456789abcdef".hex().encode()):
        site.charger("CP1", additional_headers=header("CP1", sent)).boot()


def test_a_password_that_nobody_asks_for_does_not_matter(site) -> None:
    site.charger("CP1", additional_headers=header("other", b"")).boot()


# ---- the log ---------------------------------------------------------------------------------


def test_who_comes_and_goes_is_logged(site, caplog) -> None:
    caplog.set_level(logging.INFO)
    charger = site.charger()
    charger.boot()
    charger.close()
    eventually(lambda: not site.point().connected)
    lines = eventually(
        lambda: (
            [line for line in caplog.messages if line.startswith(("connected", "disconnected"))][1:]
            and caplog.messages
        )
    )
    (came,) = [line for line in lines if line.startswith("connected")]
    assert "127.0.0.1, id 'CP1': OCPP 1.6" in came
    (went,) = [line for line in lines if line.startswith("disconnected")]
    assert "code 1000" in went


def test_a_wrong_subprotocol_is_logged_with_what_was_offered(site, caplog) -> None:
    charger = site.charger(subprotocols=["ocpp1.5", "soap"])
    eventually(lambda: "ocpp1.5, soap" in caplog.text)
    charger.close()


def test_what_is_forgiven_is_logged_once(site, caplog) -> None:
    charger = site.charger()
    for _ in range(20):
        charger.status("Available", odd=1)
    lines = [line for line in caplog.messages if line.startswith("forgiven")]
    assert len(lines) == 1
    assert "StatusNotification" in lines[0]
    assert site.point().counters["forgiven"] == 20


# ---- requests that are not a central system's ------------------------------------------------


@pytest.mark.parametrize(
    ("ocpp", "action"),
    [
        ("1.6", "BootNotification"),
        ("1.6", "Heartbeat"),
        ("1.6", "MeterValues"),
        ("2.0.1", "TransactionEvent"),
        ("2.0.1", "NotifyReport"),
        ("2.1", "NotifySettlement"),
    ],
)
def test_a_request_of_charge_points_is_not_sent(site, ocpp, action) -> None:
    charger = site.charger(subprotocols=[f"ocpp{ocpp}"])
    eventually(lambda: site.point().connected)
    with pytest.raises(InvalidValueError, match=f"{action}: charge points send this request"):
        site.system.call("CP1", action, {})
    charger.ask("Heartbeat", {})  # nothing came before its answer


def test_a_misspelt_action_is_told_what_was_meant(site) -> None:
    site.charger()
    eventually(lambda: site.point().connected)
    with pytest.raises(InvalidValueError, match="did you mean GetConfiguration"):
        site.system.call("CP1", "GetConfigurations", {})


def test_a_payload_without_a_field_is_refused_with_the_action_once(site) -> None:
    charger = site.charger()
    charger.boot()
    with pytest.raises(
        InvalidValueError, match=r"^ChangeAvailability: \"type\" is a required property"
    ):
        site.system.call("CP1", "ChangeAvailability", {"connectorId": 1})
