"""Reservations, and remote starts that an event names by their id only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    TransientError,
    WriteRejectedError,
)


class Peer:
    """A charge point of either version that answers our requests."""

    def __init__(self, site, version: str, station_id: str = "CP1") -> None:
        self.site, self.is_16 = site, version == "1.6"
        self.charger = site.charger(station_id, subprotocols=[f"ocpp{version}"])
        self.charger.ask("Heartbeat", {})
        self.asked: list[Any] = []

    def during(self, work: Callable[[], Any], status: str | None = "Accepted") -> Any:
        """The result of work that sends one request, which is answered so."""
        found: list[Any] = []

        def run() -> None:
            try:
                found.append(work())
            except Exception as error:
                found.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        frame = self.charger.receive()
        self.asked.append(frame[2:])
        if status is not None:
            self.charger.ws.send(json.dumps([3, frame[1], {"status": status}]))
        thread.join(60)
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]

    def start(self, tag: str, connector: int = 1, reservation: int | None = None) -> None:
        at = self.site.clock.iso()
        extra = {} if reservation is None else {"reservationId": reservation}
        if self.is_16:
            payload = {"connectorId": connector, "idTag": tag, "timestamp": at, "meterStart": 0}
            self.charger.ask("StartTransaction", {**payload, **extra})
            return
        self.event("Started", connector, {"transactionId": "t"}, tag, **extra)

    def event(self, kind: str, evse: int, info: dict[str, Any], tag: str = "", **extra) -> None:
        payload = {
            "eventType": kind,
            "timestamp": self.site.clock.iso(),
            "triggerReason": "RemoteStart",
            "seqNo": int(kind == "Ended"),
            "transactionInfo": info,
            "evse": {"id": evse},
            **extra,
        }
        if tag:
            payload["idToken"] = {"idToken": tag, "type": "Central"}
        self.charger.ask("TransactionEvent", payload)


@pytest.fixture(params=["1.6", "2.0.1"])
def version(request) -> str:
    return str(request.param)


@pytest.fixture
def site(start):
    return start({"control": "127.0.0.1:0", "token": "secret"}, call_timeout_s=1)


@pytest.fixture
def peer(site, version) -> Peer:
    return Peer(site, version)


def states(site) -> list[str]:
    return [row["state"] for row in site.system.reservations()]


def reserve(peer: Peer, tag: str = "ANNA", connector: int | None = 1, minutes: int = 30, **how):
    site = peer.site
    until_s = site.clock() + 60 * minutes
    return peer.during(lambda: site.system.reserve("CP1", connector, tag, until_s), **how)


def test_a_reservation_is_made_kept_and_cancelled(peer, site, clock, start, version) -> None:
    made = reserve(peer)
    assert (made["state"], made["id_tag"], made["connector"]) == ("active", "ANNA", 1)
    assert made["expires"] == clock.iso(-1800).replace("Z", ".000Z")
    action, payload = peer.asked[0]
    assert action == "ReserveNow"
    assert made["id"] == payload.get("reservationId", payload.get("id"))
    site.stop()
    site = start(call_timeout_s=1)
    assert site.system.reservations("CP1") == [made]
    assert site.system.reservations("CP2") == []
    peer = Peer(site, version)
    ended = peer.during(lambda: site.system.cancel_reservation("CP1", made["id"]))
    assert (ended["state"], ended["id"]) == ("cancelled", made["id"])
    assert peer.asked == [["CancelReservation", {"reservationId": made["id"]}]]
    with pytest.raises(NotFoundError):
        site.system.cancel_reservation("CP1", made["id"] + 1)


def test_each_reservation_has_an_id_of_its_own(peer) -> None:
    ids = [reserve(peer, connector=None)["id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(0 < each < 2**31 for each in ids)
    assert peer.site.system.reservations()[0]["connector"] is None


def test_what_is_refused_or_gets_no_answer(peer, site, clock) -> None:
    with pytest.raises(WriteRejectedError, match="Occupied"):
        reserve(peer, status="Occupied")
    with pytest.raises(InvalidValueError):
        site.system.reserve("CP1", 1, "ANNA", clock() - 1)
    with pytest.raises(InvalidValueError):
        site.system.reserve("CP1", 1, " ", clock() + 60)
    with pytest.raises(OutcomeUnknownError):
        reserve(peer, status=None)
    assert states(site) == ["refused", "unconfirmed"]


def test_nothing_is_kept_of_what_was_not_sent(peer, site, clock) -> None:
    peer.charger.close()
    with pytest.raises((TransientError, OutcomeUnknownError)):
        site.system.reserve("CP1", 1, "ANNA", clock() + 60)
    assert states(site) in ([], ["unconfirmed"])  # the close may not have arrived yet


def test_it_expires(peer, site, clock, start) -> None:
    reserve(peer, minutes=10)
    clock.ahead_s += 599
    assert states(site) == ["active"]
    clock.ahead_s += 1
    assert states(site) == ["expired"]
    site.stop()
    assert states(start()) == ["expired"]


def test_a_start_uses_the_reservation_that_it_names(peer, site) -> None:
    first, second = reserve(peer), reserve(peer)
    peer.start("SOMEBODY", reservation=second["id"])
    assert states(site) == ["active", "used"]
    used = site.system.reservations()[1]
    assert used["transaction_id"] == site.connector().transaction.transaction_id
    del first


def test_a_start_uses_the_reservation_of_its_card_on_its_connector(peer, site) -> None:
    for tag, connector in (("ANNA", 2), ("BEN", 1), ("ANNA", None), ("ANNA", 1)):
        reserve(peer, tag, connector)
    peer.start("anna", 1)
    assert states(site) == ["active", "active", "active", "used"]


def test_an_expired_one_is_not_used_by_card(peer, site, clock) -> None:
    reserve(peer, minutes=1)
    clock.ahead_s += 120
    peer.start("ANNA")
    assert states(site) == ["expired"]


@pytest.mark.parametrize(("reported", "state"), [("Expired", "expired"), ("Removed", "cancelled")])
def test_a_charging_station_ends_it(site, reported, state) -> None:
    peer = Peer(site, "2.0.1")
    made = reserve(peer)
    update = {"reservationId": made["id"], "reservationUpdateStatus": reported}
    assert peer.charger.ask("ReservationStatusUpdate", update) == {}
    assert states(site) == [state]


def test_the_control_api(peer, site, clock) -> None:
    url = site.system.control_url
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = "Bearer secret"

        def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
            answer = session.request(method, url + path, data=json.dumps(body), timeout=60)
            return answer.status_code, answer.json()

        body = {"connector": 1, "id_tag": "ANNA", "minutes": 5}
        status, made = peer.during(lambda: ask("POST", "/charge-points/CP1/reservations", body))
        assert (status, made["state"]) == (200, "active")
        assert ask("GET", "/reservations") == (200, [made])
        assert ask("GET", "/reservations?charge_point=CP2") == (200, [])
        path = f"/charge-points/CP1/reservations/{made['id']}"
        status, ended = peer.during(lambda: ask("DELETE", path))
        assert (status, ended["state"]) == (200, "cancelled")
        for wrong in ({}, {"id_tag": "A"}, {**body, "connector": 1.5}, {**body, "x": 1}, []):
            assert ask("POST", "/charge-points/CP1/reservations", wrong)[0] == 400
        assert ask("DELETE", "/charge-points/CP1/reservations/x")[0] == 404
        assert ask("POST", "/charge-points/CP9/reservations", body)[0] == 404
        # A raw request is kept as well.
        if peer.is_16:
            raw = {"connectorId": 1, "idTag": "BEN", "reservationId": 5}
            raw["expiryDate"] = clock.iso(-60)
        else:
            raw = {"id": 5, "expiryDateTime": clock.iso(-60)}
            raw["idToken"] = {"idToken": "BEN", "type": "Central"}
        peer.during(lambda: ask("POST", "/charge-points/CP1/ReserveNow", raw))
        kept = {row["id"]: (row["id_tag"], row["state"]) for row in ask("GET", "/reservations")[1]}
        assert kept[5] == ("BEN", "active")


@pytest.mark.parametrize("restarts", [False, True])
def test_a_session_has_the_card_of_the_remote_start_that_began_it(start, restarts) -> None:
    site = start()
    peer = Peer(site, "2.0.1")
    peer.during(lambda: site.system.remote_start("CP1", 1, "TAG1"))
    start_id = peer.asked[0][1]["remoteStartId"]
    if restarts:
        site.stop()
        site = start()
        peer = Peer(site, "2.0.1")
    peer.event("Started", 1, {"transactionId": "t", "remoteStartId": start_id})
    assert site.connector().transaction.id_tag == "TAG1"
    peer.event("Ended", 1, {"transactionId": "t"})
    peer.event("Started", 1, {"transactionId": "u", "remoteStartId": start_id + 1})
    peer.event("Ended", 1, {"transactionId": "u"})
    assert [row["id_tag"] for row in site.month()] == ["TAG1", None]
