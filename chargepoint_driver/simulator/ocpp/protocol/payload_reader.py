"""Reading the fields of a request strictly: what is missing, odd or unknown is refused.

Each version of OCPP has its own names for the refusals; here they have neutral ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")
FRACTION = re.compile(r"\.(\d+)")


class Fault(Enum):
    """Reason of a refused request."""

    MISSING = "a required field is missing"
    UNKNOWN_FIELD = "a field that the message does not have"
    TYPE = "a value of the wrong type"
    VALUE = "a value that is not allowed"
    TOO_MANY = "more entries than allowed"
    NOT_SUPPORTED = "known, but not supported here"
    NOT_IMPLEMENTED = "an unknown action"
    INTERNAL = "went wrong inside"


def error_codes(missing: str, unknown_field: str) -> dict[Fault, str]:
    """Return OCPP's code of each reason. The versions differ in the names of two."""
    return {
        Fault.MISSING: missing,
        Fault.UNKNOWN_FIELD: unknown_field,
        Fault.TYPE: "TypeConstraintViolation",
        Fault.VALUE: "PropertyConstraintViolation",
        Fault.TOO_MANY: missing,
        Fault.NOT_SUPPORTED: "NotSupported",
        Fault.NOT_IMPLEMENTED: "NotImplemented",
        Fault.INTERNAL: "InternalError",
    }


class RefusalError(Exception):
    """The request is answered with a CALLERROR."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class Fields:
    """The fields of one JSON object; each is taken once, then `done` finds what is left.

    A missing optional field is None. Times come out as seconds since the epoch, moved by
    `shift_s` (the simulated present less the central system's).
    """

    def __init__(
        self,
        payload: Mapping[str, Any],
        where: str = "",
        shift_s: float = 0.0,
        ignored: tuple[str, ...] = (),
    ) -> None:
        self._left = {key: value for key, value in payload.items() if key not in ignored}
        self._ignored = ignored
        self._where = where
        self._shift_s = shift_s

    def raw(self, name: str) -> Any:
        """The value as it came; None when missing."""
        return self._left.pop(name, None)

    def text(self, name: str, most: int = 255) -> str:
        """Return a required text of at most `most` characters."""
        return self._needed(name, self.maybe_text(name, most))

    def maybe_text(self, name: str, most: int = 255) -> str | None:
        """Return a text of at most `most` characters."""
        value = self._typed(name, lambda value: isinstance(value, str), "text")
        if value is not None and len(value) > most:
            raise RefusalError(Fault.VALUE, f"{self._where}{name}: more than {most} characters")
        return None if value is None else str(value)

    def choice(self, name: str, allowed: Collection[str]) -> str:
        """Return a required text out of `allowed`."""
        return self._needed(name, self.maybe_choice(name, allowed))

    def maybe_choice(self, name: str, allowed: Collection[str]) -> str | None:
        """Return a text out of `allowed`."""
        value = self.maybe_text(name)
        if value is not None and value not in allowed:
            raise RefusalError(
                Fault.VALUE, f"{self._where}{name}: {value!r} is not one of {', '.join(allowed)}"
            )
        return value

    def integer(self, name: str, least: int | None = None) -> int:
        """Return a required whole number."""
        return self._needed(name, self.maybe_integer(name, least))

    def maybe_integer(self, name: str, least: int | None = None) -> int | None:
        """Return a whole number."""
        value = self._typed(name, lambda value: type(value) is int, "a whole number")
        if value is not None and least is not None and value < least:
            raise RefusalError(Fault.VALUE, f"{self._where}{name}: {value} is less than {least}")
        return None if value is None else int(value)

    def number(self, name: str) -> float:
        """Return a required finite number."""
        return self._needed(name, self.maybe_number(name))

    def maybe_number(self, name: str) -> float | None:
        """Return a finite number."""
        value = self._typed(
            name, lambda value: type(value) in (int, float) and math.isfinite(value), "a number"
        )
        return None if value is None else float(value)

    def moment(self, name: str) -> float:
        """Return a required time, seconds since the epoch."""
        return self._needed(name, self.maybe_moment(name))

    def maybe_moment(self, name: str) -> float | None:
        """Return a time, seconds since the epoch."""
        text = self.maybe_text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(FRACTION.sub(_six, text.replace("Z", "+00:00")))
        except ValueError:
            raise RefusalError(
                Fault.VALUE, f"{self._where}{name}: {text!r} is not a time"
            ) from None
        if moment.tzinfo is None:
            raise RefusalError(Fault.VALUE, f"{self._where}{name}: {text!r} has no time zone")
        return moment.timestamp() + self._shift_s

    def object(self, name: str) -> Fields:
        """Return a required object."""
        return self._needed(name, self.maybe_object(name))

    def maybe_object(self, name: str) -> Fields | None:
        """Return an object."""
        value = self._typed(name, lambda value: isinstance(value, dict), "an object")
        return None if value is None else self.inner(value, f"{name}.")

    def objects(self, name: str, least: int = 1) -> list[Fields]:
        """Return a required array of at least `least` objects."""
        return self._needed(name, self.maybe_objects(name, least))

    def maybe_objects(self, name: str, least: int = 1) -> list[Fields] | None:
        """Return an array of at least `least` objects."""
        value = self._typed(
            name,
            lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
            "an array of objects",
        )
        if value is None:
            return None
        if len(value) < least:
            raise RefusalError(Fault.VALUE, f"{self._where}{name}: fewer than {least} entries")
        return [self.inner(one, f"{name}[{index}].") for index, one in enumerate(value)]

    def maybe_texts(self, name: str, most: int = 255) -> list[str] | None:
        """Return an array of texts."""
        value = self._typed(
            name,
            lambda value: (
                isinstance(value, list)
                and all(isinstance(one, str) and len(one) <= most for one in value)
            ),
            f"an array of texts of at most {most} characters",
        )
        return None if value is None else list(value)

    def done(self) -> None:
        """Refuse what nobody asked for."""
        if self._left:
            raise RefusalError(
                Fault.UNKNOWN_FIELD, f"{self._where}{', '.join(sorted(self._left))}: unknown"
            )

    def inner(self, value: Mapping[str, Any], where: str) -> Fields:
        return Fields(value, self._where + where, self._shift_s, self._ignored)

    def _typed(self, name: str, fits: Callable[[Any], bool], wanted: str) -> Any:
        if name not in self._left:
            return None
        value = self._left.pop(name)
        if not fits(value):
            raise RefusalError(Fault.TYPE, f"{self._where}{name}: must be {wanted}")
        return value

    def _needed(self, name: str, value: T | None) -> T:
        if value is None:
            raise RefusalError(Fault.MISSING, f"{self._where}{name}: is missing")
        return value


def _six(fraction: re.Match[str]) -> str:
    # Python 3.10 reads three or six digits only.
    return "." + fraction[1][:6].ljust(6, "0")
