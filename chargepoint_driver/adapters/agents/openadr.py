"""The OpenADR agent of a platform: a VEN as a child process, chargers through the driver.

The entry `config` of its config store configures it (docs/how-to/openadr.md). The devices are
topics. The child is `chargepoint-driver openadr --bridge`; see `demand_response.openadr.bridge`
for the lines that go between. A child that ends is started again.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gevent
from gevent import subprocess
from gevent.event import Event
from volttron.client.messaging.health import STATUS_BAD, STATUS_GOOD
from volttron.client.vip.agent import Agent, Core
from volttron.utils import load_config

from chargepoint_driver import __version__
from chargepoint_driver.adapters.agent_process import run_agent
from chargepoint_driver.adapters.agents.throttle import RPC_ERRORS, Throttle
from chargepoint_driver.adapters.host import platform
from chargepoint_driver.demand_response.chargers import measured_of
from chargepoint_driver.demand_response.openadr.config import OpenAdrConfig
from chargepoint_driver.errors import ConfigurationError, TransientError
from chargepoint_driver.text import get_logger

__all__ = ["IDENTITY", "OpenAdrVenAgent", "main"]

_log = get_logger(__name__)

IDENTITY = "openadr.ven"
STATUS_TOPIC = "openadr/status"
_RPC_LIMIT_S = 60
# The host does not wait for half a minute. What these do not do is left to the lease.
_STOP_LIMIT_S = 15
_RELEASE_LIMIT_S = 8
_RESTART_S = 10.0
_STOPPING = "the agent stops"
_CHILD = "from chargepoint_driver.cli import main; main()"


class OpenAdrVenAgent(Agent):  # type: ignore[misc]  # the host has no types
    """Starts the VEN, answers what it asks of the chargers, publishes its status."""

    def __init__(self, config_path: str | dict[str, Any] = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._stopping = Event()
        self._working = gevent.Greenlet()
        self._child: Any = None
        self._throttle: Throttle | None = None
        self._gives_back = True
        self._holds = False  # Whether a child of this process has written a limit.
        self.vip.config.set_default("config", load_config(config_path) if config_path else {})
        self.vip.config.subscribe(self._configure, actions=["NEW", "UPDATE"], pattern="config")

    def _configure(self, _name: str, _action: str, contents: Any) -> None:
        fields = dict(contents) if isinstance(contents, dict) else {}
        home = platform.command_file(self)
        fields.setdefault("state_file", str(home.with_suffix(".openadr.sqlite")))
        try:
            config = OpenAdrConfig.from_dict(fields)
            devices = config.chargers.devices
            if not devices or not all(isinstance(each, str) for each in devices):
                raise ConfigurationError(
                    "config: chargers.devices: must be a list of topics, like campus/garage/group"
                )
        except ConfigurationError as error:
            _log.error("%s", error)
            self.vip.health.set_status(STATUS_BAD, str(error))
            return
        self.vip.health.set_status(STATUS_GOOD, f"{len(config.vtns)} VTNs")
        self._end_child()
        self._working.kill()
        throttle = Throttle(self.vip, [str(each) for each in devices], config.lease_seconds)
        self._throttle, self._gives_back = throttle, config.on_stop == "release"
        self._working = gevent.spawn(self._work, fields, throttle)

    def _work(self, fields: dict[str, Any], throttle: Throttle) -> None:
        """Keep a child running until the agent stops."""
        throttle.adopt(self._stopping)
        while not self._stopping.is_set():
            self._child = child = subprocess.Popen(
                [sys.executable, "-c", _CHILD, "openadr", "--bridge"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            try:
                self._send(child, fields)
                for line in child.stdout:
                    self._take(child, throttle, line)
            except (BrokenPipeError, ValueError) as error:
                _log.error("the VEN's pipe: %s", error)
            if self._child is not child:
                return  # It was ended for another configuration.
            self._end_child()
            if not self._stopping.is_set():
                _log.error("the VEN ended with status %s; started again", child.returncode)
                self._stopping.wait(_RESTART_S)

    def _take(self, child: Any, throttle: Throttle, line: bytes) -> None:
        message = json.loads(line)
        if "status" in message:
            self.vip.pubsub.publish("pubsub", STATUS_TOPIC, {}, message["status"])
            return
        answer: dict[str, Any] = {"id": message["id"]}
        try:
            answer["result"] = self._answer(throttle, message)
        except (TransientError, *RPC_ERRORS) as error:
            answer["error"] = str(error)
        self._send(child, answer)

    def _answer(self, throttle: Throttle, message: dict[str, Any]) -> Any:
        if message["call"] == "measure":
            return self._measure(throttle.devices)
        kw = message.get("kw")
        if kw is not None and self._stopping.is_set():
            return [_STOPPING]
        if kw is None:
            done = throttle.release()
            self._holds = self._holds and not done
        else:
            self._holds = True
            done = throttle.hold(kw)
        return [] if done else ["not every device took it; see the agent's log"]

    def _measure(self, devices: tuple[str, ...]) -> dict[str, Any]:
        """One look at the devices; a point that cannot be read is not known."""
        loads: list[float | None] = []
        limits: list[tuple[bool, float | None]] = []
        for device in devices:
            _, load = self._read(device, "siteLoad")
            if load is None:
                _, load = self._read(device, "portLoad")
            loads.append(load)
            limits.append(self._read(device, "commandedLoad"))
        found = measured_of(loads, limits)
        return {
            "load_kw": found.load_kw,
            "limit_kw": found.limit_kw,
            "is_limited": found.is_limited,
            "ports": found.ports,
            "reporting": found.reporting,
        }

    def _read(self, device: str, point: str) -> tuple[bool, float | None]:
        """Return (whether it was answered, the number). Raises TransientError where the agent
        stops: the release does not wait for a device that is slow to answer."""
        try:
            answer = self.vip.rpc.call("platform.driver", "get_point", device, point)
            gevent.wait([answer, self._stopping], timeout=_RPC_LIMIT_S, count=1)
            if self._stopping.is_set():
                raise TransientError(_STOPPING)
            value = answer.get(timeout=0)
        except RPC_ERRORS:
            return False, None
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return True, float(value) if is_number else None

    @staticmethod
    def _send(child: Any, message: dict[str, Any]) -> None:
        child.stdin.write(json.dumps(message).encode() + b"\n")
        child.stdin.flush()

    def _end_child(self) -> None:
        """Let the child give back what it holds, and end."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(timeout=_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        child.stdin.close()

    @Core.receiver("onstop")  # type: ignore[untyped-decorator]
    def _end(self, _sender: Any, **_kwargs: Any) -> None:
        self._stopping.set()
        child = self._child
        if child is not None and child.poll() is None:
            child.terminate()  # What it asks to give back is answered by `_work`.
        if self._working:  # False before it is started, and at its end.
            self._working.join(timeout=_STOP_LIMIT_S)
            self._working.kill(timeout=1)
        if child is not None and child.poll() is None:
            child.kill()
            child.wait()
        if self._holds and self._gives_back and self._throttle is not None:
            _log.warning("the VEN ended without giving back; its limit is released here")
            gevent.spawn(self._throttle.release).join(timeout=_RELEASE_LIMIT_S)


def main() -> None:
    """Run the agent as the platform starts agents."""
    run_agent(OpenAdrVenAgent, identity=IDENTITY, version=__version__)


if __name__ == "__main__":
    main()
