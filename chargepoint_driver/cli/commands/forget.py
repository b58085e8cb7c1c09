"""`chargepoint-driver forget`: remove what a central system remembers of a charge point."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

import click

from chargepoint_driver.cli.support.console import emit
from chargepoint_driver.errors import (
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
)

__all__ = ["forget"]

_LIMIT_S = 30.0
_TOKEN = "CHARGEPOINT_CONTROL_TOKEN"  # noqa: S105 - the name of a variable


@click.command(
    epilog="\b\nExample:\n  chargepoint-driver forget CP7 --central-system http://127.0.0.1:9444"
)
@click.argument("charge_point")
@click.option(
    "--central-system",
    metavar="URL",
    help=f"Control API of the running central system (token: {_TOKEN}).",
)
@click.option(
    "--database",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its SQLite file, if no central system runs.",
)
def forget(charge_point: str, central_system: str | None, database: Path | None) -> None:
    """Forget a charger of a central system; its records stay.

    Settings, statuses, limits and reservations are deleted. Transactions and events stay; a running
    transaction is closed as lost. A charger that can still connect comes back as a new one.
    """
    if (central_system is None) == (database is None):
        raise click.UsageError("give --central-system, or --database where no central system runs")
    if central_system is not None:
        _over_control(central_system, charge_point)
    elif database is not None:
        _in_file(database, charge_point)
    emit({"forgotten": charge_point})


def _over_control(url: str, charge_point: str) -> None:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigurationError(
            f"--central-system: {url[:80]!r} must begin with http:// or https://"
        )
    token = os.environ.get(_TOKEN)
    if not token:
        raise ConfigurationError(f"{_TOKEN} is not set: the token of the control API")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked
        f"{url.rstrip('/')}/charge-points/{quote(charge_point, safe='')}",
        method="DELETE",
        headers={"Authorization": f"Bearer {token}"},
    )
    try:
        # No proxy: the control API is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(request, timeout=_LIMIT_S).close()
    except urllib.error.HTTPError as error:
        with error:
            text = _message(error.read(65_536)) or f"HTTP {error.code}"
        kind = {401: PermissionDeniedError, 404: NotFoundError}.get(error.code, TransientError)
        raise kind(text) from None
    except OSError as error:
        raise TransientError(f"--central-system: {url} cannot be reached ({error})") from None


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _in_file(database: Path, charge_point: str) -> None:
    try:
        from chargepoint_driver.backends.ocpp.storage.file_kind import (  # noqa: PLC0415 - extra
            refuse_file_of_node,
        )
        from chargepoint_driver.backends.ocpp.storage.forgetting import (  # noqa: PLC0415 - extra
            forget_in,
        )
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'volttron-lib-chargepoint-driver[ocpp]'"
        ) from None
    refuse_file_of_node(database, "forget the charger with --central-system and a node that runs")
    forget_in(database, charge_point)
