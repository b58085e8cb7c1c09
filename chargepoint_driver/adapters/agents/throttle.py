"""Shared parts of the agents: holding devices to a limit, and an agent's life.

A device is a topic with the points limit (else allowedLoad and shedState) and commandedLoad: a
port, a station or a station group. What is in force is read from `commandedLoad`, never
remembered, so that an agent that was restarted, or a shed that ran out, makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gevent
from gevent.event import Event
from volttron.client.known_identities import PLATFORM_DRIVER
from volttron.client.messaging.health import STATUS_BAD, STATUS_GOOD
from volttron.client.vip.agent import Agent, Core
from volttron.client.vip.agent.errors import VIPError
from volttron.utils import jsonrpc, load_config

from chargepoint_driver.text import get_logger

__all__ = ["RPC_ERRORS", "Throttle", "ThrottlingAgent", "check", "driver_is_there", "lacks_point"]

_log = get_logger(__name__)

RPC_LIMIT_S = 60
# What a call may raise; gevent.Timeout does not derive from Exception.
RPC_ERRORS = (jsonrpc.Error, jsonrpc.RemoteError, VIPError, gevent.Timeout)
RETRY_S = 5.0
# A stopping agent has so long for its last writes; the host does not wait for half a minute.
STOP_LIMIT_S = 15.0
# What hosts and drivers say of a point that the device has not, or not for writing.
_NO_POINT = ("No equipment found", "not configured on device", "can only be read")
# Limits are written in steps of a tenth of a kW, rounded down.
STEPS = 10


def lacks_point(error: Exception) -> bool:
    """Return True if the driver refused a call because the device has no such point to write."""
    return any(words in str(error) for words in _NO_POINT)


def driver_is_there(vip: Any) -> bool:
    """Return True if the platform driver is connected; True where the bus cannot tell. A call to an
    agent that is not there waits out its limit, and so would a stop."""
    try:
        return PLATFORM_DRIVER in vip.peerlist().get(timeout=RETRY_S)
    except RPC_ERRORS:
        return True


class Throttle:
    """A total over devices, each with an equal part. Nothing is raised for one device that does
    not answer: the others are seen to, and the next call tries it again."""

    def __init__(self, vip: Any, devices: Sequence[str], lease_seconds: float = 0) -> None:
        """`vip` is the agent's; `devices` are topics without `devices/`. `lease_seconds`: what
        is held is reverted when `hold` is not called for so long, as when the agent is killed;
        devices without the point commandLease have no lease."""
        self._vip = vip
        self._lease_s = lease_seconds
        self._leased: dict[str, bool] = {}
        self._has_limit: dict[str, bool] = {}
        self.devices = tuple(devices)
        self._ours: set[str] = set()

    def adopt(self, stopping: Event) -> float | None:
        """Take over what is in force, of an earlier run: `release` gives it back too. Waits for
        the platform driver. The total in kW; None unless every device is held to a limit."""
        while not stopping.is_set():
            if not driver_is_there(self._vip):
                stopping.wait(RETRY_S)
                continue
            try:
                parts = {device: self._held_kw(device) for device in self.devices}
            except RPC_ERRORS as error:
                _log.warning("the limit in force is not yet known: %s", error)
                stopping.wait(RETRY_S)
            else:
                known = {device: kw for device, kw in parts.items() if kw is not None}
                self._ours |= known.keys()
                return sum(known.values()) if len(known) == len(parts) else None
        return None

    def hold(self, total_kw: float) -> bool:
        """Hold the devices to a total; True when each of them was commanded its part."""
        part_kw = math.floor(total_kw / len(self.devices) * STEPS + 1e-6) / STEPS
        return self._each(self.devices, lambda device: self._hold_one(device, part_kw))

    def leave(self, total_kw: float) -> bool:
        """As `hold`, for when nobody calls it again: without a lease."""
        self._each([name for name, known in self._leased.items() if known], self._end_lease)
        self._lease_s = 0
        return self.hold(total_kw)

    def release(self) -> bool:
        """Restore each device's limit before; return True when all of them were written. Devices
        that were not limited here are left alone."""
        return self._each(sorted(self._ours), self._release_one)

    def _hold_one(self, device: str, kw: float) -> None:
        self._renew_lease(device)
        if self._is_held(device, kw):
            return
        self._ours.add(device)  # Also when it fails: the limit may be in force all the same.
        if not self._has(device, lambda: self._call("set_point", device, "limit", kw)):
            # Sent at once while a shed is in force, else kept for shedState.
            self._call("set_point", device, "allowedLoad", kw)
            if not self._is_held(device, kw):
                self._call("set_point", device, "shedState", 1)
        _log.info("%s is held to %g kW", device, kw)

    def _release_one(self, device: str) -> None:
        if not self._has(device, lambda: self._call("revert_point", device, "limit")):
            self._call("revert_point", device, "shedState")
        if self._leased.get(device):
            self._end_lease(device)
        self._ours.discard(device)
        _log.info("%s is given back", device)

    def _has(self, device: str, call: Callable[[], object]) -> bool:
        """Make a call of the point `limit`; False, without an effect, where there is none."""
        if self._has_limit.get(device) is False:
            return False
        try:
            call()
        except (jsonrpc.Error, jsonrpc.RemoteError) as error:
            if self._has_limit.get(device) or not lacks_point(error):
                raise
            self._has_limit[device] = False
            return False
        self._has_limit[device] = True
        return True

    def _renew_lease(self, device: str) -> None:
        """Any write renews it; this one sends nothing to the charger."""
        if not self._lease_s or self._leased.get(device) is False:
            return
        try:
            self._call("set_point", device, "commandLease", self._lease_s)
        except (jsonrpc.Error, jsonrpc.RemoteError) as error:
            if self._leased.get(device):
                raise
            _log.info("%s has no lease: %s", device, error)
            self._leased[device] = False
        else:
            self._leased[device] = True

    def _end_lease(self, device: str) -> None:
        """Other writers of the device are not to be bound by it."""
        self._call("set_point", device, "commandLease", 0)
        del self._leased[device]

    def _is_held(self, device: str, kw: float) -> bool:
        held_kw = self._held_kw(device)
        return held_kw is not None and abs(held_kw - kw) < 0.5 / STEPS

    def _held_kw(self, device: str) -> float | None:
        """The limit that was commanded and has not run out."""
        held_kw = self._call("get_point", device, "commandedLoad")
        return None if held_kw is None else float(held_kw)

    def _each(self, devices: Iterable[str], act: Callable[[str], None]) -> bool:
        names = list(devices)
        if names and not driver_is_there(self._vip):
            _log.warning("%s is not there; tried again", PLATFORM_DRIVER)
            return False
        good = True
        for device in names:
            try:
                act(device)
            except RPC_ERRORS as error:
                _log.warning("%s: %s; tried again", device, error)
                good = False
        return good

    def _call(self, method: str, *arguments: Any) -> Any:
        """Call the platform driver; raises what went wrong, also when it does not answer."""
        return self._vip.rpc.call(PLATFORM_DRIVER, method, *arguments).get(timeout=RPC_LIMIT_S)


class ThrottlingAgent(Agent):  # type: ignore[misc]  # the host has no types
    """Holds `devices` to a limit, which `work` finds. Configured by `config` in the config store,
    or by the file that AGENT_CONFIG names; a change counts at once."""

    defaults: Mapping[str, Any] = {}

    def __init__(self, config_path: str | dict[str, Any] = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.woken, self.stopping = Event(), Event()
        self._throttle: Throttle | None = None
        self._working = gevent.Greenlet()
        self.vip.config.set_default("config", load_config(config_path))
        self.vip.config.subscribe(self.configure, actions=["NEW", "UPDATE"], pattern="config")

    def work(self, settings: dict[str, Any], throttle: Throttle) -> None:
        """Do what the agent is for, until `stopping` is set; `woken` is set then too."""
        raise NotImplementedError

    def faults(self, settings: dict[str, Any]) -> list[str]:
        """Return a sentence for each fault of the settings."""
        return check(settings, self.defaults)

    def configure(self, _name: str, _action: str, contents: dict[str, Any]) -> None:
        """Begin to work, or begin again, with these settings unless they have a fault."""
        settings = {**self.defaults, **contents}
        faults = "; ".join(self.faults(settings))
        self.vip.health.set_status(STATUS_BAD if faults else STATUS_GOOD, faults)
        if faults:
            _log.error("config: %s. The one before stays in use.", faults)
            return
        self._working.kill()
        self._working = gevent.spawn(self._work, settings)

    def _work(self, settings: dict[str, Any]) -> None:
        before = self._throttle
        if before is None or list(before.devices) != settings["devices"]:
            if before is not None:
                before.release()
            lease_s = settings.get("lease_seconds", 0)
            self._throttle = Throttle(self.vip, settings["devices"], lease_s)
        assert self._throttle is not None
        self.work(settings, self._throttle)

    def publish_status(self, settings: Mapping[str, Any], **facts: Any) -> None:
        """Publish what was done."""
        _log.info("%s", facts)
        self.vip.pubsub.publish("pubsub", settings["results_topic"], {}, facts)

    @Core.receiver("onstop")  # type: ignore[untyped-decorator]
    def end(self, _sender: Any, **_kwargs: Any) -> None:
        """Let `work` end."""
        self.stopping.set()
        self.woken.set()
        if not self._working:  # False before it is started, and at its end.
            return
        self._working.join(timeout=STOP_LIMIT_S)
        # Calls to a driver that is not there would wait longer than the host waits for a stop.
        self._working.kill(timeout=RETRY_S)


def check(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each invalid setting: unknown, not a number above 0 where the default
    is one, or not a list of devices."""
    faults = [f"{name}: unknown; remove it" for name in settings.keys() - defaults.keys()]
    for name in defaults:
        value = settings[name]
        if isinstance(defaults[name], (int, float)) and not (
            isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
        ):
            faults.append(f"{name}: {value!r} is not a number above 0")
    devices = settings["devices"]
    if not isinstance(devices, list) or not devices or not all(isinstance(d, str) for d in devices):
        faults.append("devices: must be a list of device topics, like campus/garage/group")
    return faults
