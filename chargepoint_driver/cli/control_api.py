"""Requests to the control API of a running central system."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from chargepoint_driver.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidReplyError,
    OutcomeUnknownError,
    TransientError,
    error_from_dict,
)

__all__ = ["TOKEN_ENV", "ask", "no_control_api"]

TOKEN_ENV = "CHARGEPOINT_CONTROL_TOKEN"  # noqa: S105 - the variable's name
_LIMIT_S = 10.0


class _Bearer(AuthBase):
    """The token of the control API. As a header alone it would give way to a login in ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


def ask(
    url: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float = _LIMIT_S
) -> tuple[Any, int]:
    """Return the JSON of an answer and its HTTP status: of a GET, or with a body of a POST.

    Raises errors of the tree: that of the answer for a POST, TransientError where no central system
    answers, OutcomeUnknownError where it took a POST and did not answer in time."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            f"--central-system: {url!r} is not a URL; give the control_url that csms prints"
        )
    token = os.environ.get(TOKEN_ENV)
    if not token:
        raise ConfigurationError(
            f"--central-system: set the environment variable {TOKEN_ENV} to the token that the "
            "central system was started with"
        )
    try:
        answer = requests.request(
            "GET" if body is None else "POST",
            f"{url.rstrip('/')}/{path}",
            json=body,
            auth=_Bearer(token),
            timeout=timeout_s,
            allow_redirects=False,
        )
    except requests.ReadTimeout:
        late = TransientError if body is None else OutcomeUnknownError
        raise late(f"{url} did not answer within {timeout_s:g} s") from None
    except requests.RequestException as error:
        raise TransientError(
            f"no central system answers at {url} ({type(error).__name__}); start it with --control"
        ) from None
    if answer.status_code == 401:
        raise AuthenticationError(f"{url} does not accept the token in {TOKEN_ENV}")
    try:
        content = answer.json()
    except ValueError:
        raise no_control_api(url, answer.status_code) from None
    if answer.status_code >= 300:
        said = content.get("error") if isinstance(content, dict) else None
        if body is None or not isinstance(said, dict) or said.get("code") == "http":
            raise no_control_api(url, answer.status_code)
        raise error_from_dict(said)
    return content, answer.status_code


def no_control_api(url: str, status: int) -> InvalidReplyError:
    """Return the error for an answer that is not the control API's."""
    return InvalidReplyError(f"{url} is not the control API of a central system (HTTP {status})")
