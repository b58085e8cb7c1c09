"""The backend for ChargePoint's web services: queries, pages of replies, writes."""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from lxml import etree

from chargepoint_driver.backend import Limit, Reply, Request, Target
from chargepoint_driver.backends.soap import error_codes, parser, station_pieces, usage
from chargepoint_driver.backends.soap.envelopes import Envelopes
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.backends.soap.rate_limit import CallJournal, RateLimiter
from chargepoint_driver.backends.soap.transport import HttpTransport
from chargepoint_driver.catalogue import CHARGEPOINT, Call
from chargepoint_driver.config import Account, AccountConfig
from chargepoint_driver.errors import (
    AuthenticationError,
    ChargePointError,
    ConfigurationError,
    InvalidReplyError,
    NotFoundError,
    OutcomeUnknownError,
    WriteRejectedError,
)
from chargepoint_driver.records import DAMAGED, Event, StationRecord, newest_by_port
from chargepoint_driver.text import get_logger

__all__ = ["SESSION_WINDOW", "SoapBackend"]

_log = get_logger(__name__)

SESSION_WINDOW = timedelta(hours=24)
"""How far back the newest session of a port is looked for."""

# The rights of 10,000 stations fill some 850 pages. A page that brings nothing new ends the reading
# anyway: this ends one that brings something new permanently.
_MAX_PAGES = 5_000

# The two calls whose query has no field for the length of a page.
_UNSIZED = frozenset({"getChargingSessionData", "getStationRights"})
_PAGE_FIELD = {"getAlarms": "numTransactions", "getTransactionData": "numTransactions"}
_PAGED = frozenset({*CHARGEPOINT.calls, "getTransactionData"}) - {"getLoad"}

_Row = TypeVar("_Row")
_Answer = TypeVar("_Answer")
_stations = station_pieces.page
_events = partial(parser.page, rows=parser.events)
_rights = partial(parser.page, rows=parser.rights)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


