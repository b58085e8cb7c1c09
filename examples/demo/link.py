"""The demo's one connection to the platform: a child process that speaks JSON lines.

    in   {"id": 1, "peer": "platform.driver", "method": "get_point", "args": [...], "kwargs": {}}
         {"id": 2, "subscribe": "devices/campus"}
         {"id": 3, "publish": "devices/campus/meter/all", "message": ..., "headers": {...}}
    out  {"id": 1, "result": ...}  or  {"id": 1, "error": "..."}
         {"topic": "devices/campus/...", "headers": {...}, "message": ...}

The first line out is {"ready": true}. It ends when its input ends. A process of its own because
importing VOLTTRON patches sockets, threads and signals of its process.
"""

from __future__ import annotations

# The order of these imports matters: volttron.client patches the standard library with gevent,
# and volttron.messagebus.zmq registers the connection that an agent asks for by name.
import volttron.client  # isort: skip
import volttron.messagebus.zmq  # isort: skip # noqa: F401

import json
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

# The identity that the platform itself creates for its control.
IDENTITY = "control.connection"
CONNECT_LIMIT_S = 40
CALL_LIMIT_S = 50


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line, default=str), flush=True)


def connect() -> Agent:
    """A connected agent, or gevent.Timeout."""
    home = ClientContext.get_volttron_home()
    credentials = json.loads((Path(home) / "credentials_store" / f"{IDENTITY}.json").read_text())
    agent = Agent(
        credentials=VolttronCredentials(**credentials),
        address=ClientContext.get_address(),
        options=AgentOptions(heartbeat_autostart=False, volttron_home=home, enable_store=False),
    )
    connected = Event()
    gevent.spawn(agent.core.run, connected)
    with gevent.Timeout(CONNECT_LIMIT_S):
        connected.wait()
    return agent


def forward(
    _peer: str, _sender: str, _bus: str, topic: str, headers: dict[str, Any], message: Any
) -> None:
    say({"topic": topic, "headers": headers, "message": message})


def answer(agent: Agent, line: dict[str, Any]) -> None:
    try:
        if "subscribe" in line:
            agent.vip.pubsub.subscribe("pubsub", line["subscribe"], forward).get(
                timeout=CALL_LIMIT_S
            )
            result = None
        elif "publish" in line:
            published = agent.vip.pubsub.publish(
                "pubsub", line["publish"], line.get("headers", {}), line["message"]
            )
            published.get(timeout=CALL_LIMIT_S)
            result = None
        else:
            call = agent.vip.rpc.call(
                line["peer"], line["method"], *line.get("args", []), **line.get("kwargs", {})
            )
            result = call.get(timeout=CALL_LIMIT_S)
    except (Exception, gevent.Timeout) as error:  # noqa: BLE001
        # Whatever it is, the demo waits for an answer. gevent.Timeout is not an Exception.
        say({"id": line["id"], "error": f"{type(error).__name__}: {error}"})
    else:
        say({"id": line["id"], "result": result})


def main() -> None:
    agent = connect()
    say({"ready": True})
    for line in FileObject(sys.stdin.fileno(), "r", encoding="utf-8", closefd=False):
        gevent.spawn(answer, agent, json.loads(line))
    agent.core.stop(timeout=2)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
