"""Answers of charge points that are not quite JSON: one call fails at once, the socket stays."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp.transport.own_calls import CallRefusedError
from chargepoint_driver.errors import OutcomeUnknownError

from ..conftest import eventually

LONG_S = 60.0  # no test waits for it


def answer(charger: Any, text: str | None, before: Callable[[], None] | None = None) -> Any:
    """Answer the next request with this text, in which %ID% is its id; None: not at all."""

    def run() -> None:
        frame = json.loads(charger.ws.recv(10))
        if before is not None:
            before()
        if text is not None:
            charger.ws.send(text.replace("%ID%", frame[1]))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def call(site: Any, text: str) -> dict[str, Any]:
    charger = site.chargers[-1]
    thread = answer(charger, text)
    try:
        return site.system.call("CP1", "ClearCache", {}, timeout_s=LONG_S)
    finally:
        thread.join()


@pytest.mark.parametrize(
    "text",
    [
        '[3,"%ID%",{"status":"Accepted"}',
        '[3,"%ID%",{"status":"Acc',
        '[3,"%ID%",{status:Accepted}]',
        "[3,%ID%,{'status':'Accepted'}]",
        "[3,'%ID%',{}]",
        '3,"%ID%",{"status":"Accepted"}]',
        '[3;"%ID%";{"status":"Accepted"}]',
        '[3,"%ID%"]',
        '[3,"%ID%",[]]',
        '[3,"%ID%","Accepted"]',
        '[3,"%ID%',
        "[3,",
        "[3",
        "[3,null,{}]",
        '[3,"",{"status":"Accepted"}]',
        '[3,"%ID%",' + "[" * 3000,
    ],
)
def test_what_cannot_be_read_fails_its_call_at_once(start, text) -> None:
    site = start(call_timeout_s=LONG_S)
    charger = site.charger()
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError, match="cannot be read"):
            call(site, text)
    assert call(site, '[3,"%ID%",{"status":"Accepted"}]') == {"status": "Accepted"}
    charger.ask("Heartbeat", {})
    assert site.point().counters["broken_answers"] == 2


@pytest.mark.parametrize(
    "text",
    [
        '[3,"%ID%",{"status":"Accepted",}]',
        '[3,"%ID%",{,"status":"Accepted"}]',
        '[3,"%ID%",{"status":"Accepted"},]',
        '[,3,"%ID%",{"status":"Accepted"}]',
        '\ufeff[3,"%ID%",{"status":"Accepted"}]\r\n\0',
        '[3," %ID% ",{"status":"Accepted"}]',
        '[3,"%ID%",{"status":"Accepted"},null]',
    ],
)
def test_what_lost_nothing_is_read(start, text) -> None:
    site = start(call_timeout_s=LONG_S)
    site.charger()
    assert call(site, text)["status"] == "Accepted"


def test_numbers_that_json_does_not_know_are_not_reported(start) -> None:
    site = start(call_timeout_s=LONG_S)
    site.charger()
    text = '[3,"%ID%",{"status":"Accepted","x":NaN,"y":"a,]","z":[1,,2]}]'
    found = call(site, text)
    assert (found["status"], found["y"], found["z"]) == ("Accepted", "a,]", [1, 2])
    assert found.get("x") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[4,"%ID%"]', "GenericError"),
        ('[4,"%ID%","NotSupported"]', "NotSupported"),
        ('[4,"%ID%",null,null]', "GenericError"),
        ('[4,"%ID%","","",{}]', "GenericError"),
        ('[4,"%ID%","InternalError","no', "GenericError"),
        ('[4,"%ID%",InternalError]', "GenericError"),
        ('[4,"%ID%","InternalError","",{},]', "InternalError"),
    ],
)
def test_an_error_in_any_state_is_a_refusal(start, text, code) -> None:
    site = start(call_timeout_s=LONG_S)
    site.charger()
    with pytest.raises(CallRefusedError) as refused:
        call(site, text)
    assert refused.value.service_code == code
    assert site.point().connected


@pytest.mark.parametrize("text", ['[3,"other-9",{"status":"Accepted"', '[4,"other-9"]'])
def test_the_answer_to_something_else_fails_nothing(start, text) -> None:
    site = start(call_timeout_s=LONG_S)
    charger = site.charger()
    thread = answer(charger, '[3,"%ID%",{"status":"Accepted"}]', lambda: charger.ws.send(text))
    assert site.system.call("CP1", "ClearCache", {}, timeout_s=LONG_S)["status"] == "Accepted"
    thread.join()


def test_a_charger_that_talks_and_answers_no_call_stays(start) -> None:
    site = start(call_timeout_s=0.3)
    charger = site.charger()
    beat = lambda: charger.ws.send('[2,"h","Heartbeat",{}]')  # noqa: E731
    thread = answer(charger, None, beat)
    with pytest.raises(OutcomeUnknownError):
        site.system.call("CP1", "ClearCache", {}, timeout_s=10)
    thread.join()
    assert charger.receive()[1] == "h"
    charger.ask("Heartbeat", {})
    assert site.point().counters["calls_without_answer"] == 1
    assert site.point().connected


def test_a_charger_that_says_nothing_at_all_is_dropped(start) -> None:
    site = start(call_timeout_s=0.3)
    site.charger()
    with pytest.raises(OutcomeUnknownError):
        site.system.call("CP1", "ClearCache", {}, timeout_s=10)
    eventually(lambda: not site.point().connected)


@pytest.mark.parametrize("message_id", [7, -1, 0, 2**40])
def test_a_number_for_a_message_id_is_answered_with_it(site, message_id) -> None:
    charger = site.charger()
    assert charger.send(f'[2,{message_id},"Heartbeat",{{}}]')[:2] == [3, message_id]
    assert charger.send(f'[2,{message_id},"Nothing",{{}}]')[:3] == [4, message_id, "NotImplemented"]
