"""The real PlatformDriverAgent in this process, on a stub of the few things it touches of the
message bus."""

from __future__ import annotations

import copy
import types
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # gevent patches late here; the host's own imports warn
    import volttron.client  # noqa: F401  # patches first
    import gevent
    import platform_driver.agent as host
    from platform_driver.poll_scheduler import PollScheduler
    from volttron.utils import get_aware_utc_now


class _Done:
    """An answer that is there already."""

    def __init__(self, value=None):
        self._value = value

    def get(self, timeout=None):
        return self._value


class _Core:
    identity = "platform.driver"
    connected = True

    def __init__(self):
        self.greenlets = []

    def schedule(self, when, function, *args, **kwargs):
        if hasattr(when, "tzinfo"):
            delay = max(0.0, (when - get_aware_utc_now()).total_seconds())
            greenlet = gevent.spawn_later(delay, function, *args, **kwargs)
        else:
            greenlet = gevent.spawn(self._periodically, when, function, args)
        self.greenlets.append(greenlet)
        return greenlet

    @staticmethod
    def _periodically(moments, function, args):
        for moment in moments:
            gevent.sleep(max(0.0, (moment - get_aware_utc_now()).total_seconds()))
            function(*args)


class _Vip:
    def __init__(self):
        self.published = []
        self.store = {}
        vip = self

        class PubSub:
            def list(self, *args):
                return _Done([])

            def subscribe(self, *args, **kwargs):
                return _Done()

            def publish(self, peer, topic, headers=None, message=None):
                vip.published.append((topic, headers, message))
                return _Done()

        class Config:
            def list(self):
                return list(vip.store)

            def get(self, name):
                return copy.deepcopy(vip.store[name])

            def set(self, name, value, **kwargs):
                vip.store[name] = value

            def set_default(self, name, value):
                pass

            def subscribe(self, *args, **kwargs):
                pass

        class Rpc:
            context = types.SimpleNamespace(vip_message=types.SimpleNamespace(peer="tester"))

            def call(self, *args, **kwargs):
                return _Done("{}")

        self.pubsub, self.config, self.rpc = PubSub(), Config(), Rpc()
        self.health = types.SimpleNamespace(set_status=lambda *args: None)


@pytest.fixture
def driver(monkeypatch):
    """A PlatformDriverAgent; `driver.start({device topic: config})` configures it."""
    from volttron.driver.base import driver_locks

    PollScheduler.poll_sets.clear()  # class-level state of the host
    monkeypatch.setattr(driver_locks, "_socket_lock", None, raising=False)
    monkeypatch.setattr(driver_locks, "_publish_lock", None, raising=False)

    def init(self, **kwargs):
        self.core, self.vip = _Core(), _Vip()

    monkeypatch.setattr(host.Agent, "__init__", init)
    agent = host.PlatformDriverAgent()

    def start(devices, **config):
        agent.vip.store.update(devices)
        agent.configure_main("config", "NEW", {"remote_heartbeat_interval": 3600, **config})
        return agent

    agent.start = start
    yield agent
    agent._stop_agent.set()
    gevent.killall(agent.core.greenlets)
    if agent.heartbeat_greenlet is not None:
        agent.heartbeat_greenlet.kill()
