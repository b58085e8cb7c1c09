"""Requests to chargers of other nodes: each is carried out at most once, with its outcome."""

from __future__ import annotations

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from chargepoint_driver.backends.ocpp.operations.charger_access import REQUESTS, ChargerRequest
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    StoreError,
    TransientError,
    WriteRejectedError,
)
from chargepoint_driver.messaging.local import LocalMessaging
from tests.unit.backends.ocpp.conftest import LIMIT_S, TOKEN, Charger, Site, eventually

pytest.importorskip("asyncpg")

from chargepoint_driver.backends.ocpp.postgres import fleet_chargers
from chargepoint_driver.backends.ocpp.postgres.fleet_chargers import FleetChargers
from chargepoint_driver.backends.ocpp.postgres.fleet_lists import FleetLists
from chargepoint_driver.backends.ocpp.postgres.ownership import Owner

# ---- two nodes, and NATS between them ----------------------------------------------------


def ask(site: Site, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Return status and content of an answer of the control API."""
    answer = requests.request(
        method, f"{site.system.control_url}{path}", headers={"X-API-Key": TOKEN},
        data=None if body is None else json.dumps(body), timeout=2 * LIMIT_S,
    )  # fmt: skip
    return answer.status_code, answer.json()


class Answering:
    """Answers the requests of a charger on a thread; `frames` has them."""

    def __init__(self, charger: Charger, *answers: list[Any]) -> None:
        self.frames: list[Any] = []
        self._thread = threading.Thread(target=self._run, args=(charger, answers))
        self._thread.start()

    def _run(self, charger: Charger, answers: tuple[list[Any], ...]) -> None:
        for kind, *content in answers:
            frame = charger.receive()
            self.frames.append(frame)
            charger.ws.send(json.dumps([kind, frame[1], *content]))

    def end(self) -> list[Any]:
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        return self.frames


def test_a_request_through_another_node_is_the_same_as_through_its_own(two) -> None:
    first, second = two
    charger = first.charger("Säule 1/2")
    charger.status("Available")
    path = "/charge-points/S%C3%A4ule%201%2F2"
    assert ask(second, "GET", path) == ask(first, "GET", path)
    assert ask(second, "GET", path)[1]["id"] == "Säule 1/2"
    cases: list[tuple[str, str, Any, list[list[Any]], int]] = [
        ("POST", "/ClearCache", {}, [[3, {"status": "Accepted"}]], 200),
        ("POST", "/reset", {"hard": True}, [[3, {"status": "Accepted"}]], 200),
        ("POST", "/unlock", {"connector": 1}, [[3, {"status": "UnlockFailed"}]], 502),
        ("POST", "/Reset", {"type": "Soft"}, [[4, "InternalError", "no", {"a": 1}]], 502),
        ("POST", "/limit", {"connector": 1}, [], 400),
        ("POST", "/unlock", {"odd": 1}, [], 400),
        ("DELETE", "/reservations/77", None, [], 404),
    ]
    for method, name, body, answers, status in cases:
        found = []
        for site in (first, second):
            answering = Answering(charger, *answers)
            found.append(ask(site, method, path + name, body))
            assert len(answering.end()) == len(answers)
        assert found[0] == found[1], name
        assert found[1][0] == status, found
    error = ask(second, "GET", "/charge-points/never")
    assert error == ask(first, "GET", "/charge-points/never")
    assert error[0] == 404


def test_the_documents_commands_follow_a_session_at_another_node(two, clock) -> None:
    first, second = two
    charger = first.charger("CP1")
    charger.status("Available")
    answering = Answering(charger, [3, {"status": "Accepted"}])
    answers: list[Any] = []
    body = {"cpid": "CP1", "connectorId": 1, "id_tag": "tag"}
    asking = threading.Thread(
        target=lambda: answers.append(ask(second, "POST", "/api/v1/start", body))
    )
    asking.start()
    answering.end()
    transaction = charger.start(clock.iso())
    asking.join(LIMIT_S)
    assert answers == [(200, {"status": "Accepted", "transactionId": transaction})]


def test_an_answer_that_does_not_come_is_an_unknown_outcome_and_sent_once(two) -> None:
    first, second = two
    charger = first.charger("CP1")
    charger.ask("Heartbeat", {})
    status, answer = ask(second, "POST", "/charge-points/CP1/ClearCache?timeout=1", {})
    assert (status, answer["error"]["code"]) == (504, "fate_unknown")
    assert charger.receive()[2] == "ClearCache"
    charger.ws.send(json.dumps([2, "last", "Heartbeat", {}]))
    assert charger.receive()[:2] == [3, "last"]


def test_a_charger_that_moved_is_found_where_it_is(two) -> None:
    first, second = two
    old = first.charger("CP1")
    old.ask("Heartbeat", {})
    assert ask(second, "GET", "/charge-points/CP1")[1]["connected"]
    new = second.charger("CP1")
    new.ask("Heartbeat", {})
    eventually(lambda: "CP1" not in {each.id for each in first.system.charge_points()})
    answering = Answering(new, [3, {"status": "Accepted"}])
    assert ask(first, "POST", "/charge-points/CP1/ClearCache", {})[0] == 200
    assert len(answering.end()) == 1


def test_a_charger_that_is_away_is_not_connected_through_both_nodes(two) -> None:
    first, second = two
    charger = first.charger("CP1")
    charger.ask("Heartbeat", {})
    charger.close()
    eventually(lambda: not first.point().connected)
    found = [ask(each, "POST", "/charge-points/CP1/ClearCache", {}) for each in two]
    assert found[0] == found[1]
    assert found[1][0] == 503
    assert "CP1 is not connected; ClearCache was not sent" in found[1][1]["error"]["message"]
    assert ask(second, "GET", "/charge-points/CP1")[1]["connected"] is False


LISTS = (
    "/charge-points?nodes=all",
    "/api/v1/status",
    "/api/v1/stations",
    "/api/v1/live-status",
    "/charge_point_live_status/",
)


def without_score(content: Any) -> Any:
    """Return an answer without scores of anomalies, which are known after a while."""
    if isinstance(content, dict):
        return {key: without_score(it) for key, it in content.items() if "anomaly" not in key}
    if isinstance(content, (list, tuple)):
        return type(content)(map(without_score, content))
    return content


def test_chargers_of_an_ended_node_are_shown_as_not_connected(two, clock) -> None:
    first, second = two
    charger = first.charger("CP1")
    charger.boot()
    charger.status("Charging")
    transaction = charger.start(clock.iso())
    charger.meter(clock.iso(), transaction, Power_Active_Import="3500")
    assert ask(second, "GET", "/charge-points/CP1")[1]["load_kw"] == 3.5
    charger.close()
    first.stop()
    status, answer = ask(second, "POST", "/charge-points/CP1/ClearCache", {})
    assert (status, answer["error"]["code"]) == (503, "try_later")
    assert "no running node has it (the last was node-1)" in answer["error"]["message"]
    status, view = ask(second, "GET", "/charge-points/CP1")
    assert (status, view["connected"], view["status"]) == (200, False, "UNREACHABLE")
    assert (view["load_kw"], view["connectors"]["1"]["ocpp_status"]) == (None, "Charging")
    assert view["connectors"]["1"]["transaction"]["transaction_id"] == transaction
    assert view["boot"]["model"] == "Raw"
    found = {path: ask(second, "GET", path)[1] for path in LISTS}
    assert found[LISTS[0]] == {"charge_points": [view], "without_node": ["CP1"]}
    (connector,) = found["/api/v1/status"]["connectors"]
    assert (connector["reachable"], connector["load_kw"]) == (False, None)
    assert connector["transactionId"] == transaction
    (station,) = found["/api/v1/stations"]["stations"]
    assert (station["connected"], station["model"]) == (False, "Raw")
    assert ask(second, "GET", "/api/v1/status?cpid=CP1")[1] == found["/api/v1/status"]
    (document,) = found["/api/v1/live-status"]
    assert (document["connected"], document["composite_status"]) == (False, "down")
    assert document["load_kw"] is None
    alone = ask(second, "GET", "/api/v1/live-status?charge_point_id=CP1")[1]
    assert alone == [document]
    assert second.system.live_status("CP1")[0]["charge_point_id"] == "CP1"


def test_lists_are_the_same_through_any_node(two, clock) -> None:
    first, second = two
    for number, (site, name) in enumerate(((first, "A"), (second, "B"), (first, "C"))):
        charger = site.charger(name)
        charger.boot()
        charger.status("Available")
        charger.status("Charging", 2)
        transaction = charger.start(clock.iso(), 2)
        charger.meter(clock.iso(), transaction, 2, Power_Active_Import=f"{number}000")
    for path in LISTS:
        found = [without_score(ask(site, "GET", path)) for site in two]
        assert found[0] == found[1], path
        assert found[0][0] == 200
    loads = {
        (each["cpid"], each["connectorId"]): each["load_kw"]
        for each in ask(first, "GET", "/api/v1/status")[1]["connectors"]
    }
    assert loads == {
        **{(name, 1): 0.0 for name in "ABC"}, ("A", 2): 0.0, ("B", 2): 1.0, ("C", 2): 2.0
    }  # fmt: skip
    stations = ask(first, "GET", "/api/v1/stations")[1]["stations"]
    assert [(each["cpid"], each["connected"]) for each in stations] == [
        ("A", True), ("B", True), ("C", True)
    ]  # fmt: skip
    for query in ("status?cpid=", "live-status?charge_point_id="):
        found = [without_score(ask(site, "GET", f"/api/v1/{query}B")) for site in two]
        assert found[0] == found[1]
        assert found[0][0] == 200
    assert ask(first, "GET", "/api/v1/status?cpid=never") == (200, {"connectors": []})
    assert ask(first, "GET", "/api/v1/live-status?charge_point_id=never")[0] == 404
    documents = [without_score(site.system.live_status()) for site in two]
    assert documents[0] == documents[1]
    assert [each["charge_point_id"] for each in documents[0]] == ["A", "B", "C"]


def test_without_nats_only_other_nodes_chargers_are_out_of_reach(two, nats) -> None:
    first, second = two
    far, near = first.charger("CP1"), second.charger("CP2")
    far.ask("Heartbeat", {})
    near.ask("Heartbeat", {})
    nats.kill()

    def refused() -> Any:
        status, answer = ask(second, "POST", "/charge-points/CP1/ClearCache", {})
        assert status in (503, 504), answer
        return answer["error"] if answer["error"]["code"] == "try_later" else None

    assert "CP1" in eventually(refused)["message"]
    assert ask(second, "GET", "/charge-points/CP1")[1]["error"]["code"] == "try_later"
    for path in LISTS:
        status, answer = ask(second, "GET", path)
        assert (status, answer["error"]["code"]) == (503, "try_later"), path
        assert "node node-1" in answer["error"]["message"]
    assert ask(second, "GET", "/charge-points")[1][0]["id"] == "CP2"
    answering = Answering(near, [3, {"status": "Accepted"}])
    assert ask(second, "POST", "/charge-points/CP2/ClearCache", {})[0] == 200
    answering.end()
    near.status("Available")
    nats.start_again()
    eventually(lambda: ask(second, "GET", "/charge-points/CP1")[0] == 200, 2 * LIMIT_S)


@pytest.mark.parametrize("is_many", [False, True])
def test_all_chargers_of_all_nodes_are_listed(two, monkeypatch, is_many: bool) -> None:
    monkeypatch.setattr(f"{FleetChargers.__module__}._PAGE_BYTES", 1)
    if is_many:
        monkeypatch.setattr(f"{FleetChargers.__module__}._MANY", 0)
        monkeypatch.setattr(f"{FleetLists.__module__}._MANY", 0)
    first, second = two
    for number in range(3):
        first.charger(f"A{number}").ask("Heartbeat", {})
        second.charger(f"B{number}").ask("Heartbeat", {})
    for site in two:
        status, answer = ask(site, "GET", "/charge-points?nodes=all")
        assert status == 200
        names = [each["id"] for each in answer["charge_points"]]
        assert names == ["A0", "A1", "A2", "B0", "B1", "B2"]
        assert answer["without_node"] == []
        assert {each["id"]: each for each in answer["charge_points"]}["A0"] == ask(
            first, "GET", "/charge-points/A0"
        )[1]
    assert [each["id"] for each in ask(first, "GET", "/charge-points")[1]] == ["A0", "A1", "A2"]
    assert ask(first, "GET", "/charge-points?nodes=some")[0] == 400


def test_reservations_are_those_of_all_nodes_and_of_ended_ones(two, clock) -> None:
    first, second = two
    charger = first.charger("CP1")
    charger.status("Available")
    charger.status("Available", 2)
    made = []
    for connector, minutes in ((1, 5), (2, 60)):
        body = {"connector": connector, "id_tag": "tag", "minutes": minutes}
        answering = Answering(charger, [3, {"status": "Accepted"}])
        status, row = ask(second, "POST", "/charge-points/CP1/reservations", body)
        answering.end()
        assert status == 200, row
        made.append(row)
    assert [ask(each, "GET", "/reservations") for each in two] == [(200, made)] * 2
    assert second.system.reservations("CP1") == made
    assert ask(second, "GET", "/reservations?charge_point=CP2") == (200, [])
    first.stop()
    clock.ahead_s += 600
    expired = [{**made[0], "state": "expired"}, made[1]]
    assert eventually(lambda: ask(second, "GET", "/reservations")[1] == expired)


# ---- which node is asked, and how often --------------------------------------------------


class World:
    """Nodes that share messages; `owners` is what PostgreSQL answers, one after the other."""

    def __init__(self) -> None:
        self.messaging = LocalMessaging()
        self.owners: list[Owner | StoreError | None] = []
        self.done: list[int] = []
        self.asked = 0
        self.now_s: dict[int, float] = {}

    async def owner_of(self, _: str) -> Owner | None:
        self.asked += 1
        found = self.owners.pop(0) if len(self.owners) > 1 else self.owners[0]
        if isinstance(found, StoreError):
            raise found
        return found

    async def fleet(self) -> str:
        return "1"

    def node(self, run: int, epochs: dict[str, int], *, connected: bool = True) -> FleetChargers:
        points = {
            name: SimpleNamespace(station_id=name, connected=connected, run=run) for name in epochs
        }

        def point(name: str) -> Any:
            if name not in points:
                raise NotFoundError(f"charger {name!r} has never connected")
            return points[name]

        csms: Any = SimpleNamespace(
            points=points,
            point=point,
            config=SimpleNamespace(call_timeout_s=5),
            now=lambda: self.now_s.get(run, 1_000.0),
        )
        membership: Any = SimpleNamespace(run=run, epochs=epochs)
        events: Any = None
        stored: Any = None
        return FleetChargers(csms, membership, self, self.messaging, events, stored)  # type: ignore[arg-type]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()

    async def run(_: Any, point: Any, fields: Any) -> Any:
        made.done.append(point.run)
        if "error" in fields:
            raise fields["error"]
        if not point.connected:
            raise TransientError("not connected")
        return {"by": point.run}

    monkeypatch.setitem(REQUESTS, "call", ChargerRequest(run))
    return made


def play(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, LIMIT_S))


def owner(run: int, epoch: int, *, is_running: bool = True) -> Owner:
    return Owner(f"node-{run}", run, epoch, is_running)


@pytest.mark.parametrize(
    ("owners", "epochs", "found", "done"),
    [
        # The owner, at once.
        ([owner(2, 5)], {2: 5}, {"by": 2}, [2]),
        # It moved between the look-up and the request: asked once more.
        ([owner(2, 5), owner(3, 6)], {2: 4, 3: 6}, {"by": 3}, [3]),
        # It came back to the same node.
        ([owner(2, 5), owner(2, 6)], {2: 6}, {"by": 2}, [2]),
        # It moved to the node that asks.
        ([owner(2, 5), owner(1, 6)], {1: 6}, {"by": 1}, [1]),
        # The claim of the node that asks has not ended yet.
        ([owner(1, 6)], {}, TransientError, []),
        # It moves faster than it can be asked.
        ([owner(2, 5), owner(3, 6), owner(2, 7)], {2: 7, 3: 7}, TransientError, []),
        # Its node has gone, and it is elsewhere now.
        ([owner(4, 5), owner(3, 6)], {3: 6}, {"by": 3}, [3]),
        # Its node does not answer, and PostgreSQL knows no other.
        ([owner(4, 5)], {}, TransientError, []),
        ([owner(2, 5, is_running=False)], {2: 5}, TransientError, []),
        ([None], {}, NotFoundError, []),
        ([StoreError("PostgreSQL is away")], {2: 5}, TransientError, []),
        ([owner(2, 5), StoreError("PostgreSQL is away")], {2: 4}, TransientError, []),
        # An epoch that is newer than PostgreSQL's answer, too.
        ([owner(2, 5)], {2: 6}, TransientError, []),
    ],
)
def test_the_owner_is_asked_and_asked_once_more_when_it_moved(
    world, owners, epochs, found, done
) -> None:
    world.owners = owners

    async def run() -> Any:
        nodes = {n: world.node(n, {"CP1": epochs[n]} if n in epochs else {}) for n in (2, 3)}
        for each in nodes.values():
            await each.serve()
        # A charger that has just moved here is known by the time that it is looked for here.
        own = world.node(1, {})
        if 1 in epochs:
            points: Any = world.node(1, {"CP1": epochs[1]})._csms.points
            look_up = world.owner_of

            async def owner_of(name: str) -> Owner | None:
                answer = await look_up(name)
                if answer is not None and answer.run == 1:
                    own._csms.points.update(points)
                return answer

            own._ownership = SimpleNamespace(owner_of=owner_of, fleet=world.fleet)  # type: ignore[assignment]
        return await own.ask("CP1", "call", {})

    if isinstance(found, dict):
        assert play(run()) == found
    else:
        with pytest.raises(found) as caught:
            play(run())
        assert not isinstance(caught.value, OutcomeUnknownError)
    assert world.done == done
    assert world.asked <= 3


def test_a_charger_without_a_socket_is_looked_up_once_more(world) -> None:
    """It has gone from its node, and is at the next one by the time that it is asked again."""
    world.owners = [owner(2, 5), owner(3, 6)]

    async def run() -> Any:
        await world.node(2, {"CP1": 5}, connected=False).serve()
        await world.node(3, {"CP1": 6}).serve()
        return await world.node(1, {}).ask("CP1", "call", {})

    assert play(run()) == {"by": 3}
    assert world.done == [3]


def test_a_charger_that_is_away_has_the_error_of_its_own_node(world) -> None:
    world.owners = [owner(2, 5)]

    async def run() -> Any:
        await world.node(2, {"CP1": 5}, connected=False).serve()
        return await world.node(1, {}).ask("CP1", "call", {})

    with pytest.raises(TransientError, match="not connected"):
        play(run())
    assert world.done == [2]


@pytest.mark.parametrize(
    "error",
    [
        OutcomeUnknownError("no answer to Reset within 5 s"),
        TransientError("busy; some of it was sent"),
        WriteRejectedError("Rejected", service_code="Rejected"),
    ],
    ids=lambda error: error.code,
)
def test_what_was_begun_is_never_repeated(world, error: ChargePointError) -> None:
    world.owners = [owner(2, 5), owner(3, 6)]

    async def run() -> Any:
        for number, epoch in ((2, 5), (3, 6)):
            node = world.node(number, {"CP1": epoch})
            await node.serve()
        asking = world.node(1, {})
        monkey = REQUESTS["call"].run

        async def fail(csms: Any, point: Any, fields: Any) -> Any:
            return await monkey(csms, point, {"error": error})

        REQUESTS["call"] = ChargerRequest(fail)
        return await asking.ask("CP1", "call", {})

    with pytest.raises(type(error)) as caught:
        play(run())
    assert type(caught.value) is type(error)
    assert caught.value.to_dict() == error.to_dict()
    assert world.done == [2]


@pytest.mark.parametrize("is_received", [True, False], ids=["received", "lost"])
def test_a_request_that_is_lost_is_not_waited_for(world, monkeypatch, is_received: bool) -> None:
    """A server of NATS that is frozen swallows requests; a node that works takes its time."""
    world.owners = [owner(2, 5)]
    monkeypatch.setattr(fleet_chargers, "_LOOK_S", 0.01)
    monkeypatch.setattr(fleet_chargers, "_ON_ITS_WAY_S", 0.01)
    looks = 0
    answer = asyncio.Event()

    async def run() -> Any:
        node, asking = world.node(2, {"CP1": 5}), world.node(1, {})
        await node.serve()
        look = node._answer_under_way

        async def wait(*_: Any) -> Any:
            await answer.wait()
            return {"by": 2}

        async def answer_under_way(fields: dict[str, Any]) -> dict[str, Any]:
            nonlocal looks
            looks += 1
            if looks == 3:
                answer.set()
            return await look(fields)

        async def swallow(_: dict[str, Any]) -> Any:
            await asyncio.sleep(LIMIT_S)

        await node.end()
        node._answer_under_way = answer_under_way  # type: ignore[method-assign]
        if not is_received:
            node._answer = swallow  # type: ignore[method-assign]
        await node.serve()
        monkeypatch.setitem(REQUESTS, "call", ChargerRequest(wait))
        return await asking.ask("CP1", "call", {})

    if is_received:
        assert play(run()) == {"by": 2}
    else:
        with pytest.raises(OutcomeUnknownError, match="node-2 did not report the outcome: it does"):
            play(run())
        assert looks == 1


def test_a_node_refuses_what_it_does_not_know_before_anything_is_done(world) -> None:
    world.owners = [owner(2, 5)]

    async def run(fields: dict[str, Any]) -> Any:
        await world.node(2, {"CP1": 5}).serve()
        return await world.messaging.request("cp.node.1-2", fields, LIMIT_S)

    for fields in (
        {
            "id": "1-1",
            "do": "explode",
            "station": "CP1",
            "epoch": 5,
            "fields": {},
            "expires_s": 2e9,
        },
        {"do": "call", "station": "CP1"},
        {},
    ):
        with pytest.raises(InvalidValueError):
            play(run(fields))
    assert world.done == []


@pytest.mark.parametrize(("now_s", "is_late"), [(1_004.0, False), (1_006.0, True)])
def test_a_node_that_was_frozen_begins_nothing_that_nobody_waits_for(
    world, now_s: float, is_late: bool
) -> None:
    world.owners = [owner(2, 5)]
    world.now_s = {2: now_s}

    async def run() -> Any:
        await world.node(2, {"CP1": 5}).serve()
        return await world.node(1, {}).ask("CP1", "call", {})

    if not is_late:
        assert play(run()) == {"by": 2}
        return
    with pytest.raises(TransientError, match="6 s after it was sent") as caught:
        play(run())
    assert caught.value.code == "try_later"
    assert world.done == []
