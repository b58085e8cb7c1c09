"""Posting an envelope and getting the whole answer, within one time limit."""

from __future__ import annotations

import time
from dataclasses import dataclass

import requests
import urllib3

from chargepoint_driver.backends.soap import faults
from chargepoint_driver.backends.soap.faults import Caller
from chargepoint_driver.errors import BadReply, Refused, TryLater

__all__ = ["Answer", "Wire"]

MOST_BYTES = 64 * 2**20
_CONNECT_S = 10.0
_CHUNK = 65_536


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, complete."""

    status: int
    content: bytes
    retry_after_s: float | None


class Wire:
    """HTTP to one endpoint. Never retries, never follows a redirect: the request holds a
    password and may be a write."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._session = requests.Session()

    def post(self, content: bytes, soap_action: str, caller: Caller) -> Answer:
        """The answer, whatever its status. Raises TryLater or Refused when nothing arrived at
        the service, FateUnknown for a write that did and TryLater for a read, BadReply for an
        answer beyond 64 MiB."""
        deadline = time.monotonic() + self._timeout_s
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{soap_action}"'}
        try:
            with self._session.post(
                self._url,
                data=content,
                headers=headers,
                timeout=(min(_CONNECT_S, self._timeout_s), self._timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = self._body(response, deadline, caller)
                return Answer(
                    response.status_code, body, _seconds(response.headers.get("Retry-After"))
                )
        except requests.exceptions.SSLError as error:
            raise Refused(
                f"{caller}: the server's certificate is not accepted ({_short(error)}); correct "
                "the endpoint, or name the certificate authority in REQUESTS_CA_BUNDLE"
            ) from None
        except requests.exceptions.ConnectTimeout:
            raise TryLater(f"{caller}: no connection within {_CONNECT_S:g} s") from None
        except requests.exceptions.ConnectionError as error:
            if _never_left(error):
                raise TryLater(f"{caller}: no connection ({_short(error)})") from None
            raise self._broken(_short(error), caller) from None
        except (
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as error:
            raise self._broken(_short(error), caller) from None

    def _body(self, response: requests.Response, deadline: float, caller: Caller) -> bytes:
        """The body, read piece by piece so that a trickle cannot outlast the limit."""
        parts: list[bytes] = []
        size = 0
        while True:
            part = response.raw.read1(_CHUNK, decode_content=True)
            if not part:
                break
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise BadReply(f"{caller}: the answer is larger than {MOST_BYTES >> 20} MiB")
            if time.monotonic() > deadline:
                raise self._broken(f"not complete within {self._timeout_s:g} s", caller)
        promised = response.headers.get("Content-Length", "")
        plain = "Content-Encoding" not in response.headers
        if plain and promised.isdigit() and size != int(promised):
            raise self._broken(f"it ended after {size} of {promised} bytes", caller)
        return b"".join(parts)

    @staticmethod
    def _broken(why: str, caller: Caller) -> TryLater:
        if caller.is_write:
            return faults.fate_unknown(why, caller)
        return TryLater(f"{caller}: no complete answer ({why}); it is tried again later")

    def close(self) -> None:
        self._session.close()


def _never_left(error: requests.exceptions.ConnectionError) -> bool:
    """Whether the connection was never made: refused, no route, no such host."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return type(reason).__name__ in {"NewConnectionError", "NameResolutionError"}


def _short(error: BaseException) -> str:
    """The kind of a failure; its text may be long and names no more than that."""
    cause: object = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    return type(cause).__name__ if isinstance(cause, BaseException) else type(error).__name__


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; its date form is not used by the service and counts as none."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
