"""Exit codes and their meanings, for all commands and their --help."""

from __future__ import annotations

from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidValueError,
    OutcomeUnknownError,
    RefusedError,
    TransientError,
    WriteRejectedError,
)

__all__ = ["MEANINGS", "SOME_FAILED", "USAGE", "exit_code"]

SOME_FAILED = 1
USAGE = 2
_REFUSED = 3
_LATER = 4
_UNKNOWN = 5

MEANINGS: dict[int, str] = {
    0: "success",
    SOME_FAILED: "a part failed: a value with an error, an error in a file, an unexpected answer",
    USAGE: "wrong usage, option or configuration; nothing was asked or sent",
    _REFUSED: "the service refused: credentials, rights, or the command itself",
    _LATER: "the service or the platform cannot be reached now; try again later",
    _UNKNOWN: "a write was sent and its outcome is unknown; read before writing again",
    70: "a defect of this program; --debug shows where",
    130: "interrupted",
}

# The first class that fits counts.
_CODES: tuple[tuple[type[ChargePointError], int], ...] = (
    (ConfigurationError, USAGE),
    (InvalidValueError, USAGE),
    (OutcomeUnknownError, _UNKNOWN),
    (TransientError, _LATER),
    (RefusedError, _REFUSED),
    (WriteRejectedError, _REFUSED),
)


def exit_code(error: ChargePointError, *, asked: bool = False) -> int:
    """Return the exit code of a command that ended with this error. `asked`: a service or a
    platform was asked before, so that it is not one of usage."""
    found = next((code for kind, code in _CODES if isinstance(error, kind)), SOME_FAILED)
    return SOME_FAILED if asked and found == USAGE else found
