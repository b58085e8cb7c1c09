"""Reading replies: by element name, in any order, ignoring what is unknown.

What is read and where it stands comes from the catalogue; this file only knows the shapes
that replies have: stations with ports, lists of sessions or alarms, rights by group.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

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
from chargepoint_driver.errors import BadReply
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

__all__ = ["Parsed", "events", "payload", "read", "rights", "stations", "wants_more"]

_log = RateLimitedLog(get_logger(__name__))

NAMESPACE = "urn:dictionary:com.chargepoint.webservices"
_ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"
_PORT = "Port"
_STATION = "stationID"
_NUMBER = "portNumber"
_LOAD = "getLoad"


@dataclass
class _Level:
    """What to read among the children of one element: `texts` by tag, `trees` for values
    that are elements with children, `below` for elements that hold further levels."""

    texts: dict[str, tuple[str, Memo]] = field(default_factory=dict)
    trees: dict[str, str] = field(default_factory=dict)
    below: dict[str, _Level] = field(default_factory=dict)

    @property
    def nested(self) -> bool:
        return bool(self.trees or self.below)

    def add(self, steps: list[str], attribute: Attribute) -> None:
        head, *rest = steps
        if rest:
            self.below.setdefault(head, _Level()).add(rest, attribute)
        elif attribute.kind is Kind.DICTIONARY:
            self.trees[head] = attribute.name
        else:
            self.texts[head] = (attribute.name, MEMOS[attribute.kind])


def _levels(call: Call) -> tuple[_Level, _Level]:
    """(of the record element, of its ports), from the catalogue's paths."""
    top = _Level()
    for attribute in CHARGEPOINT.of_call(call.name):
        for path in attribute.path:
            if path:
                top.add(path.split("/"), attribute)
    ports = top.below.pop(_PORT, _Level())
    # What a record is found by is always read.
    top.texts.setdefault(_STATION, (_STATION, MEMOS[Kind.STRING]))
    ports.texts.setdefault(_NUMBER, (_NUMBER, MEMOS[Kind.INTEGER]))
    return top, ports


_LEVELS = {name: _levels(call) for name, call in CHARGEPOINT.calls.items()}

# Most stations say at one poll what they said at the one before, letter for letter. Their
# records are frozen and depend on those letters alone, so that they need not be read again. One
# for each station: were they kept by their letters, a thousand stations that charge would leave
# two thousand pieces behind at every poll.
_SEEN: dict[str, dict[bytes, tuple[bytes, StationRecord]]] = {
    name: {} for name in CHARGEPOINT.calls
}
_MOST_SEEN = 20_000
_ID_BEGINS, _ID_ENDS = f"<{_STATION}>".encode(), b"<"


class Parsed(NamedTuple):
    """A reply: the operation's element, whether it holds anything, the bytes that were read, and
    the mark that stands for damaged characters in it, '' where it is sound."""

    answer: etree._Element
    holds_rows: bool
    content: bytes
    mark: str


def read(content: bytes, caller: Caller) -> Parsed:
    """The operation's element of a reply; what is damaged in the texts of a read is marked.

    Raises the error that the reply's fault or code stands for, BadReply for what is no reply at
    all. `holds_rows` is False for the codes that mean 'nothing of the kind exists'.
    """
    content = recovery.trimmed(content)
    try:
        return Parsed(*_opened(_tree(content, caller), caller), content, "")
    except _NotXml as error:
        # What a write did is not guessed from half an answer.
        second = None if caller.is_write else recovery.repaired(content)
        if second is None:
            raise BadReply(str(error)) from None
        content, mark = second
        try:
            answer, holds_rows = _opened(_tree(content, caller), caller)
        except _NotXml:
            raise BadReply(str(error)) from None
        if recovery.marked(answer, mark) is None:
            raise BadReply(str(error)) from None
    _log.warning(
        "damaged_replies",
        address=caller.place,
        name=caller.call,
        reason="texts with characters that XML forbids have no value; correct the names of "
        "stations at ChargePoint (no control characters, no bare &)",
    )
    return Parsed(answer, holds_rows, content, mark)


def payload(content: bytes, caller: Caller) -> tuple[etree._Element, bool]:
    """The operation's element of a reply, and whether it holds anything; see `read`."""
    return read(content, caller)[:2]


class _NotXml(Exception):
    """A reply is not well-formed. The text says whose, and why."""


