"""The end of a limit that the charge point never took: no request, no error."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import (
    ChargePointError,
    OutcomeUnknownError,
    TransientError,
    WriteRejectedError,
)

from ..conftest import eventually
from ..protocol.test_status_notifications import Both

ONE = Target("CP1", 1)
FIVE = Limit(allowed_load_kw=5)


@pytest.fixture(params=["1.6", "2.0.1"])
def meet(request, start):
    def make(**answers) -> Both:
        it = Both(start(), request.param, **answers)
        it.boot()
        it.status(1, "Available")
        return it

    return make


def clears(it: Both) -> int:
    return [action for action, _ in it.asked].count("ClearChargingProfile")


@pytest.mark.parametrize("answer", [None, {"status": "Rejected"}, {"status": "NotSupported"}])
@pytest.mark.parametrize("target", [ONE, Target("CP1")])
def test_ended_without_any_request(meet, answer, target) -> None:
    it = meet() if answer is None else meet(SetChargingProfile=answer)
    with pytest.raises(WriteRejectedError):
        it.site.system.shed(ONE, FIVE, 5)
    assert it.site.connector().limit["refused"]
    before = list(it.asked)
    it.site.system.clear(target)
    assert it.asked == before
    assert it.site.connector().limit is None


def test_of_a_charger_that_is_away_as_well(meet) -> None:
    it = meet()
    with pytest.raises(WriteRejectedError):
        it.site.system.shed(ONE, FIVE, 5)
    it.hang_up()
    it.site.system.clear(ONE)
    assert it.site.connector().limit is None
    with pytest.raises(TransientError):
        it.site.system.clear(ONE)  # nothing is known: it would have to be asked


def test_where_nothing_is_known_a_charger_without_limits_is_no_error(meet) -> None:
    it = meet()
    it.site.system.clear(ONE)
    assert clears(it) == 2  # NotImplemented, twice: nothing of ours can be there


def test_one_that_was_taken_is_removed_and_an_error_is_one(meet) -> None:
    it = meet(SetChargingProfile={"status": "Accepted"})
    it.site.system.shed(ONE, FIVE, 5)
    with pytest.raises(ChargePointError, match="NotImplemented"):
        it.site.system.clear(ONE)
    assert it.site.connector().limit["accepted_kw"] is not None
    it.answers["ClearChargingProfile"] = {"status": "Accepted"}
    it.site.system.clear(ONE)
    assert it.site.connector().limit is None


def test_one_that_was_taken_before_a_refusal_is_removed(meet) -> None:
    it = meet(SetChargingProfile={"status": "Accepted"}, ClearChargingProfile={"status": "Unknown"})
    it.site.system.shed(ONE, FIVE, 5)
    it.answers["SetChargingProfile"] = {"status": "Rejected"}
    with pytest.raises(WriteRejectedError):
        it.site.system.shed(ONE, Limit(allowed_load_kw=2), 5)
    it.site.system.clear(ONE)
    assert clears(it) > 0
    assert it.site.connector().limit is None


def test_one_that_may_have_been_taken_is_removed(start) -> None:
    site = start(call_timeout_s=0.3)
    it = Both(site, "1.6", ClearChargingProfile={"status": "Unknown"})
    it.boot()
    it.status(1, "Available")
    it.answers["SetChargingProfile"] = {}  # arrives, with an empty answer
    with pytest.raises(OutcomeUnknownError):
        site.system.shed(ONE, FIVE, 5)
    eventually(lambda: site.connector().limit["in_doubt"])
    site.system.clear(ONE)
    assert clears(it) > 0


def test_a_process_that_ends_before_the_answer_is_stored_knows_of_a_doubt(
    meet, start, tmp_path
) -> None:
    it = meet()
    copy = tmp_path / "killed.db"
    take = it._take

    def take_and_copy(raw, frame) -> None:
        if frame[0] == 2 and frame[2] == "SetChargingProfile":
            file = sqlite3.connect(tmp_path / "ocpp.db")
            with closing(file) as db, closing(sqlite3.connect(copy)) as killed:
                db.backup(killed)
        take(raw, frame)

    it._take = take_and_copy
    it.answers["SetChargingProfile"] = {"status": "Accepted"}
    it.site.system.shed(ONE, FIVE, 5)
    assert it.site.connector().limit["active"]
    # As it stands after a kill: neither a limit nor none, until the charger is asked.
    limit = start(database=copy).connector().limit
    assert (limit["requested_kw"], limit["active"], limit["in_doubt"]) == (5, False, True)
