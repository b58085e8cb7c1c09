"""Charge points and connectors of a running central system, by its control API."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from chargepoint_driver.errors import BadConfiguration, BadReply, TryLater, WrongCredentials

__all__ = ["TOKEN_ENV", "ChargePoint", "charge_points"]

TOKEN_ENV = "CHARGEPOINT_CONTROL_TOKEN"  # noqa: S105 - the variable's name
_LIMIT_S = 10.0


@dataclass(frozen=True)
class ChargePoint:
    """One charge point; `connectors` maps number (from 1) to status. None: not reported."""

    charge_point_id: str
    vendor: str | None
    model: str | None
    ocpp_version: str | None
    connected: bool
    connectors: dict[int, str | None]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def charge_points(url: str) -> list[ChargePoint]:
    """What the central system with this control API knows. Raises errors of the tree."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadConfiguration(
            f"--central-system: {url!r} is no URL; give the control_url that csms prints"
        )
    token = os.environ.get(TOKEN_ENV)
    if not token:
        raise BadConfiguration(
            f"--central-system: set the environment variable {TOKEN_ENV} to the token that the "
            "central system was started with"
        )
    try:
        answer = requests.get(
            f"{url.rstrip('/')}/charge-points",
            headers={"Authorization": f"Bearer {token}"},
            timeout=_LIMIT_S,
        )
    except requests.RequestException as error:
        raise TryLater(
            f"no central system answers at {url} ({type(error).__name__}); start it with --control"
        ) from None
    if answer.status_code == 401:
        raise WrongCredentials(f"{url} does not accept the token in {TOKEN_ENV}")
    try:
        answer.raise_for_status()
        return [_charge_point(view) for view in answer.json()]
    except (requests.RequestException, AttributeError, KeyError, TypeError, ValueError):
        raise BadReply(
            f"{url} is no control API of a central system (HTTP {answer.status_code})"
        ) from None


def _charge_point(view: dict[str, Any]) -> ChargePoint:
    boot = view.get("boot") or {}
    return ChargePoint(
        str(view["id"]),
        boot.get("vendor"),
        boot.get("model"),
        view.get("ocpp_version"),
        bool(view["connected"]),
        {
            int(number): connector.get("status")
            for number, connector in sorted(view["connectors"].items(), key=lambda one: int(one[0]))
            # 0 is the charge point itself.
            if int(number) > 0
        },
    )
