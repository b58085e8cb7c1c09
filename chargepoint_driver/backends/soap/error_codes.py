"""Reply codes and faults of the service, mapped to errors.

The only place that knows the service's numbers. Marks as in the table's comments: codes
marked (?) are unverified.
"""

from __future__ import annotations

from dataclasses import dataclass

from chargepoint_driver.errors import (
    AuthenticationError,
    ChargePointError,
    InvalidReplyError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RefusedError,
    TransientError,
    WriteRejectedError,
)

__all__ = ["EMPTY", "NO_MATCH", "OK", "Caller", "of_http_status", "of_reply_code", "of_soap_fault"]

OK = "100"
NO_MATCH = "102"
EMPTY = frozenset({"136", "153"})  # no sessions in the window, no alarms

_CODES: dict[str, tuple[type[ChargePointError], str]] = {
    "101": (
        PermissionDeniedError,
        "the account's rights or its plan do not cover this call; leave its rows out of the "
        "registry, or ask ChargePoint to extend the rights or the plan",
    ),
    "102": (NotFoundError, "check stationID, and that the account may see the station"),
    "119": (NotFoundError, "check stationID"),  # (?) invalid station
    "126": (
        WriteRejectedError,
        "the shed was not carried out; read shedState, then write again",
    ),  # (?)
    "127": (WriteRejectedError, "the shed was not ended; read shedState, then write again"),  # (?)
    "171": (WriteRejectedError, "check allowedLoad, percentShed and the port number"),  # (?)
    "182": (AuthenticationError, "correct username, password or region"),  # (?)
    "183": (AuthenticationError, "correct username, password or region"),  # (?)
    "187": (WriteRejectedError, "a group and a station were both named"),
}

_AUTHENTICATION = ("invalidsecurity", "failedauthentication", "authenticat", "wsse", "password")

# HTTP statuses after which a write has surely not been carried out.
_TURNED_AWAY = frozenset({401, 403, 404, 405, 413, 429, 503})


@dataclass(frozen=True)
class Caller:
    """The call, as error messages name it."""

    call: str
    username: str
    place: str
    is_write: bool = False

    def __str__(self) -> str:
        return f"{self.call} (account {self.username}, {self.place})"


def of_reply_code(code: str, text: str, caller: Caller) -> ChargePointError:
    """Return the error of a responseCode other than OK."""
    fallback = (
        (WriteRejectedError, "the write was not carried out")
        if caller.is_write
        else (InvalidReplyError, "this code is not known; see ChargePoint's API guide")
    )
    kind, cure = _CODES.get(code, fallback)
    return kind(f"{caller} was answered with code {code} ({text}): {cure}", service_code=code)


def of_soap_fault(fault_code: str, fault_text: str, caller: Caller) -> ChargePointError:
    """Return the error of a SOAP Fault, whatever its HTTP status."""
    said = f"{fault_code} {fault_text}".lower()
    if any(word in said for word in _AUTHENTICATION):
        return wrong_credentials(fault_code, caller)
    if caller.is_write and fault_code.rpartition(":")[2].startswith("Client"):
        return WriteRejectedError(
            f"{caller} was answered with a SOAP fault, {fault_code}: {fault_text}; nothing was "
            "changed, and the same write would fail again",
            service_code=fault_code,
        )
    if caller.is_write:
        return fate_unknown(f"SOAP fault {fault_code}: {fault_text}", caller, fault_code)
    return TransientError(
        f"{caller} was answered with a SOAP fault, {fault_code}: {fault_text}; "
        "it is tried again later",
        service_code=fault_code,
    )


def wrong_credentials(code: str, caller: Caller) -> AuthenticationError:
    """Return the one error for everything that ends in 'who are you'."""
    return AuthenticationError(
        f"ChargePoint does not accept account {caller.username} in {caller.place} "
        f"({caller.call}: {code}); correct username, password or region, in that order. "
        "A right password in the wrong region looks the same",
        service_code=code,
    )


def of_http_status(
    status: int, retry_after_s: float | None, caller: Caller
) -> ChargePointError | None:
    """Return the error of an HTTP status without a SOAP answer; None for 200."""
    if status == 200:
        return None
    code = f"HTTP {status}"
    if status == 401:
        return wrong_credentials(code, caller)
    if 300 <= status < 400 or status in {404, 405, 410}:
        return RefusedError(
            f"{caller} found no such service ({code}); correct endpoint, region or api_version",
            service_code=code,
        )
    if caller.is_write and status not in _TURNED_AWAY:
        return fate_unknown(code, caller, code)
    then = (
        "nothing was changed; write again later" if caller.is_write else "it is tried again later"
    )
    return TransientError(
        f"{caller} was turned away with {code}; {then}",
        service_code=code,
        retry_after_s=retry_after_s,
    )


def fate_unknown(why: str, caller: Caller, service_code: str | None = None) -> OutcomeUnknownError:
    """The error of a write that left and was not answered with a yes or a no."""
    return OutcomeUnknownError(
        f"{caller} was sent and its outcome is not known ({why}): it may be in force; "
        "read the point before writing again",
        service_code=service_code,
    )
