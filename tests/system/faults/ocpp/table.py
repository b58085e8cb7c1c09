"""THE table of what a charge point may do instead of answering in order, and of what the driver
has to make of it. The codes are those of the error tree, '' where the fault does no harm."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..table import FINE, LATER, REJECTED, UNKNOWN
from .peer import Peer, Strike

# Long enough for an answer on a machine that is busy with other things.
CALL_LIMIT_S = 1.5
SLOW_S, LATE_S = 0.4, 2.2
MAX_BYTES = 65_536

# What is written, and the request that it becomes by OCPP 1.6 and 2.0.1.
WRITES = {
    "remoteStart": ("RemoteStartTransaction", "RequestStartTransaction"),
    "remoteStop": ("RemoteStopTransaction", "RequestStopTransaction"),
    "reset": ("Reset", "Reset"),
    "unlock": ("UnlockConnector", "UnlockConnector"),
    "availability": ("ChangeAvailability", "ChangeAvailability"),
    "allowedLoad": ("SetChargingProfile", "SetChargingProfile"),
    "percentShed": ("SetChargingProfile", "SetChargingProfile"),
    "shedState 1": ("SetChargingProfile", "SetChargingProfile"),
    "shedState 0": ("ClearChargingProfile", "ClearChargingProfile"),
}
# What is asked besides: how a limit shows, and the settings of a charge point.
READS = {
    "composite": ("GetCompositeSchedule", "GetCompositeSchedule"),
    "settings": ("GetConfiguration", "GetVariables"),
}
VERSIONS = ("1.6", "2.0.1")


@dataclass(frozen=True)
class Fault:
    """One row. `writing` is the code that a write ends with; `lost`: the socket is gone then,
    because the charge point said nothing at all, or (`breaks`) by the fault itself. `strike`
    None: there was no socket to begin with, or the `database` takes nothing."""

    name: str
    strike: Strike | None
    writing: str
    lost: bool = False
    breaks: bool = False
    database: bool = False

    def loses(self, call: str) -> bool:
        """Whether the socket is gone after that call. Settings are asked for gently."""
        return self.breaks or (self.lost and call != "settings")


def operation(call: str, version: str) -> str:
    """The action that a call becomes."""
    return {**WRITES, **READS}[call][VERSIONS.index(version)]


def expected(fault: Fault, call: str) -> str:
    """The code that the write must end with, where the fault strikes that call."""
    if call in READS and fault.name != "not connected":
        # A limit that was taken is taken, whatever can be found out of it; it is not sent where
        # the socket is gone before.
        return LATER if fault.breaks and call == "settings" else FINE
    return OTHERWISE.get((fault.name, call), fault.writing)


OTHERWISE = {("status Unknown", "shedState 0"): FINE}
"""(fault, call): the code, where a call differs from the row. There is nothing to end."""


# ---- what is done in the place of an answer ----------------------------------------------


def _silence(peer: Peer, message_id: str, action: str, carry_out: Callable[[], Any]) -> None:
    carry_out()


def _after(seconds: float) -> Strike:
    def strike(peer: Peer, message_id: str, action: str, carry_out: Callable[[], Any]) -> None:
        time.sleep(seconds)  # what is slow is the charge point; nothing is waited for here
        peer.say([3, message_id, carry_out()])

    return strike


def _frame(make: Callable[[str, dict[str, Any]], Any], *, done: bool = True) -> Strike:
    """A frame of any shape, out of the id and of the right payload."""

    def strike(peer: Peer, message_id: str, action: str, carry_out: Callable[[], Any]) -> None:
        peer.say(make(message_id, carry_out() if done else {}))

    return strike


def _text(make: Callable[[str], str | bytes]) -> Strike:
    """Any text, out of that of the right answer."""

    def strike(peer: Peer, message_id: str, action: str, carry_out: Callable[[], Any]) -> None:
        peer.send(make(json.dumps([3, message_id, carry_out()])))

    return strike


def _twice(peer: Peer, message_id: str, action: str, carry_out: Callable[[], Any]) -> None:
    answer = carry_out()
    peer.say([3, message_id, answer])
    peer.say([3, message_id, answer])


def _contradiction(peer: Peer, message_id: str, action: str, carry_out: Callable[[], Any]) -> None:
    peer.say([3, message_id, carry_out()])
    peer.say([4, message_id, "InternalError", "or not", {}])


def _between(peer: Peer, message_id: str, action: str, carry_out: Callable[[], Any]) -> None:
    peer.say([2, "between", "Heartbeat", {}])
    peer.say([3, message_id, carry_out()])


def _closes(how: Callable[[Peer], Any]) -> Strike:
    def strike(peer: Peer, message_id: str, action: str, carry_out: Callable[[], Any]) -> None:
        carry_out()
        how(peer)

    return strike


def _again(answers: bool) -> Strike:
    """It connects once more while the request is out; perhaps it answers over the new socket."""

    def strike(peer: Peer, message_id: str, action: str, carry_out: Callable[[], Any]) -> None:
        answer = carry_out()
        before = peer.ws
        peer.open()
        if answers:
            peer.say([3, message_id, answer])
        assert before is not None
        before.close()

    return strike


def _error(code: str, *, name: str = "", short: bool = False) -> Fault:
    def make(message_id: str, _: Any) -> Any:
        return [4, message_id] if short else [4, message_id, code, "said so", {"why": None}]

    return Fault(name or f"CALLERROR {code}", _frame(make, done=False), REJECTED)


def _status(status: str) -> Fault:
    strike = _frame(lambda message_id, _: [3, message_id, {"status": status}], done=False)
    return Fault(f"status {status}", strike, REJECTED)


def _payload(name: str, make: Callable[[dict[str, Any]], Any], writing: str, **more: Any) -> Fault:
    return Fault(name, _frame(lambda message_id, answer: [3, message_id, make(answer)]), writing,
                 **more)  # fmt: skip


FAULTS = (
    Fault("not connected", None, LATER, breaks=True),
    Fault("no answer", _silence, UNKNOWN, lost=True),
    Fault("late", _after(LATE_S), UNKNOWN, lost=True),
    Fault("slow", _after(SLOW_S), FINE),
    *(
        _error(code)
        for code in (
            "NotImplemented",
            "NotSupported",
            "InternalError",
            "ProtocolError",
            "SecurityError",
            "FormationViolation",
            "GenericError",
            "Perhaps",
        )
    ),
    _error("", name="CALLERROR without code"),
    _error("", name="CALLERROR cut short", short=True),
    *(_status(status) for status in ("Rejected", "NotSupported", "Unknown", "Perhaps")),
    _payload("no status", lambda _: {}, UNKNOWN),
    _payload("status a number", lambda _: {"status": 1}, UNKNOWN),
    _payload("status empty", lambda _: {"status": ""}, UNKNOWN),
    _payload("status null", lambda _: {"status": None}, UNKNOWN),
    _payload("status an object", lambda _: {"status": {"status": "Accepted"}}, UNKNOWN),
    Fault(
        "refused, reason of another type",
        _frame(lambda i, _: [3, i, {"status": "Rejected", "statusInfo": ["why"]}], done=False),
        REJECTED,
    ),
    _payload("unknown fields", lambda answer: {**answer, "later": [None, {"a": 1}]}, FINE),
    _payload("payload a list", lambda answer: [answer], UNKNOWN),
    _payload("payload null", lambda _: None, UNKNOWN),
    _payload("payload a text", lambda _: "Accepted", UNKNOWN),
    Fault("another id", _frame(lambda i, a: [3, f"{i}0", a]), UNKNOWN),
    Fault("id a number", _frame(lambda i, a: [3, 7, a]), UNKNOWN),
    Fault("no id", _frame(lambda i, a: [3, a]), UNKNOWN),
    Fault("another kind", _frame(lambda i, a: [5, i, a]), UNKNOWN),
    Fault("an object", _frame(lambda i, a: {"id": i, "payload": a}), UNKNOWN),
    Fault("not JSON", _text(lambda text: "Accepted"), UNKNOWN),
    Fault("cut off", _text(lambda text: text[:-3]), UNKNOWN),
    Fault("empty", _text(lambda text: ""), UNKNOWN),
    Fault("not UTF-8", _text(lambda text: b"\xff\xfe" + text.encode()), UNKNOWN),
    Fault("binary", _text(lambda text: text.encode()), FINE),
    Fault("deep", _text(lambda text: "[" * 20_000), UNKNOWN),
    Fault("huge", _text(lambda text: " " * MAX_BYTES + text), UNKNOWN, breaks=True),
    Fault("twice", _twice, FINE),
    Fault("and then an error", _contradiction, FINE),
    Fault("own request between", _between, FINE),
    Fault(
        "closed", _closes(lambda peer: peer.ws.close() if peer.ws else None), UNKNOWN, breaks=True
    ),
    Fault("hung up", _closes(Peer.hang_up), UNKNOWN, breaks=True),
    Fault("reset", _closes(Peer.reset), UNKNOWN, breaks=True),
    Fault("connects again", _again(answers=False), UNKNOWN),
    Fault("connects again and answers there", _again(answers=True), UNKNOWN),
    Fault("database takes nothing", None, FINE, database=True),
)
