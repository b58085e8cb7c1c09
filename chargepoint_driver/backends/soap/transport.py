"""Posting an envelope and getting the whole answer, within one time limit."""

from __future__ import annotations

import errno
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3

from chargepoint_driver.backends.soap import error_codes, tls
from chargepoint_driver.backends.soap.decompress import ACCEPTED, Unpacker
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.errors import InvalidReplyError, RefusedError, TransientError
from chargepoint_driver.process.http_session import Session
from chargepoint_driver.process.tls import check_authority

__all__ = ["Answer", "HttpTransport"]

MAX_BYTES = 64 * 2**20
_CONNECT_S = 10.0
_CHUNK = 65_536


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, complete."""

    status: int
    content: bytes
    retry_after_s: float | None


class HttpTransport:
    """HTTP to one endpoint. Never retries, never follows a redirect: the request holds a
    password and may be a write."""

    def __init__(
        self,
        url: str,
        timeout_s: float,
        ca_file: Path | None = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        """`ca_file` holds the authorities that the server's certificate may come from, instead
        of those that this machine knows. Certificates are always verified. `check` raises
        TransientError where nothing may be sent now; it is called right before the body is."""
        self._check = check
        self._url = url
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self._session = Session()

    def post(self, content: bytes, soap_action: str, caller: Caller) -> Answer:
        """Return the answer, whatever its status. Raises TransientError or RefusedError when
        nothing arrived at the service, OutcomeUnknownError for a write that did and TransientError
        for a read, InvalidReplyError for an answer beyond 64 MiB, ConfigurationError for an invalid
        ca_file."""
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": f'"{soap_action}"',
            "Accept-Encoding": ACCEPTED,
        }
        connect_s = min(_CONNECT_S, self._timeout_s)
        verify = True if self._ca_file is None else check_authority(self._ca_file)
        try:
            with (
                self._connections(caller) as session,
                session.post(
                    self._url,
                    data=content if self._check is None else _Checked(content, self._check),
                    headers=headers,
                    # The total counts from here to the last byte of the answer: see Deadline.
                    timeout=urllib3.Timeout(connect=connect_s, total=self._timeout_s),  # type: ignore[arg-type]  # requests takes it
                    allow_redirects=False,
                    stream=True,
                    verify=verify,  # the session's would give way to the environment
                ) as response,
            ):
                body = self._body(response, caller)
                return Answer(
                    response.status_code, body, _seconds(response.headers.get("Retry-After"))
                )
        except _NO_ADDRESS as error:
            raise RefusedError(
                f"{caller}: the endpoint cannot be used ({_short(error)}); correct endpoint"
            ) from None
        except requests.exceptions.ConnectTimeout:
            raise TransientError(
                f"{caller}: no connection within {connect_s:g} s; check the network, the firewall "
                "and the proxy (HTTPS_PROXY)"
            ) from None
        except requests.exceptions.ConnectionError as error:
            if (found := tls.of_certificate(error)) is not None:
                raise RefusedError(f"{caller}: {tls.why_not(found)}") from None
            if _never_left(error):
                raise TransientError(
                    f"{caller}: no connection: {_why_no_connection(error)}"
                ) from None
            raise self._broken(_short(error), caller) from None
        except (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
            raise self._broken(f"not complete within {self._timeout_s:g} s", caller) from None
        except (
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as error:
            raise self._broken(_short(error), caller) from None

    @contextmanager
    def _connections(self, caller: Caller) -> Iterator[requests.Session]:
        """Connections that are kept for reads; a new one for a write. The service may close a
        kept one just then, and nobody would know whether the write had arrived."""
        if not caller.is_write:
            yield self._session
            return
        with Session() as session:
            yield session

    def _body(self, response: requests.Response, caller: Caller) -> bytes:
        """Return the body, read piece by piece so that it cannot fill the memory."""
        parts: list[bytes] = []
        size = received = 0
        try:
            unpacker = Unpacker(response.headers.get("Content-Encoding", ""))
        except ValueError as error:
            raise InvalidReplyError(f"{caller}: {error}") from None
        while part := response.raw.read1(_CHUNK, decode_content=False):
            received += len(part)
            try:
                parts.append(unpacker.take(part, MAX_BYTES + 1 - size))
            except zlib.error:
                raise self._broken("what was packed is garbled", caller) from None
            size += len(parts[-1])
            if size > MAX_BYTES:
                raise InvalidReplyError(
                    f"{caller}: the answer is larger than {MAX_BYTES >> 20} MiB"
                )
        promised = response.headers.get("Content-Length", "")
        if promised.isascii() and promised.isdigit() and received != int(promised):
            raise self._broken(f"it ended after {received} of {promised} bytes", caller)
        if received and not unpacker.whole:
            raise self._broken("what was packed is cut off", caller)
        return b"".join(parts)

    @staticmethod
    def _broken(why: str, caller: Caller) -> TransientError:
        if caller.is_write:
            return error_codes.fate_unknown(why, caller)
        return TransientError(f"{caller}: no complete answer ({why}); it is tried again later")

    def close(self) -> None:
        self._session.close()


class _Checked(io.BytesIO):
    """The body of a request, which is asked for once the connection stands. Without its body the
    service carries nothing out."""

    def __init__(self, content: bytes, check: Callable[[], None]) -> None:
        super().__init__(content)
        self._check = check

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() == 0:
            self._check()
        return super().read(size)


# ---- what failures mean -----------------------------------------------------------------

_NO_ADDRESS = (
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationParseError,
)


def _reason(error: BaseException) -> object:
    return getattr(error.args[0] if error.args else None, "reason", None)


def _never_left(error: requests.exceptions.ConnectionError) -> bool:
    """Return True if the connection was never made: refused, no route, no such host or proxy."""
    never = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProxyError)
    return isinstance(_reason(error), never)


def _why_no_connection(error: requests.exceptions.ConnectionError) -> str:
    """Return the cause and the cure in an operator's words."""
    reason = _reason(error)
    if isinstance(reason, urllib3.exceptions.ProxyError):
        return "the proxy does not let it through; check HTTPS_PROXY and NO_PROXY"
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "its name is not found; check that this machine has a network and DNS, and endpoint"
    cause = reason.__cause__ if isinstance(reason, BaseException) else None
    number = cause.errno if isinstance(cause, OSError) else None
    if number in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}:
        return "no network leads there; check the network of this machine"
    if number == errno.ECONNREFUSED:
        return "nothing answers there (connection refused); check endpoint, else ask again later"
    return f"{_short(error)}; check the network of this machine and endpoint"


def _short(error: BaseException) -> str:
    """Return the kind of a failure; its text may be long and names no more than that."""
    cause: object = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    return type(cause).__name__ if isinstance(cause, BaseException) else type(error).__name__


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; its date form is not used by the service and counts as none."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
