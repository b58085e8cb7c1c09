"""Callers of the page and of the API: names and roles, from keys or from a reverse proxy."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from chargepoint_driver.config.web import ProxyLogin, WebConfig
from chargepoint_driver.config.web_keys import ROLES, AccessKey, Role, make_key, read_key_file
from chargepoint_driver.errors import ConfigurationError, RefusedError
from chargepoint_driver.text import get_logger

__all__ = ["CALLER", "TOKEN_NAME", "Caller", "Keys", "Proxy", "caller_of", "is_loopback"]

_log = get_logger(__name__)

TOKEN_NAME = "token"  # noqa: S105 - the name of the key, not the key
# Who writes, in the reasons of leases, where the token is used.
_WRITER = "the web page or API"
_LOOK_S = 1.0
_MAX_USER_CHARS = 128


@dataclass(frozen=True)
class Caller:
    """Sender of a request: `name` of the key, or of the user as a proxy gives it. `sees_id_tags`:
    whether answers may have idTags."""

    name: str
    role: Role
    sees_id_tags: bool = False

    def may(self, least: Role) -> bool:
        """Return True if the role is this one or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(least)

    @property
    def writer(self) -> str:
        """The writer of the caller's commands, for `shedReason` and the audit of the service."""
        return _WRITER if self.name == TOKEN_NAME else f"{self.name} (web)"


CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)


def caller_of(request: web.Request) -> Caller:
    """Return who sends a request that was let in."""
    return request[CALLER]


class Keys:
    """Keys of the configuration, of the file of keys, and the token. The file is read again after a
    change; keys of a file that cannot be read open nothing."""

    def __init__(
        self,
        config: WebConfig,
        token: str,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`token`: the key of the environment, an administrator's; "" for none. Raises
        ConfigurationError with every fault."""
        self._now = now
        self._clock = clock
        self._file = config.keys_file
        self._id_tags = config.id_tags
        faults: list[str] = []
        fixed: list[AccessKey] = []
        if token:
            fixed.append(make_key(TOKEN_NAME, "administrator", None, token))
        for name, settings in config.keys.items():
            try:
                fixed.append(settings.read(name))
            except ConfigurationError as error:
                faults.append(f"config: web: keys.{name}: {error}")
        self._fixed = fixed
        self._stored: list[AccessKey] = []
        self._stamp: tuple[int, ...] | None = None
        self._looked_s = clock()
        if self._file is not None:
            try:
                self._stored = read_key_file(self._file)
                self._stamp = _stamp(self._file)
            except ConfigurationError as error:
                faults += [f"config: web: keys_file: {line}" for line in str(error).splitlines()]
        names = [each.name for each in (*fixed, *self._stored)]
        for name in sorted({each for each in names if names.count(each) > 1}):
            faults.append(
                f"config: web: keys_file: {name!r} is a name of web.keys too; rename one of the two"
            )
        if not names and config.proxy_login is None and not faults:
            faults.append(
                "config: web: keys_file: has no key; make one: `chargepoint-driver web-keys add`"
            )
        if faults:
            raise ConfigurationError("\n".join(faults))

    def find(self, secret: str) -> AccessKey | None:
        """Return the key of a secret, also one that has expired; None for none."""
        found = None
        for key in self._all():
            # All of them are compared: the time tells nothing.
            if key.is_right(secret):
                found = found or key
        return found

    def caller(self, key: AccessKey | None) -> Caller | None:
        """Return who has a key; None where it was removed, changed, or has expired."""
        if key is None or key.is_over(self._now()) or key not in self._all():
            return None
        return _caller(key.name, key.role, self._id_tags)

    def is_over(self, key: AccessKey) -> bool:
        """Return True if the key has expired."""
        return key.is_over(self._now())

    def _all(self) -> list[AccessKey]:
        self._look()
        return [*self._fixed, *self._stored]

    def _look(self) -> None:
        """Read the file again where it has changed."""
        now_s = self._clock()
        if self._file is None or now_s - self._looked_s < _LOOK_S:
            return
        self._looked_s = now_s
        stamp = _stamp(self._file)
        if stamp == self._stamp and stamp is not None:
            return
        is_first = stamp != self._stamp or bool(self._stored)
        self._stamp = stamp
        try:
            found = read_key_file(self._file)
        except ConfigurationError as error:
            if is_first:
                _log.warning("keys of the file open nothing until it is corrected: %s", error)
            found = []
        names = {each.name for each in self._fixed}
        self._stored = [each for each in found if each.name not in names]


def _caller(name: str, role: Role, id_tags: str) -> Caller:
    sees = id_tags in ROLES and ROLES.index(role) >= ROLES.index(id_tags)
    return Caller(name, role, sees)


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what changes with a file; None where it cannot be seen."""
    try:
        found = path.expanduser().stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class Proxy:
    """Users that a reverse proxy on this machine has logged in."""

    def __init__(self, settings: ProxyLogin, id_tags: str) -> None:
        """`id_tags`: the lowest role that sees idTags, or nobody."""
        self._settings = settings
        self._id_tags = id_tags

    def caller(self, request: web.Request) -> Caller | None:
        """Return the user of a request; None where the proxy names none. Raises RefusedError for
        headers that do not come from this machine, or that cannot be trusted."""
        settings = self._settings
        users = request.headers.getall(settings.user_header, [])
        if not users:
            return None
        if not is_loopback(request.remote):
            raise RefusedError(
                f"{settings.user_header}: is taken from a proxy on this machine only"
            )
        name = users[0].strip()
        if len(users) > 1 or not name.isprintable() or not 0 < len(name) <= _MAX_USER_CHARS:
            raise RefusedError(
                f"{settings.user_header}: must be there once, as printable text of at most "
                f"{_MAX_USER_CHARS} characters"
            )
        roles = set() if settings.default_role is None else {settings.default_role}
        if settings.groups_header is not None:
            words = ",".join(request.headers.getall(settings.groups_header, []))
            groups = {each.strip() for each in words.split(",")}
            roles |= {role for group, role in settings.roles.items() if group in groups}
        if not roles:
            raise RefusedError(
                f"{name} has no role here; web.proxy_login.roles names the groups that have one"
            )
        return _caller(name, max(roles, key=ROLES.index), self._id_tags)

    @staticmethod
    def address(request: web.Request) -> str:
        """Return the address that the proxy names last, else its own."""
        named = request.headers.getall("X-Forwarded-For", [])
        last = named[-1].rpartition(",")[2].strip() if named else ""
        try:
            return str(ipaddress.ip_address(last))
        except ValueError:
            return request.remote or ""


def is_loopback(address: str | None) -> bool:
    """Return True for an address of this machine that others cannot reach."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)
