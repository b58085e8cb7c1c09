"""What reading replies costs, against lxml and against zeep on the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import zeep
from lxml import etree

from bench.figure import Figure, medians
from bench.site import live_rows, site
from chargepoint_driver.backends.soap import client, parser, transport
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.records import StationRecord

STATIONS = 1_000
MINUTES = 6


def figures() -> Iterator[Figure]:
    """Ratios of times within this run."""
    with recording() as replies, site(STATIONS, groups=1) as here:
        points = here.points(live_rows())
        for _ in range(MINUTES):
            here.service.read(points)
            here.clock.now += 61.0
            here.simulator.clock.advance(61.0)
        contents = replies["getLoad"]
    assert len(set(contents)) == MINUTES
    call = CHARGEPOINT.calls["getLoad"]
    caller = Caller("getLoad", "bench", "loopback")

    def snapshots(content: bytes, known: bytes = b"") -> list[StationRecord]:
        return parser.stations(parser.payload(content, caller)[0], call, known)

    for content in contents:
        assert snapshots(content, content) == snapshots(content)
        assert len(snapshots(content)) == STATIONS

    def polls() -> object:
        for seen in parser._SEEN.values():
            seen.clear()
        snapshots(contents[0], contents[0])
        return [snapshots(content, content) for content in contents]

    processing = _zeep_processing(contents[0])
    took = medians(
        {
            "lxml": lambda: [etree.fromstring(content) for content in (contents[0], *contents)],
            "polls": polls,
            "lxml once": lambda: etree.fromstring(contents[0]),
            "once": lambda: snapshots(contents[0]),
            "zeep": processing,
        }
    )
    size = f"getLoad replies of {STATIONS:,} stations"
    yield Figure(
        f"reading {size} into snapshots, polled each minute, against lxml.etree.fromstring",
        took["polls"] / took["lxml"],
        "times",
        at_most=2.5,
    )
    yield Figure(
        f"the same where no station was seen before ({size})",
        took["once"] / took["lxml once"],
        "times",
    )
    yield Figure(
        f"zeep's processing of {size}, against ours polled each minute",
        took["zeep"] / (took["polls"] / (MINUTES + 1)),
        "times",
        at_least=8,
    )
    yield Figure(
        f"zeep's processing of {size}, against ours where no station was seen before",
        took["zeep"] / took["once"],
        "times",
    )


def _zeep_processing(content: bytes) -> Any:
    description = zeep.Client(str(parser.__file__).replace("parse.py", "chargepoint.wsdl"))
    service = description.create_service(client._BINDING, "http://127.0.0.1/")
    operation = service._binding.get("getLoad")
    reply = SimpleNamespace(
        status_code=200, headers={"Content-Type": "text/xml"}, content=content, encoding="utf-8"
    )
    return lambda: service._binding.process_reply(description, operation, reply)


class recording:  # noqa: N801  # reads as what it does
    """Keeps the content of every answer by operation while it is entered."""

    def __enter__(self) -> dict[str, list[bytes]]:
        self._post = transport.Wire.post
        post = self._post
        kept: dict[str, list[bytes]] = {}

        def keep(
            self: transport.Wire, content: bytes, action: str, caller: Caller
        ) -> transport.Answer:
            answer = post(self, content, action, caller)
            kept.setdefault(caller.call, []).append(answer.content)
            return answer

        transport.Wire.post = keep  # type: ignore[method-assign]
        return kept

    def __exit__(self, *_: object) -> None:
        transport.Wire.post = self._post  # type: ignore[method-assign]
