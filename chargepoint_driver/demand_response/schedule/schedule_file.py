"""File of a schedule that several programs read and change."""

from __future__ import annotations

import copy
import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargepoint_driver.config.texts import has_comments, parse_json, read_text
from chargepoint_driver.demand_response.schedule.config import ScheduleConfig
from chargepoint_driver.errors import ConfigurationError, RefusedError, TransientError
from chargepoint_driver.process.files import regular_file

__all__ = ["ScheduleFile", "Stored"]

_LOCK_S = 5.0
_RETRY_S = 0.05
_NEW_MODE = 0o600


@dataclass(frozen=True)
class Stored:
    """One version of the file.

    `revision` names the version, '' where there is no file. `config` is None where the content has
    a fault, which `fault` describes: a line each. `has_comments`: writing would remove comments.
    """

    revision: str
    content: dict[str, Any]
    config: ScheduleConfig | None
    fault: str = ""
    has_comments: bool = False


class ScheduleFile:
    """JSON file of a schedule. Programs that watch it see a version whole, or not at all."""

    def __init__(
        self,
        path: Path,
        *,
        base: Mapping[str, Any] | None = None,
        check: Callable[[ScheduleConfig], None] = lambda _: None,
    ) -> None:
        """`base` has keys that the file may leave out. `check` raises ConfigurationError for a
        configuration that its scheduler cannot run."""
        self.path = path.expanduser()
        self._base = dict(base or {})
        self._check = check
        self._seen: tuple[int, ...] | None = None

    def read(self) -> Stored:
        """Return the present version. A fault is in it; nothing is raised."""
        try:
            path = regular_file(self.path)
            if not path.exists():
                return Stored("", {}, None, f"{self.path}: there is no such file")
            text = read_text(path)
        except (OSError, ConfigurationError) as error:
            return Stored("?", {}, None, str(error))
        revision = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        try:
            content = parse_json(text, self.path).content
            if not isinstance(content, dict):
                raise ConfigurationError(f"{self.path}: must be a JSON object, like {{…}}")
            config = self._config_of(content)
        except ConfigurationError as error:
            return Stored(revision, {}, None, str(error))
        return Stored(revision, content, config, has_comments=has_comments(text))

    def changed(self) -> Stored | None:
        """Return the version if the file changed since the last call, else None."""
        try:
            found = self.path.stat()
            state: tuple[int, ...] = found.st_mtime_ns, found.st_size, found.st_ino
        except OSError:
            state = ()
        if state == self._seen:
            return None
        stored = self.read()
        self._seen = state
        return stored

    def change(self, revision: str, edit: Callable[[dict[str, Any]], None]) -> Stored:
        """Write another version, and return it. `edit` changes the content of the present one.

        Raises RefusedError if the present version is not `revision`, or cannot be edited, and
        ConfigurationError for a bad schedule. Then the file stays as it is.
        """
        with self._locked():
            stored = self.read()
            if stored.revision != revision:
                raise RefusedError(
                    "the schedule was changed by somebody else since it was read; nothing was "
                    "saved. Read it again, then repeat the change"
                )
            reason = self.read_only(stored)
            if reason:
                raise RefusedError(f"{reason}. Nothing was saved")
            content = copy.deepcopy(stored.content)
            edit(content)
            self._config_of(content)
            self._replace(json.dumps(content, indent=4, ensure_ascii=False) + "\n")
            return self.read()

    def read_only(self, stored: Stored) -> str:
        """Return why this version cannot be edited here and what to do; '' if it can be."""
        if stored.config is None and stored.revision:
            return f"the file has a fault, correct it with an editor: {stored.fault}"
        if stored.has_comments:
            return (
                f"{self.path} has comments, which saving would remove; remove them, or edit the "
                "file with an editor"
            )
        folder = self.path.resolve().parent
        if not os.access(folder, os.W_OK):
            return f"this process may not write in {folder}; give it the permission"
        return ""

    # ---- inside --------------------------------------------------------------------------

    def _config_of(self, content: Mapping[str, Any]) -> ScheduleConfig:
        """Return the configuration; faults name the file. Raises ConfigurationError."""
        try:
            config = ScheduleConfig.from_dict({**self._base, **content})
            self._check(config)
        except ConfigurationError as error:
            lines = [line.removeprefix("config: ") for line in str(error).splitlines()]
            raise ConfigurationError(
                "\n".join(
                    line if line.startswith(str(self.path)) else f"{self.path}: {line}"
                    for line in lines
                )
            ) from None
        return config

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other editors out. Raises TransientError, ConfigurationError."""
        folder = self.path.resolve().parent
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ConfigurationError(
                f"{folder}: cannot be opened ({error.strerror}); make the folder"
            ) from None
        try:
            end_s = time.monotonic() + _LOCK_S
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() > end_s:
                        raise TransientError(
                            f"{self.path}: another program is saving; nothing was saved. Try again"
                        ) from None
                    time.sleep(_RETRY_S)
            yield
        finally:
            os.close(handle)

    def _replace(self, text: str) -> None:
        """Write the file as a whole: it is the old one or the new one, also after a power cut."""
        path = self.path.resolve()
        name = ""
        try:
            mode = path.stat().st_mode & 0o777 if path.exists() else _NEW_MODE
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                os.fchmod(handle, mode)
                file.write(text)
                file.flush()
                os.fsync(handle)
            Path(name).replace(path)
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with suppress(OSError):
                Path(name).unlink()
            raise RefusedError(
                f"{self.path}: cannot be written ({error.strerror or error}); nothing was saved. "
                "Check the permissions and the free space"
            ) from None
