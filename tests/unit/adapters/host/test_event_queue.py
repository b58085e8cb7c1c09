"""Messages from other threads to the host's hub: gathered, counted where they are too many."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.monkey import get_original

from chargepoint_driver.adapters.host import event_queue
from chargepoint_driver.adapters.host.event_queue import EventQueue

LIMIT_S = 60.0


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
        queue.put("next")
        assert taker.wait() == (["next"], 0)
        for number in range(5):
            queue.put(number)
        assert taker.wait() == ([2, 3, 4], 2)
    # One line a minute: the second loss is counted only.
    assert len(caplog.records) == 1
    assert "7 messages" in caplog.text
    assert queue._lost_in_all == 9


class Gathering:
    """The time in which a queue gathers items: more may come, and no clock runs."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []
        self.during: Callable[[], None] = lambda: None

    def __call__(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self.during()


def test_a_single_item_waits_for_others_once_and_at_most_a_tenth_of_a_second(taker):
    """With the tenth of a second a change is on the bus within 150 ms."""
    gathering = Gathering()
    made = EventQueue(taker, gathering)
    try:
        for number in range(5):
            made.put(number)
            assert taker.wait() == ([number], 0)
            assert len(gathering.waits_s) == number + 1
    finally:
        made.stop()
    assert all(0.05 <= seconds <= 0.1 for seconds in gathering.waits_s)


def test_items_that_keep_coming_do_not_make_the_first_one_wait_longer(taker):
    gathering = Gathering()
    made = EventQueue(taker, gathering)
    gathering.during = lambda: [made.put(f"meanwhile {number}") for number in range(3)]
    try:
        made.put("first")
        items, _ = taker.wait()
        gathering.during = lambda: None
    finally:
        made.stop()
    assert items == ["first", "meanwhile 0", "meanwhile 1", "meanwhile 2"]
    assert len(gathering.waits_s) == 1


def test_an_item_that_comes_while_others_are_handed_over_waits_once(taker):
    gathering = Gathering()

    def hand_over(items: list[Any], lost: int) -> None:
        if items == [1]:
            made.put(2)
        taker(items, lost)

    made = EventQueue(hand_over, gathering)
    try:
        made.put(1)
        taker.wait()
        with gevent.Timeout(LIMIT_S):
            while len(taker.calls) < 2:
                gevent.sleep(0.01)
    finally:
        made.stop()
    assert taker.calls == [([1], 0), ([2], 0)]
    assert len(gathering.waits_s) == 2


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
