"""Requests to nodes of a fleet: to the one that answered last, else to the others.

A request is sent to another node only where it certainly was not begun, or is a read. A write is
preceded by a question over the same connection: a node that is frozen or gone does not answer it,
and the write is not sent there.

A node sends a blank each second while it works on an answer. One that is silent for longer is
taken for gone, however long the answer may take.
"""

from __future__ import annotations

import json
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests
import urllib3

from chargepoint_driver.config import FleetAccountConfig
from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidReplyError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    TransientError,
    error_from_dict,
)
from chargepoint_driver.process.http_session import Session
from chargepoint_driver.process.tls import check_authority
from chargepoint_driver.text import visible

__all__ = ["NodeConnections"]

_CONNECT_S = 2.0
# A read goes to another node after so long without a byte.
_READ_SILENCE_S = 3.0
# A write that was sent may not be repeated.
_WRITE_SILENCE_S = 10.0
# Nodes are tried again and again for so long, unless none answered the last time.
_PATIENCE_S = 6.0
_PAUSE_S = 0.3
# No further node is asked after so long.
_MAX_ROUND_S = 10.0
_MAX_BYTES = 256 * 2**20
_CHUNK = 65_536
_COMPRESSED_FROM = 4_096

_Sleep = Callable[[float], None]


