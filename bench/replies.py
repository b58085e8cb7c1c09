"""Cost of reading replies, against lxml and against zeep on the same bytes.

What a user gains: a busy site costs the platform no more than a quiet one did.
"""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import zeep
from lxml import etree

from bench.figure import Figure, medians
from bench.site import live_rows, site
from chargepoint_driver.backends.soap import envelopes, parser, station_pieces, transport
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.catalogue import CHARGEPOINT

STATIONS = 1_000
MINUTES = 6
# Of the ports that charge: those whose load is another one at each poll.
CHARGING = {0.1: 1.2, 0.5: 1.8, 0.9: 2.2}
_SOON = "the first values after a start are there soon."
_SPARED = "the platform keeps the processor time that a general SOAP client takes."


def figures() -> Iterator[Figure]:
    """Ratios of times within this run."""
    with recording() as replies, site(STATIONS, groups=1) as here:
        here.service.read(here.points(live_rows()))
        (recorded,) = replies["getLoad"]
    call = CHARGEPOINT.calls["getLoad"]
    caller = Caller("getLoad", "bench", "loopback")

    def quickly(content: bytes) -> parser.Page:
        return station_pieces.page(content, caller, call)

    def first() -> object:
        before = dict(station_pieces._seen["getLoad"])
        station_pieces.forget()
        re.purge()  # patterns too are made when they are needed first
        return quickly(recorded), before  # a first reading has nothing to free

    minutes = {share: list(_minutes(recorded, share)) for share in CHARGING}
    works: dict[str, Callable[[], object]] = {
        # And freed: a reader of a reply pays for both.
        "lxml": lambda: etree.fromstring(recorded) is None,
        "first": first,
        "zeep": _zeep_processing(recorded),
    }
    for share, contents in minutes.items():
        for content in contents:
            assert quickly(content) == parser.page(content, caller, call, parser.stations)
        assert len(quickly(contents[0]).rows) == STATIONS
        polls = itertools.cycle(contents)
        works[f"{share}"] = lambda polls=polls: quickly(next(polls))
    took = medians(works, time.process_time)
    size = f"getLoad replies of {STATIONS:,} stations"
    for share, most in CHARGING.items():
        yield Figure(
            f"reading {size} each minute, {share:.0%} of the ports charging, against"
            " lxml.etree.fromstring",
            took[f"{share}"] / took["lxml"],
            "times",
            at_most=most,
        )
    yield Figure(
        f"the same where nothing was read before ({size})",
        took["first"] / took["lxml"],
        "times",
        at_most=2.0,
        gain=_SOON,
    )
    yield Figure(
        f"zeep's processing of {size}, against ours with half of the ports charging",
        took["zeep"] / took["0.5"],
        "times",
        at_least=8,
        gain=_SPARED,
    )
    yield Figure(
        f"zeep's processing of {size}, against ours where nothing was read before",
        took["zeep"] / took["first"],
        "times",
        gain=_SPARED,
    )


_LOADS = re.compile(rb"(?<=Load>)[^<]+(?=</(?:station|port)Load)")


def _minutes(content: bytes, share: float) -> Iterator[bytes]:
    """The reply of each minute: a share of the ports charges, each at another load every time,
    and a station's own load is their sum."""
    chance = random.Random(5)  # noqa: S311
    begin, *stations = content.split(b"<stationData>")
    charging = [[chance.random() < share for _ in range(2)] for _ in stations]
    for _ in range(MINUTES):
        said = [begin]
        for station, ports in zip(stations, charging, strict=True):
            loads = [chance.uniform(1, 7) if charges else 0.0 for charges in ports]
            texts = iter([b"%.3f" % load for load in (sum(loads), *loads)])
            said.append(_LOADS.sub(lambda _, texts=texts: next(texts), station))
        yield b"<stationData>".join(said)


def _zeep_processing(content: bytes) -> Any:
    description = zeep.Client(str(parser.__file__).replace("parser.py", "chargepoint.wsdl"))
    service = description.create_service(envelopes.BINDING, "http://127.0.0.1/")
    operation = service._binding.get("getLoad")
    reply = SimpleNamespace(
        status_code=200, headers={"Content-Type": "text/xml"}, content=content, encoding="utf-8"
    )
    return lambda: service._binding.process_reply(description, operation, reply)


class recording:  # noqa: N801  # reads as what it does
    """Keeps the content of every answer by operation while it is entered."""

    def __enter__(self) -> dict[str, list[bytes]]:
        self._post = transport.HttpTransport.post
        post = self._post
        kept: dict[str, list[bytes]] = {}

        def keep(
            self: transport.HttpTransport, content: bytes, action: str, caller: Caller
        ) -> transport.Answer:
            answer = post(self, content, action, caller)
            kept.setdefault(caller.call, []).append(answer.content)
            return answer

        transport.HttpTransport.post = keep  # type: ignore[method-assign]
        return kept

    def __exit__(self, *_: object) -> None:
        transport.HttpTransport.post = self._post  # type: ignore[method-assign]
