"""The real platform driver agent of VOLTTRON in this process, on a stub of its message bus.

The stub encodes each publish as JSON, as the bus does, and keeps counts only.
"""

from __future__ import annotations

import atexit
import copy
import json
import os
import shutil
import tempfile
import types
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any

# Files that the interface keeps go to the place that the host names.
os.environ["VOLTTRON_HOME"] = tempfile.mkdtemp()
atexit.register(shutil.rmtree, os.environ["VOLTTRON_HOME"], ignore_errors=True)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the host's own imports warn
    import gevent
    import platform_driver.agent as host
    from platform_driver.poll_scheduler import PollScheduler
    from volttron.client.vip.agent.dispatch import Signal
    from volttron.utils import get_aware_utc_now

__all__ = ["Host"]


class _Done:
    """An answer that is there already."""

    def __init__(self, value: Any = None) -> None:
        self._value = value

    def get(self, timeout: float | None = None) -> Any:
        del timeout
        return self._value


class _Scheduled(gevent.Greenlet):
    """A call at a time, as the host's core schedules it."""

    def cancel(self) -> None:
        """Do not call it."""
        self.kill(block=False)


class _Core:
    identity = "platform.driver"
    connected = True

    def __init__(self) -> None:
        self.greenlets: list[Any] = []
        self.onstop = Signal()

    def schedule(self, when: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(when, "tzinfo"):
            return None  # periodic work of the host that no figure is about
        delay_s = max(0.0, (when - get_aware_utc_now()).total_seconds())
        greenlet = _Scheduled(function, *args, **kwargs)
        greenlet.start_later(delay_s)
        self.greenlets.append(greenlet)
        return greenlet


class _PubSub:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.bytes = 0
        self.on_publish: list[Any] = []

    def list(self, *_: Any) -> _Done:
        return _Done([])

    def subscribe(self, *_: Any, **__: Any) -> _Done:
        return _Done()

    def publish(self, peer: str, topic: str, headers: Any = None, message: Any = None) -> _Done:
        del peer
        self.bytes += len(json.dumps([headers, message]))
        self.counts[topic.rsplit("/", 1)[-1]] += 1
        for each in self.on_publish:
            each(topic, message)
        return _Done()


class _Config:
    def __init__(self) -> None:
        self.store: dict[str, Any] = {}

    def list(self) -> list[str]:
        return list(self.store)

    def get(self, name: str) -> Any:
        return copy.deepcopy(self.store[name])

    def set(self, name: str, value: Any, **_: Any) -> None:
        self.store[name] = value

    def set_default(self, name: str, value: Any) -> None:
        """Keep nothing."""

    def subscribe(self, *_: Any, **__: Any) -> None:
        """Tell of nothing."""


class Host:
    """A platform driver with devices; `stop` ends it."""

    def __init__(self) -> None:
        self.pubsub = _PubSub()
        vip = types.SimpleNamespace(
            pubsub=self.pubsub,
            config=_Config(),
            rpc=types.SimpleNamespace(
                context=types.SimpleNamespace(vip_message=types.SimpleNamespace(peer="bench")),
                call=lambda *_, **__: _Done("{}"),
            ),
            health=types.SimpleNamespace(set_status=lambda *_: None),
        )
        core = _Core()
        original = host.Agent.__init__

        def begin(agent: Any, **_: Any) -> None:
            agent.core, agent.vip = core, vip

        host.Agent.__init__ = begin
        PollScheduler.poll_sets.clear()
        try:
            self.agent = host.PlatformDriverAgent()
        finally:
            host.Agent.__init__ = original
        self._vip = vip

    def configure(self, devices: Iterable[tuple[str, dict[str, Any]]], **config: Any) -> None:
        """Configure the driver with devices: (topic without `devices/`, config)."""
        for topic, content in devices:
            self._vip.config.store[f"devices/{topic}"] = content
        self.agent.configure_main("config", "NEW", {"remote_heartbeat_interval": 3600, **config})

    @property
    def interface(self) -> Any:
        """The interface of the first remote."""
        return next(iter(self.agent.equipment_tree.remotes.values())).interface

    def stop(self) -> None:
        """End the driver and all that it began."""
        self.agent.core.onstop.send(self.agent)
        self.agent._stop_agent.set()
        gevent.killall(self.agent.core.greenlets)
        if self.agent.heartbeat_greenlet is not None:
            self.agent.heartbeat_greenlet.kill()
        PollScheduler.poll_sets.clear()
