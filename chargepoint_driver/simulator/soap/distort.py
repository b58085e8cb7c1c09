"""Spoiling a finished reply: first its elements, then its bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..faults import FaultsOfCall
from .reply import Element, Leaf, put

OTHER_NS = "urn:dictionary:com.example.webservices"

NUMBERS = frozenset(
    {
        "numPorts",
        "numStations",
        "percentShed",
        "recordNumber",
        "sessionID",
        "sgLoad",
        "stationLoad",
    }
)
"""Numeric elements that come out empty on `empty_numbers`, as seen in live replies."""


def distort(reply: Element, faults: FaultsOfCall) -> None:
    """Apply the faults that concern elements; the reply itself is changed."""
    for kind, spoil in _SPOILERS.items():
        if faults.has(kind):
            spoil(reply, faults)


def damage(body: bytes, faults: FaultsOfCall) -> bytes:
    """Apply the faults that concern bytes."""
    if faults.has("empty_body"):
        return b""
    if faults.has("truncated_xml"):
        return body[: len(body) * 2 // 3]
    if faults.has("malformed_xml"):
        return body.replace(b"</responseCode>", b"</responseCod>", 1)
    return body


def _no_coordinates(reply: Element, faults: FaultsOfCall) -> None:
    for data in _stations(reply, faults, "no_coordinates"):
        for element in data.walk():
            element.remove("Geo")


def _missing_port(reply: Element, faults: FaultsOfCall) -> None:
    wanted = faults.param("missing_port", "port")
    for data in _stations(reply, faults, "missing_port"):
        ports = [element.value("portNumber") for element in data.walk() if element.name == "Port"]
        number = str(wanted) if wanted is not None else (ports or [None])[-1]
        data.remove("Port", where=("portNumber", number))


def _empty_station(reply: Element, faults: FaultsOfCall) -> None:
    for data in _stations(reply, faults, "empty_station"):
        data.remove("Port")


def _endless_more(reply: Element, _: FaultsOfCall) -> None:
    for leaf in reply.leaves("moreFlag") + reply.leaves("MoreFlag"):
        leaf.text = "1"


def _empty_numbers(reply: Element, _: FaultsOfCall) -> None:
    for element in reply.walk():
        for child in element.children:
            if isinstance(child, Leaf) and child.name in NUMBERS:
                child.text = ""


def _unknown_elements(reply: Element, _: FaultsOfCall) -> None:
    for element in list(reply.walk()):
        put(element, "addedLater", "something new")


def _shuffled_elements(reply: Element, _: FaultsOfCall) -> None:
    # Only siblings of different names change places: the order of rows is data.
    for element in reply.walk():
        element.children.sort(key=lambda child: child.name, reverse=True)


def _wrong_namespace(reply: Element, _: FaultsOfCall) -> None:
    reply.attributes[f"xmlns:{reply.prefix}"] = OTHER_NS


_SPOILERS: Mapping[str, Callable[[Element, FaultsOfCall], None]] = {
    "no_coordinates": _no_coordinates,
    "missing_port": _missing_port,
    "empty_station": _empty_station,
    "endless_more": _endless_more,
    "empty_numbers": _empty_numbers,
    "unknown_elements": _unknown_elements,
    "shuffled_elements": _shuffled_elements,
    "wrong_namespace": _wrong_namespace,
}


def _stations(reply: Element, faults: FaultsOfCall, kind: str) -> list[Element]:
    """Return the rows of the station meant: the one named, else the first of the reply."""
    rows = [element for element in reply.walk() if element.name == "stationData"]
    station_id = faults.param(kind, "station") or (rows[0].value("stationID") if rows else None)
    return [row for row in rows if row.value("stationID") == station_id]
