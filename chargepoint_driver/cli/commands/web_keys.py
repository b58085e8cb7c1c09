"""`chargepoint-driver web-keys`: makes, lists and removes keys of the page."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import get_args

import click

from chargepoint_driver.config.web_keys import (
    AccessKey,
    Role,
    check_expiry,
    key_name,
    make_key,
    read_key_file,
    write_key_file,
)
from chargepoint_driver.errors import ConfigurationError, InvalidValueError, NotFoundError

__all__ = ["web_keys"]

_KEY_BYTES = 24

_file = click.option(
    "--file",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the keys, as keys_file in the section web of the accounts file.",
)


@click.group(
    "web-keys",
    epilog="\b\nExample:\n"
    "  chargepoint-driver web-keys add dispatch --role operator --file web-keys.json\n"
    "  chargepoint-driver web-keys list --file web-keys.json\n"
    "  chargepoint-driver web-keys remove dispatch --file web-keys.json",
)
def web_keys() -> None:
    """Make, list or remove keys of the page and of its JSON API.

    The file has names, roles and salted digests, not the keys. A running page applies a change
    within a second.
    """


@web_keys.command()
@click.argument("name")
@click.option(
    "--role",
    required=True,
    type=click.Choice(get_args(Role)),
    help="What the key may do; each role may do what those before it may.",
)
@click.option("--expires", metavar="TIME", help="Date or time (ISO 8601) of its end.")
@_file
def add(name: str, role: Role, expires: str | None, path: Path) -> None:
    """Make a key, and print it once, as a line of JSON."""
    try:
        name = key_name(name)
        check_expiry(expires)
    except ValueError as error:
        raise InvalidValueError(str(error)) from None
    keys = read_key_file(path) if path.exists() else []
    if any(each.name == name for each in keys):
        raise InvalidValueError(f"{path}: has a key {name!r} already; remove it first")
    secret = secrets.token_urlsafe(_KEY_BYTES)
    made = make_key(name, role, expires, secret)
    if made.is_over(time.time()):
        raise InvalidValueError(f"--expires: {expires} is over already")
    _write(path, [*keys, made])
    click.echo(json.dumps({**_shown(made), "key": secret}))


@web_keys.command("list")
@_file
def list_(path: Path) -> None:
    """Print name, role and expiry of each key, as lines of JSON."""
    for each in read_key_file(path):
        click.echo(json.dumps({**_shown(each), "expired": each.is_over(time.time())}))


@web_keys.command()
@click.argument("name")
@_file
def remove(name: str, path: Path) -> None:
    """Remove a key. Browsers that are logged in with it are logged out."""
    keys = read_key_file(path)
    rest = [each for each in keys if each.name != name]
    if len(rest) == len(keys):
        known = ", ".join(each.name for each in keys) or "none"
        raise NotFoundError(f"{path}: has no key {name!r}; it has {known}")
    _write(path, rest)


def _shown(key: AccessKey) -> dict[str, str | None]:
    return {"name": key.name, "role": key.role, "expires": key.expires}


def _write(path: Path, keys: list[AccessKey]) -> None:
    try:
        write_key_file(path, keys)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error})") from None
