"""Arguments of the operations on a charger, as JSON objects."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "AvailabilityArguments",
    "CancelArguments",
    "ConnectorArguments",
    "DiagnosticsArguments",
    "FirmwareArguments",
    "LimitArguments",
    "LocalListArguments",
    "LogArguments",
    "Nothing",
    "ReserveArguments",
    "ResetArguments",
    "SettingArguments",
    "SettingsArguments",
    "StartArguments",
    "StopArguments",
    "TriggerArguments",
    "UnlockArguments",
]

Connector = Annotated[
    int, Meta(ge=0, le=1_000, description="connector (2.x: EVSE); 0: the charge point")
]
IdTag = Annotated[str, Meta(min_length=1, max_length=36, description="idTag")]
Time = Annotated[str, Meta(min_length=1, max_length=64, description="ISO 8601")]
Url = Annotated[str, Meta(min_length=1, max_length=2_000, description="URL")]
Count = Annotated[int, Meta(ge=0, le=1_000)]
Seconds = Annotated[int, Meta(ge=0, le=86_400)]


class Nothing(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """No arguments."""


class ConnectorArguments(Nothing, kw_only=True):
    """The end of a limit; 0: those of the charge point and of all its connectors."""

    connector: Connector = 0


class LimitArguments(ConnectorArguments, kw_only=True):
    """A limit: exactly one of kW and percent. It ends after `minutes`; 0: never."""

    allowed_load_kw: Annotated[float, Meta(ge=0, le=10_000)] | None = None
    percent_shed: Annotated[int, Meta(ge=0, le=100)] | None = None
    minutes: Annotated[float, Meta(ge=0, le=525_600)] = 60


class StartArguments(ConnectorArguments, kw_only=True):
    """The begin of a transaction; connector 0: where the charger likes."""

    id_tag: IdTag


class StopArguments(ConnectorArguments, kw_only=True):
    """The end of a transaction: by connector, by id, or of the only one that runs."""

    transaction: int | None = None


class AvailabilityArguments(ConnectorArguments, kw_only=True):
    """In or out of service; connector 0: the whole charge point."""

    operative: bool


class ResetArguments(Nothing, kw_only=True):
    """A restart; `hard`: at once."""

    hard: bool = False


class UnlockArguments(Nothing, kw_only=True):
    """The connector whose plug is released."""

    connector: Annotated[int, Meta(ge=1, le=1_000)]


class ReserveArguments(ConnectorArguments, kw_only=True):
    """A reservation until a time, or for `minutes`; connector 0: any."""

    id_tag: str
    expires: Time | None = None
    minutes: Annotated[float, Meta(gt=0, le=525_600)] | None = None


class CancelArguments(Nothing, kw_only=True):
    """The reservation by its id."""

    reservation: Annotated[int, Meta(ge=0, lt=1 << 31)]


class SettingsArguments(Nothing, kw_only=True):
    """Names of settings, in 2.x like `Component.Variable`; without: all that can be asked for."""

    keys: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=200)] | None = None


class SettingArguments(Nothing, kw_only=True):
    """A setting and its new value, as a text."""

    key: Annotated[str, Meta(min_length=1)]
    value: str


class TriggerArguments(Nothing, kw_only=True):
    """The message that is asked for, by its OCPP name."""

    message: Annotated[str, Meta(min_length=1)]
    connector: Connector | None = None


class DiagnosticsArguments(Nothing, kw_only=True):
    """Destination of an upload, and its time range."""

    location: Url
    oldest: Time | None = None
    latest: Time | None = None
    retries: Count | None = None
    retry_interval_s: Seconds | None = None


class LogArguments(DiagnosticsArguments, kw_only=True):
    """The same for a log of some kind."""

    kind: Literal["DiagnosticsLog", "SecurityLog"] = "DiagnosticsLog"


class FirmwareArguments(Nothing, kw_only=True):
    """Firmware at `location`, retrieved at once or at a time; signed where a signature is given
    (1.6: SignedUpdateFirmware)."""

    location: Url
    retrieve: Time | None = None
    install: Time | None = None
    signing_certificate: str | None = None
    signature: str | None = None
    retries: Count | None = None
    retry_interval_s: Seconds | None = None


class ListedIdTag(Nothing, kw_only=True):
    """An idTag of the local list."""

    id_tag: IdTag
    status: str = "Accepted"
    expires: Time | None = None


class LocalListArguments(Nothing, kw_only=True):
    """The idTags to send, by default those that are known here; `full` replaces the list.
    `version` is by default the charger's, plus one."""

    id_tags: list[ListedIdTag] | None = None
    full: bool = True
    version: Annotated[int, Meta(ge=1, lt=1 << 31)] | None = None
