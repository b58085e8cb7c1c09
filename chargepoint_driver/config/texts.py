"""Text files and JSON, read as VOLTTRON's config store reads them.

`vctl config store` opens a file as UTF-8 text, strips comments from JSON, and takes nothing else
that JSON does not allow. What people save otherwise is refused here with a cure, or read with a
warning where the store would refuse it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from chargepoint_driver.errors import ConfigurationError

__all__ = ["Json", "has_comments", "loads", "parse_json", "read_json", "read_text"]

BOM = "\ufeff"
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_SAVE = "save it as UTF-8 (in spreadsheets: CSV UTF-8)"

# A quoted text, or a comment. Quoted texts are matched first: they may hold what looks like one.
_TOKENS = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|/\*.*?\*/|(?:\#|//)[^\n]*""", re.DOTALL
)
_TYPOGRAPHIC = frozenset("“”„‟«»‘’‚‛")
_BEGINNINGS = (
    ("'", "single quotes", 'write double quotes (")'),
    ("/*", "a comment that never ends", "close it with */"),
    ("True", "True is a word of Python", "write true"),
    ("False", "False is a word of Python", "write false"),
    ("None", "None is a word of Python", "write null"),
)
_CURES = (
    ("delimiter", "write the comma or colon, or close a quote or bracket before it"),
    ("control character", 'close the text with a double quote (") in its own line'),
    ("Unterminated", 'close the text with a double quote (")'),
    ("Extra data", "remove what follows the closing bracket"),
    ("Invalid \\", "write each backslash twice"),
    ("property name", 'write the next key in double quotes ("), or close the object with }'),
)


class Json(NamedTuple):
    """Content of a JSON file, and its faults: a line each, with a cure."""

    content: Any
    warnings: list[str]


def read_text(path: Path) -> str:
    """Return the text of a file, lines ended by a line feed. A byte order mark stays.

    Raises ConfigurationError for a file that cannot be read, or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror or error}); correct the path or its "
            "permissions"
        ) from None
    if content.startswith(_WIDE) or content.count(b"\0") * 4 > len(content):
        raise ConfigurationError(f"{path}: cannot be read (it is UTF-16 or binary); {_SAVE}")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        raise ConfigurationError(
            f"{path}: line {before.count(10) + 1}: cannot be read (byte "
            f"0x{content[error.start]:02x} is not UTF-8, it may be Windows-1252); {_SAVE}"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def loads(text: str) -> Any:
    """Return what a JSON text of the config store holds, comments stripped. Raises ValueError."""
    try:
        return json.loads(_TOKENS.sub(_without_comment, text))
    except RecursionError:
        raise ValueError("its brackets never end") from None


def read_json(path: Path) -> Json:
    """Return what a JSON file holds, comments (#, // and /* */) stripped.

    Raises ConfigurationError with line, column and cure for what is not JSON.
    """
    return parse_json(read_text(path), path)


def has_comments(text: str) -> bool:
    """Return True if a JSON text has comments, which are lost where it is written again."""
    return any(match["text"] is None for match in _TOKENS.finditer(text))


def parse_json(text: str, path: Path) -> Json:
    """Return what the text of a JSON file holds; as `read_json`, which reads it first."""
    warnings = []
    if text.startswith(BOM):
        text = text[1:]
        warnings.append(
            f"{path}: begins with a byte order mark, which VOLTTRON's config store refuses; save "
            "it as UTF-8 without BOM"
        )
    twice: list[str] = []
    try:
        content = json.loads(
            _TOKENS.sub(_without_comment, text),
            object_pairs_hook=lambda pairs: _object(pairs, twice),
        )
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{path}: {_explain(text, error)}") from None
    except RecursionError:
        raise ConfigurationError(
            f"{path}: not a config, its brackets never end; write one JSON object"
        ) from None
    warnings += [
        f"{path}: the key {key!r} stands twice in one object, and the last one counts; remove one"
        for key in dict.fromkeys(twice)
    ]
    return Json(content, warnings)


def _object(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            twice.append(key)
        found[key] = value
    return found


def _without_comment(match: re.Match[str]) -> str:
    return match["text"] or ""


def _blanked(match: re.Match[str]) -> str:
    """Return a text as it is and a comment as blanks, so that places stay what they are."""
    return match["text"] or re.sub(r"[^\n]", " ", match[0])


def _explain(text: str, error: json.JSONDecodeError) -> str:
    """Return where JSON ends to be JSON, why, and the cure."""
    plain = _TOKENS.sub(_blanked, text)
    at, why = error.pos, error.msg
    try:
        json.loads(plain)
    except json.JSONDecodeError as there:
        at, why = there.pos, there.msg
    except RecursionError:  # pragma: no cover - the first reading would have ended so
        pass
    at = min(at, len(plain))
    at, what, cure = _cure(plain, at, why)
    line = plain.count("\n", 0, at) + 1
    column = at - (plain.rfind("\n", 0, at) + 1) + 1
    return f"line {line}, column {column}: not JSON ({what}); {cure}"


def _cure(plain: str, at: int, why: str) -> tuple[int, str, str]:
    """Return (place, what is wrong, what to do) for a fault of JSON at a place."""
    here = plain[at : at + 1]
    # Python before 3.13 points at the bracket, later ones at the comma.
    comma = at if here == "," else len(plain[:at].rstrip()) - 1
    behind = plain[comma + 1 :].lstrip()[:1]
    if comma >= 0 and plain[comma] == "," and behind in {"}", "]"}:
        cure = "remove the comma; VOLTTRON's config store refuses it too"
        return comma, f"a comma before {behind}", cure
    return at, *(_of_text(plain, at) or (why, _of_message(why)))


def _of_text(plain: str, at: int) -> tuple[str, str] | None:
    """Return (what is wrong, what to do) by what stands at a place."""
    near = plain[max(0, at - 1) : at + 2]
    if not plain.strip():
        return "the file is empty", "write one JSON object"
    if "\0" in near:
        return "a NUL character", "remove it; save the file with a text editor"
    if set(near) & _TYPOGRAPHIC:
        return "typographic quotes", 'write straight double quotes (")'
    for begin, what, cure in _BEGINNINGS:
        if plain.startswith(begin, at):
            return what, cure
    return None


def _of_message(why: str) -> str:
    """Return what to do for a message of the JSON library."""
    return next(
        (cure for part, cure in _CURES if part in why),
        "correct it there; keys and texts stand in double quotes",
    )
