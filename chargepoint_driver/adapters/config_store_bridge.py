"""A connection to a running platform for programs that must not import VOLTTRON themselves.

    python -m chargepoint_driver.adapters.config_store_bridge

    in   {"peer": "platform.config_store", "method": "list_configs", "args": ["platform.driver"]}
         {"peers": true}
    out  {"result": ...}  or  {"error": "..."}, one for each line in

The first line out is {"ready": true} or {"error": "..."}. It ends when its input ends. The
connection is that of the platform's control: its credentials lie in VOLTTRON_HOME.
"""

from __future__ import annotations

# The order of these imports matters: volttron.client patches the standard library with gevent,
# and volttron.messagebus.zmq registers the connection that an agent asks for by name.
import volttron.client  # isort: skip
import volttron.messagebus.zmq  # isort: skip # noqa: F401

import json
import logging
import sys
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from gevent.fileobject import FileObject
from volttron.client.vip.agent import Agent
from volttron.types.agent_context import AgentOptions
from volttron.types.auth import VolttronCredentials
from volttron.utils import ClientContext

__all__ = ["main"]

_IDENTITY = "control.connection"
_CONNECT_LIMIT_S = 10
_CALL_LIMIT_S = 20


def main() -> int:
    """Serve standard input until it ends; 1 when there is no connection."""
    logging.disable()  # its reader wants answers and nothing else
    try:
        agent = _connect()
    except (Exception, gevent.Timeout) as error:  # noqa: BLE001 - reported to the parent process
        _write_line({"error": f"{type(error).__name__}: {error}"})
        return 1
    _write_line({"ready": True})
    for line in FileObject(sys.stdin.fileno(), "r", encoding="utf-8", closefd=False):
        _write_line(_answer(agent, json.loads(line)))
    agent.core.stop(timeout=2)
    return 0


def _connect() -> Any:
    home = ClientContext.get_volttron_home()
    credentials = json.loads((Path(home) / "credentials_store" / f"{_IDENTITY}.json").read_text())
    agent = Agent(
        credentials=VolttronCredentials(**credentials),
        address=ClientContext.get_address(),
        options=AgentOptions(heartbeat_autostart=False, volttron_home=home, enable_store=False),
    )
    connected = Event()
    gevent.spawn(agent.core.run, connected)
    if not connected.wait(timeout=_CONNECT_LIMIT_S):
        raise TimeoutError(
            f"no connection within {_CONNECT_LIMIT_S} s; is another program, like vctl, connected "
            f"as {_IDENTITY}? Only one at a time can be"
        )
    return agent


def _answer(agent: Any, request: dict[str, Any]) -> dict[str, Any]:
    try:
        if request.get("peers"):
            return {"result": list(agent.vip.peerlist().get(timeout=_CALL_LIMIT_S))}
        call = agent.vip.rpc.call(
            request["peer"], request["method"], *request.get("args", ()), **request.get("named", {})
        )
        return {"result": call.get(timeout=_CALL_LIMIT_S)}
    except (Exception, gevent.Timeout) as error:  # noqa: BLE001
        # The other side waits for an answer. gevent.Timeout does not derive from Exception.
        return {"error": f"{type(error).__name__}: {error}"}


def _write_line(line: dict[str, Any]) -> None:
    print(json.dumps(line, default=str), flush=True)


if __name__ == "__main__":
    sys.exit(main())
