"""Events on their way to PostgreSQL: their order, and their number."""

from __future__ import annotations

import json

from chargepoint_driver.backends.ocpp.postgres.event_queue import EventQueue


def row(seq: int, station: str = "CP1", action: str = "StatusNotification") -> tuple:
    return (seq, 100.0 + seq, 100.0, station, 1, action, "{}")


def seqs(rows) -> list[int]:
    return [each[0] for _, each in rows]


def test_events_leave_in_their_order() -> None:
    queue = EventQueue()
    queue.add([row(1), row(2, action="MeterValues"), row(3, "CP2")])
    taken = queue.take()
    assert [station for station, _ in taken] == ["CP1", "CP2"]
    queue.add([row(4)])
    queue.put_back(taken)
    assert seqs(queue.take()) == [1, 3, 4]
    assert not queue


def test_what_a_lost_charger_sent_is_dropped_and_what_we_did_is_not() -> None:
    queue = EventQueue()
    queue.add([row(1), row(2, "CP2"), row(3, action="Shed")])
    queue.forget(["CP1"])
    # The owner of a charger does not count for an event of the node itself.
    assert [(station, each[0]) for station, each in queue.take()] == [("CP2", 2), ("", 3)]


def test_the_oldest_of_too_many_are_dropped_and_reported() -> None:
    queue = EventQueue(max_waiting=3)
    queue.add([row(each) for each in range(11, 16)])
    queue.add([row(16)])
    taken = queue.take()
    (station, lost), *rest = taken
    assert (station, lost[0], lost[5]) == ("", 13, "EventsLost")
    assert json.loads(lost[6]) == {"lost": 3, "after": 10, "through": 13}
    assert seqs(rest) == [14, 15, 16]
    # PostgreSQL did not take them: what was reported is reported once.
    queue.put_back(taken)
    (_, again), *rest = queue.take()
    assert json.loads(again[6]) == {"lost": 3, "after": 10, "through": 13}
    assert seqs(rest) == [14, 15, 16]
