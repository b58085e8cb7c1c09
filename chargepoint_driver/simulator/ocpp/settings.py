"""The configuration of a charge point: names, values, and who may change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


def _any(_value: str) -> bool:
    return True


def is_count(value: str) -> bool:
    """A whole number, zero or more."""
    return value.isascii() and value.isdigit() and len(value) < 10


def is_flag(value: str) -> bool:
    """true or false."""
    return value.lower() in ("true", "false")


@dataclass(frozen=True)
class Row:
    """One setting: what it begins with, whether it is read only, and what fits."""

    value: str
    readonly: bool = False
    fits: Callable[[str], bool] = _any
    reboot: bool = False


def count(value: int, *, readonly: bool = False) -> Row:
    """A whole number."""
    return Row(str(value), readonly, is_count)


def flag(value: bool, *, readonly: bool = False) -> Row:
    """true or false."""
    return Row("true" if value else "false", readonly, is_flag)


def fixed(value: str) -> Row:
    """Read only."""
    return Row(value, readonly=True)


@dataclass(frozen=True)
class SettingNames:
    """Names of a twin's settings in one version of OCPP."""

    aligned_interval: str
    aligned_measurands: str
    attempts: str
    authorize_remote_start: str
    connection_timeout: str
    heartbeat: str
    list_enabled: str
    list_items: str
    max_periods: str
    max_profiles: str
    max_stack_level: str
    retry_interval: str
    sample_interval: str
    sampled_measurands: str
    stops_on_invalid_id: str
    stops_on_unplug: str
    unknown_offline: str


@dataclass
class Settings:
    """The rows of a table with the values of one charge point."""

    rows: Mapping[str, Row]
    changed: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """The value. KeyError when there is no such setting."""
        return self.changed[name] if name in self.changed else self.rows[name].value

    def __contains__(self, name: str) -> bool:
        """Return True if there is such a setting."""
        return name in self.rows or name in self.changed

    def names(self) -> list[str]:
        """All of them."""
        return [*self.rows, *(name for name in self.changed if name not in self.rows)]

    def is_readonly(self, name: str) -> bool:
        """Return True if only the charge point changes it."""
        return name in self.rows and self.rows[name].readonly

    def count(self, name: str) -> int:
        """The value as a whole number; 0 for anything else."""
        text = self[name]
        return int(text) if is_count(text) else 0

    def flag(self, name: str) -> bool:
        """The value as true or false."""
        return self[name].lower() == "true"
