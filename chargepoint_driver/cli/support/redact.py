"""Texts without secrets: texts that a person can share."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, quoteattr

__all__ = ["REMOVED", "plain", "scrub", "secrets_of"]

REMOVED = "(removed)"

# Keys whose values say where a secret is, not what it is.
_WHERE = frozenset({"password_env", "password_file"})
_SECRET_KEY = re.compile(r"passw|secret|token|credential|api_?key", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)[^/\s@\"']+@")
# Whatever follows such a word in a log: `password=x`, `"password": "x"`, <wsse:Password ...>x<.
_IN_TEXT = re.compile(
    r"(?i)(passwor[dt](?!_env|_file)\w*[\"']?\s*[:=]\s*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;}\"']+)"
)
_IN_XML = re.compile(r"(?is)(<[\w:]*password\b[^>]*>)[^<]*")
_AUTHORIZATION = re.compile(r"(?i)(authorization\W+(?:basic|bearer)\s+)\S+")


def secrets_of(content: Any) -> set[str]:
    """Return the passwords that a config holds or names, as they stand now."""
    found: set[str] = set()
    if isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(value, str) and key == "password_env":
                found.add(os.environ.get(value, ""))
            elif isinstance(value, str) and key == "password_file":
                found |= _of_file(Path(value))
            elif isinstance(value, (str, int, float)) and _is_secret(key):
                found.add(str(value))
            else:
                found |= secrets_of(value)
    elif isinstance(content, list):
        found = set().union(*map(secrets_of, content))
    return found - {""}


def _of_file(path: Path) -> set[str]:
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return set()
    return {line.strip() for line in text.splitlines()}


def _is_secret(key: object) -> bool:
    return key not in _WHERE and bool(_SECRET_KEY.search(str(key)))


def plain(content: Any) -> Any:
    """Return a config with its secrets taken out; where they are to be found stays."""
    if isinstance(content, Mapping):
        return {
            key: REMOVED if _is_secret(key) and value is not None else plain(value)
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [plain(each) for each in content]
    return _IN_URL.sub(f"{REMOVED}@", content) if isinstance(content, str) else content


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return a text without these secrets, however they are written, and without what stands where
    secrets stand."""
    encodings = {form for secret in secrets for form in _encodings(secret)}
    for form in sorted(encodings, key=len, reverse=True):
        text = text.replace(form, REMOVED)
    text = _IN_URL.sub(f"{REMOVED}@", text)
    text = _IN_XML.sub(rf"\1{REMOVED}", text)
    text = _AUTHORIZATION.sub(rf"\1{REMOVED}", text)
    return _IN_TEXT.sub(_without_value, text)


def _without_value(match: re.Match[str]) -> str:
    # In quotes where it was: JSON stays JSON.
    mark = match[2][0] if match[2][0] in "\"'" else ""
    return f"{match[1]}{mark}{REMOVED}{mark}"


def _encodings(secret: str) -> set[str]:
    """Return a secret as XML, JSON, Python, URLs and base64 write it."""
    encodings = {secret, escape(secret), quoteattr(secret)[1:-1], repr(secret)[1:-1]}
    encodings |= {
        json.dumps(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    }
    encodings.add(secret.encode("ascii", "xmlcharrefreplace").decode())
    encodings.add(escape(secret).encode("ascii", "xmlcharrefreplace").decode())
    encodings.add(base64.b64encode(secret.encode()).decode().rstrip("="))
    return encodings - {""}
