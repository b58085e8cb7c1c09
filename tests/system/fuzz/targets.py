"""What the fuzzer calls with its bytes. A target returns, or has found something.

Each has an oracle besides "it does not fall over": the quick way of reading a reply is held
against the plain one, a registry against its own promise, an answer of the simulator against
XML, an answer of the central system against OCPP's schemas.
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lxml import etree

from chargepoint_driver.backends.soap import parser, station_pieces
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.catalogue import CHARGEPOINT, Call
from chargepoint_driver.errors import ChargePointError, ConfigurationError
from chargepoint_driver.registry import build, read_csv
from chargepoint_driver.simulator import ManualClock, Simulator

from .central import MAX_FRAMES, VERSIONS, frames
from .oracles import are_values, is_said

DATA = Path(__file__).parents[2] / "data"
ROOT = DATA.parents[1]
FOUND = Path(__file__).parent / "found"

_CALLS = list(CHARGEPOINT.calls.values())


def replies(data: bytes) -> None:
    """The first byte gives the call that the rest is a reply to."""
    if not data:
        return
    call, content = _CALLS[data[0] % len(_CALLS)], data[1:]
    if call.name == "getStationRights":
        _outcome(parser.page, content, call, rows=parser.rights)
        return
    if call.time_field:
        _outcome(parser.page, content, call, rows=parser.events)
        return
    # Twice: what was read before is remembered.
    quickly = [_outcome(station_pieces.page, content, call) for _ in range(2)]
    plainly = _outcome(parser.page, content, call, rows=parser.stations)
    if quickly != [plainly, plainly]:
        raise AssertionError(f"{quickly} is not twice {plainly}")


def _outcome(read: Callable[..., parser.Page], content: bytes, call: Call, **rows: Any) -> Any:
    """Return the page of a reply, or the text of the error."""
    try:
        page = read(content, Caller(call.name, "u", "region na"), call, **rows)
    except ChargePointError as error:
        is_said(error)
        return str(error)
    for row in page.rows if call.name != "getStationRights" else ():
        for values in (row.values, *getattr(row, "ports", {}).values()):
            are_values(values)
    return page


def registry(data: bytes) -> None:
    """A CSV file as it may be edited or sent."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(data)
        file.flush()
        with contextlib.suppress(ConfigurationError):
            built = build(read_csv(Path(file.name)), "fuzz.csv", "1:1")
            for name, point in built.points.items():
                if not name or point.currency_s < 0 or not math.isfinite(point.currency_s):
                    raise AssertionError(f"{name!r}: {point}")
            built.raise_faults()


class _World:
    """The simulator's service, without its socket, made when it is first needed."""

    service: Any = None

    @classmethod
    def answer(cls, body: bytes) -> Any:
        if cls.service is None:
            cls.service = Simulator(clock=ManualClock())._server.service
        return cls.service.answer(body, "5.1")


def requests(data: bytes) -> None:
    """A request to the simulator, from anyone who reaches its port."""
    answer = _World.answer(data)
    if answer.http_status not in (200, 500):
        raise AssertionError(f"HTTP {answer.http_status}")
    etree.fromstring(answer.body)


def _replies() -> list[bytes]:
    names = [call.name for call in _CALLS]
    return [
        bytes([names.index(path.stem.partition("-")[0])]) + path.read_bytes()
        for path in sorted(DATA.glob("get*.xml"))
    ]


_REQUEST = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>
<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">
<w:UsernameToken><w:Username>simulator</w:Username><w:Password>not-a-real-password</w:Password>
</w:UsernameToken></w:Security></s:Header><s:Body>
<n:{0} xmlns:n="urn:dictionary:com.chargepoint.webservices">{1}</n:{0}></s:Body></s:Envelope>"""
_QUERIES = {
    "getStations": "<searchQuery><startRecord>1</startRecord></searchQuery>",
    "getStationStatus": "<searchQuery><stationIDs><stationID>1:34001</stationID></stationIDs>"
    "</searchQuery>",
    "getLoad": "<searchQuery><sgID>39491</sgID></searchQuery>",
    "getAlarms": "<searchQuery><stationID>1:34001</stationID></searchQuery>",
    "getChargingSessionData": "<searchQuery><fromTimeStamp>2026-03-01T00:00:00Z</fromTimeStamp>"
    "</searchQuery>",
    "getStationRights": "<searchQuery><sgID>39491</sgID></searchQuery>",
    "shedLoad": "<shedQuery><shedStation><stationID>1:34001</stationID><Ports><Port><portNumber>1"
    "</portNumber><allowedLoadPerPort>2</allowedLoadPerPort></Port></Ports></shedStation>"
    "<timeInterval>5</timeInterval></shedQuery>",
    "createLoadShedEvent": "<shedEvent><stationID>1:34001</stationID><eventStartTime>"
    "2026-03-04T00:00:00Z</eventStartTime><eventDuration>5</eventDuration>"
    "<allowedLoadPerPort>2</allowedLoadPerPort></shedEvent>",
}


def _frames() -> list[bytes]:
    """Send each message alone, and all of a version one after the other."""
    requests = json.loads((DATA / "ocpp-requests.json").read_text(encoding="utf-8"))
    found = []
    for number, version in enumerate(VERSIONS):
        texts = [
            json.dumps([2, str(place), action, payload], separators=(",", ":")).encode()
            for place, (action, payload) in enumerate(requests[f"ocpp{version}"].items())
        ]
        some = [b"\n".join(texts[at : at + MAX_FRAMES]) for at in range(0, len(texts), MAX_FRAMES)]
        found += [bytes([number]) + text for text in [*texts, *some]]
    return found


TARGETS: dict[str, Callable[[bytes], None]] = {
    "replies": replies,
    "registry": registry,
    "requests": requests,
    "frames": frames,
}


def seeds(target: str) -> list[bytes]:
    """Good input, and what was found before, for the fuzzer to begin with."""
    good = {
        "replies": _replies,
        "registry": lambda: [
            path.read_bytes() for path in sorted((ROOT / "registry_configs").glob("*.csv"))
        ],
        "requests": lambda: [_REQUEST.format(*query).encode() for query in _QUERIES.items()],
        "frames": _frames,
    }[target]()
    return good + [path.read_bytes() for path in sorted(FOUND.glob(f"{target}-*"))]
