"""Many twins in one process: no thread for each, and little memory."""

from __future__ import annotations

import gc
import threading
import tracemalloc

NUMBER = 300
# Of Python's own; what the sockets take comes on top.
MAX_KIB_EACH = 80


def test_hundreds_of_twins_share_a_thread_and_stay_small(central, twins_of):
    first = twins_of(1)
    gc.collect()
    threads = threading.active_count()
    tracemalloc.start()
    try:
        for number in range(NUMBER):
            first.create(id=f"T{number}")
        first.wait_connected(60)
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert threading.active_count() == threads
    # The central system of the test lives in this process too.
    assert used / NUMBER / 1024 < 2 * MAX_KIB_EACH
    first.advance(301)
    central.wait_for("Heartbeat", NUMBER)
    assert first.stats()["accepted"] == NUMBER + 1
    for identity in first.ids:
        first.act(identity, "drop")
    central.wait_for("BootNotification", 2 * (NUMBER + 1))
    first.wait_connected(60)
    assert first.errors == []
