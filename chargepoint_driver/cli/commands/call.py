"""`chargepoint-driver call`: one request of OCPP to a charger."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import quote

import click

from chargepoint_driver.cli.control_api import TOKEN_ENV, ask
from chargepoint_driver.errors import InvalidValueError

__all__ = ["call"]

# Beyond the charger's own time: the central system answers then.
_MARGIN_S = 15.0
_MAX_BYTES = 262_144


@click.command(
    epilog="""\b
Example:
  chargepoint-driver call CP0001 GetConfiguration '{"key": ["HeartbeatInterval"]}'
\b
  chargepoint-driver call CP0001 ClearCache
  chargepoint-driver call CP0001 get_settings
  chargepoint-driver call CP0001 limit '{"connector": 1, "allowed_load_kw": 7.2}'
"""
)
@click.argument("station")
@click.argument("action")
@click.argument("payload", default="{}", metavar="[PAYLOAD|-]")
@click.option(
    "--central-system",
    "url",
    envvar="CHARGEPOINT_CONTROL_URL",
    show_envvar=True,
    default=None,
    metavar="URL",
    help=f"Control API of a running csms (token: {TOKEN_ENV}).",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 300, min_open=True),
    default=30.0,
    show_default=True,
    help="Maximum seconds until the charger answers.",
)
def call(station: str, action: str, payload: str, url: str | None, timeout: float) -> None:
    """Send an OCPP request to a charger and print its answer.

    ACTION is a request of the charger's OCPP version, like GetConfiguration, or an operation of the
    control API, like get_settings. PAYLOAD is a JSON object; - reads it from standard input. The
    request is checked against the schemas before it is sent. A refusal is an error.
    """
    if url is None:
        raise click.UsageError(
            "which central system? give --central-system, or set CHARGEPOINT_CONTROL_URL"
        )
    fields = _object(sys.stdin.buffer.read(_MAX_BYTES) if payload == "-" else payload)
    path = f"charge-points/{quote(station, safe='')}/{quote(action, safe='')}?timeout={timeout:g}"
    answer, _ = ask(url, path, fields, timeout_s=timeout + _MARGIN_S)
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2))


def _object(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object in a text. Raises InvalidValueError."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f"PAYLOAD: not JSON ({error}); nothing was sent") from None
    if not isinstance(found, dict):
        raise InvalidValueError("PAYLOAD: must be a JSON object; nothing was sent")
    return found
