"""From the bytes of a request to the bytes of its answer, by way of the faults.

The order is that of a service behind a gateway: what the gateway does (delay, HTTP
errors, a dropped connection) comes before credentials are looked at; a command is
carried out before its reply can be lost.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from chargepoint_driver.text import get_logger

from ..accounts import Account, Accounts
from ..calls import CallRecord, Calls
from ..faults import Faults, FaultsOfCall
from ..world.world import Command, World
from .call import Call
from .codes import NOT_PERMITTED, SUCCESS, TEXTS, RefusalError, SoapFaultError
from .distort import damage, distort
from .envelope import Request, fault_content, read_request, wrap
from .hostile import attack, compress
from .operations import COMMANDS, OPERATIONS
from .query import Query
from .reply import Element, response

log = get_logger(__name__)


class Cut(enum.Enum):
    """Point at which the connection breaks."""

    NOWHERE = "nowhere"
    BEFORE_REPLY = "before the reply"
    IN_REPLY = "in the middle of the reply"
    RESET = "in the middle of the reply, reset and not closed"


@dataclass(frozen=True)
class Answer:
    """HTTP answer."""

    http_status: int
    body: bytes
    content_type: str = "text/xml; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    cut: Cut = Cut.NOWHERE


@dataclass(frozen=True)
class Service:
    """The service over a world. `wait` sleeps for real seconds (an interruptible one)."""

    world: World
    accounts: Accounts
    faults: Faults
    calls: Calls
    wait: Callable[[float], None]

    def answer(self, body: bytes, version: str) -> Answer:
        """Answer a request to the endpoint of that version (`5.0` or `5.1`)."""
        try:
            request = read_request(body)
            if request.operation not in OPERATIONS:
                raise SoapFaultError("soapenv:Client", f"No operation {request.operation}.")
        except SoapFaultError as fault:
            return _fault_answer(fault)
        record = CallRecord(request.operation, version, self.world.now_s(), request.username or "")
        self.calls.add(record)
        faults = self.faults.take(request.operation)
        return self._gateway_answer(faults) or self._service_answer(request, version, faults)

    def _gateway_answer(self, faults: FaultsOfCall) -> Answer | None:
        """Return what happens before the service sees the call; None when it gets through."""
        if faults.has("delay"):
            self.wait(faults.param("delay", "seconds"))
        if faults.has("drop"):
            return Answer(0, b"", cut=Cut.BEFORE_REPLY)
        if faults.has("http"):
            status, retry_after_s = (faults.param("http", n) for n in ("status", "retry_after_s"))
            headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
            page = f"<html><body><h1>Error {status}</h1></body></html>".encode()
            return Answer(status, page, "text/html; charset=utf-8", headers)
        if faults.has("soap_fault"):
            names = ("code", "text", "http_status")
            return _fault_answer(SoapFaultError(*(faults.param("soap_fault", n) for n in names)))
        return None

    def _service_answer(self, request: Request, version: str, faults: FaultsOfCall) -> Answer:
        try:
            account = self._authenticate(request)
            with self.world.lock:
                reply = self._carry_out(request, version, account, faults)
        except SoapFaultError as fault:
            return _fault_answer(fault)
        except Exception as error:
            log.exception("%s failed", request.operation)
            return _fault_answer(
                SoapFaultError("soapenv:Server", f"{type(error).__name__}: {error}")
            )
        distort(reply, faults)
        security_header_at = None
        if faults.has("security_header"):
            now_s = self.world.now_s() + faults.param("clock_skew", "seconds", 0)
            security_header_at = datetime.fromtimestamp(now_s, timezone.utc)
        body = attack(damage(wrap(reply, security_header_at), faults), faults)
        headers = {}
        if faults.has("gzip_bomb"):
            body, headers["Content-Encoding"] = compress(body, faults), "gzip"
        cut = Cut.NOWHERE
        if faults.has("drop_reply"):
            cut = Cut.BEFORE_REPLY
        elif faults.has("drop_middle"):
            cut = Cut.IN_REPLY
        elif faults.has("reset_middle"):
            cut = Cut.RESET
        return Answer(200, body, headers=headers, cut=cut)

    def _authenticate(self, request: Request) -> Account:
        if request.username is None or request.password is None:
            raise SoapFaultError(
                "wsse:InvalidSecurity", "A UsernameToken with PasswordText is needed."
            )
        account = self.accounts.authenticate(request.username, request.password)
        if account is None:
            raise SoapFaultError(
                "wsse:FailedAuthentication", "The security token could not be authenticated."
            )
        return account

    def _carry_out(
        self, request: Request, version: str, account: Account, faults: FaultsOfCall
    ) -> Element:
        name = request.operation
        received_s = self.world.now_s()
        call = Call(self.world, name, Query(request.element), version == "5.1", faults)
        code = "fault"
        try:
            if faults.has("refused"):
                raise RefusalError(faults.param("refused", "code"), faults.param("refused", "text"))
            if name in account.refused:
                raise RefusalError(NOT_PERMITTED, f"{TEXTS[NOT_PERMITTED]} ({name})")
            reply, code = OPERATIONS[name](call), SUCCESS
        except RefusalError as refusal:
            reply, code = response(name, refusal.code, refusal.text), refusal.code
        finally:
            if name in COMMANDS:
                command = Command(name, received_s, call.arguments, code, account.username)
                self.world.commands.append(command)
        return reply


def _fault_answer(fault: SoapFaultError) -> Answer:
    return Answer(fault.http_status, wrap(fault_content(fault)))
