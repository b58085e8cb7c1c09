"""HTTP answers that are no SOAP, and connections that break."""

from __future__ import annotations

import ssl

import pytest
import requests
import responses
import urllib3.exceptions

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.backends.soap import SoapBackend, transport
from chargepoint_driver.errors import (
    AuthenticationError,
    InvalidReplyError,
    OutcomeUnknownError,
    RefusedError,
    TransientError,
)

from .service import URL, reply

PORT = Target("1:1", 2)


def load(backend):
    return backend.fetch(Request("getLoad", ("1:1",)))


def shed(backend):
    backend.shed(PORT, Limit(percent_shed=50), 60)


STATUSES = [
    (400, TransientError, OutcomeUnknownError),
    (401, AuthenticationError, AuthenticationError),
    (403, TransientError, TransientError),
    (404, RefusedError, RefusedError),
    (405, RefusedError, RefusedError),
    (410, RefusedError, RefusedError),
    (429, TransientError, TransientError),
    (500, TransientError, OutcomeUnknownError),
    (502, TransientError, OutcomeUnknownError),
    (503, TransientError, TransientError),
    (504, TransientError, OutcomeUnknownError),
]


@pytest.mark.parametrize("body", ["", "<html><body>no</body></html>", reply("getLoad")])
@pytest.mark.parametrize(("status", "of_read", "of_write"), STATUSES)
def test_a_status_is_one_error_and_one_request(status, of_read, of_write, body, backend, service):
    service.answers((status, {}, body))
    with pytest.raises(of_read, match=f"getLoad.*HTTP {status}") as caught:
        load(backend)
    assert type(caught.value) is of_read
    assert caught.value.service_code == f"HTTP {status}"
    assert len(service.requests) == 1
    with pytest.raises(of_write, match=f"shedLoad.*HTTP {status}") as caught:
        shed(backend)
    assert type(caught.value) is of_write
    assert len(service.requests) == 2
    assert "tried again" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        (" 0 ", 0.0),
        ("", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(status, header, seconds, backend, service):
    service.answers((status, {"Retry-After": header}, ""))
    with pytest.raises(TransientError) as caught:
        load(backend)
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("target", ["https://elsewhere.test/", URL, "", "http://["])
def test_a_redirect_is_not_followed(status, target, backend, service):
    service.answers((status, {"Location": target}, ""))
    for attempt in (load, shed):
        with pytest.raises(RefusedError, match="endpoint"):
            attempt(backend)
    assert len(service.requests) == 2


def never_left():
    refused = urllib3.exceptions.NewConnectionError(None, "refused")
    no_proxy = urllib3.exceptions.ProxyError("no proxy", OSError())
    return [
        requests.exceptions.ConnectTimeout("slow"),
        requests.exceptions.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/", refused)),
        requests.exceptions.ProxyError(urllib3.exceptions.MaxRetryError(None, "/", no_proxy)),
    ]


@pytest.mark.parametrize("error", never_left(), ids=lambda error: type(error).__name__)
def test_without_connection_nothing_was_sent(error, backend, service):
    service.answers(error)
    for attempt in (load, shed):
        with pytest.raises(TransientError, match="no connection") as caught:
            attempt(backend)
        assert type(caught.value) is TransientError
    assert len(service.requests) == 2


BROKEN = [
    requests.exceptions.ReadTimeout("slow"),
    requests.exceptions.ConnectionError(ConnectionResetError("reset")),
    requests.exceptions.ChunkedEncodingError("cut"),
    requests.exceptions.ContentDecodingError("garbled"),
    requests.exceptions.SSLError(
        urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.SSLError("bad record"))
    ),
    OSError("gone"),
]


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_a_connection_that_breaks_leaves_a_write_in_doubt(error, backend, service):
    service.answers(error)
    with pytest.raises(TransientError, match=r"getLoad.*tried again") as caught:
        load(backend)
    assert type(caught.value) is TransientError
    with pytest.raises(OutcomeUnknownError, match=r"shedLoad.*may be in force; read the point"):
        shed(backend)
    assert len(service.requests) == 2


def test_a_certificate_that_is_not_accepted(backend, service):
    cause = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed"))
    service.answers(
        requests.exceptions.SSLError(urllib3.exceptions.MaxRetryError(None, "/", cause))
    )
    for attempt in (load, shed):
        with pytest.raises(RefusedError, match=r"certificate.*ca_file"):
            attempt(backend)


@pytest.mark.parametrize("url", ["http://" + "a" * 70 + ".test/", "http://127.0.0.1:99999/"])
def test_an_endpoint_that_is_none(url, account):
    backend = SoapBackend(account.model_copy(update={"endpoint": url}))
    for attempt in (load, shed):
        with pytest.raises(RefusedError, match="correct endpoint"):
            attempt(backend)
    backend.close()


def test_a_huge_answer_is_refused(backend, service, monkeypatch):
    monkeypatch.setattr(transport, "MAX_BYTES", 100_000)
    service.answers(reply("getLoad", "<x/>" * 50_000))
    with pytest.raises(InvalidReplyError, match="larger than"):
        load(backend)
    with pytest.raises(OutcomeUnknownError, match="larger than"):
        shed(backend)


def test_a_mended_account_is_used_at_the_next_call(backend, account, service):
    service.answers((401, {}, ""))
    with pytest.raises(AuthenticationError):
        load(backend)
    backend.reconfigure(account.model_copy(update={"username": "other-account"}))
    service.answers(reply("getLoad"))
    load(backend)
    assert b"other-account" in service.requests[-1].content


def test_the_mock_stands_for_every_address():
    with responses.RequestsMock(), pytest.raises(requests.exceptions.ConnectionError):
        requests.post("https://service.test/", timeout=1)
