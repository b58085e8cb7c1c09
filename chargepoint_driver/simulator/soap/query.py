"""Reading a request: its fields by name, and a fault for what the schema forbids.

Children have no namespace, as in the schema. Presence and content are kept apart,
since an empty element already counts for some rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from lxml import etree

from .codes import SoapFaultError


class Query:
    """A request element and typed access to its children."""

    def __init__(self, element: etree._Element) -> None:
        """Wrap an element of a request."""
        self._element = element

    @property
    def name(self) -> str:
        """The element's own name."""
        return etree.QName(self._element).localname

    def allow(self, names: Iterable[str]) -> Query:
        """Fault (soapenv:Client) when there is a child of any other name."""
        allowed = set(names)
        for child in self._element:
            if isinstance(child.tag, str) and child.tag not in allowed:
                raise SoapFaultError("soapenv:Client", f"{self.name} has no element {child.tag}.")
        return self

    def has(self, name: str) -> bool:
        """Return True if the child is there, be it empty."""
        return self._element.find(name) is not None

    def child(self, name: str) -> Query | None:
        """Return the child of that name; None when absent."""
        found = self._element.find(name)
        return None if found is None else Query(found)

    def need(self, name: str) -> Query:
        """Return the child of that name; a fault when absent."""
        found = self.child(name)
        if found is None:
            raise SoapFaultError("soapenv:Client", f"{self.name} needs an element {name}.")
        return found

    def children(self, name: str) -> Iterator[Query]:
        """All children of that name."""
        return (Query(found) for found in self._element.iterfind(name))

    def text(self, name: str) -> str | None:
        """Return the child's text without blanks around it; None when absent or empty."""
        return (self._element.findtext(name) or "").strip() or None

    def texts(self, name: str) -> list[str]:
        """Return the texts of all children of that name, empty ones left out."""
        found = ((child.text or "").strip() for child in self._element.iterfind(name))
        return [text for text in found if text]

    def integer(self, name: str) -> int | None:
        """Return the child as a whole number; None when absent or empty; a fault otherwise."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            raise _invalid(name, text, "a whole number") from None

    def decimal(self, name: str) -> float | None:
        """Return the child as a finite number; None when absent or empty; a fault otherwise."""
        text = self.text(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise _invalid(name, text, "a number")
        return value

    def boolean(self, name: str) -> bool | None:
        """Return the child as true or false; None when absent or empty; a fault otherwise."""
        text = self.text(name)
        if text is None:
            return None
        if text not in ("true", "false", "1", "0"):
            raise _invalid(name, text, "true or false")
        return text in ("true", "1")

    def time_s(self, name: str) -> float | None:
        """Return the child's moment, seconds UTC; without a zone it is taken as UTC.

        None when absent or empty; a fault when it is not a timestamp.
        """
        text = self.text(name)
        if text is None:
            return None
        try:
            # Before Python 3.11 fromisoformat knows no Z.
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=timezone.utc)
            return moment.timestamp()
        except (ValueError, OverflowError):
            raise _invalid(name, text, "a timestamp") from None


def _invalid(name: str, text: str, wanted: str) -> SoapFaultError:
    return SoapFaultError("soapenv:Client", f"{name} is not {wanted}: {text[:80]!r}")
