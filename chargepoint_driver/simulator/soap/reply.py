"""Writing a reply: elements in order, values in the formats of the service.

Replies are large and simple, so they are built from a bare element of our own (a few
times quicker than a full XML tree) and written with everything escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import lru_cache
from xml.sax.saxutils import escape, quoteattr

from .codes import SUCCESS, TEXTS

SERVICE_NS = "urn:dictionary:com.chargepoint.webservices"


class Leaf:
    """An element that holds a value."""

    __slots__ = ("name", "text")

    def __init__(self, name: str, text: str) -> None:
        """Hold a text; it is escaped when written."""
        self.name = name
        self.text = text


class Element:
    """An element that holds others; no namespace except that of `prefix`."""

    __slots__ = ("attributes", "children", "name", "prefix")

    def __init__(
        self, name: str, prefix: str = "", attributes: dict[str, str] | None = None
    ) -> None:
        """`attributes` are written as they are named: namespace declarations and the like."""
        self.name = name
        self.prefix = prefix
        self.attributes = attributes or {}
        self.children: list[Element | Leaf] = []

    def walk(self) -> Iterator[Element]:
        """This element and all below it that hold others."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def leaves(self, name: str) -> list[Leaf]:
        """Return the values of that name among the children."""
        return [child for child in self.children if isinstance(child, Leaf) and child.name == name]

    def value(self, name: str) -> str | None:
        """Return the first value of that name among the children; None when there is none."""
        return next((leaf.text for leaf in self.leaves(name)), None)

    def remove(self, name: str, where: tuple[str, str | None] | None = None) -> None:
        """Remove the elements (not values) of that name from the children.

        `where`, when given, is (name, value) that they must hold to be removed.
        """
        self.children = [
            child
            for child in self.children
            if not (
                isinstance(child, Element)
                and child.name == name
                and (where is None or child.value(where[0]) == where[1])
            )
        ]

    def write(self) -> str:
        """The element as XML."""
        parts: list[str] = []
        self._write(parts.append)
        return "".join(parts)

    def _write(self, add: Callable[[str], None]) -> None:
        name = f"{self.prefix}:{self.name}" if self.prefix else self.name
        attributes = "".join(f" {key}={quoteattr(v)}" for key, v in self.attributes.items())
        add(f"<{name}{attributes}>")
        for child in self.children:
            if isinstance(child, Leaf):
                text = child.text if child.text.isalnum() else escape(child.text)
                add(f"<{child.name}>{text}</{child.name}>")
            else:
                child._write(add)
        add(f"</{name}>")


def response(operation: str, code: str = SUCCESS, text: str | None = None) -> Element:
    """Return an empty `...Response` with its response code and text."""
    element = Element(f"{operation}Response", "ns1", {"xmlns:ns1": SERVICE_NS})
    put(element, "responseCode", code)
    put(element, "responseText", TEXTS.get(code, "") if text is None else text)
    return element


def put(parent: Element, name: str, value: str | int | None) -> None:
    """Append a child with a value; None appends nothing, "" an empty element."""
    if value is not None:
        parent.children.append(Leaf(name, str(value)))


def nest(parent: Element, name: str) -> Element:
    """Append a child to be filled."""
    child = Element(name)
    parent.children.append(child)
    return child


def kw(power_kw: float) -> str:
    """Return a power, three decimals."""
    return f"{power_kw:.3f}"


def kwh(energy_kwh: float) -> str:
    """Return an energy, six decimals."""
    return f"{energy_kwh:.6f}"


def stamp(time_s: float) -> str:
    """Return a moment, whole seconds, UTC with Z."""
    return _stamp(int(time_s))


@lru_cache(maxsize=4096)
def _stamp(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """Return a duration as hh:mm:ss."""
    minutes, rest_s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest_s:02d}"
