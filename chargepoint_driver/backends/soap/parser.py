"""Reading replies: by element name, in any order, ignoring what is unknown.

What is read and where it stands comes from the catalogue; this file only knows the shapes
that replies have: stations with ports, lists of sessions or alarms, rights by group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from lxml import etree

from chargepoint_driver.backends.soap import error_codes, recovery
from chargepoint_driver.backends.soap.converters import (
    MEMOS,
    Memo,
    to_dictionary,
    to_integer,
    to_string,
)
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.catalogue import CHARGEPOINT, Attribute, Call, Kind
from chargepoint_driver.errors import InvalidReplyError
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.records import (
    DAMAGED,
    Event,
    StationRecord,
    Unreadable,
    Value,
    Values,
)
from chargepoint_driver.text import get_logger

__all__ = [
    "LEVELS",
    "Level",
    "NotXmlError",
    "Page",
    "Parsed",
    "events",
    "fields",
    "has_more_pages",
    "opened",
    "page",
    "payload",
    "read",
    "record",
    "rights",
    "station",
    "stations",
    "strict_parser",
    "tree",
]

_log = RateLimitedLog(get_logger(__name__))

NAMESPACE = "urn:dictionary:com.chargepoint.webservices"
_ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"
_PORT = "Port"
_STATION = "stationID"
_NUMBER = "portNumber"
_LOAD = "getLoad"


@dataclass
class Level:
    """Children to read from one element: `texts` by tag, `trees` for values that are elements with
    children, `below` for elements that hold further levels."""

    texts: dict[str, tuple[str, Memo]] = field(default_factory=dict)
    trees: dict[str, str] = field(default_factory=dict)
    below: dict[str, Level] = field(default_factory=dict)

    @property
    def nested(self) -> bool:
        return bool(self.trees or self.below)

    def add(self, steps: list[str], attribute: Attribute) -> None:
        head, *rest = steps
        if rest:
            self.below.setdefault(head, Level()).add(rest, attribute)
        elif attribute.kind is Kind.DICTIONARY:
            self.trees[head] = attribute.name
        else:
            self.texts[head] = (attribute.name, MEMOS[attribute.kind])


def _levels(call: Call) -> tuple[Level, Level]:
    """Return (of the record element, of its ports), from the catalogue's paths."""
    top = Level()
    for attribute in CHARGEPOINT.of_call(call.name):
        for path in attribute.path:
            if path:
                top.add(path.split("/"), attribute)
    ports = top.below.pop(_PORT, Level())
    # What a record is found by is always read.
    top.texts.setdefault(_STATION, (_STATION, MEMOS[Kind.STRING]))
    ports.texts.setdefault(_NUMBER, (_NUMBER, MEMOS[Kind.INTEGER]))
    return top, ports


LEVELS = {name: _levels(call) for name, call in CHARGEPOINT.calls.items()}
"""What a call tells of a station and of its ports."""


class Parsed(NamedTuple):
    """A reply: the operation's element, whether it holds anything, the bytes that were read, and
    the mark that stands for damaged characters in it, '' where it is sound."""

    answer: etree._Element
    holds_rows: bool
    content: bytes
    mark: str


class Page(NamedTuple):
    """One page of rows: how many the reply holds, and whether its flag announces more."""

    rows: list[Any]
    received: int
    has_more: bool


_Fields: TypeAlias = "dict[str, Value | Unreadable]"
Rows: TypeAlias = Callable[[etree._Element, Call, bytes, str], list[Any]]


def page(content: bytes, caller: Caller, call: Call, rows: Rows) -> Page:
    """Return the rows of a reply, read by `stations`, `events` or `rights`. Raises as `read`
    does."""
    answer, holds_rows, content, mark = read(content, caller)
    found = rows(answer, call, content, mark) if holds_rows else []
    return Page(found, sum(1 for _ in answer.iterchildren(call.record)), has_more_pages(answer))


