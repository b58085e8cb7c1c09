"""Station elements with the same tags in the same order, read by a pattern.

A shape is made of an element that the XML parser took. Its pattern matches the whole of another
one, so that nothing but the texts between the tags can differ, and those hold no markup.
"""

from __future__ import annotations

import re
from itertools import repeat
from typing import Any, NamedTuple

from lxml import etree

from chargepoint_driver.backends.soap import parser
from chargepoint_driver.backends.soap.converters import MEMOS, Memo
from chargepoint_driver.catalogue import Call, Kind
from chargepoint_driver.records import StationRecord

__all__ = ["Shape", "shape_of"]

_TAG = re.compile(r"<(/?)([A-Za-z_][A-Za-z0-9_.-]*)(/?)>")
_BLANK = " \t\r\n"
# No tag, and no blank that the XML parser may change. Of numbers what float() reads like
# `converters.to_float`, and not so long that it becomes infinite.
_TEXT, _NUMBER = r"[^<\0-\x1f]*", "[0-9.-]{0,24}"
_FLOATS = MEMOS[Kind.FLOAT]
# The ampersand last: the text that it begins is not read as a reference.
_REFERENCES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))


class _Written(Memo):
    """Text as it is written in XML, to its value."""

    def __init__(self, memo: Memo) -> None:
        super().__init__(lambda text: memo[_read(text or "")])


_WRITTEN = {id(memo): _Written(memo) for memo in MEMOS.values()}


class _Place(NamedTuple):
    """Placeholder of a value while a shape is learned: the number of its text, -1 where an element
    has none; what converts it."""

    number: int
    memo: Memo


class _Numbers(Memo):
    """The number of a text, written in its place, to what stands for its value."""

    def __init__(self, memo: Memo) -> None:
        super().__init__(memo.get)
        self._memo = memo

    def __missing__(self, text: str | None) -> Any:
        number = (text or "").strip()
        return _Place(int(number) if number else -1, self._memo)


def _numbered(level: parser.Level) -> parser.Level:
    return parser.Level(
        {tag: (name, _Numbers(memo)) for tag, (name, memo) in level.texts.items()},
        level.trees,
        {tag: _numbered(below) for tag, below in level.below.items()},
    )


_NUMBERED = {name: (_numbered(top), _numbered(port)) for name, (top, port) in parser.LEVELS.items()}


class Shape:
    """See the module."""

    __slots__ = ("_memos", "_parts", "_pattern")

    def __init__(self, plain: list[tuple[str, str | None]], parts: list[dict[str, _Place]]) -> None:
        """`plain`: each tag with the text behind it, None for any text. `parts`: the fields of
        the station, then of each port."""
        of = {place.number: place.memo for part in parts for place in part.values()}
        # The group at the end is empty, as elements without text are.
        self._pattern = re.compile(
            "".join(
                re.escape(tag) + (_group(of.get(number)) if text is None else re.escape(text))
                for number, (tag, text) in enumerate(plain)
            )
            + "()"
        )
        numbers = sorted(number for number in of if number >= 0)
        self._memos = [of[number] for number in numbers] + [MEMOS[Kind.STRING]]
        group_of = {number: group for group, number in enumerate(numbers)} | {-1: len(numbers)}
        self._parts = [
            (tuple(part), [group_of[place.number] for place in part.values()]) for part in parts
        ]

    def texts(self, text: str) -> tuple[str, ...] | None:
        """Return the texts of an element without its first tag; None where the element has
        another shape. References in it must be those that XML predefines."""
        found = self._pattern.fullmatch(text)
        return None if found is None else found.groups()

    def records(self, texts: list[tuple[str, ...]]) -> list[StationRecord | None]:
        """Return the stations of elements whose texts `texts` returned.

        All of one field are converted together: a loop in C costs half of one for each station.
        """
        columns = list(map(_values, self._memos, zip(*texts)))  # noqa: B905
        stations, *ports = [
            map(dict, map(zip, repeat(names), zip(*[columns[group] for group in groups])))  # noqa: B905
            if names
            else [{} for _ in texts]
            for names, groups in self._parts
        ]
        of_ports = zip(*ports) if ports else repeat(())  # noqa: B905
        return list(map(parser.record, stations, of_ports))


def shape_of(text: str, call: Call) -> Shape | None:
    """Return the shape of a station element that the XML parser took; None where it is not plain.

    Each text is replaced by its number and the element is read again: that shows which text
    becomes which field.
    """
    parts = _TAG.split(text)
    texts, tags = parts[::4], [tuple(parts[at : at + 3]) for at in range(1, len(parts), 4)]
    tags.append(("", "", ""))
    numbered: list[str] = []
    plain: list[tuple[str, str | None]] = []
    for number, (tag, inner) in enumerate(zip(tags, texts[1:], strict=False)):
        is_leaf = tag[::2] == ("", "") and tags[number + 1] == ("/", tag[1], "")
        if "<" in inner or ">" in inner or (inner.strip(_BLANK) and not is_leaf):
            return None
        opened = "<{}{}{}>".format(*tag)
        numbered.append(opened + (str(number) if is_leaf else inner))
        plain.append((opened if number else "", None if is_leaf else inner))
    element = etree.fromstring("".join(numbered), parser.strict_parser())
    values, ports = parser.fields(element, _NUMBERED[call.name])
    fields: list[dict[str, Any]] = [values, *ports]
    # Where a value is made of more than one text, there is no shape.
    if not all(type(place) is _Place for part in fields for place in part.values()):
        return None
    return Shape(plain, fields)


def _group(memo: Memo | None) -> str:
    """Return the pattern of a text: one that no field is made of is not kept."""
    if memo is None:
        return _TEXT
    return f"({_NUMBER})" if memo is _FLOATS else f"({_TEXT})"


def _values(memo: Memo, texts: tuple[str, ...]) -> list[Any]:
    """Return the values of texts of one field."""
    if memo is _FLOATS:
        # Loads hardly repeat: to look them up would cost more.
        try:
            return list(map(float, texts))
        except ValueError:
            pass
    return list(map(_WRITTEN[id(memo)].__getitem__, texts))


def _read(text: str) -> str:
    """Text as XML writes it, without its references."""
    for reference, character in _REFERENCES:
        text = text.replace(reference, character)
    return text
