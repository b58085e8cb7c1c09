"""Schemas of the audit log."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chargepoint_driver.web.api.schemas import After, Time

__all__ = ["AuditEntries", "AuditEntry"]


class AuditEntry(msgspec.Struct):
    """A command, a login, or an attempt that was refused. `by` is the name of the key, or of the
    user of a proxy; null: nobody was logged in. Target: `account`, `cpid`, `connectorId`, `group`.
    `result` is done, or the code of an error; null: it still runs, or this process ended before the
    answer. `status` is the status of the answer, `message` the word of the charger or the error."""

    id: int
    time: Time
    by: str | None
    role: str | None
    address: Annotated[str, Meta(description="address that the request came from")]
    command: Annotated[str, Meta(description="operation of the API, log_in or log_out")]
    account: str | None
    cpid: str | None
    connectorId: int | None  # noqa: N815
    group: str | None
    arguments: dict[str, Any] | None
    ended: Time | None
    status: int | None
    result: str | None
    message: str | None


class AuditEntries(msgspec.Struct):
    """Entries of the audit log, newest first."""

    entries: list[AuditEntry]
    after: After = None