def read(content: bytes, caller: Caller) -> Parsed:
    """Return the operation's element of a reply; what is damaged in the texts of a read is marked.

    Raises the error that the reply's fault or code stands for, InvalidReplyError for any other
    content. `holds_rows` is False for the codes that mean 'nothing of the kind exists'.
    """
    content = recovery.trimmed(content)
    try:
        return Parsed(*opened(tree(content, caller), caller), content, "")
    except NotXmlError as error:
        # What a write did is not guessed from half an answer.
        second = None if caller.is_write else recovery.repaired(content)
        if second is None:
            raise InvalidReplyError(str(error)) from None
        content, mark = second
        try:
            answer, holds_rows = opened(tree(content, caller), caller)
        except NotXmlError:
            raise InvalidReplyError(str(error)) from None
        if recovery.marked(answer, mark) is None:
            raise InvalidReplyError(str(error)) from None
    _log.warning(
        "damaged_replies",
        address=caller.place,
        name=caller.call,
        reason="texts with characters that XML forbids have no value; correct the names of "
        "stations at ChargePoint (no control characters, no bare &)",
    )
    return Parsed(answer, holds_rows, content, mark)


def payload(content: bytes, caller: Caller) -> tuple[etree._Element, bool]:
    """Return the operation's element of a reply, and whether it holds anything; see `read`."""
    return read(content, caller)[:2]


class NotXmlError(Exception):
    """A reply is not well-formed. The text has the caller and the reason."""


