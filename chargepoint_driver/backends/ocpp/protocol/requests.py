"""Version-neutral builders for requests to chargers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chargepoint_driver.backends.ocpp.model.limit import Composite
from chargepoint_driver.backends.ocpp.model.quirks import Purpose
from chargepoint_driver.errors import OutcomeUnknownError

__all__ = [
    "Firmware",
    "ListedTag",
    "Log",
    "Profile",
    "RequestBuilder",
    "RequestPayload",
    "composite_of",
    "firmware_fields",
    "given",
    "log_fields",
    "status_of",
]

RequestPayload = tuple[str, dict[str, Any]]
"""(action, payload) of a request."""


@dataclass(frozen=True)
class Profile:
    """A charging profile with one limit. `duration_s` None: without end."""

    profile_id: int
    purpose: Purpose
    connector_id: int
    stack_level: int
    kind: str
    unit: str
    limit: float
    number_phases: int | None
    start: str | None
    duration_s: int | None
    wire_id: str | None = None
    periods: tuple[tuple[int, float], ...] = ()
    """(begin in s after `start`, limit) where there are several; `limit` is the first."""

    def schedule(self) -> dict[str, Any]:
        """Return the fields of chargingSchedule that every version has."""
        phases = {} if self.number_phases is None else {"numberPhases": self.number_phases}
        periods = [
            {"startPeriod": begin_s, "limit": limit, **phases}
            for begin_s, limit in self.periods or ((0, self.limit),)
        ]
        return {
            "chargingRateUnit": self.unit,
            "chargingSchedulePeriod": periods,
            **given({"startSchedule": self.start, "duration": self.duration_s}),
        }


@dataclass(frozen=True)
class ListedTag:
    """An idTag in the local list of a charge point. `expires` is ISO 8601."""

    id_tag: str
    status: str
    expires: str | None


@dataclass(frozen=True)
class Log:
    """A log that a charger is to upload to `location`, a URL. Times are ISO 8601."""

    location: str
    kind: str
    request_id: int
    oldest: str | None = None
    latest: str | None = None
    retries: int | None = None
    retry_interval_s: int | None = None


@dataclass(frozen=True)
class Firmware:
    """Firmware that a charger is to download from `location`, a URL. Times are ISO 8601."""

    location: str
    request_id: int
    retrieve: str
    install: str | None = None
    signing_certificate: str | None = None
    signature: str | None = None
    retries: int | None = None
    retry_interval_s: int | None = None


class RequestBuilder(Protocol):
    """Requests of one protocol version, and what their answers say."""

    def set_profile(self, profile: Profile) -> RequestPayload:
        """Install a profile."""

    def clear_profile(self, profile_id: int) -> RequestPayload:
        """Remove one profile by its id."""

    def composite(self, connector_id: int, unit: str, duration_s: int) -> RequestPayload:
        """Ask for the schedule in force."""

    def read_composite(self, answer: dict[str, Any]) -> Composite | None:
        """Return the limit now in force; None when the answer names none."""

    def trigger(self, message: str, connector_id: int | None = None) -> RequestPayload:
        """Ask for a message."""

    def remote_start(self, connector_id: int | None, id_tag: str, start_id: int) -> RequestPayload:
        """Begin a transaction."""

    def remote_stop(self, wire_id: str) -> RequestPayload:
        """End a transaction."""

    def reserve(
        self, reservation_id: int, connector_id: int | None, id_tag: str, expires: str
    ) -> RequestPayload:
        """Reserve a connector (None: any) until a time (ISO 8601)."""

    def cancel_reservation(self, reservation_id: int) -> RequestPayload:
        """End a reservation."""

    def send_local_list(
        self, version: int, tags: Sequence[ListedTag], *, is_full: bool
    ) -> RequestPayload:
        """Replace the local list of idTags, or add to it."""

    def read_list_version(self, answer: dict[str, Any]) -> int | None:
        """Return the version in an answer to GetLocalListVersion; -1: there is no such list."""

    list_names: tuple[str, ...]
    """Settings of the local list: whether there is one, whether it is in use, how many idTags it
    may have ("" where no setting tells that), and how many one message may have."""
    longest_tag: int
    """Characters that an idTag may have."""

    def availability(self, connector_id: int, operative: bool) -> RequestPayload:
        """Take a connector (0: all) into or out of service."""

    def reset(self, hard: bool) -> RequestPayload:
        """Restart."""

    def unlock(self, connector_id: int) -> RequestPayload:
        """Release the plug."""

    def configuration(self, names: list[str] | None) -> RequestPayload:
        """Ask for settings; None: for all of them, where the version can."""

    def read_configuration(self, answer: dict[str, Any]) -> dict[str, str]:
        """Name to value of the settings in an answer."""

    def configure(self, name: str, value: str) -> RequestPayload:
        """Change a setting."""

    def configured_status(self, answer: dict[str, Any]) -> str | None:
        """Return the status of the setting in an answer to `configure`; None where it has none."""

    def is_configured(self, answer: dict[str, Any]) -> bool:
        """Return True if the setting was taken."""

    def diagnostics(self, log: Log) -> RequestPayload:
        """Ask for the upload of diagnostics (1.6: 5.8; 2.x: N01)."""

    def log(self, log: Log) -> RequestPayload:
        """Ask for the upload of a log of that kind (1.6: security whitepaper; 2.x: N01)."""

    def update_firmware(self, firmware: Firmware) -> RequestPayload:
        """Ask for the download and installation of firmware."""

    names: list[str]
    """The settings that this backend makes use of."""
    most_names: int
    """How many are asked for at once."""
    rate_units: str
    """The setting that tells the units of limits."""
    most_periods: str
    """The setting that tells how many periods a schedule may have."""
    stack_levels: str
    """The setting that tells the highest stack level."""
    interval: str
    """The setting that tells the interval of meter values in a transaction, s."""
    sampled: str
    """The setting that lists the measurands of those meter values."""
    most_sampled: str
    """The setting that tells how many measurands that list may have."""
    at_begin_and_end: tuple[str, ...]
    """The settings that list what is measured at the begin and at the end of a transaction."""
    lacks: frozenset[str]
    """Measurands of other versions that this one does not know."""
    asks_all: bool
    """Whether all settings can be had at once."""


def status_of(answer: dict[str, Any], action: str, station_id: str) -> str:
    """Return the status in an answer. Raises OutcomeUnknownError if it has none: the request
    arrived, and its result is unknown."""
    status = answer.get("status")
    if isinstance(status, str) and status.strip():
        return status
    raise OutcomeUnknownError(
        f"{station_id}: the answer to {action} has no status; it may have been carried out: read "
        "the point before writing again"
    )


def composite_of(answer: dict[str, Any], name: str) -> Composite | None:
    """Return the first limit of a composite schedule."""
    schedule = answer.get(name)
    if answer.get("status") != "Accepted" or not isinstance(schedule, dict):
        return None
    periods = schedule.get("chargingSchedulePeriod")
    first = periods[0] if isinstance(periods, list) and periods else None
    if not isinstance(first, dict) or not isinstance(first.get("limit"), (int, float)):
        return None
    phases = first.get("numberPhases")
    return Composite(
        str(schedule.get("chargingRateUnit", "A")),
        float(first["limit"]),
        phases if isinstance(phases, int) else None,
    )


def given(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def firmware_fields(firmware: Firmware) -> dict[str, Any]:
    """Return the payload of a firmware update with a request id, as OCPP 2.0.1 and the security
    whitepaper of OCPP 1.6 have it."""
    image = {
        "location": firmware.location,
        "retrieveDateTime": firmware.retrieve,
        "installDateTime": firmware.install,
        "signingCertificate": firmware.signing_certificate,
        "signature": firmware.signature,
    }
    return given(
        {
            "requestId": firmware.request_id,
            "firmware": given(image),
            "retries": firmware.retries,
            "retryInterval": firmware.retry_interval_s,
        }
    )


def log_fields(log: Log) -> dict[str, Any]:
    """Return the payload of GetLog, which every version has alike."""
    place = {
        "remoteLocation": log.location,
        "oldestTimestamp": log.oldest,
        "latestTimestamp": log.latest,
    }
    return given(
        {
            "logType": log.kind,
            "requestId": log.request_id,
            "log": given(place),
            "retries": log.retries,
            "retryInterval": log.retry_interval_s,
        }
    )
