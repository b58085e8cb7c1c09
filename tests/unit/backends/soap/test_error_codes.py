"""What the service answers instead of data, as errors of the project's tree."""

from __future__ import annotations

import copy
import pickle

import pytest

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.backends.soap import error_codes
from chargepoint_driver.backends.soap.error_codes import Caller, wrong_credentials
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.errors import (
    AuthenticationError,
    InvalidReplyError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    TransientError,
    WriteRejectedError,
    error_from_dict,
)

from .service import fault, recorded, reply

CODES = [
    ("101", PermissionDeniedError, "rights or its plan"),
    ("102", NotFoundError, "stationID"),
    ("119", NotFoundError, "stationID"),
    ("126", WriteRejectedError, "shedState"),
    ("127", WriteRejectedError, "shedState"),
    ("171", WriteRejectedError, "allowedLoad"),
    ("182", AuthenticationError, "username, password or region"),
    ("183", AuthenticationError, "username, password or region"),
    ("187", WriteRejectedError, "group"),
]
STATION = Target("1:1")
WRITES = {
    "shedLoad": lambda backend: backend.shed(STATION, Limit(allowed_load_kw=3.0), 60),
    "clearShedState": lambda backend: backend.clear(STATION),
    "clearAlarms": lambda backend: backend.clear_alarms("1:1"),
}


def load(backend):
    return backend.fetch(Request("getLoad", ("1:1",)))


def test_every_code_of_the_table_is_held_here():
    assert {code for code, *_ in CODES} == set(error_codes._CODES)


@pytest.mark.parametrize(("code", "kind", "cure"), CODES)
def test_a_code_names_call_code_text_and_cure(code, kind, cure, backend, service):
    service.answers(reply("getLoad", code=code, text="the  service's\n words"))
    with pytest.raises(kind) as caught:
        load(backend)
    assert type(caught.value) is kind
    message = str(caught.value)
    for word in ("getLoad", code, "the service's words", cure, "fleet-account", "service.test"):
        assert word in message
    assert "\n" not in message
    assert caught.value.service_code == code
    assert len(service.requests) == 1


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(("code", "kind", "cure"), CODES)
def test_a_write_that_is_answered_with_a_code_raises_and_is_sent_once(
    write, code, kind, cure, backend, service
):
    service.answers(reply(write, code=code))
    with pytest.raises(kind, match=f"{write}.*{code}"):
        WRITES[write](backend)
    assert len(service.requests) == 1


def test_a_code_nobody_knows(backend, service):
    service.answers(reply("getLoad", code="999", text="Odd"))
    with pytest.raises(InvalidReplyError, match=r"code 999 \(Odd\)"):
        load(backend)
    service.answers(reply("shedLoad", code="999", text="Odd"))
    with pytest.raises(WriteRejectedError, match=r"code 999 \(Odd\).*not carried out"):
        WRITES["shedLoad"](backend)


@pytest.mark.parametrize("code", ["136", "153"])
@pytest.mark.parametrize("call", ["getAlarms", "getChargingSessionData"])
def test_nothing_of_the_kind_is_an_empty_answer(code, call, backend, service):
    service.answers(reply(call, code=code))
    assert backend.fetch(Request(call)).records == {}


@pytest.mark.parametrize("write", ["shedLoad", "clearShedState"])
def test_a_write_is_not_answered_by_nothing_of_the_kind(write, backend, service):
    service.answers(reply(write, code="136"))
    with pytest.raises(WriteRejectedError, match=write):
        WRITES[write](backend)


def test_clearing_no_alarms_has_cleared_them(backend, service):
    service.answers(reply("clearAlarms", code="153"))
    backend.clear_alarms("1:1")


@pytest.mark.parametrize("inner", ["", "<responseCode/>", "<responseCode> </responseCode>"])
def test_a_reply_without_code_is_none(inner, backend, service):
    service.answers(reply("getLoad").replace("<responseCode>100</responseCode>", inner))
    with pytest.raises(InvalidReplyError, match="no responseCode"):
        load(backend)


AUTHENTICATION = [
    ("ns1:FailedAuthentication", "The security token could not be authenticated"),
    ("wsse:InvalidSecurity", "Unable to authenticate user."),
    ("wsse:SecurityTokenUnavailable", "no"),
    ("s:Server", "WSSE error: wrong username or password"),
]


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(("code", "text"), AUTHENTICATION)
def test_wrong_credentials_are_one_clear_error(status, code, text, backend, service):
    service.answers((status, {}, fault(code, text)))
    for attempt in (load, WRITES["shedLoad"]):
        with pytest.raises(AuthenticationError) as caught:
            attempt(backend)
        message = str(caught.value)
        for word in ("fleet-account", "endpoint service.test", "username, password or region"):
            assert word in message
        assert "s3cr3t" not in message
    assert len(service.requests) == 2


def test_wrong_credentials_name_the_region():
    account = AccountConfig(username="fleet-account", password="x", region="eu")
    caller = Caller("getLoad", account.username, account.place)
    assert "account fleet-account in region eu" in str(wrong_credentials("182", caller))


@pytest.mark.parametrize("status", [200, 500])
def test_any_other_fault_passes(status, backend, service):
    service.answers((status, {"Retry-After": "7"}, fault("s:Server", "Internal error")))
    with pytest.raises(TransientError, match=r"s:Server: Internal error.*tried again") as caught:
        load(backend)
    assert caught.value.service_code == "s:Server"
    assert caught.value.retry_after_s == (7.0 if status == 500 else None)


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("write", WRITES)
def test_the_outcome_of_a_write_behind_a_server_fault_is_not_known(status, write, backend, service):
    service.answers((status, {}, fault("s:Server", "Internal error")))
    with pytest.raises(
        OutcomeUnknownError, match=f"{write}.*Internal error.*read the point"
    ) as caught:
        WRITES[write](backend)
    assert caught.value.service_code == "s:Server"
    assert "tried again" not in str(caught.value)
    assert len(service.requests) == 1


@pytest.mark.parametrize("code", ["s:Client", "Client", "SOAP-ENV:Client.Validation"])
def test_a_write_that_the_service_calls_wrong_was_not_carried_out(code, backend, service):
    service.answers((500, {}, fault(code, "schema validation failed")))
    with pytest.raises(WriteRejectedError, match=r"schema validation failed.*nothing was"):
        WRITES["shedLoad"](backend)


def test_a_fault_without_words(backend, service):
    service.answers(recorded("getLoad-5.0").replace(b"getLoadResponse", b"x"))
    with pytest.raises(InvalidReplyError, match="not getLoadResponse"):
        load(backend)
    service.answers(fault("", ""))
    with pytest.raises(TransientError, match="no text: no text"):
        load(backend)


def test_a_long_text_is_cut(backend, service):
    service.answers(reply("getLoad", code="101", text="x" * 100_000))
    with pytest.raises(PermissionDeniedError) as caught:
        load(backend)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "again",
    [
        lambda e: error_from_dict(e.to_dict()),
        copy.copy,
        copy.deepcopy,
        lambda e: pickle.loads(pickle.dumps(e)),
    ],
)
def test_an_error_survives_its_journey(again):
    error = TransientError("wait", service_code="HTTP 429", retry_after_s=30.0)
    other = again(error)
    assert type(other) is TransientError
    assert other.to_dict() == error.to_dict()
    assert str(other) == "wait"
