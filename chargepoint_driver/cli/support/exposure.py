"""Warnings about secrets that a config leaves readable for others."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["exposures"]

_SECRET_FILES = ("password_file", "token_file", "secret_file", "key")


def exposures(content: Mapping[str, Any], path: Path) -> list[str]:
    """Return a line for each password in the config, each secret file that others may read, and
    each endpoint without TLS beyond loopback. Values of secrets are not in them."""
    return [f"{path}: {line}" for line in _lines(content, "")]


def _lines(content: Any, place: str) -> Iterator[str]:
    if isinstance(content, Sequence) and not isinstance(content, str):
        for each in content:
            yield from _lines(each, place)
    if not isinstance(content, Mapping):
        return
    for key, value in content.items():
        where = f"{place}.{key}" if place else str(key)
        if key == "endpoint" and isinstance(value, str) and _is_readable(value):
            yield (
                f"{where}: http:// beyond loopback: others can read the password and "
                "write limits; use https://"
            )
        elif key == "password" and isinstance(value, str) and value:
            yield (
                f"{where}: the password is in the config, which the platform's files and "
                "backups keep; use password_env or password_file"
            )
        elif key in _SECRET_FILES and isinstance(value, str) and _is_open(Path(value)):
            yield f"{where}: {value} can be read by other users; run chmod 600 {value}"
        else:
            yield from _lines(value, where)


def _is_readable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme.lower() != "http" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _is_open(path: Path) -> bool:
    """Return True if other users may read the file; False where there is none."""
    try:
        return bool(path.expanduser().stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False
