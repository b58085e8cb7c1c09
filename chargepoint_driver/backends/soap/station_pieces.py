"""The stations of a reply, read element by element, as fast as what has changed allows.

The reply is cut where its station elements begin. The XML parser reads what is around them. An
element that is byte for byte what it was at the poll before is not read again. Of the others most
have tags that are known (`station_shapes`). Whatever else comes is for the XML parser, and where
the pieces do not stand for themselves, so is the whole reply.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from lxml import etree

from chargepoint_driver.backends.soap import parser
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.backends.soap.recovery import trimmed
from chargepoint_driver.backends.soap.station_shapes import Shape, shape_of
from chargepoint_driver.catalogue import CHARGEPOINT, Call
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import StationRecord

__all__ = ["forget", "page"]

_MAX_SEEN = 20_000
_MAX_SHAPES = 16
# Pieces of a reply that only the XML parser can read, until the whole reply is read by it.
_MAX_PARSED = 32
_MAX_SHAPE_CHARS = 20_000
_ID_BEGINS, _ID_ENDS = b"<stationID>", b"<"
_NO_CHARACTERS = re.compile("[\ufffe\uffff]")
# References that need a declaration, and those by number, which are for the XML parser.
_ODD_REFERENCE = re.compile("&(?!(?:amp|lt|gt|quot|apos);)")

# A piece as it was read last, its station, and its shape.
_Seen: TypeAlias = "tuple[bytes, StationRecord | None, Shape | None]"
# One for each station: by their bytes, stations that charge would leave theirs at every poll.
_seen: dict[str, dict[bytes, _Seen]] = {name: {} for name in CHARGEPOINT.calls}
# The one that matched last comes first.
_shapes: dict[str, tuple[Shape, ...]] = dict.fromkeys(CHARGEPOINT.calls, ())


class _ShapeMismatchError(Exception):
    """The pieces do not stand for themselves."""


def forget() -> None:
    """Forget what was read before, for all calls."""
    for call in CHARGEPOINT.calls:
        _seen[call].clear()
        _shapes[call] = ()


def page(content: bytes, caller: Caller, call: Call) -> parser.Page:
    """Return the stations of a reply; see `parser.stations`. Raises as `parser.read` does."""
    try:
        return _page(trimmed(content), caller, call)
    except (_ShapeMismatchError, ChargePointError, parser.NotXmlError):
        return parser.page(content, caller, call, parser.stations)


def _page(content: bytes, caller: Caller, call: Call) -> parser.Page:
    begin, end = f"<{call.record}>".encode(), f"</{call.record}>".encode()
    head, *pieces = content.split(begin)
    if not pieces:
        raise _ShapeMismatchError
    last, closing, tail = pieces[-1].partition(end)
    pieces[-1] = last + closing
    # One element in their place: where it is, it must be one, and the only one of its kind.
    around = head + f"<{call.record}/>".encode() + tail
    answer, holds_rows = parser.opened(parser.tree(around, caller), caller)
    encoding = answer.getroottree().docinfo.encoding or "utf-8"
    stands = sum(1 for _ in answer.iterchildren(call.record))
    if not holds_rows or stands != 1 or around.count(begin[:-1]) != 1:
        raise _ShapeMismatchError
    if encoding.lower() != "utf-8":
        raise _ShapeMismatchError
    found = _Pieces(call, begin).read(pieces)
    return parser.Page(found, len(pieces), parser.has_more_pages(answer))


class _Pieces:
    """The pieces of one reply."""

    def __init__(self, call: Call, begin: bytes) -> None:
        self._call, self._begin = call, begin
        self._xml: etree.XMLParser | None = None
        self._parsed = 0
        # Where the pieces of a shape stand, and their texts.
        self._shaped: dict[Shape, tuple[list[int], list[tuple[str, ...]]]] = {}

    def read(self, pieces: list[bytes]) -> list[StationRecord]:
        """Raises _ShapeMismatchError where a piece is not an element."""
        seen = _seen[self._call.name]
        if len(seen) > _MAX_SEEN:
            seen.clear()
        keys: list[bytes] = []
        records: list[StationRecord | None] = []
        for place, piece in enumerate(pieces):
            # Only where to look: what counts is that the bytes are the same.
            begin = piece.find(_ID_BEGINS)
            key = piece[begin : piece.find(_ID_ENDS, begin + 1)]
            keys.append(key)
            known = seen.get(key)
            if known is None or known[0] != piece:
                known = self._read(place, piece, None if known is None else known[2])
                if known is None:
                    records.append(None)
                    continue
                if known[1] is not None:
                    seen[key] = known
            records.append(known[1])
        for shape, (places, texts) in self._shaped.items():
            for place, record in zip(places, shape.records(texts), strict=True):
                if record is not None:
                    records[place] = record
                    seen[keys[place]] = pieces[place], record, shape
        return [record for record in records if record is not None]

    def _read(self, place: int, piece: bytes, before: Shape | None) -> _Seen | None:
        """Return what the XML parser reads; None for a piece that is put to those of its shape."""
        try:
            text = piece.decode("utf-8")
        except UnicodeDecodeError:
            raise _ShapeMismatchError from None
        if not _is_plain(text):
            return self._parse(piece, text)
        if before is not None and self._put(before, place, text):
            return None
        shapes = _shapes[self._call.name]
        for shape in shapes:
            if self._put(shape, place, text):
                if shape is not shapes[0]:
                    _shapes[self._call.name] = (shape, *(it for it in shapes if it is not shape))
                return None
        return self._parse(piece, text)

    def _put(self, shape: Shape, place: int, text: str) -> bool:
        """Put the texts of a piece to those of a shape; return whether it has that shape."""
        texts = shape.texts(text)
        if texts is None:
            return False
        if shape not in self._shaped:
            self._shaped[shape] = [], []
        places, of_shape = self._shaped[shape]
        places.append(place)
        of_shape.append(texts)
        return True

    def _parse(self, piece: bytes, text: str) -> _Seen:
        """Have the XML parser read a piece, and learn its shape."""
        self._parsed += 1
        if self._parsed > _MAX_PARSED:
            raise _ShapeMismatchError
        if self._xml is None:
            self._xml = parser.strict_parser()
        try:
            element = etree.fromstring(self._begin + piece, self._xml)
        except (etree.XMLSyntaxError, ValueError):
            raise _ShapeMismatchError from None
        shapes = _shapes[self._call.name]
        shape = None
        if len(shapes) < _MAX_SHAPES and len(text) <= _MAX_SHAPE_CHARS:
            shape = shape_of(self._begin.decode() + text, self._call)
            if shape is not None:
                _shapes[self._call.name] = (shape, *shapes)
        return piece, parser.station(element, self._call), shape


def _is_plain(text: str) -> bool:
    """Return True if the text between the tags is XML that needs no decoding."""
    return (
        # To find one character is fast, to find three is not.
        ("]" not in text or "]]>" not in text)
        and (text.isascii() or not _NO_CHARACTERS.search(text))
        and ("&" not in text or not _ODD_REFERENCE.search(text))
    )
