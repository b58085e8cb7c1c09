"""Authorization of idTags: everyone, or the idTags of a file and of the control API.

Case does not count (OCPP 1.6, 7.28 IdToken). A line of the file is an idTag, and may go on with
`status=Blocked`, `expires=2026-12-31T00:00:00Z` and `max_concurrent=1`. An idTag of the control
API counts before that of the file. Without a file an unknown idTag is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp.model.timestamps import iso, parse
from chargepoint_driver.errors import ConfigurationError, InvalidValueError
from chargepoint_driver.process.files import read_text
from chargepoint_driver.text import get_logger

__all__ = ["IdTag", "IdTags", "key_of", "row_of", "tag_of"]

_log = get_logger(__name__)
_STATUSES = {"accepted": "Accepted", "blocked": "Blocked"}
_FIELDS = ("status", "expires", "max_concurrent")
_OPTION = re.compile(r"^(.*\S)\s+(status|expires|max_concurrent)=(\S*)$")
# Characters of an idTag in 2.1, the longest of all versions.
_MAX_LENGTH = 255


def key_of(id_tag: str) -> str:
    """Return what makes two idTags the same one."""
    return id_tag.strip().casefold()


@dataclass(frozen=True, slots=True)
class IdTag:
    """One idTag. `status` is Accepted or Blocked; `expires_s` None: never; `max_concurrent`:
    transactions at the same time, None: any number."""

    id_tag: str
    status: str = "Accepted"
    expires_s: float | None = None
    max_concurrent: int | None = None

    def status_at(self, now_s: float, running: int = 0) -> str:
        """Return OCPP's status of it, while `running` other transactions use it."""
        if self.status != "Accepted":
            return self.status
        if self.expires_s is not None and now_s >= self.expires_s:
            return "Expired"
        if self.max_concurrent is not None and running >= self.max_concurrent:
            return "ConcurrentTx"
        return "Accepted"


def tag_of(id_tag: object, fields: dict[str, Any]) -> IdTag:
    """Return an idTag with `status`, `expires` (ISO 8601 or null) and `max_concurrent`.
    Raises InvalidValueError."""
    if not isinstance(id_tag, str) or not 0 < len(id_tag.strip()) <= _MAX_LENGTH:
        raise InvalidValueError(f"id_tag: must be a text of 1 to {_MAX_LENGTH} characters")
    if not id_tag.isprintable():
        raise InvalidValueError("id_tag: must be printable")
    unknown = sorted(set(fields) - set(_FIELDS))
    if unknown:
        raise InvalidValueError(f"{unknown[0]}: unknown; an idTag has {', '.join(_FIELDS)}")
    status = _STATUSES.get(str(fields.get("status") or "Accepted").lower())
    if status is None:
        raise InvalidValueError(
            f"status: must be Accepted or Blocked, not {str(fields['status'])[:20]!r}"
        )
    expires, most = fields.get("expires"), fields.get("max_concurrent")
    expires_s = parse(expires)
    if expires is not None and expires_s is None:
        raise InvalidValueError("expires: must be a time like 2026-12-31T00:00:00Z")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise InvalidValueError("max_concurrent: must be a whole number from 1")
    return IdTag(id_tag.strip(), status, expires_s, most)


class IdTags:
    """The idTags of the file, read again when it changes, and those of the control API."""

    def __init__(self, path: Path | None, stored: Iterable[IdTag] = ()) -> None:
        """Raises ConfigurationError when the file cannot be read."""
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._of_file: dict[str, IdTag] = {}
        self._stored = {key_of(tag.id_tag): tag for tag in stored}
        self.revision = 0
        if path is not None:
            try:
                self._read(path)
            except (OSError, UnicodeError) as error:
                raise ConfigurationError(
                    f"accept_id_tags: {path} cannot be read ({type(error).__name__}); correct it"
                ) from None
            except InvalidValueError as error:
                raise ConfigurationError(f"accept_id_tags: {path}: {error}") from None

    def find(self, id_tag: str) -> IdTag | None:
        """Return what is known of an idTag: None means nothing."""
        self.refresh()
        key = key_of(id_tag)
        return self._stored.get(key) or self._of_file.get(key)

    def status_of_unknown(self) -> str:
        """Return what an unknown idTag is answered."""
        return "Accepted" if self._path is None else "Invalid"

    def all(self) -> list[IdTag]:
        """Return every known idTag, in order."""
        self.refresh()
        return [tag for _, tag in sorted({**self._of_file, **self._stored}.items())]

    def source_of(self, tag: IdTag) -> str:
        """Return where an idTag is from: "file" or "api"."""
        return "api" if key_of(tag.id_tag) in self._stored else "file"

    def put(self, tag: IdTag) -> None:
        """Add an idTag, or change it."""
        # Replaced, not changed: other threads read it meanwhile.
        self._stored = {**self._stored, key_of(tag.id_tag): tag}
        self.revision += 1

    def replace_stored(self, tags: Iterable[IdTag]) -> None:
        """Take the idTags of the control API as they are stored now."""
        self._stored = {key_of(tag.id_tag): tag for tag in tags}
        self.revision += 1

    def remove(self, id_tag: str) -> None:
        """Remove an idTag of the control API; one of the file then counts as the file has it."""
        self._stored = {key: tag for key, tag in self._stored.items() if key != key_of(id_tag)}
        self.revision += 1

    def refresh(self) -> None:
        """Read the file again when it has changed. A file that cannot be read now, or has a bad
        line, leaves the idTags as they were."""
        if self._path is None:
            return
        try:
            self._read(self._path)
        except (OSError, UnicodeError):
            return
        except InvalidValueError as error:
            _log.warning("accept_id_tags: %s: %s; the idTags stay as they were", self._path, error)

    def _read(self, path: Path) -> None:
        found = path.stat()
        stamp = found.st_mtime_ns, found.st_size
        if stamp == self._stamp:
            return
        lines = read_text(path, "utf-8-sig").splitlines()
        self._stamp = stamp
        tags = [
            _tag_in(line.strip(), number)
            for number, line in enumerate(lines, 1)
            if line.strip() and not line.lstrip().startswith("#")
        ]
        self._of_file = {key_of(tag.id_tag): tag for tag in tags}
        self.revision += 1


def _tag_in(line: str, number: int) -> IdTag:
    """Return the idTag of a line. Raises InvalidValueError."""
    text, fields = line, {}
    while (found := _OPTION.match(text)) is not None:
        text = found[1]
        fields[found[2]] = found[3]
    if not fields:
        return IdTag(line)
    given: dict[str, Any] = dict(fields)
    if "max_concurrent" in given and given["max_concurrent"].isdecimal():
        given["max_concurrent"] = int(given["max_concurrent"])
    try:
        return tag_of(text, given)
    except InvalidValueError as error:
        raise InvalidValueError(f"line {number}: {error}") from None


def row_of(tag: IdTag, source: str, now_s: float, running: int) -> dict[str, Any]:
    """Return an idTag as the control API shows it; `current` is what Authorize is answered."""
    return {
        "id_tag": tag.id_tag,
        "status": tag.status,
        "expires": iso(tag.expires_s),
        "max_concurrent": tag.max_concurrent,
        "source": source,
        "running": running,
        "current": tag.status_at(now_s, running),
    }
