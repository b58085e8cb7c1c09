"""Any node answers for the whole fleet, and a part of it never looks like the whole."""

from __future__ import annotations

import json
import signal
from typing import Any

import requests
from click.testing import CliRunner

from chargepoint_driver.cli import main
from tests.unit.backends.ocpp.conftest import Charger, eventually

from .nodes import TOKEN, NodeProcess

LIMIT_S = 30.0
LISTS = ("/charge-points?nodes=all", "/api/v1/status", "/api/v1/stations", "/api/v1/live-status")


def status(node: NodeProcess) -> dict[str, Any]:
    """Return what `fleet status` shows."""
    result = CliRunner().invoke(main, ["fleet", "status", "--json", "--config", str(node.config)])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def ask(node: NodeProcess, path: str) -> tuple[int, Any]:
    """Return status and content of an answer of the control API."""
    answer = requests.get(
        f"{node.control_url}{path}", headers={"X-API-Key": TOKEN}, timeout=LIMIT_S
    )
    return answer.status_code, answer.json()


def test_the_state_of_all_nodes_is_summed_or_not_known(linked) -> None:
    first, second, _ = linked
    chargers = [Charger(each.url, f"CP{number}") for number, each in enumerate((first, second))]
    for number, charger in enumerate(chargers):
        for _ in range(number + 1):
            assert charger.send("[2]")[0] == 4  # counted as out of order
    found = status(first)
    assert (found["connected"], found["nats_error"]) == (2, None)
    rows = {row["node"]: row for row in found["nodes"]}
    assert [rows[each.name]["connected"] for each in (first, second)] == [1, 1]
    assert [rows[each.name]["is_on_nats"] for each in (first, second)] == [True, True]
    (name,) = {*rows["node-1"]["counters"]} & {*rows["node-2"]["counters"]}
    assert found["counters"][name] == 3
    text = CliRunner().invoke(main, ["fleet", "status", "--config", str(first.config)]).output
    assert f"all nodes: 2 chargers connected; counters: {name} 3" in text
    second.send(signal.SIGSTOP)
    found = status(first)  # its lease has not ended yet
    assert (found["connected"], found["counters"]) == (None, None)
    assert {row["node"]: row["is_on_nats"] for row in found["nodes"]} == {
        "node-1": True,
        "node-2": False,
    }
    second.end(signal.SIGKILL)
    for path in LISTS:
        code, answer = ask(first, path)
        if code != 200:  # until its lease ends
            assert (code, answer["error"]["code"]) == (503, "try_later")
            assert "node node-2" in answer["error"]["message"]
    answer = eventually(lambda: (it := ask(first, LISTS[0]))[0] == 200 and it[1])
    connected = {each["id"]: each["connected"] for each in answer["charge_points"]}
    assert (connected, answer["without_node"]) == ({"CP0": True, "CP1": False}, ["CP1"])
    found = eventually(lambda: (it := status(first))["connected"] is not None and it)
    assert found["connected"] == 1
    assert [row["is_alive"] for row in found["nodes"]] == [True, False]
    for each in chargers:
        each.close()
