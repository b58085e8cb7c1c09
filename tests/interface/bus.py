"""RPC between the driver and a caching agent, as the message bus carries it."""

from __future__ import annotations

import json
from typing import Any

import gevent
from volttron.utils.jsonrpc import Dispatcher, exception_from_json, json_method

from .devices import rows

AGENT = "platform.chargepoint"


class Peer(Dispatcher):
    """An agent's end of RPC: the host's own dispatcher, requests and responses as JSON."""

    def __init__(self, methods: object) -> None:
        self.methods = methods

    def serialize(self, json_obj: Any) -> str:
        return json.dumps(json_obj)

    def method(
        self, request: Any, ident: Any, name: str, args: Any, kwargs: Any, **_: Any
    ) -> object:
        method = getattr(self.methods, name, None)
        if method is None:
            raise NotImplementedError(name)
        if "*args" in kwargs:
            args, kwargs = kwargs["*args"], kwargs["**kwargs"]
        return method(*args, **kwargs)


class Bus:
    """`vip.rpc`: `peers` answer, `away` cannot be reached, `silent` take calls without answer."""

    def __init__(self, otherwise: Any) -> None:
        self.peers: dict[str, object] = {}
        self.away: Exception | None = None
        self.silent = False
        self.calls: list[str] = []
        self.limits_s: list[float | None] = []
        self.context = otherwise.context
        self._otherwise = otherwise

    def call(self, peer: str, method: str, *args: Any, **kwargs: Any) -> Any:
        if "." in peer and peer not in self.peers:
            return self._otherwise.call(peer, method, *args, **kwargs)
        self.calls.append(method)
        request = json.loads(json.dumps(json_method("1", method, args, kwargs)))
        return Answer(self, None if self.silent or self.away else (self.peers[peer], request))


class Answer:
    def __init__(self, bus: Bus, job: tuple[Any, Any] | None) -> None:
        self._bus = bus
        self._job = None if job is None else gevent.spawn(Peer(job[0]).dispatch, job[1])

    def get(self, timeout: float | None = None) -> Any:
        self._bus.limits_s.append(timeout)
        if self._bus.away is not None:
            raise self._bus.away
        if self._job is None:
            raise gevent.Timeout(timeout)  # as when it has passed
        response = json.loads(self._job.get(timeout=timeout))
        if "error" in response:
            raise exception_from_json(**response["error"])
        return response["result"]


def behind(station: str = "1:34001", registry: Any = None, **options: Any) -> dict[str, Any]:
    """A device whose account the agent holds."""
    return {
        "driver_type": "chargepoint",
        "driver_config": {
            "stationID": station,
            "cache_agent": AGENT,
            "account": "garage",
            "timeout": 10,
            **options,
        },
        "registry_config": rows() if registry is None else registry,
        "interval": 3600,
    }
