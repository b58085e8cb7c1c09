"""Answers that leave the result of a request open, and a database that takes nothing: what is known
is reported, and what is not known is neither 0 nor a refusal. More is in
`tests/system/faults/ocpp`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.ocpp.registers import record_of
from chargepoint_driver.errors import ChargePointError, OutcomeUnknownError, WriteRejectedError

from ..conftest import LIMIT_S, Charger, Site, eventually

ONE, HOUR = Target("CP1", 1), 60
ACCEPTED = {"status": "Accepted"}


@pytest.fixture
def charger(site: Site) -> Charger:
    charger = site.charger()
    charger.boot()
    charger.status("Available")
    return charger


def answered(
    charger: Charger, do: Callable[[], Any], answer: Callable[[str], dict[str, Any]]
) -> ChargePointError | None:
    """What a write ends with whose requests are answered so, by their action."""
    ended: list[ChargePointError | None] = []

    def run() -> None:
        try:
            do()
        except ChargePointError as error:
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        try:
            _, message_id, action, _ = json.loads(charger.ws.recv(0.05))
        except TimeoutError:
            continue
        charger.ws.send(json.dumps([3, message_id, answer(action)]))
    thread.join(LIMIT_S)
    return ended[0]


def shed(site: Site) -> Callable[[], None]:
    return lambda: site.system.shed(ONE, Limit(allowed_load_kw=7.2), HOUR)


def port(site: Site) -> dict[str, Any]:
    record = record_of(site.point(), site.config, {})
    return dict(record.of_port(1))


def limits(answer: Any) -> Callable[[str], dict[str, Any]]:
    """An answer to charging profiles; others are in order."""
    return lambda action: answer if "Profile" in action else {"configurationKey": [], **ACCEPTED}


@pytest.mark.parametrize("status", [None, 1, "", " ", {"status": "Accepted"}, ["Accepted"]])
def test_a_status_that_is_none_leaves_the_fate_unknown(
    site: Site, charger: Charger, status: Any
) -> None:
    answer = {"status": status}
    found = answered(charger, lambda: site.system.reset("CP1"), lambda _: answer)
    assert isinstance(found, OutcomeUnknownError)
    assert "Reset has no status" in str(found)
    found = answered(charger, shed(site), limits(answer))
    assert isinstance(found, OutcomeUnknownError)
    values = port(site)
    assert (values["shedState"], values["allowedLoad"]) == (None, None)
    assert (values["acceptedLoad"], values["limitRefused"]) == (None, "fate_unknown")
    assert site.connector().limit["in_doubt"]
    # Another write, or the time when it would have ended, tells.
    site.clock.ahead_s += HOUR * 60 + 1
    assert port(site)["shedState"] == 0
    site.clock.ahead_s = 0.0
    assert answered(charger, shed(site), limits(ACCEPTED)) is None
    assert port(site)["shedState"] == 1


def schedule(kw: float | None) -> dict[str, Any]:
    """A composite schedule; None for a charge point that tells none."""
    if kw is None:
        return {"status": "Rejected"}
    periods = [{"startPeriod": 0, "limit": kw * 1000}]
    found = {"chargingRateUnit": "W", "chargingSchedulePeriod": periods}
    return {**ACCEPTED, "connectorId": 1, "chargingSchedule": found}


@pytest.mark.parametrize("charges", [False, True])
@pytest.mark.parametrize(
    ("shown_kw", "shed_state"), [(7.2, 1), (6.0, 1), (22.0, None), (None, None)]
)
def test_a_limit_in_doubt_is_asked_for_when_the_charge_point_is_back(
    site: Site, charger: Charger, shown_kw: float | None, shed_state: int | None, charges: bool
) -> None:
    if charges:
        charger.start(site.clock.iso())
        # While it charges, a schedule above the limit shows that it is not there.
        shed_state = 0 if shown_kw == 22.0 else shed_state
    assert isinstance(answered(charger, shed(site), limits({})), OutcomeUnknownError)
    charger.close()
    eventually(lambda: not site.point().connected)
    back = site.charger()
    back.boot()
    _, message_id, action, _ = back.receive()
    assert action == "GetCompositeSchedule"
    back.ws.send(json.dumps([3, message_id, schedule(shown_kw)]))
    back.ask("Heartbeat", {})
    eventually(lambda: port(site)["shedState"] == shed_state)
    assert port(site)["acceptedLoad"] == (shown_kw if shed_state else None)
    back.ws.send(json.dumps([2, "last", "Heartbeat", {}]))
    assert back.receive()[1] == "last"  # nothing is sent again


@pytest.mark.parametrize("info", ["why", ["why"], 1, None, {"reasonCode": None}])
def test_a_reason_of_any_type_does_not_hide_the_refusal(
    site: Site, charger: Charger, info: Any
) -> None:
    answer = {"status": "Rejected", "statusInfo": info}
    found = answered(charger, shed(site), limits(answer))
    assert isinstance(found, WriteRejectedError)
    assert found.service_code == "Rejected"
    assert port(site)["shedState"] == 0


def test_what_cannot_be_stored_is_in_force_all_the_same(site: Site, charger: Charger) -> None:
    def writable(on: bool) -> None:
        async def tell() -> None:
            site.system._running.store._db.execute(f"PRAGMA query_only = {int(not on)}")

        site.system._loop.run(tell, LIMIT_S)

    writable(False)
    assert answered(charger, shed(site), limits(ACCEPTED)) is None
    assert port(site)["shedState"] == 1
    assert site.point().counters["not_stored"] >= 1
    # Charge points still come and go.
    charger.close()
    eventually(lambda: not site.point().connected)
    again = site.charger()
    eventually(lambda: site.point().connected)
    assert (
        again.request("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})[2]
        == "InternalError"
    )  # not stored, so it comes again
    writable(True)
    again.boot()
