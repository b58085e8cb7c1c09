"""Chargers that connect, charge, fall silent and connect elsewhere, while nodes are killed and
frozen and PostgreSQL goes away, in any order: in the end the sessions that were acknowledged are
stored, once, and nothing else is.
"""

from __future__ import annotations

import itertools
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.sync.client import connect

from .nodes import TOKEN, NodeProcess
from .site import Site, site

LEASE_S = 2.0
LIMIT_S = 40.0
NODES = 2
CHARGERS = 3
WRONG_WH = 9_999
_BROKEN = (OSError, EOFError, TimeoutError, WebSocketException, InvalidHandshake)

whose = st.integers(0, CHARGERS - 1)
which = st.integers(0, NODES - 1)
numbers = itertools.count(1)
STEPS = {
    "charges": 6,
    "connects": 6,
    "is_commanded": 3,
    "ends_on_an_old_socket": 2,
    "freezes": 2,
    "goes_on": 1,
    "goes_on_late": 1,
    "is_killed": 1,
    "starts": 3,
    "postgres_goes_or_comes": 1,
}
"""Steps of an order, and how often each comes."""
steps = st.sampled_from([name for name, count in STEPS.items() for _ in range(count)])


class Socket:
    """A socket of a charger to a node, read by a thread. `commands` has the requests that came."""

    def __init__(self, name: str, node: int, url: str) -> None:
        self.node = node
        self.commands: list[str] = []
        self.late: set[str] = set()
        self.wrongly_answered = 0
        self._answers: dict[str, Any] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self._number = 0
        self._stack = ExitStack()
        opening = connect(
            f"{url}/{name}",
            subprotocols=["ocpp1.6"],  # type: ignore[list-item]
            compression=None, proxy=None, ping_interval=None, open_timeout=LIMIT_S, close_timeout=1,
        )  # fmt: skip
        self._socket = self._stack.enter_context(opening)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, action: str, payload: dict[str, Any]) -> str:
        """Send a request; return its id."""
        self._number += 1
        name = f"m{self._number}"
        self._socket.send(json.dumps([2, name, action, payload]))
        return name

    def ask(self, action: str, payload: dict[str, Any]) -> Any:
        """Return the content of an answer; None where it is an error or does not come."""
        with suppress(*_BROKEN):
            name = self.send(action, payload)
            with self._changed:
                self._changed.wait_for(lambda: name in self._answers or self._is_closed, LIMIT_S)
                return self._answers.get(name)
        return None

    def _read(self) -> None:
        try:
            while True:
                kind, name, *content = json.loads(self._socket.recv())
                with self._changed:
                    if kind == 2:
                        self.commands.append(content[1]["data"])
                        self._socket.send(json.dumps([3, name, {"status": "Accepted"}]))
                    else:
                        self._answers[name] = content[0] if kind == 3 else None
                        self.wrongly_answered += kind == 3 and name in self.late
                    self._changed.notify_all()
        except _BROKEN:
            pass
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """End it."""
        self._stack.close()
        self._reader.join(LIMIT_S)
        assert not self._reader.is_alive()