def tree(content: bytes, caller: Caller) -> etree._Element:
    """Return the root element of a reply. Raises NotXmlError."""
    try:
        return etree.fromstring(content, strict_parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        # Some versions of the XML library break the line in the middle.
        why = " ".join(str(error).split())
        raise NotXmlError(f"{caller}: the reply is not well-formed XML ({why})") from None


def strict_parser() -> etree.XMLParser:
    """Return a parser for one reply: those of lxml are not to be shared between threads."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        recover=False,
        # Without these a text would end at a comment within it.
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


def opened(root: etree._Element, caller: Caller) -> tuple[etree._Element, bool]:
    """Return the operation's element, and whether it holds anything. Raises as `read` does."""
    if root.getroottree().docinfo.internalDTD is not None:
        raise InvalidReplyError(f"{caller}: the reply declares a document type, which SOAP forbids")
    body = root.find(f"{_ENVELOPE}Body")
    answer = next(iter(body.iterchildren(tag=etree.Element)), None) if body is not None else None
    if root.tag != f"{_ENVELOPE}Envelope" or answer is None:
        raise InvalidReplyError(f"{caller}: the reply is not a SOAP answer ({_brief(root.tag)})")
    if answer.tag == f"{_ENVELOPE}Fault":
        raise error_codes.of_soap_fault(
            _brief(answer.findtext("faultcode")), _brief(answer.findtext("faultstring")), caller
        )
    if answer.tag != f"{{{NAMESPACE}}}{caller.call}Response":
        raise InvalidReplyError(
            f"{caller}: the reply is {_brief(answer.tag)}, not {caller.call}Response of {NAMESPACE}"
        )
    code = to_string(answer.findtext("responseCode"))
    if code is None:
        raise InvalidReplyError(f"{caller}: the reply holds no responseCode")
    if code in error_codes.EMPTY:
        return answer, False
    if code != error_codes.OK:
        raise error_codes.of_reply_code(code, _brief(answer.findtext("responseText")), caller)
    return answer, True


def has_more_pages(answer: etree._Element) -> bool:
    """Return True if the reply announces another page (moreFlag; MoreFlag in sessions)."""
    flag = to_string(answer.findtext("moreFlag")) or to_string(answer.findtext("MoreFlag"))
    return (flag or "0").lower() not in {"0", "false"}


def stations(
    answer: etree._Element, call: Call, content: bytes = b"", mark: str = ""
) -> list[StationRecord]:
    """Return the stations of a reply with their ports. A station without id and a port without a
    readable number belong to nobody and are left out.

    Values that hold `mark` are damaged. Of loads and sheds a station has none then.
    """
    del content
    elements = answer.iterchildren(call.record)
    if mark:
        found = [_marked_station(element, call, mark) for element in elements]
    else:
        found = [station(element, call) for element in elements]
    return [record for record in found if record is not None]


def station(element: etree._Element, call: Call) -> StationRecord | None:
    """Return the station of one element; None where it belongs to nobody."""
    return record(*fields(element, LEVELS[call.name]))


def fields(element: etree._Element, levels: tuple[Level, Level]) -> tuple[_Fields, list[_Fields]]:
    """Return the fields in the element of a station: its own, and those of each of its ports."""
    top, port_level = levels
    values: _Fields = {}
    ports = []
    for child in element:
        if child.tag == _PORT:
            ports.append(_read(child, port_level, {}))
        else:
            _take(child, top, values)
    return values, ports


def record(values: _Fields, port_values: Iterable[_Fields]) -> StationRecord | None:
    """Return the record of a station. Of ports with one number the first counts."""
    ports: dict[int, Values] = {}
    for port in port_values:
        number = port.get(_NUMBER)
        if type(number) is int:
            ports.setdefault(number, port)
    station_id = values.get(_STATION)
    return StationRecord(station_id, values, ports) if type(station_id) is str else None


def _marked_station(element: etree._Element, call: Call, mark: str) -> StationRecord | None:
    found = station(element, call)
    if found is None or mark in found.station_id:
        return None
    if call.name == _LOAD and recovery.marked(element, mark) is not False:
        top, port_level = LEVELS[call.name]
        lost = {name: DAMAGED for name, _ in port_level.texts.values() if name != _NUMBER}
        return StationRecord(
            found.station_id,
            {name: DAMAGED for name, _ in top.texts.values() if name != _STATION},
            dict.fromkeys(found.ports, lost),
        )
    return StationRecord(
        found.station_id,
        _sound(found.values, mark),
        {number: _sound(values, mark) for number, values in found.ports.items()},
    )


def _sound(values: Values, mark: str) -> Values:
    """Return the values, with DAMAGED in place of those that hold the mark."""
    if not mark:
        return values
    return {name: DAMAGED if _holds(value, mark) else value for name, value in values.items()}


def _holds(value: object, mark: str) -> bool:
    if isinstance(value, dict):
        return any(_holds(each, mark) for each in (*value, *value.values()))
    if isinstance(value, list):
        return any(_holds(each, mark) for each in value)
    text = value.text if isinstance(value, Unreadable) else value
    return isinstance(text, str) and mark in text


def events(answer: etree._Element, call: Call, content: bytes = b"", mark: str = "") -> list[Event]:
    """Return the sessions or alarms of a reply, as they come. Values that hold `mark` are
    damaged."""
    del content
    top, _ = LEVELS[call.name]
    found = []
    for element in answer.iterchildren(call.record):
        values = _sound(_read(element, top, {}), mark)
        station_id = to_string(element.findtext("stationID"))
        if mark and mark in (station_id or ""):
            continue
        port = to_integer(element.findtext("portNumber"))
        time = values.get(call.time_field)
        if station_id is not None and not isinstance(port, Unreadable):
            # 0 stands for the whole station where an alarm names no port.
            found.append(Event(station_id, port or None, time if type(time) is str else "", values))
    return found


def rights(
    answer: etree._Element, call: Call, content: bytes = b"", mark: str = ""
) -> list[tuple[str, str, str | Unreadable | None]]:
    """Return (station id, station group id, name of the rights profile) of a reply."""
    del content
    found = []
    for element in answer.iterchildren(call.record):
        group = to_string(element.findtext("sgID")) or ""
        profile: str | Unreadable | None = to_string(element.findtext("stationRightsProfile"))
        if mark and (_holds(profile, mark) or mark in group):
            profile = DAMAGED
        for station in element.iterchildren("stationData"):
            station_id = to_string(station.findtext("stationID"))
            if station_id is not None and not (mark and mark in station_id):
                found.append((station_id, group, profile))
    return found


def _read(
    element: etree._Element, level: Level, values: dict[str, Value | Unreadable]
) -> dict[str, Value | Unreadable]:
    """Add what the children of an element say."""
    texts = level.texts.get
    for child in element:
        wanted = texts(child.tag)
        if wanted is None:
            if level.nested:
                _take(child, level, values)
        elif wanted[0] not in values:
            values[wanted[0]] = wanted[1][child.text]
    return values


def _take(child: etree._Element, level: Level, values: dict[str, Value | Unreadable]) -> None:
    """Add the values of one child element. Of an element that repeats, the first counts."""
    wanted = level.texts.get(child.tag)
    if wanted is not None:
        name, memo = wanted
        if name not in values:
            values[name] = memo[child.text]
    elif child.tag in level.trees:
        values.setdefault(level.trees[child.tag], to_dictionary(child))
    elif child.tag in level.below:
        below = _read(child, level.below[child.tag], {})
        if not any(name in values for name in below):
            values.update(below)


def _brief(text: object) -> str:
    """Words of the service for a message: one line, not endless."""
    return " ".join(str(text or "no text").split())[:200]
