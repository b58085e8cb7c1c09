"""Commands of the API, as writes to points. May wait: called on threads."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    RefusedError,
    WriteRejectedError,
)
from chargepoint_driver.service import Accounts
from chargepoint_driver.web.access.masking import masked
from chargepoint_driver.web.api.command_schemas import (
    Answer,
    AvailabilityRequest,
    CallAnswer,
    CallRequest,
    ChargeStopRequest,
    ClearAlarmsRequest,
    ClearRequest,
    ReleaseRequest,
    ResetRequest,
    ShedRequest,
    StartRequest,
    StopRequest,
)
from chargepoint_driver.web.api.schemas import (
    Message,
    Session,
)
from chargepoint_driver.web.live.account_poller import session_of

__all__ = ["WebCommands"]

# Until a session ends whose stop was accepted before, and between two looks.
_ENDING_S = 5.0
_LOOK_S = 0.25


class WebCommands:
    """Carries out what the API is asked for, on the account that `account` names by then."""

    def __init__(self, accounts: Accounts, writer: str = "") -> None:
        """`writer`: who writes, for the reasons of limits and the audit of the service."""
        self._accounts = accounts
        self._writer = writer

    def by(self, writer: str) -> WebCommands:
        """Return the same for another writer."""
        return WebCommands(self._accounts, writer)

    def live_status(self, account: str | None, station: str | None) -> list[dict[str, Any]]:
        """The latest status of every station, or of one. Raises NotFoundError."""
        return self._accounts.live_status(station, account)

    def shed(self, account: str, request: ShedRequest) -> Answer:
        """Send a limit now. It is renewed while this process runs, and cleared after `minutes`;
        0 or None: no deadline."""
        if (request.allowedLoad is None) == (request.percentShed is None):
            raise InvalidValueError("exactly one of allowedLoad (kW) and percentShed must be given")
        name = "percentShed" if request.allowedLoad is None else "allowedLoad"
        warnings: list[str] = []
        # Sent for as long as it is wanted: it ends then also where this process does not.
        options = {"shed_duration": request.minutes} if request.minutes else {}
        reported = self._accounts.write(
            _point(request, name),
            getattr(request, name),
            account,
            minutes=request.minutes,
            writer=self._writer,
            warnings=warnings,
            shed_on_write=True,
            **options,
        )
        return Answer("Accepted", reported, warnings)

    def clear(self, account: str, request: ClearRequest) -> Answer:
        point = _point(request, "shedState")
        return Answer("Accepted", self._accounts.write(point, 0, account, writer=self._writer))

    def clear_alarms(self, account: str, request: ClearAlarmsRequest) -> Answer:
        point = {
            "attribute": "clearAlarms",
            "register": "AlarmRegister",
            "station": request.cpid,
        }
        self._accounts.write(point, 1, account, writer=self._writer)
        return Answer("Accepted")

    def start(self, account: str, request: StartRequest) -> Answer:
        return self._command(
            account, "remoteStart", request.cpid, request.connectorId, request.id_tag
        )

    def stop(self, account: str, request: StopRequest) -> Answer:
        """End the session of a connector or transaction; without both, the only one there."""
        connector = request.connectorId
        if request.transactionId is not None:
            connector = self._connector_of(account, request)
        return self._command(account, "remoteStop", request.cpid, connector, 1)

    def charge_stop(self, account: str, request: ChargeStopRequest) -> Answer:
        """End what runs on a connector: NotRunning where nothing does."""
        place = request.cpid, request.connectorId
        try:
            return self._command(account, "remoteStop", *place, 1)
        except NotFoundError:
            known = (each["station"] for each in self._accounts.stations(account))
            if request.cpid not in known:
                raise
            return Answer("NotRunning")
        except WriteRejectedError:
            # It may be ending already, by the stop before this one.
            end_s = time.monotonic() + _ENDING_S
            while self._runs(account, *place):
                if time.monotonic() > end_s:
                    raise
                time.sleep(_LOOK_S)
            return Answer("NotRunning")

    def _runs(self, account: str, station: str, connector: int) -> bool:
        now = datetime.now(timezone.utc).isoformat()
        return any(
            session.endTime is None and session.connectorId == connector
            for session in self.sessions(account, station, now, None)
        )

    def availability(self, account: str, request: AvailabilityRequest) -> Answer:
        operative = int(request.type == "Operative")
        return self._command(account, "availability", request.cpid, request.connectorId, operative)

    def reset(self, account: str, request: ResetRequest) -> Answer:
        return self._command(account, "reset", request.cpid, None, request.type)

    def release(self, account: str, request: ReleaseRequest) -> Answer:
        return self._command(account, "unlock", request.cpid, request.connectorId, 1)

    def call(self, account: str, request: CallRequest) -> CallAnswer:
        """Send any request of OCPP, where the account's `allow_call` is set."""
        if not self._accounts.tables()[account].named("remoteStart"):
            raise self._not_direct(request.cpid, request.action, account)
        answer = self._accounts.call(
            request.cpid, request.action, request.payload, account, request.timeout
        )
        return CallAnswer(request.action, answer)

    def sessions(
        self, account: str, station: str | None, start: str, end: str | None
    ) -> list[Session]:
        """The sessions that touch a time, oldest first, asked again."""
        found = self._accounts.sessions(station, start, end, account)
        return [session_of(account, each) for each in found]

    def stored_messages(
        self, account: str, station: str, before: int | None, limit: int, action: str | None
    ) -> tuple[list[Message], int | None]:
        """Return stored messages of a charger, newest first, and the id to go on with."""
        if not self._accounts.tables()[account].named("remoteStart"):
            raise self._not_direct(station, "messages", account)
        found, older = self._accounts.stored_messages(station, account, before, limit, action)
        return [
            Message(
                each["id"],
                each["time"],
                each["received"],
                each["connector"],
                each["action"],
                masked(each["data"]),
            )
            for each in found
        ], older

    # ---- inside --------------------------------------------------------------------------

    def _command(
        self, account: str, name: str, station: str, connector: int | None, value: object
    ) -> Answer:
        if not self._accounts.tables()[account].named(name):
            raise self._not_direct(station, name, account)
        # 0 is the whole station, which the layers below call None.
        said = self._accounts.command(name, station, connector or None, value, account)
        return Answer(said or "Accepted")

    @staticmethod
    def _not_direct(station: str, name: str, account: str) -> RefusedError:
        return RefusedError(
            f"{station}: {name} is for chargers that connect directly; the chargers of "
            f"account {account} are reached through ChargePoint. Nothing was sent"
        )

    def _connector_of(self, account: str, request: StopRequest) -> int:
        wanted = str(request.transactionId)
        now = datetime.now(timezone.utc).isoformat()
        for session in self.sessions(account, request.cpid, now, None):
            is_it = str(session.transactionId) == wanted and session.endTime is None
            if is_it and session.connectorId is not None:
                return session.connectorId
        raise NotFoundError(
            f"{request.cpid}: transaction {wanted} does not run; `active` lists those that do"
        )


def _point(request: ClearRequest, attribute: str) -> dict[str, Any]:
    """The point of a station, port or group. Raises InvalidValueError."""
    if bool(request.cpid) == bool(request.group):
        raise InvalidValueError("exactly one of cpid and group must be given")
    if request.group and request.connectorId:
        raise InvalidValueError("connectorId: a station group has none; leave it out")
    where: dict[str, Any] = {"group": request.group} if request.group else {"station": request.cpid}
    if request.connectorId:
        where["port"] = request.connectorId
    return {"attribute": attribute, "register": "LoadRegister", **where}
