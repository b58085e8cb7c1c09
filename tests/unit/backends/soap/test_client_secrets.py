"""A password is in the request and nowhere else."""

from __future__ import annotations

import logging
import traceback

import pytest

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig, DeviceConfig
from chargepoint_driver.errors import ChargePointError, ConfigurationError
from chargepoint_driver.simulator import Simulator

from .service import URL, fault, reply

SECRET = "s3cr3t"


def everything(backend):
    """Each kind of call once; the errors."""
    errors = []
    for attempt in (
        lambda: backend.fetch(Request("getLoad", ("1:1",))),
        lambda: backend.fetch(Request("getStations")),
        lambda: backend.shed(Target("1:1"), Limit(allowed_load_kw=1.0), 5),
        lambda: backend.clear(Target("1:1", 1)),
    ):
        try:
            attempt()
        except ChargePointError as error:
            errors.append(error)
    return errors


ANSWERS = [
    reply("getLoad"),
    fault("wsse:InvalidSecurity", "no"),
    (500, {}, ""),
    (401, {}, "<x"),
    ConnectionResetError(),
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_log_error_or_repr_shows_it(answer, backend, account, service, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("zeep", "urllib3", "requests", "chargepoint_driver"):
        caplog.set_level(logging.DEBUG, logger=name)
    service.answers(answer)
    errors = everything(backend)
    assert b"s3cr3t" in service.requests[0].content
    shown = [caplog.text, repr(backend), str(account), repr(account), repr(vars(backend))]
    for error in errors:
        shown += [str(error), repr(error), repr(error.args), repr(error.to_dict())]
        shown += traceback.format_exception(error)
    assert [text for text in shown if SECRET in text] == []


def test_over_a_real_connection_the_debug_logs_are_silent_too(account, caplog):
    caplog.set_level(logging.DEBUG)
    with Simulator(username="fleet-account", password=account.read_password()) as simulator:
        backend = SoapBackend(account.model_copy(update={"endpoint": simulator.soap_url}))
        backend.fetch(Request("getStations"))
        backend.close()
    assert any(record.name.startswith("urllib3") for record in caplog.records)
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"password": "s3cr3t", "password_env": "X"}, "exactly one of password"),
        ({"passwrod": "s3cr3t"}, "did you mean 'password'"),
        ({"password": ["s3cr3t"]}, "password: "),
        ({"password": "s3cr3t", "stationID": ["s3cr3t"]}, "stationID: "),
        ({"password": "s3cr3t", "endpoint": "https://u:s3cr3t@h/"}, "must not hold credentials"),
        ({"password": "s3cr3t", "region": "s3cr3t"}, "region: "),
        ({"password": "s3cr3t", "timeout": "s3cr3t"}, "timeout: "),
    ],
)
def test_a_faulty_config_does_not_show_it(fields, named):
    with pytest.raises(ConfigurationError) as caught:
        DeviceConfig.from_dict({"username": "u", "stationID": "1:1", **fields}, "device.config")
    text = "".join(traceback.format_exception(caught.value))
    assert named in str(caught.value)
    assert SECRET not in text


def test_what_does_not_fit_into_xml_is_a_fault_of_the_configuration(service):
    backend = SoapBackend(AccountConfig(username="u", password="s3cr3t\x00", endpoint=URL))
    with pytest.raises(ConfigurationError, match="control characters") as caught:
        backend.fetch(Request("getStations"))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    backend.reconfigure(AccountConfig(username="u", password="x", endpoint=URL))
    for attempt in (
        lambda: backend.fetch(Request("getLoad", ("1:\x01",))),
        lambda: backend.clear_alarms("\ud800"),
    ):
        with pytest.raises(ConfigurationError, match="stationID"):
            attempt()
    assert service.requests == []
    backend.close()


def test_a_password_is_read_where_the_config_says_each_time(tmp_path, monkeypatch, service):
    service.answers(reply("getLoad"))
    kept = tmp_path / "password"
    kept.write_text("first\nsecond line\n", encoding="utf-8")
    account = AccountConfig(username="u", password_file=kept, endpoint=URL)
    backend = SoapBackend(account)
    request = Request("getLoad", ("1:1",))
    backend.fetch(request)
    kept.write_text("other\n", encoding="utf-8")
    backend.fetch(request)
    assert [b"first" in sent.content for sent in service.requests] == [True, False]
    assert b"other" in service.requests[1].content
    for content in (b"", b"\n", b"\xff\xfe"):
        kept.write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"password_file: .*password"):
            backend.fetch(request)
    kept.unlink()
    with pytest.raises(ConfigurationError, match=r"password_file: .*correct the path"):
        backend.fetch(request)
    monkeypatch.delenv("CP_PASSWORD", raising=False)
    backend.reconfigure(AccountConfig(username="u", password_env="CP_PASSWORD", endpoint=URL))
    with pytest.raises(ConfigurationError, match=r"password_env: .*'CP_PASSWORD' is not set"):
        backend.fetch(request)
    monkeypatch.setenv("CP_PASSWORD", "from-env")
    backend.fetch(request)
    assert b"from-env" in service.requests[-1].content
    backend.close()
