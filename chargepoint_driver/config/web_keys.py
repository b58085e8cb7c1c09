"""Keys of the page: names, roles, expiry, and the file of their digests."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from chargepoint_driver.config.common import explain, keys_of, printable, read_secret
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.process.files import read_text, regular_file

__all__ = [
    "MAX_NAME_CHARS",
    "MIN_KEY_CHARS",
    "ROLES",
    "AccessKey",
    "Role",
    "WebKey",
    "check_expiry",
    "expiry_s",
    "key_name",
    "make_key",
    "read_key_file",
    "write_key_file",
]

Role = Literal["viewer", "operator", "administrator"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "administrator")
"""Roles; each may do what those before it may."""

MIN_KEY_CHARS = 16
MAX_NAME_CHARS = 64
_SALT_BYTES = 16
_EXPIRY = Field(None, description="date or time (ISO 8601) after which the key opens nothing")


def key_name(text: str) -> str:
    """Return a name of a key without blanks around it. Raises ValueError."""
    name = printable(text)
    if len(name) > MAX_NAME_CHARS:
        raise ValueError(f"must have at most {MAX_NAME_CHARS} characters")
    if name == "token":
        raise ValueError("'token' is the name of the token; take another one")
    return name


def expiry_s(text: str) -> float:
    """Return seconds since 1970 of a date or time. A date ends with its day in UTC; a time without
    zone is UTC. Raises ValueError."""
    try:
        if len(text) == len("2027-01-31"):
            day = datetime.fromisoformat(text).date()
            end = datetime.combine(day, time(), timezone.utc) + timedelta(days=1)
        else:
            end = datetime.fromisoformat(text.replace("Z", "+00:00"))
            end = end.replace(tzinfo=end.tzinfo or timezone.utc)
        return end.timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text[:40]!r} is not a date or time; write 2027-01-31 or 2027-01-31T18:00:00+01:00"
        ) from None


def check_expiry(text: str | None) -> str | None:
    """Return the text of a date or time, None for None. Raises ValueError."""
    if text is not None:
        expiry_s(text)
    return text


class WebKey(BaseModel):
    """A key of the page and of the JSON API. Its name is in the audit log."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    role: Role = Field(description="what it may do: each role may do what those before it may")
    key_env: str | None = Field(
        None, min_length=1, description="environment variable of the key (16 characters or more)"
    )
    key_file: Path | None = Field(None, description="file of the key (first line)")
    expires: str | None = _EXPIRY

    _expires = field_validator("expires")(check_expiry)

    @model_validator(mode="after")
    def _has_one_source(self) -> WebKey:
        if (self.key_env is None) == (self.key_file is None):
            raise ValueError("give exactly one of key_env and key_file")
        return self

    def read(self, name: str) -> AccessKey:
        """Return the key with its digest. Raises ConfigurationError."""
        secret = read_secret(self.key_env, self.key_file, "key").strip()
        if len(secret) < MIN_KEY_CHARS:
            raise ConfigurationError(
                f"the key is shorter than {MIN_KEY_CHARS} characters; take a longer one"
            )
        return make_key(name, self.role, self.expires, secret)


@dataclass(frozen=True)
class AccessKey:
    """A key as it is compared: the secret itself is not in it. `expires`: see `expiry_s`."""

    name: str
    role: Role
    expires: str | None
    salt: bytes
    digest: bytes

    def is_right(self, secret: str) -> bool:
        """Return True if this is the secret; compared in constant time."""
        return hmac.compare_digest(_digest(self.salt, secret), self.digest)

    def is_over(self, now_s: float) -> bool:
        """Return True if the key has expired; `now_s`: seconds since 1970."""
        return self.expires is not None and now_s >= expiry_s(self.expires)


def make_key(name: str, role: Role, expires: str | None, secret: str) -> AccessKey:
    """Return a key with a new salt. A secret that a person thinks up must not be digested so: one
    round of SHA-256 is for secrets that nobody can guess."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return AccessKey(name, role, expires, salt, _digest(salt, secret))


def _digest(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.strip().encode("utf-8", "replace")).digest()


class _Stored(BaseModel):
    """A key in the file of keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str
    role: Role
    expires: str | None = None
    salt: str = Field(pattern="^[0-9a-f]{32}$")
    digest: str = Field(pattern="^[0-9a-f]{64}$")

    _name = field_validator("name")(key_name)
    _expires = field_validator("expires")(check_expiry)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    keys: list[_Stored]


def read_key_file(path: Path) -> list[AccessKey]:
    """Return the keys of a file. Raises ConfigurationError that names the file and every fault."""
    try:
        content: Any = json.loads(read_text(path))
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error}); make it with `chargepoint-driver web-keys add`"
        ) from None
    except ValueError:
        raise ConfigurationError(f"{path}: is not JSON; take it from a backup") from None
    try:
        stored = _File.model_validate(content).keys
    except ValidationError as error:
        known = [*keys_of(_File), *keys_of(_Stored)]
        faults = [explain(fault, known) for fault in error.errors(include_url=False)]
        raise ConfigurationError("\n".join(f"{path}: {fault}" for fault in faults)) from None
    names = [each.name for each in stored]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ConfigurationError(f"{path}: {doubled[0]!r} is there twice; remove one of the two")
    return [
        AccessKey(
            each.name,
            each.role,
            each.expires,
            bytes.fromhex(each.salt),
            bytes.fromhex(each.digest),
        )
        for each in stored
    ]


def write_key_file(path: Path, keys: Sequence[AccessKey]) -> None:
    """Write the keys in one step, readable for the owner only. Raises OSError."""
    content = {
        "keys": [
            {
                "name": each.name,
                "role": each.role,
                "expires": each.expires,
                "salt": each.salt.hex(),
                "digest": each.digest.hex(),
            }
            for each in keys
        ]
    }
    target = regular_file(path).resolve()
    other = target.with_name(f".{target.name}.{os.getpid()}")
    handle = os.open(other, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        other.replace(target)
    except BaseException:
        other.unlink(missing_ok=True)
        raise
