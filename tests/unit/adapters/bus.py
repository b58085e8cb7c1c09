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
    """`vip.rpc`: `peers` answer, `away` cannot be reached, `silent` take calls without answer,
    `hangs` do not even say what methods they have. `vip.peerlist` is `peerlist`."""

    def __init__(self, otherwise: Any) -> None:
        self.peers: dict[str, object] = {}
        self.away: Exception | None = None
        self.silent = False
        self.hangs = False
        # Peers that the list of the bus still has although nothing reaches them: killed ones,
        # until a message could not be delivered.
        self.killed: set[str] = set()
        self.calls: list[str] = []
        self.waited_s: list[float] = []
        self.context = otherwise.context
        self._otherwise = otherwise

    def peerlist(self) -> Any:
        return _There([*self.peers, *self.killed])

    def call(self, peer: str, method: str, *args: Any, **kwargs: Any) -> Any:
        if peer in self.killed:
            self.killed.discard(peer)  # The message cannot be delivered.
            return Answer(self, None)
        if "." in peer and peer not in self.peers:
            return self._otherwise.call(peer, method, *args, **kwargs)
        if method == "inspect":
            job = (
                None if self.hangs or self.away else (_Methods(), json_method("1", method, (), {}))
            )
            return Answer(self, job)
        self.calls.append(method)
        request = json.loads(json.dumps(json_method("1", method, args, kwargs)))
        quiet = self.silent or self.hangs or self.away
        return Answer(self, None if quiet else (self.peers[peer], request))


class _Methods:
    def inspect(self) -> dict[str, Any]:
        return {"methods": ["read", "write"]}


class _There:
    def __init__(self, value: Any) -> None:
        self._value = value

    def get(self, timeout: float | None = None) -> Any:
        return self._value


class Answer:
    """The result of a call, as the host's: one that never comes takes no time here."""

    def __init__(self, bus: Bus, job: tuple[Any, Any] | None) -> None:
        self._bus = bus
        self._job = None if job is None else gevent.spawn(Peer(job[0]).dispatch, job[1])

    def wait(self, timeout: float | None = None) -> None:
        if self._job is not None:
            self._job.join()
        elif self._bus.away is None:
            self._bus.waited_s.append(timeout or 0.0)

    def ready(self) -> bool:
        return self._job is not None or self._bus.away is not None

    def get(self, timeout: float | None = None) -> Any:
        if self._bus.away is not None:
            raise self._bus.away
        assert self._job is not None
        response = json.loads(self._job.get(timeout=60))
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
