"""Messages from other threads to the host's hub: gathered, counted where they are too many."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.monkey import get_original

from chargepoint_driver.adapters import event_queue
from chargepoint_driver.adapters.event_queue import EventQueue

LIMIT_S = 10.0


class Taker:
    """What a queue handed over."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[Any], int]] = []
        self.called = Event()
        self.fails = False

    def __call__(self, items: list[Any], lost: int) -> None:
        self.calls.append((items, lost))
        self.called.set()
        if self.fails:
            self.fails = False
            raise ValueError("not published")

    def wait(self) -> tuple[list[Any], int]:
        assert self.called.wait(LIMIT_S)
        self.called.clear()
        return self.calls[-1]


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def queue(taker: Taker) -> Iterator[EventQueue]:
    made = EventQueue(taker)
    yield made
    made.stop()


def test_what_comes_together_is_handed_over_together_and_in_order(queue, taker):
    for number in range(500):
        queue.put(number)
    assert taker.wait() == (list(range(500)), 0)
    queue.put("later")
    assert taker.wait() == (["later"], 0)
    assert len(taker.calls) == 2


def test_a_single_item_of_a_real_thread_is_handed_over(queue, taker):
    get_original("_thread", "start_new_thread")(queue.put, ("from outside",))
    assert taker.wait() == (["from outside"], 0)


def test_of_too_many_the_oldest_are_lost_counted_and_logged(queue, taker, monkeypatch, caplog):
    monkeypatch.setattr(event_queue, "_MAX_WAITING", 3)
    with caplog.at_level(logging.WARNING):
        for number in range(10):
            queue.put(number)
        assert taker.wait() == ([7, 8, 9], 7)
    assert "7 messages" in caplog.text
    queue.put("next")
    assert taker.wait() == (["next"], 0)


def test_a_failure_does_not_end_it(queue, taker):
    taker.fails = True
    queue.put(1)
    taker.wait()
    queue.put(2)
    assert taker.wait() == ([2], 0)


def test_many_threads_lose_nothing(queue, taker):
    workers = [
        threading.Thread(target=lambda: [queue.put(each) for each in range(200)]) for _ in range(5)
    ]
    for worker in workers:
        worker.start()
    with gevent.Timeout(LIMIT_S):
        while sum(len(items) for items, _ in taker.calls) < 1000:
            gevent.sleep(0.01)
    for worker in workers:
        worker.join(LIMIT_S)
