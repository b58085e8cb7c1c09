"""Lookup of catalogue rows by the cells of a registry CSV."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from chargepoint_driver.catalogue.model import Attribute, Call, Data


class Catalogue:
    """The attributes and calls of one kind of service; immutable."""

    def __init__(
        self,
        attributes: Iterable[Attribute],
        calls: Iterable[Call],
        names: Mapping[Data, str] | None = None,
    ) -> None:
        """`names`: what is asked for without rows, and the name of its call."""
        calls = tuple(calls)
        self._by_key = {(row.register, row.name): row for row in attributes}
        self._by_name: dict[str, list[Attribute]] = {}
        self._by_alias: dict[tuple[str, str], Attribute] = {}
        for row in self._by_key.values():
            self._by_name.setdefault(row.name, []).append(row)
            self._by_alias.update({(row.register, alias): row for alias in row.aliases})
        self._named_before: dict[str, list[Attribute]] = {}
        for (_, alias), row in self._by_alias.items():
            self._named_before.setdefault(alias, []).append(row)
        self.calls: Mapping[str, Call] = MappingProxyType({call.name: call for call in calls})
        self._names = {data: call.name for call in calls for data in call.data} | dict(names or {})

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def registers(self) -> tuple[str, ...]:
        """Register names, in the order of the table."""
        return tuple(dict.fromkeys(row.register for row in self))

    def find(self, register: str, name: str) -> Attribute | None:
        """Return the row of that register and name or former name, None when there is none."""
        return self._by_key.get((register, name)) or self._by_alias.get((register, name))

    def named(self, name: str) -> tuple[Attribute, ...]:
        """Return every row of that name, whatever its register; else those with that former
        name."""
        return tuple(self._by_name.get(name) or self._named_before.get(name) or ())

    def of_call(self, call: str) -> tuple[Attribute, ...]:
        """Every row that the call's reply holds; not those that this driver answers."""
        return tuple(row for row in self if row.call == call and not row.own)

    def name(self, data: Data) -> str:
        """Return the name of the call that reports it. Raises KeyError where nothing does."""
        return self._names[data]

    def call(self, data: Data) -> Call:
        """Return the call that reports it. Raises KeyError where nothing does."""
        return self.calls[self.name(data)]

    def of(self, data: Data) -> tuple[Attribute, ...]:
        """Return every row that is part of it; not those that this driver answers."""
        return tuple(row for row in self if row.data is data and not row.own)

    def closest(self, name: str) -> str | None:
        """Return the attribute name most like a misspelt one, None when nothing comes near."""
        folded = {known.lower(): known for known in self._by_name}
        near = difflib.get_close_matches(name.lower(), folded, n=1)
        return folded[near[0]] if near else None