def _tree(content: bytes, caller: Caller) -> etree._Element:
    # A parser of its own for each reply: lxml's parsers are not to be shared between threads.
    parser = etree.XMLParser(
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
    try:
        return etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        # Some versions of the XML library break the line in the middle.
        why = " ".join(str(error).split())
        raise _NotXml(f"{caller}: the reply is not well-formed XML ({why})") from None


def _opened(root: etree._Element, caller: Caller) -> tuple[etree._Element, bool]:
    """The operation's element, and whether it holds anything. Raises as `read` does."""
    if root.getroottree().docinfo.internalDTD is not None:
        raise BadReply(f"{caller}: the reply declares a document type, which SOAP forbids")
    body = root.find(f"{_ENVELOPE}Body")
    answer = next(iter(body.iterchildren(tag=etree.Element)), None) if body is not None else None
    if root.tag != f"{_ENVELOPE}Envelope" or answer is None:
        raise BadReply(f"{caller}: the reply is no SOAP answer ({_brief(root.tag)})")
    if answer.tag == f"{_ENVELOPE}Fault":
        raise error_codes.of_soap_fault(
            _brief(answer.findtext("faultcode")), _brief(answer.findtext("faultstring")), caller
        )
    if answer.tag != f"{{{NAMESPACE}}}{caller.call}Response":
        raise BadReply(
            f"{caller}: the reply is {_brief(answer.tag)}, not {caller.call}Response of {NAMESPACE}"
        )
    code = to_string(answer.findtext("responseCode"))
    if code is None:
        raise BadReply(f"{caller}: the reply holds no responseCode")
    if code in error_codes.EMPTY:
        return answer, False
    if code != error_codes.OK:
        raise error_codes.of_reply_code(code, _brief(answer.findtext("responseText")), caller)
    return answer, True


def wants_more(answer: etree._Element) -> bool:
    """Whether the reply says that another page follows (moreFlag; MoreFlag in sessions)."""
    flag = to_string(answer.findtext("moreFlag")) or to_string(answer.findtext("MoreFlag"))
    return (flag or "0").lower() not in {"0", "false"}


def stations(
    answer: etree._Element, call: Call, content: bytes = b"", mark: str = ""
) -> list[StationRecord]:
    """The stations of a reply with their ports. A station without id and a port without a
    readable number belong to nobody and are left out. `content` is the reply as it came.

    Values that hold `mark` are damaged. Of loads and sheds a station has none then.
    """
    elements = list(answer.iterchildren(call.record))
    if mark:
        read_again = [_marked_station(element, call, mark) for element in elements]
        return [record for record in read_again if record is not None]
    chunks = _chunks(answer, content, call.record, len(elements))
    if chunks is None:
        found = [_station(element, call) for element in elements]
    else:
        seen = _SEEN[call.name]
        if len(seen) > _MOST_SEEN:
            seen.clear()
        found = []
        for chunk, element in zip(chunks, elements, strict=True):
            # Only where to look: what counts is that the letters are the same.
            begin = chunk.find(_ID_BEGINS)
            key = chunk[begin : chunk.find(_ID_ENDS, begin + 1)]
            known = seen.get(key)
            if known is not None and known[0] == chunk:
                found.append(known[1])
                continue
            record = _station(element, call)
            if record is not None:
                seen[key] = chunk, record
            found.append(record)
    return [record for record in found if record is not None]


def _chunks(answer: etree._Element, content: bytes, tag: str, expected: int) -> list[bytes] | None:
    """The reply in pieces, one for each record element; None where the letters of a piece do
    not tell all: a comment or a CDATA section may hold a tag, a namespace may be in force."""
    encoding = answer.getroottree().docinfo.encoding or "utf-8"
    if b"<!" in content or b"xmlns=" in content or encoding.lower() != "utf-8":
        return None
    start = f"<{tag}".encode()
    chunks = content.split(start + b">")[1:]
    # Each element has one start tag: where there are no more of them, none is hidden within
    # another element, and the pieces are the elements' own.
    return chunks if len(chunks) == expected == content.count(start) else None


def _station(element: etree._Element, call: Call) -> StationRecord | None:
    top, port_level = _LEVELS[call.name]
    values: dict[str, Value | Unreadable] = {}
    ports: dict[int, dict[str, Value | Unreadable]] = {}
    for child in element:
        if child.tag == _PORT:
            port = _read(child, port_level, {})
            number = port.get(_NUMBER)
            if type(number) is int:
                ports.setdefault(number, port)
        else:
            _take(child, top, values)
    station_id = values.get(_STATION)
    return StationRecord(station_id, values, ports) if type(station_id) is str else None


def _marked_station(element: etree._Element, call: Call, mark: str) -> StationRecord | None:
    record = _station(element, call)
    if record is None or mark in record.station_id:
        return None
    if call.name == _LOAD and recovery.marked(element, mark) is not False:
        top, port_level = _LEVELS[call.name]
        lost = {name: DAMAGED for name, _ in port_level.texts.values() if name != _NUMBER}
        return StationRecord(
            record.station_id,
            {name: DAMAGED for name, _ in top.texts.values() if name != _STATION},
            dict.fromkeys(record.ports, lost),
        )
    return StationRecord(
        record.station_id,
        _sound(record.values, mark),
        {number: _sound(values, mark) for number, values in record.ports.items()},
    )


def _sound(values: Values, mark: str) -> Values:
    """The values, with DAMAGED in place of those that hold the mark."""
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
    """The sessions or alarms of a reply, as they come. Values that hold `mark` are damaged."""
    del content
    top, _ = _LEVELS[call.name]
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
    """(station id, station group id, name of the rights profile) of a reply."""
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
    element: etree._Element, level: _Level, values: dict[str, Value | Unreadable]
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


def _take(child: etree._Element, level: _Level, values: dict[str, Value | Unreadable]) -> None:
    """Add what one child element says. Of an element that repeats, the first counts."""
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
