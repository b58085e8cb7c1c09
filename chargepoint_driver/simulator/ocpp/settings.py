"""The configuration of a charge point: names, values, and who may change them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

REGISTER = "Energy.Active.Import.Register"
SAMPLED = f"{REGISTER},Power.Active.Import,Current.Import,Voltage,Current.Offered,SoC"


def _any(_value: str) -> bool:
    return True


def is_count(value: str) -> bool:
    """Return True for a whole number, zero or more."""
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
    """Return a whole number."""
    return Row(str(value), readonly, is_count)


def flag(value: bool, *, readonly: bool = False) -> Row:
    """true or false."""
    return Row("true" if value else "false", readonly, is_flag)


def fixed(value: str) -> Row:
    """Read only."""
    return Row(value, readonly=True)


def listed(value: str) -> list[str]:
    """Return the entries of a list with commas."""
    return [name.strip() for name in value.split(",") if name.strip()]


def measurands(value: str, known: Collection[str]) -> Row:
    """Return a list of measurands out of the known ones."""
    return Row(value, fits=lambda text: all(name in known for name in listed(text)))


@dataclass(frozen=True)
class SettingNames:
    """Names of a twin's settings in one version of OCPP."""

    aligned_interval: str
    aligned_measurands: str
    attempts: str
    authorize_offline: str
    authorize_remote_start: str
    cache_enabled: str
    connection_timeout: str
    connectors: str
    heartbeat: str
    list_enabled: str
    list_items: str
    max_periods: str
    max_profiles: str
    max_stack_level: str
    ping_interval: str
    pre_authorize: str
    reset_retries: str
    retry_interval: str
    sample_interval: str
    sampled_measurands: str
    security_profile: str
    stops_on_invalid_id: str
    stops_on_unplug: str
    three_to_one_phase: str
    unknown_offline: str
    unlocks_on_unplug: str


def common_rows(
    names: SettingNames, connectors: int, known_measurands: Collection[str]
) -> dict[str, Row]:
    """Return the rows that every version has, by its names."""
    return {
        names.aligned_interval: count(0),
        names.aligned_measurands: measurands(REGISTER, known_measurands),
        names.attempts: count(3),
        names.authorize_offline: flag(True),
        names.authorize_remote_start: flag(False),
        names.cache_enabled: flag(True),
        names.connection_timeout: count(120),
        names.connectors: count(connectors, readonly=True),
        names.heartbeat: count(300),
        names.list_enabled: flag(True),
        names.list_items: count(200, readonly=True),
        names.max_periods: count(24, readonly=True),
        names.max_profiles: count(20, readonly=True),
        names.max_stack_level: count(10, readonly=True),
        names.ping_interval: count(0),
        names.pre_authorize: flag(False),
        names.reset_retries: count(3),
        names.retry_interval: count(60),
        names.sample_interval: count(60),
        names.sampled_measurands: measurands(SAMPLED, known_measurands),
        names.security_profile: count(0, readonly=True),
        names.stops_on_invalid_id: flag(True),
        names.stops_on_unplug: flag(True),
        names.three_to_one_phase: flag(True, readonly=True),
        names.unknown_offline: flag(True),
        names.unlocks_on_unplug: flag(True),
    }


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
        """Return the value as a whole number; 0 for anything else."""
        text = self[name]
        return int(text) if is_count(text) else 0

    def flag(self, name: str) -> bool:
        """The value as true or false."""
        return self[name].lower() == "true"
