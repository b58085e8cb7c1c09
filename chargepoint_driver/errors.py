"""The error tree of the driver.

    ChargePointError
    ├── ConfigurationError         correct the configuration; lists every fault (also a ValueError)
    ├── InvalidValueError          write another value; nothing was sent (also a ValueError)
    ├── TransientError             ask again later; the service is down, slow, or limits the rate
    │   └── OutcomeUnknownError    a write may or may not have been carried out: read back first
    ├── RefusedError               do not repeat it until something is changed
    │   ├── AuthenticationError    account, password or region
    │   └── PermissionDeniedError  rights of the account, or its plan
    ├── NotFoundError              no such station, port or record
    ├── WriteRejectedError         the service understood the write and did not carry it out
    └── InvalidReplyError          the reply cannot be understood

    StoreError                     a database of this driver cannot be read or written now
    └── FencedError                another process owns the record now

Which of the service's reply codes and faults leads to which class stands in one table,
`backends/soap/error_codes.py`. `code` is the class's own word and survives RPC; `service_code`
is what the service said.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "AuthenticationError",
    "ChargePointError",
    "ConfigurationError",
    "FencedError",
    "InvalidReplyError",
    "InvalidValueError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "RefusedError",
    "StoreError",
    "TransientError",
    "WriteRejectedError",
    "error_from_dict",
]


class ChargePointError(Exception):
    """Root of the tree.

    `message`: what happened, where, and what to do. `service_code` is the reply code or
    fault code of the service, None when there was none. `retry_after_s` is the wait that the
    service asked for, None when it named none.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        service_code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        # The code is among the arguments because those cross RPC, and the class does not.
        super().__init__(message, self.code, service_code)
        self.message = message
        self.service_code = service_code
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return error_from_dict, (self.to_dict(),)

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON can carry it; `error_from_dict` makes the same error again."""
        return {
            "code": self.code,
            "message": self.message,
            "service_code": self.service_code,
            "retry_after_s": self.retry_after_s,
        }


class ConfigurationError(ChargePointError, ValueError):
    """A registry row or a driver config cannot be used as it stands. Nothing was set up."""

    code = "bad_configuration"


class InvalidValueError(ChargePointError, ValueError):
    """The value of a write is invalid. Nothing was sent, nothing staged."""

    code = "bad_value"


class TransientError(ChargePointError):
    """The service is unreachable, slow, overloaded or limits the rate."""

    code = "try_later"


class OutcomeUnknownError(TransientError):
    """The connection broke after a write had left: it may be in force. Read back before
    writing again."""

    code = "fate_unknown"


class RefusedError(ChargePointError):
    """Repeating the same request cannot help; something has to change first."""

    code = "refused"


class AuthenticationError(RefusedError):
    """User name, password or region is wrong."""

    code = "wrong_credentials"


class PermissionDeniedError(RefusedError):
    """The account's rights or its plan do not cover the call."""

    code = "not_permitted"


class NotFoundError(ChargePointError):
    """The service knows no such station, port or record."""

    code = "nothing_there"


class WriteRejectedError(ChargePointError):
    """The service answered that it did not carry the write out."""

    code = "write_rejected"


class InvalidReplyError(ChargePointError):
    """The reply is not what the service's description promises."""

    code = "bad_reply"


class StoreError(Exception):
    """A database of this driver cannot be read or written now. It does not reach callers of
    the driver: what they asked for ends in an error of the tree, or is done and only not stored."""


class FencedError(StoreError):
    """Another process owns the record now: nothing was written, and nothing may be sent."""


_CLASSES: dict[str, type[ChargePointError]] = {
    cls.code: cls
    for cls in (
        ChargePointError,
        ConfigurationError,
        InvalidValueError,
        TransientError,
        OutcomeUnknownError,
        RefusedError,
        AuthenticationError,
        PermissionDeniedError,
        NotFoundError,
        WriteRejectedError,
        InvalidReplyError,
    )
}


def error_from_dict(fields: dict[str, Any]) -> ChargePointError:
    """Return the error that `to_dict` described; an unknown code becomes a plain
    ChargePointError."""
    cls = _CLASSES.get(str(fields.get("code")), ChargePointError)
    return cls(
        str(fields.get("message", "no message")),
        service_code=fields.get("service_code"),
        retry_after_s=fields.get("retry_after_s"),
    )
