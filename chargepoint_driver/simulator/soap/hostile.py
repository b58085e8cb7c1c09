"""Replies meant to do harm: too deep, too large, wrongly encoded, or with entities.

Each function takes the bytes of a good reply and gives bytes that still begin like one.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping

from ..faults import FaultsOfCall

_MIB = 2**20
_BEFORE = b"<responseText>"
_PROLOGUE = b"?>"
_GENERATIONS = 12


def attack(body: bytes, faults: FaultsOfCall) -> bytes:
    """Apply the first of these faults that hits the call."""
    for kind, spoil in _ATTACKS.items():
        if faults.has(kind):
            return spoil(body, faults)
    return body


def compress(body: bytes, faults: FaultsOfCall) -> bytes:
    """Return the reply in gzip, followed by that many MiB of blanks, which take a thousandth of
    that."""
    blanks = gzip.compress(b" " * _MIB)
    return gzip.compress(body) + blanks * int(faults.param("gzip_bomb", "mebibytes"))


def _wrong_encoding(body: bytes, _: FaultsOfCall) -> bytes:
    # Latin 1 in a document declared as UTF-8, and between elements: no name that could be left out.
    return body.replace(_BEFORE, "Grüße ".encode("latin-1") + _BEFORE, 1)


def _huge_xml(body: bytes, faults: FaultsOfCall) -> bytes:
    # Blanks between elements: well-formed, of legal depth, and without end.
    blanks = b" " * (_MIB * int(faults.param("huge_xml", "mebibytes")))
    return body.replace(_BEFORE, blanks + _BEFORE, 1)


def _deep_nesting(body: bytes, faults: FaultsOfCall) -> bytes:
    depth = int(faults.param("deep_nesting", "depth"))
    return body.replace(_BEFORE, b"<a>" * depth + b"</a>" * depth + _BEFORE, 1)


def _giant_attribute(body: bytes, faults: FaultsOfCall) -> bytes:
    text = b"x" * (_MIB * int(faults.param("giant_attribute", "mebibytes")))
    return body.replace(_BEFORE, b'<a b="' + text + b'"/>' + _BEFORE, 1)


def _giant_text(body: bytes, faults: FaultsOfCall) -> bytes:
    text = b"x" * (_MIB * int(faults.param("giant_text", "mebibytes")))
    return body.replace(_BEFORE, _BEFORE + text, 1)


def _entity_expansion(body: bytes, _: FaultsOfCall) -> bytes:
    entities = '<!ENTITY a0 "100">' + "".join(
        f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(_GENERATIONS)
    )
    return _with_entity(body, entities, f"a{_GENERATIONS}")


def _external_entity(body: bytes, faults: FaultsOfCall) -> bytes:
    url = faults.param("external_entity", "url")
    return _with_entity(body, f'<!ENTITY a SYSTEM "{url}">', "a")


def _with_entity(body: bytes, entities: str, name: str) -> bytes:
    doctype = f"<!DOCTYPE a [{entities}]>".encode()
    body = body.replace(_PROLOGUE, _PROLOGUE + doctype, 1)
    return body.replace(_BEFORE, _BEFORE + f"&{name};".encode(), 1)


_ATTACKS: Mapping[str, Callable[[bytes, FaultsOfCall], bytes]] = {
    "wrong_encoding": _wrong_encoding,
    "huge_xml": _huge_xml,
    "deep_nesting": _deep_nesting,
    "giant_attribute": _giant_attribute,
    "giant_text": _giant_text,
    "entity_expansion": _entity_expansion,
    "external_entity": _external_entity,
}
