"""A node with accounts as a process of its own, asked by lines of JSON.

A line {"id", "account", "method", "arguments"} is answered by {"id", "answer"} or {"id", "error"}.
The method `keep reading` reads points again and again, and is not answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp.postgres.node import Node
from chargepoint_driver.config.fleet import read_node_config
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.fleet.interface import NotHolderError
from chargepoint_driver.fleet.node_accounts import NodeAccounts

_LOCK = threading.Lock()


def say(fields: dict[str, Any]) -> None:
    with _LOCK:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


async def answer(accounts: NodeAccounts, request: dict[str, Any]) -> None:
    own = {"id": request["id"]}
    account, arguments = request["account"], request["arguments"]
    try:
        if request["method"] == "holder":
            found = await accounts.holder(account)
            say({**own, "answer": None if found is None else found.node})
            return
        while request["method"] == "keep reading":
            try:
                await accounts.request(account, "read", arguments)
            except (NotHolderError, ChargePointError):
                await asyncio.sleep(0.01)
        say({**own, "answer": await accounts.request(account, request["method"], arguments)})
    except NotHolderError:
        say({**own, "error": "not the holder"})
    except ChargePointError as error:
        say({**own, "error": error.code})


def main(config_file: str) -> None:
    node = Node(read_node_config(Path(config_file)))
    node.start()
    accounts = NodeAccounts(node)
    accounts.start()
    say({"id": "ready"})
    tasks = set()

    async def begin(line: str) -> None:
        task = asyncio.ensure_future(answer(accounts, json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    for line in sys.stdin:
        node.run_on_loop(lambda line=line: begin(line), 10)
    accounts.stop()
    node.stop()


if __name__ == "__main__":
    main(sys.argv[1])
