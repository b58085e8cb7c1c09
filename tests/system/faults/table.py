"""THE table of faults: what goes wrong with one call, and what the driver has to make of it.

`reading` and `writing` are the codes of the error tree that the call must end with, '' where
the fault does no harm. What is not named here must be a value, the same as in good times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

READS = (
    "getStationStatus",
    "getLoad",
    "getAlarms",
    "getChargingSessionData",
    "getStationRights",
    "getStations",
)
WRITES = (
    "shedLoad",
    "clearShedState",
    "clearAlarms",
    "createLoadShedEvent",
    "removeLoadShedEvent",
    "shedLoad of a group",
    "clearShedState of a group",
)

INTERVAL_S = 60
RETRY_AFTER_S = 90
SKEW_S = 3_600
LATE_S = 1.5  # real seconds that a reply is delayed; the limit of one call is 1 s then

LATER, BAD, REFUSED = "try_later", "bad_reply", "refused"
NOT_PERMITTED, WRONG = "not_permitted", "wrong_credentials"
UNKNOWN, REJECTED, NOTHING = "fate_unknown", "write_rejected", "nothing_there"
FINE = ""


class Reach(str, Enum):
    """Whose points are errors while a call fails."""

    CALL = "call"  # those of the call
    ACCOUNT = "account"  # all
    PORT = "port"  # those of the last port of the first station, where the call tells of ports
    PORTS = "ports"  # those of all its ports; both with the group that the station is in


@dataclass(frozen=True)
class Fault:
    """One row. `kind` None is not a fault of a reply: see `rig.Rig.begin`. `back_s` is the time
    after the end of the fault by which everything is read again, None where the driver waits
    for a changed configuration and is given one; `by_file`: what ends it is another password in
    the account's file. `unreported` names attributes of the call
    that the reply leaves out; `held` is whether the failing call is held back. `large` rows
    move many megabytes, `slow` ones wait in real time: a short run has fewer of them."""

    name: str
    kind: str | None
    reading: str
    writing: str
    params: Mapping[str, Any] = field(default_factory=dict)
    reach: Reach = Reach.CALL
    back_s: int | None = INTERVAL_S
    held: bool = True
    by_file: bool = False
    unreported: frozenset[str] = frozenset()
    skew_s: int = 0
    large: bool = False
    slow: bool = False


def _http(status: int, reading: str, writing: str, **options: Any) -> Fault:
    params = {"status": status, **options.pop("more", {})}
    return Fault(f"HTTP {status}", "http", reading, writing, params, **options)


def _fault(status: int, code: str, reading: str, writing: str, **options: Any) -> Fault:
    params = {"http_status": status, "code": code, "text": "said so"}
    name = f"SOAP fault {code.partition(':')[2]}, {status}"
    return Fault(name, "soap_fault", reading, writing, params, **options)


def _damage(kind: str, **options: Any) -> Fault:
    """The command is carried out, and the reply cannot be understood."""
    return Fault(kind.replace("_", " "), kind, BAD, UNKNOWN, held=False, **options)


def _odd(kind: str, **options: Any) -> Fault:
    return Fault(kind.replace("_", " "), kind, FINE, FINE, held=False, **options)


FAULTS = (
    Fault("late", "delay", LATER, UNKNOWN, {"seconds": LATE_S}, slow=True),
    Fault("connection refused", None, LATER, LATER, reach=Reach.ACCOUNT),
    Fault("closed without reply", "drop", LATER, UNKNOWN),
    Fault("reply lost", "drop_reply", LATER, UNKNOWN),
    Fault("closed in the middle", "drop_middle", LATER, UNKNOWN),
    Fault("reset in the middle", "reset_middle", LATER, UNKNOWN),
    _http(400, LATER, UNKNOWN),
    _http(401, WRONG, WRONG, reach=Reach.ACCOUNT, back_s=None),
    _http(403, LATER, LATER),
    _http(404, REFUSED, REFUSED, back_s=None),
    _http(
        429, LATER, LATER, more={"retry_after_s": RETRY_AFTER_S}, back_s=RETRY_AFTER_S + INTERVAL_S
    ),
    _http(500, LATER, UNKNOWN),
    _http(502, LATER, UNKNOWN),
    _http(503, LATER, LATER),
    _http(504, LATER, UNKNOWN),
    _fault(500, "soapenv:Server", LATER, UNKNOWN),
    _fault(200, "soapenv:Server", LATER, UNKNOWN),
    _fault(500, "soapenv:Client", LATER, REJECTED),
    _fault(200, "soapenv:Client", LATER, REJECTED),
    _fault(500, "wsse:InvalidSecurity", WRONG, WRONG, reach=Reach.ACCOUNT, back_s=None),
    _fault(200, "wsse:FailedAuthentication", WRONG, WRONG, reach=Reach.ACCOUNT, back_s=None),
    Fault("wrong password", None, WRONG, WRONG, reach=Reach.ACCOUNT, back_s=None),
    Fault("changed password", None, WRONG, WRONG, reach=Reach.ACCOUNT, back_s=0, by_file=True),
    Fault("not in the plan", "refused", NOT_PERMITTED, NOT_PERMITTED, back_s=None),
    Fault("unknown code", "refused", BAD, REJECTED, {"code": "999"}, held=False),
    _damage("truncated_xml"),
    _damage("malformed_xml"),
    _damage("empty_body"),
    _damage("wrong_namespace"),
    _damage("wrong_encoding"),
    _damage("huge_xml", large=True),
    _damage("gzip_bomb", large=True),
    _damage("deep_nesting"),
    _damage("giant_attribute", large=True),
    _damage("giant_text", large=True),
    _damage("entity_expansion"),
    _damage("external_entity"),
    _odd("endless_more"),
    _odd("repeated_page"),
    _odd("reversed_order"),
    _odd("shuffled_elements"),
    _odd("unknown_elements"),
    _odd("security_header"),
    _odd("clock_skew", params={"seconds": SKEW_S}, skew_s=SKEW_S),
    _odd(
        "empty_numbers",
        unreported=frozenset({"stationLoad", "percentShed", "sessionID", "numPorts"}),
    ),
    _odd("no_coordinates", unreported=frozenset({"Lat", "Long"})),
    Fault("missing port", "missing_port", NOTHING, FINE, reach=Reach.PORT, held=False),
    Fault("empty station", "empty_station", NOTHING, FINE, reach=Reach.PORTS, held=False),
)

OF_PORTS = frozenset({"getStationStatus", "getLoad", "getStations"})
"""The calls that tell of ports as such; those of the others know a port by what happened there."""

OTHERWISE: Mapping[tuple[str, str], str] = MappingProxyType({})
"""(call, fault): the code, where one call differs from its row."""


def operation(call: str) -> str:
    """The service's name of a call."""
    return call.partition(" ")[0]


def expected(fault: Fault, call: str) -> str:
    """The code that the call must end with."""
    if fault.reach in {Reach.PORT, Reach.PORTS} and call not in OF_PORTS:
        return FINE
    code = fault.reading if call in READS else fault.writing
    return OTHERWISE.get((call, fault.name), code)