class _NotBegunError(Exception):
    """A request that the node has not begun, or a read without an answer."""

    def __init__(self, error: ChargePointError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class _Request:
    """One request: its path, and the body of a POST."""

    path: str
    body: bytes | None
    is_read: bool
    # Monotonic seconds.
    ends: float
    what: str


class NodeConnections:
    """See the module. May be used from several threads or greenlets."""

    def __init__(
        self,
        config: FleetAccountConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: _Sleep = time.sleep,
    ) -> None:
        self._config = config
        self._clock = clock
        self._sleep = sleep
        self._session = Session(_READ_SILENCE_S)
        self._last = config.nodes[0]
        # Since when no node has answered, in monotonic seconds.
        self._away_since: float | None = None
        self._prefix = f"/accounts/{quote(config.account, safe='')}"

    @property
    def last(self) -> str:
        """Return the URL of the node that is asked first."""
        return self._last

    def post(self, method: str, body: bytes, *, is_read: bool, limit_s: float) -> Any:
        """Return the answer of a method; `body` is an object of arguments as JSON. Raises errors of
        the tree: TransientError where no node answers, OutcomeUnknownError for a write that was
        sent and not answered."""
        ends = self._clock() + limit_s
        path = f"{self._prefix}/{method}?limit_s={limit_s:g}"
        return self._asked(_Request(path, body, is_read, ends, method))

    def get(self, path: str, limit_s: float) -> Any:
        """Return what is at a path below the account's."""
        return self._asked(
            _Request(f"{self._prefix}{path}", None, True, self._clock() + limit_s, "changes")
        )

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    # ---- one node after the other --------------------------------------------------------

    def _asked(self, request: _Request) -> Any:
        begun = self._clock()
        since = self._away_since
        was_away = since is not None and begun - since >= _PATIENCE_S
        failed: dict[str, ChargePointError] = {}
        while True:
            for node in self._order():
                if failed and self._clock() >= min(request.ends, begun + _MAX_ROUND_S):
                    break
                try:
                    answer = self._ask(node, request)
                except _NotBegunError as error:
                    failed[node] = error.error
                    continue
                self._last, self._away_since = node, None
                return self._content(answer)
            now = self._clock()
            may_pass = any(isinstance(error, TransientError) for error in failed.values())
            if was_away or not may_pass or now - begun >= _PATIENCE_S or now >= request.ends:
                break
            self._sleep(_PAUSE_S)
        if self._away_since is None:
            self._away_since = begun
        raise self._none_answers(request, failed)

    def _order(self) -> list[str]:
        last, nodes = self._last, self._config.nodes
        return [last, *(each for each in nodes if each != last)]

    def _none_answers(
        self, request: _Request, failed: Mapping[str, ChargePointError]
    ) -> ChargePointError:
        reasons = "; ".join(f"{urlsplit(node).netloc}: {error}" for node, error in failed.items())
        text = f"{request.what} of {self._config.account} in the fleet: {reasons}"
        if not request.is_read:
            text += ". Nothing was sent"
        kinds = {type(error) for error in failed.values()}
        # What all nodes refuse alike does not pass with time.
        if len(kinds) == 1 and not issubclass(kind := kinds.pop(), TransientError):
            return kind(text)
        return TransientError(text)

    def _content(self, answer: Mapping[str, Any]) -> Any:
        if "error" in answer:
            raise error_from_dict(answer["error"])
        return answer["answer"]

    # ---- one node ------------------------------------------------------------------------

    def _ask(self, node: str, request: _Request) -> Mapping[str, Any]:
        """Return the node's answer. Raises _NotBegunError where the next one may be asked."""
        headers = {
            # Read each time: a corrected token counts at once.
            "Authorization": f"Bearer {self._config.read_token()}",
            "Accept": "application/json",
            "X-Progress": "1",
        }
        if request.is_read:
            return self._exchange(self._session, node, request, headers)
        with Session(_WRITE_SILENCE_S) as session:
            first = _Request(
                self._prefix, None, True, self._clock() + _READ_SILENCE_S, request.what
            )
            self._exchange(session, node, first, headers)
            return self._exchange(session, node, request, headers)

    def _exchange(
        self, session: Session, node: str, request: _Request, headers: dict[str, str]
    ) -> Mapping[str, Any]:
        total_s = max(0.1, request.ends - self._clock())
        body = request.body
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
            if len(body) >= _COMPRESSED_FROM:
                body, headers["Content-Encoding"] = zlib.compress(body, 1), "deflate"
        ca_file = self._config.ca_file
        try:
            with session.request(
                "GET" if body is None else "POST",
                node + request.path,
                data=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(_CONNECT_S, total_s), total=total_s),  # type: ignore[arg-type]  # requests takes it
                allow_redirects=False,
                stream=True,
                verify=True if ca_file is None else check_authority(ca_file),
            ) as response:
                content = self._body(response, request)
                status = response.status_code
                backend = response.headers.get("X-Account-Backend")
        except requests.exceptions.ConnectionError as error:
            raise self._unanswered(
                request, _reason(error), was_sent=not _never_left(error)
            ) from None
        except (
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as error:
            raise self._unanswered(request, _reason(error), was_sent=True) from None
        return self._checked(request, status, content, backend)

    def _body(self, response: requests.Response, request: _Request) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_content(_CHUNK):
            size += len(part)
            if size > _MAX_BYTES:
                raise InvalidReplyError(
                    f"{request.what}: the answer is larger than {_MAX_BYTES >> 20} MiB"
                )
            parts.append(part)
            if self._clock() > request.ends:
                raise TimeoutError("the answer is not complete in time")
        return b"".join(parts)

    def _unanswered(self, request: _Request, why: str, *, was_sent: bool) -> Exception:
        """Return the error of a request without an answer."""
        if was_sent and not request.is_read:
            return OutcomeUnknownError(
                f"{request.what} of {self._config.account} was sent to a node of the fleet, and no "
                f"answer came ({why}); it may have been carried out: read it back first"
            )
        return _NotBegunError(TransientError(why))

    def _checked(
        self, request: _Request, status: int, content: bytes, backend: str | None
    ) -> Mapping[str, Any]:
        """Return the content of an answer: {"answer"}, or {"error"} of the account."""
        wanted = self._config.account_backend
        if backend is not None and backend != wanted:
            raise ConfigurationError(
                f"account_backend: {self._config.account} of the fleet is of {backend!r}, not "
                f"{wanted!r}; correct account_backend"
            )
        try:
            answer = json.loads(content)
            error = answer.get("error")
            is_answer = "answer" in answer or isinstance(error, dict)
        except (AttributeError, ValueError, RecursionError):
            is_answer, error = False, None
        if not is_answer:
            why = f"its answer is not that of a node (HTTP {status})"
            # With 4xx nothing was taken. With 5xx something between may have lost the node.
            raise self._unanswered(request, why, was_sent=not 300 <= status < 500)
        if status == 413:
            raise InvalidValueError(
                f"{request.what} of {self._config.account}: {len(request.body or b'')} bytes are "
                "too many for a node; ask for fewer points at once. Nothing was sent"
            )
        if isinstance(error, dict) and not error.get("of_account"):
            raise self._refused(request, status, error)
        return dict(answer)

    def _refused(self, request: _Request, status: int, fields: Mapping[str, Any]) -> Exception:
        """Return the error of a node that did not reach the account."""
        if status == 401:
            return _NotBegunError(
                PermissionDeniedError(
                    "it does not accept the token; correct token_env or token_file"
                )
            )
        error = error_from_dict(dict(fields))
        if fields.get("code") == "http" and status < 500:
            return _NotBegunError(
                ConfigurationError(f"it serves no accounts ({visible(error.message)}); update it")
            )
        # An error without a kind: the node failed, nobody knows where.
        is_unknown = type(error) is ChargePointError and fields.get("code") != "http"
        if is_unknown or isinstance(error, OutcomeUnknownError):
            if request.is_read:
                return _NotBegunError(TransientError(error.message))
            return OutcomeUnknownError(f"{request.what} of {self._config.account}: {error.message}")
        if isinstance(error, TransientError | NotFoundError) or status >= 500:
            return _NotBegunError(error)
        return error


# ---- what failures mean -----------------------------------------------------------------


def _never_left(error: requests.exceptions.ConnectionError) -> bool:
    """Return True if the connection was never made."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    never = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProxyError)
    return isinstance(reason, never)


def _reason(error: BaseException) -> str:
    """Return what went wrong, and what to do where that is known."""
    cause: object = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    if isinstance(cause, urllib3.exceptions.SSLError):
        found = cause.args[0] if cause.args else cause
        if isinstance(found, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not accepted ({found.verify_message}); correct nodes, or name "
                "the authority in ca_file"
            )
        return "no encrypted connection; check that the URL has the port of the control API"
    if isinstance(cause, urllib3.exceptions.NameResolutionError):
        return "its name is not found; check nodes and DNS"
    if isinstance(cause, urllib3.exceptions.NewConnectionError):
        return "no connection; check that the node runs, and nodes"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"no connection within {_CONNECT_S:g} s"
    name = type(cause).__name__ if isinstance(cause, BaseException) else type(error).__name__
    return f"no complete answer ({name})"
