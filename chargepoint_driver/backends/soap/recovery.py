"""Replies that are almost XML: what can be read of them without guessing.

Stations carry names that people type, and some services write those as they are: a control
character, an ampersand, a letter of another encoding. A second reading puts a mark in place of
each such character, and nothing else: the tags stay what they are, and so does the strict parser.
An element whose text holds a mark has no value.
"""

from __future__ import annotations

import re

from lxml import etree

__all__ = ["marked", "repaired", "trimmed"]

_WIDE = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")
_BEFORE = b"\xef\xbb\xbf \t\r\n"
_BEHIND = b"\x00 \t\r\n"
_ENCODING = re.compile(rb"""\s*<\?xml[^>]{0,200}encoding\s*=\s*["']([^"']{1,40})["']""")
_KNOWN = frozenset({b"utf-8", b"utf8", b"us-ascii", b"ascii"})
# Characters of private use, which a reply hardly holds; one that it does not hold is taken.
_MARKS = "\ue0d1\ue0d2\ue0d3"
# Control characters, bytes that are not UTF-8, references, ampersands and brackets of no tag.
_SUSPECT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\udc80-\udcff\ufffe\uffff]"
    "|&#(?P<digits>[0-9]{1,7}|x[0-9A-Fa-f]{1,6});|&(?!(?:amp|lt|gt|quot|apos);)|<(?![A-Za-z_/?])"
)
# Elements that steer the reading: damage here is damage of the whole reply.
_STEERING = frozenset({"responseCode", "moreFlag", "MoreFlag"})


def trimmed(content: bytes) -> bytes:
    """Return a reply without blanks before its declaration, and without NUL behind its end."""
    if content.startswith(_WIDE):
        return content
    return content.lstrip(_BEFORE).rstrip(_BEHIND)


def repaired(content: bytes) -> tuple[bytes, str] | None:
    """Return (the reply with a mark for each character that XML forbids, the mark).

    None where there is no such character, or the reply is not of the plain kind that services
    send: UTF-8 without comments, CDATA and document type.
    """
    encoding = _ENCODING.match(content)
    if b"<!" in content or (encoding and encoding[1].lower() not in _KNOWN):
        return None
    text = content.decode("utf-8", "surrogateescape")
    mark = next((each for each in _MARKS if each not in text), None)
    if mark is None:
        return None
    found = _SUSPECT.sub(lambda match: match[0] if _is_good(match["digits"]) else mark, text)
    return None if found == text else (found.encode("utf-8"), mark)


def _is_good(digits: str | None) -> bool:
    """Return whether a character reference stands for a character of XML."""
    if digits is None:
        return False
    code = int(digits[1:], 16) if digits.startswith("x") else int(digits)
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code < 0xD800
        or 0xE000 <= code < 0xFFFE
        or 0x10000 <= code <= 0x10FFFF
    )


def marked(element: etree._Element, mark: str) -> bool | None:
    """Return whether a text within an element is marked; None where that leaves it in doubt what
    the element holds, since the mark stands between elements or in one that steers the reading."""
    found = False
    for each in element.iter():
        if mark in (each.tail or ""):
            return None
        if mark in (each.text or ""):
            if len(each) or each.tag in _STEERING:
                return None
            found = True
    return found
