"""Garbage collection in processes that serve: rare, and still complete."""

from __future__ import annotations

import gc
import json
import logging
import subprocess
import sys

from chargepoint_driver.cli.support.serving import serving

# In a process of its own: pytest's has objects of all tests.
_CHILD = """
import gc, json, weakref
from chargepoint_driver.process.garbage import rare_collections

class Node:
    pass

alive = set()
most = 0
with rare_collections():
    frozen = gc.get_freeze_count()
    for number in range(300_000):
        node = Node()
        node.itself = node
        alive.add(weakref.ref(node, alive.discard))
        most = max(most, len(alive))
print(json.dumps({"frozen": frozen, "most": most, "after": gc.get_freeze_count()}))
"""


def test_cycles_are_still_collected() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], capture_output=True, text=True, timeout=120, check=True
    )
    found = json.loads(done.stdout)
    assert found["frozen"] > 1_000
    assert found["most"] < 100_000
    assert found["after"] == 0


def test_commands_that_serve_collect_rarely_and_put_back_what_was() -> None:
    before = gc.get_threshold()
    with serving(None, 0, logging.WARNING):
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