def _written(moment: datetime) -> str:
    """As xsd:dateTime, to the second. Releases of zeep write one in different ways."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


class SoapBackend:
    """ChargePoint's web services for one account; see `backend.Backend` for the promises."""

    name = "chargepoint"
    group_calls = True

    def __init__(
        self,
        account: AccountConfig,
        now: Callable[[], datetime] = _utc_now,
        *,
        check: Callable[[], None] | None = None,
        journal: CallJournal | None = None,
    ) -> None:
        """`check` raises TransientError where nothing may be sent; it is called right before each
        call is. `journal` counts the calls of other processes too. Raises TransientError where it
        cannot be read."""
        self._account = account
        self._now = now
        self._check = check
        self._wire = self._wire_of(account)
        self._pace = RateLimiter(account.calls_per_minute, journal=journal)
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._envelopes = Envelopes(account.url)
        self._salt = secrets.token_bytes(16)

    def reconfigure(self, account: Account) -> None:
        """Go on with other settings; calls under way end with the old ones."""
        assert isinstance(account, AccountConfig)
        self._pace.limit_to(account.calls_per_minute)
        self._account = account
        self._wire = self._wire_of(account)

    def _wire_of(self, account: AccountConfig) -> HttpTransport:
        return HttpTransport(account.url, account.timeout, account.ca_file, self._check)

    def close(self) -> None:
        self._wire.close()

    def secret_digest(self) -> bytes | None:
        """Return a digest of the password as it stands now, with a salt of this object's own; None
        when the password cannot be had."""
        try:
            password = self._account.read_password()
        except ConfigurationError:
            return None
        # What no request can hold, like half a surrogate pair, is refused where one is made.
        content = password.encode(errors="surrogatepass")
        return hashlib.blake2b(content, digest_size=16, key=self._salt).digest()

    def calls(self) -> dict[str, int]:
        """Operation to the number of calls that were sent."""
        with self._lock:
            return dict(self._calls)

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Return (operation, `ok` or the code of its error) to the number of calls that ended
        so."""
        with self._lock:
            return dict(self._outcomes)

    # ---- reads -------------------------------------------------------------------------

    def fetch(self, request: Request) -> Reply:
        """One planned read, to its last page. Sessions are those of the last 24 hours."""
        call = CHARGEPOINT.calls[request.call]
        query = self._query(request)
        whole = call.absent_is_empty and request.whole_account
        if call.name == "getStationRights":
            rows: list[tuple[str, str, Any]]
            rows = self._pages(call, query, _rights, lambda row: row, whole)
            profiles: dict[str, dict[str, Any]] = {}
            for station_id, group, profile in rows:
                profiles.setdefault(station_id, {})[group] = profile
            return Reply(
                {
                    station_id: StationRecord(station_id, {"stationRightsProfile": found}, {}, {})
                    for station_id, by_group in profiles.items()
                    for found in [DAMAGED if DAMAGED in by_group.values() else by_group]
                }
            )
        if call.time_field:
            found: list[Event] = self._pages(call, query, _events, _event_key, whole)
            return Reply(newest_by_port(found))
        records: list[StationRecord]
        records = self._pages(call, query, _stations, lambda row: row.station_id, whole)
        return Reply({record.station_id: record for record in records})

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """Return the charging sessions of a station, or of all that the account may see, that touch
        the time from `since` to `until` (None: no end), oldest first."""
        call = CHARGEPOINT.calls["getChargingSessionData"]
        query: dict[str, Any] = {"fromTimeStamp": _written(since)}
        if station_id is not None:
            query["stationID"] = station_id
        if until is not None:
            query["toTimeStamp"] = _written(until)
        found: list[Event]
        found = self._pages(call, query, _events, _event_key, station_id is None)
        return sorted(found, key=lambda event: event.time)

    def session(self, session_id: str) -> Event:
        """One charging session, however old. Raises NotFoundError."""
        found: list[Event] = []
        number = _long(session_id)
        if number is not None:
            call = CHARGEPOINT.calls["getChargingSessionData"]
            query = {"sessionID": number}
            found = self._pages(call, query, _events, _event_key, no_match_is_empty=True)
        for event in found:
            if event.values.get("sessionID") == session_id:
                return event
        raise NotFoundError(f"no transaction {session_id[:40]!r}; write the sessionID of one")

    def intervals(self, session_id: str) -> list[Event]:
        """Return the quarter hours of one session, oldest first; see `backend.UsageBackend`."""
        number = _long(session_id)
        if number is None:
            raise NotFoundError(f"no session {session_id[:40]!r}; write the sessionID of one")
        return self._call(
            usage.INTERVALS, usage.intervals, sessionID=number, energyConsumedInterval=False
        )

    def transactions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """Return what was billed in a time, oldest first; see `backend.UsageBackend`."""
        query: dict[str, Any] = {"fromTransactionTimeStamp": _written(since)}
        if station_id is not None:
            query["stationID"] = station_id
        if until is not None:
            query["toTransactionTimeStamp"] = _written(until)
        found: list[Event]
        found = self._pages(
            usage.TRANSACTIONS, query, usage.transactions, _event_key, station_id is None
        )
        return sorted(found, key=lambda event: event.time)

    def _query(self, request: Request) -> dict[str, Any]:
        query: dict[str, Any] = {}
        if request.group is not None:
            query["sgID"] = int(request.group)
        elif request.call == "getStationStatus":
            query["stationIDs"] = {"stationID": list(request.stations)}
        elif request.stations:
            # Only one station fits: the planner never joins more for these calls.
            (query["stationID"],) = request.stations
        if request.call == "getChargingSessionData":
            query["fromTimeStamp"] = _written(self._now() - SESSION_WINDOW)
        return query

    def _pages(
        self,
        call: Call,
        query: dict[str, Any],
        read: Callable[..., parser.Page],
        key: Callable[[_Row], Hashable],
        no_match_is_empty: bool,
    ) -> list[_Row]:
        """Return the rows of all pages. A page that brings nothing new is the last one, whatever
        its flag: some services repeat a page, or raise the flag permanently."""
        rows: dict[Hashable, _Row] = {}
        received = 0
        for _ in range(_MAX_PAGES):
            if call.name in _PAGED:
                query["startRecord"] = received + 1
                if call.name not in _UNSIZED:
                    query[_PAGE_FIELD.get(call.name, "numStations")] = call.page
            try:
                page = self._call(call.name, partial(read, call=call), searchQuery=query)
            except NotFoundError as error:
                # Behind the last row there is no match either.
                if (no_match_is_empty or received) and error.service_code == error_codes.NO_MATCH:
                    break
                raise
            known = len(rows)
            for row in page.rows:
                rows.setdefault(key(row), row)
            received += page.received
            if call.name not in _PAGED or not page.has_more:
                break
            if len(rows) == known:
                _log.warning(
                    "%s: the service promised another page and sent nothing new; taken as the end",
                    self._caller(call.name),
                )
                break
        else:
            raise InvalidReplyError(f"{self._caller(call.name)}: more than {_MAX_PAGES} pages")
        return list(rows.values())

    # ---- writes ------------------------------------------------------------------------

    def shed(self, target: Target, limit: Limit, minutes: float) -> None:
        """shedLoad for a group, a station or one port of it."""
        level = "PerStation" if target.port is None else "PerPort"
        amount: dict[str, Any] = (
            # A decimal of the schema has no exponent.
            {f"allowedLoad{level}": f"{Decimal(str(limit.allowed_load_kw)):f}"}
            if limit.allowed_load_kw is not None
            else {f"percentShed{level}": limit.percent_shed}
        )
        self._write(
            "shedLoad", shedQuery={**_target(target, amount), "timeInterval": math.ceil(minutes)}
        )

    def clear(self, target: Target) -> None:
        """clearShedState for a group, a station or one port of it."""
        self._write("clearShedState", shedQuery=_target(target, {}))

    def create_shed_event(
        self,
        target: Target,
        limit: Limit,
        start: datetime,
        minutes: int,
        allow_opt_out: bool | None,
    ) -> int:
        """createLoadShedEvent; allowedLoad is per port, a percentage per station."""
        event: dict[str, Any] = {"eventStartTime": _written(start)}
        event |= {"eventDuration": minutes}
        event |= {"sgID": target.group} if target.group else {"stationID": target.station_id}
        if limit.allowed_load_kw is not None:
            event["allowedLoadPerPort"] = limit.allowed_load_kw
        else:
            event["percentShedPerStation"] = limit.percent_shed
        if allow_opt_out is not None:
            event["allowOptOut"] = allow_opt_out
        answer = self._write("createLoadShedEvent", shedEvent=event)
        text = answer.findtext("{*}eventId")
        if text is None or not text.strip().isdigit():
            raise OutcomeUnknownError(
                f"{self._caller('createLoadShedEvent')}: the answer names no event; it may exist"
            )
        return int(text)

    def remove_shed_event(self, event_id: int) -> None:
        """removeLoadShedEvent."""
        self._write("removeLoadShedEvent", eventId=event_id)

    def clear_alarms(self, station_id: str) -> None:
        """clearAlarms for a station, all its ports."""
        self._write("clearAlarms", searchQuery={"stationID": station_id})

    def _write(self, operation: str, **arguments: Any) -> etree._Element:
        """Return the answer to a write. Raises unless it was carried out."""
        try:
            answer, done, *_ = self._call(operation, parser.read, is_write=True, **arguments)
        except InvalidReplyError as error:
            # The service has the write; that its answer cannot be read does not undo it.
            raise OutcomeUnknownError(
                f"{error}: the write may be in force; read the point before writing again"
            ) from None
        if not done and operation != "clearAlarms":  # no alarms are as good as cleared ones
            raise WriteRejectedError(
                f"{self._caller(operation)} was answered as if it were a question; the write was "
                "not carried out"
            )
        return answer

    # ---- one call ----------------------------------------------------------------------

    def _caller(self, operation: str, is_write: bool = False) -> Caller:
        return Caller(operation, self._account.username, self._account.place, is_write)

    def _call(
        self,
        operation: str,
        read: Callable[[bytes, Caller], _Answer],
        *,
        is_write: bool = False,
        **arguments: Any,
    ) -> _Answer:
        """Return the operation's reply, as `read` has it. Raises the error that it stands for."""
        outcome = "error"
        try:
            answer = self._ask(operation, read, is_write, arguments)
            outcome = "ok"
            return answer
        except ChargePointError as error:
            outcome = error.code
            raise
        finally:
            with self._lock:
                self._outcomes[operation, outcome] += 1

    def _ask(
        self,
        operation: str,
        read: Callable[[bytes, Caller], _Answer],
        is_write: bool,
        arguments: dict[str, Any],
    ) -> _Answer:
        caller = self._caller(operation, is_write)
        envelope, action = self._envelopes.make(caller, self._account.read_password(), arguments)
        self._pace.take(is_write, self._account.timeout)
        with self._lock:
            self._calls[operation] += 1
        answer = self._wire.post(envelope, action, caller)
        refused = error_codes.of_http_status(answer.status, answer.retry_after_s, caller)
        if refused is None:
            return read(answer.content, caller)
        # A SOAP fault explains more than its HTTP status, except for failed authentication.
        if not isinstance(refused, AuthenticationError):
            try:
                parser.read(answer.content, caller)
            except InvalidReplyError:
                pass
            except ChargePointError as error:
                error.retry_after_s = answer.retry_after_s
                raise
        raise refused


def _target(target: Target, amount: dict[str, Any]) -> dict[str, Any]:
    """Exactly one of group, station and ports: another, empty element is an error."""
    if target.group is not None:
        if not target.group.isascii() or not target.group.isdigit():
            raise ConfigurationError(f"{target}: sgID must be a whole number; correct stationGroup")
        return {"shedGroup": {"sgID": int(target.group), **amount}}
    if target.port is None:
        return {"shedStation": {"stationID": target.station_id, **amount}}
    port = {"portNumber": str(target.port), **amount}
    return {"shedStation": {"stationID": target.station_id, "Ports": {"Port": [port]}}}


def _event_key(event: Any) -> Hashable:
    """Return what makes two sessions or alarms of a listing the same one."""
    return (
        event.station_id,
        event.port,
        event.time,
        event.values.get("sessionID", event.values.get("alarmType")),
        event.values.get("transactionID"),
    )


def _long(text: str) -> int | None:
    """Return a session's id as the query's xsd:long; None for any other text."""
    if not text.isascii() or not text.isdigit() or int(text[:20]) >= 1 << 63:
        return None
    return int(text[:20])
