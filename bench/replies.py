"""What reading replies costs, against lxml and against zeep on the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import zeep
from lxml import etree

from bench.figure import Figure, medians
from bench.site import live_rows, site
from chargepoint_driver.backends.soap import client, parse, wire
from chargepoint_driver.backends.soap.faults import Caller
from chargepoint_driver.catalogue import CHARGEPOINT

STATIONS = 1_000


def figures() -> Iterator[Figure]:
    """Ratios of times within this run."""
    with recording() as replies, site(STATIONS, groups=1) as here:
        here.service.read(here.points(live_rows()))
        (content,) = replies["getLoad"]
    call = CHARGEPOINT.calls["getLoad"]
    caller = Caller("getLoad", "bench", "loopback")

    def ours() -> object:
        return parse.stations(parse.payload(content, caller)[0], call)

    processing = _zeep_processing(content)
    assert len(parse.stations(parse.payload(content, caller)[0], call)) == STATIONS
    took = medians({"lxml": lambda: etree.fromstring(content), "ours": ours, "zeep": processing})
    size = f"a getLoad reply of {STATIONS:,} stations"
    yield Figure(
        f"reading {size} into snapshots, against lxml.etree.fromstring",
        took["ours"] / took["lxml"],
        "times",
        at_most=2.5,
    )
    yield Figure(
        f"zeep's processing of {size}, against ours",
        took["zeep"] / took["ours"],
        "times",
        at_least=8,
    )


def _zeep_processing(content: bytes) -> Any:
    description = zeep.Client(str(parse.__file__).replace("parse.py", "chargepoint.wsdl"))
    service = description.create_service(client._BINDING, "http://127.0.0.1/")
    operation = service._binding.get("getLoad")
    reply = SimpleNamespace(
        status_code=200, headers={"Content-Type": "text/xml"}, content=content, encoding="utf-8"
    )
    return lambda: service._binding.process_reply(description, operation, reply)


class recording:  # noqa: N801  # reads as what it does
    """Keeps the content of every answer by operation while it is entered."""

    def __enter__(self) -> dict[str, list[bytes]]:
        self._post = wire.Wire.post
        post = self._post
        kept: dict[str, list[bytes]] = {}

        def keep(self: wire.Wire, content: bytes, action: str, caller: Caller) -> wire.Answer:
            answer = post(self, content, action, caller)
            kept.setdefault(caller.call, []).append(answer.content)
            return answer

        wire.Wire.post = keep  # type: ignore[method-assign]
        return kept

    def __exit__(self, *_: object) -> None:
        wire.Wire.post = self._post  # type: ignore[method-assign]
