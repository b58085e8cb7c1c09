"""Texts of the page: one JSON file per language under `page/texts`."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["COOKIE", "Texts"]

COOKIE = "chargepoint_language"
_DEFAULT = "en"
_KEY = re.compile(r"\{\{([a-z_.]+)\}\}")


class Texts:
    """Languages that have a file, and pages with their texts filled in."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """`files`: content of each file by its name below `page/`."""
        self._texts: dict[str, dict[str, Any]] = {
            name[len("texts/") : -len(".json")]: json.loads(content)
            for name, content in files.items()
            if name.startswith("texts/") and name.endswith(".json")
        }

    @property
    def languages(self) -> dict[str, str]:
        """Code of each language to its own name for itself."""
        return {code: texts["language"] for code, texts in sorted(self._texts.items())}

    def choose(self, cookie: str | None, accepted: str | None) -> str:
        """Return the language that a browser wants: that of its cookie, else the first of
        Accept-Language that has a file, else English."""
        if cookie in self._texts:
            return str(cookie)
        for code in _accepted(accepted or ""):
            if code in self._texts:
                return code
        return _DEFAULT

    def fill(
        self, page: bytes, language: str, values: Mapping[str, str], markup: Mapping[str, str]
    ) -> bytes:
        """Return a page with each `{{key}}` replaced: by `markup` as it is; else by `values` or
        by a text of the language, escaped."""
        texts = self._texts[language]

        def replace(match: re.Match[str]) -> str:
            key = match[1]
            if key in markup:
                return markup[key]
            return html.escape(values[key] if key in values else texts[key])

        return _KEY.sub(replace, page.decode()).encode()


def _accepted(header: str) -> list[str]:
    """Return the language codes of Accept-Language without their regions, best first."""
    found: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        name, _, rest = part.strip().partition(";")
        weight = rest.strip().removeprefix("q=") or "1"
        try:
            found.append((-float(weight), name.split("-")[0].lower()))
        except ValueError:
            continue
    return [name for _, name in sorted(found, key=lambda each: each[0])]