class Charger:
    """A charger and what it was acknowledged. `pending` is what it has to send until it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.socket: Socket | None = None
        self.old: list[Socket] = []
        self.number = 0
        self.active: int | None = None
        self.pending: tuple[str, dict[str, Any]] | None = None
        self.ended: dict[int, tuple[int, int]] = {}

    def next(self) -> tuple[str, dict[str, Any]]:
        """Return what it sends: what is pending, or the next begin or end."""
        if self.pending is None and self.active is None:
            self.number += 1
            self.pending = "StartTransaction", {
                "connectorId": 1, "idTag": "tag", "meterStart": self.number,
                "timestamp": _iso(2 * self.number),
            }  # fmt: skip
        elif self.pending is None:
            self.pending = "StopTransaction", {
                "transactionId": self.active, "meterStop": self.number + 7,
                "timestamp": _iso(2 * self.number + 1),
            }  # fmt: skip
        return self.pending

    def acknowledged(self, answer: dict[str, Any]) -> None:
        """Go on from what is pending."""
        assert self.pending is not None
        if self.pending[0] == "StartTransaction":
            # Ids of one charger rise.
            assert answer["transactionId"] > max(self.ended, default=0)
            self.active = int(answer["transactionId"])
        else:
            assert self.active is not None
            self.ended[self.active] = self.number, self.number + 7
            self.active = None
        self.pending = None

    def leave(self) -> None:
        """Keep the socket open as an old one."""
        if self.socket is not None:
            self.old.append(self.socket)
            self.socket = None


class Play:
    """One order of steps. A step that is not possible does nothing."""

    def __init__(self, fleet: Site, name: str) -> None:
        """Every charger begins a session."""
        self.fleet = fleet
        self.chargers = [Charger(f"{name}-{number}") for number in range(CHARGERS)]
        self.frozen: set[int] = set()
        self.dead: set[int] = set()
        self.is_postgres_away = False
        self.asked = 0
        for number, charger in enumerate(self.chargers):
            self._connect(charger, number % NODES)
            self._charge(charger)

    def _is_up(self, node: int) -> bool:
        return node not in self.frozen | self.dead

    def _node(self, node: int) -> NodeProcess:
        return self.fleet.nodes[node]

    # ---- chargers ------------------------------------------------------------------------

    def connects(self, charger: Charger, node: int) -> None:
        # What waits on an old socket to the same node is the charger's own, and counts.
        if self._is_up(node) and not any(each.node == node and each.late for each in charger.old):
            self._connect(charger, node)

    def _connect(self, charger: Charger, node: int) -> None:
        charger.leave()
        with suppress(*_BROKEN):
            made = Socket(charger.name, node, self._node(node).url)
            # From here on this socket is the newest one.
            if made.ask("Heartbeat", {}) is None:
                made.close()
            else:
                charger.socket = made

    def charges(self, charger: Charger, _: int) -> None:
        self._charge(charger)

    def _charge(self, charger: Charger) -> None:
        socket = charger.socket
        if socket is None:
            return
        action, payload = charger.next()
        if not self._is_up(socket.node):
            with suppress(*_BROKEN):
                socket.send(action, payload)  # the answer comes after it gave up
            charger.leave()
            return
        answer = socket.ask(action, payload)
        if answer is not None:
            charger.acknowledged(answer)
        else:
            charger.leave()

    def ends_on_an_old_socket(self, charger: Charger, _: int) -> None:
        newest = charger.socket
        if newest is None or charger.active is None:
            return
        late = {"transactionId": charger.active, "meterStop": WRONG_WH, "timestamp": _iso(0)}
        for each in charger.old:
            if each.node != newest.node:
                with suppress(*_BROKEN):
                    each.late.add(each.send("StopTransaction", late))

    def is_commanded(self, charger: Charger, node: int) -> None:
        socket = charger.socket
        if socket is None or self.is_postgres_away:
            return
        if not (self._is_up(node) and self._is_up(socket.node)):
            return
        self.asked += 1
        data = f"{charger.name} {self.asked}"
        answer = requests.post(
            f"{self._node(node).control_url}/charge-points/{charger.name}/DataTransfer",
            json={"vendorId": "test", "data": data},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=LIMIT_S,
        )  # fmt: skip
        assert answer.status_code in (200, 503, 504), answer.text
        # A node that has not heard of the newest socket yet may use the one before.
        got = sum(each.commands.count(data) for each in [socket, *charger.old])
        assert got <= 1
        if answer.status_code != 504:
            assert got == (answer.status_code == 200)

    # ---- failures ------------------------------------------------------------------------

    def postgres_goes_or_comes(self, _: Charger, __: int) -> None:
        postgres = self.fleet.postgres
        (postgres.start if self.is_postgres_away else postgres.stop)()
        self.is_postgres_away = not self.is_postgres_away

    def freezes(self, _: Charger, node: int) -> None:
        if self._is_up(node):
            self._node(node).send(signal.SIGSTOP)
            self.frozen.add(node)

    def goes_on(self, _: Charger, node: int) -> None:
        if node in self.frozen:
            self._node(node).send(signal.SIGCONT)
            self.frozen.discard(node)

    def goes_on_late(self, charger: Charger, node: int) -> None:
        """After its lease."""
        if node in self.frozen:
            time.sleep(LEASE_S)
            self.goes_on(charger, node)

    def is_killed(self, _: Charger, node: int) -> None:
        if node not in self.dead:
            self._node(node).end(signal.SIGKILL)
            self.dead.add(node)
            self.frozen.discard(node)

    def starts(self, _: Charger, node: int) -> None:
        if node in self.dead and not self.is_postgres_away:
            self._node(node).start()
            self.dead.discard(node)

    # ---- the end -------------------------------------------------------------------------

    def end(self) -> None:
        """Put everything right, let each charger end what it has begun, and compare."""
        if self.is_postgres_away:
            self.postgres_goes_or_comes(self.chargers[0], 0)
        for node in range(NODES):
            self.goes_on(self.chargers[0], node)
            self.starts(self.chargers[0], node)
        end_s = time.monotonic() + LIMIT_S
        for charger in self.chargers:
            while charger.pending is not None or charger.active is not None:
                assert time.monotonic() < end_s, charger.pending
                if charger.socket is None:
                    late = {each.node for each in charger.old if each.late}
                    self._connect(charger, next(each for each in range(NODES) if each not in late))
                self._charge(charger)
        self._compare()
        for charger in self.chargers:
            charger.leave()
            for each in charger.old:
                each.close()
                assert not each.wrongly_answered

    def _compare(self) -> None:
        rows = self.fleet.rows(
            "SELECT charge_point, id, state, meter_start, meter_stop FROM transactions"
            " WHERE charge_point = ANY ($1::text[])",
            [each.name for each in self.chargers],
        )
        assert {(name, own_id): tuple(rest) for name, own_id, *rest in rows} == {
            (each.name, own_id): ("completed", *registers)
            for each in self.chargers
            for own_id, registers in each.ended.items()
        }


def _iso(minutes: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_700_000_000 + 60 * minutes))


@pytest.fixture(scope="module")
def fleet() -> Iterator[Site]:
    with site(NODES, lease_s=LEASE_S) as made:
        yield made


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    # Each order takes seconds: one that fails is shown as it is.
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(st.tuples(steps, whose, which), min_size=30, max_size=30))
def test_nothing_acknowledged_is_lost_in_any_order(
    fleet: Site, order: list[tuple[str, int, int]]
) -> None:
    play = Play(fleet, f"M{next(numbers)}")
    for name, number, node in order:
        getattr(play, name)(play.chargers[number], node)
    play.end()
