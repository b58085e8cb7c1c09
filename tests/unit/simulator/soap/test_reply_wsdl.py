"""Every 5.0 reply against a WSDL: a strict zeep client, and the schema itself.

Runs with the project's own WSDL when that is there, and with a reference one when
CHARGEPOINT_REFERENCE_WSDL names the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import zeep
from lxml import etree
from zeep.wsse.username import UsernameToken

import chargepoint_driver.simulator as package

from ..conftest import SERVICE_NS, Client

OWN = Path(package.__file__).parent.parent / "backends" / "soap" / "chargepoint.wsdl"
VARIABLE = "CHARGEPOINT_REFERENCE_WSDL"
XSD = "{http://www.w3.org/2001/XMLSchema}"
GROUP = 39491
STATION = "1:34001"


def _wsdl(name: str) -> Path:
    if name == "own":
        if not OWN.exists():
            pytest.skip("the project has no WSDL of its own yet")
        return OWN
    reference = os.environ.get(VARIABLE)
    if not reference:
        pytest.skip(f"{VARIABLE} does not name a reference WSDL")
    return Path(reference)


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("getStations", {"searchQuery": {}}),
    ("getStations", {"searchQuery": {"stationID": "1:9"}}),
    ("getStations", {"searchQuery": {"startRecord": 2, "numStations": 1}}),
    ("getStationStatus", {"searchQuery": {"stationIDs": {"stationID": [STATION, "1:34002"]}}}),
    ("getStationStatus", {"searchQuery": {"portDetails": True}}),
    ("getLoad", {"searchQuery": {"sgID": GROUP}}),
    ("getLoad", {"searchQuery": {"stationID": STATION}}),
    ("getLoad", {"searchQuery": {}}),
    (
        "shedLoad",
        {
            "shedQuery": {
                "shedGroup": {"sgID": GROUP, "allowedLoadPerStation": 5},
                "timeInterval": 10,
            }
        },
    ),
    ("getLoad", {"searchQuery": {"sgID": GROUP}}),
    (
        "shedLoad",
        {
            "shedQuery": {
                "shedStation": {"stationID": STATION, "percentShedPerStation": 30},
                "timeInterval": 0,
            }
        },
    ),
    (
        "shedLoad",
        {
            "shedQuery": {
                "shedStation": {
                    "stationID": STATION,
                    "Ports": {
                        "Port": [
                            {"portNumber": "1", "allowedLoadPerPort": 3},
                            {"portNumber": "2", "percentShedPerPort": 50},
                        ]
                    },
                },
                "timeInterval": 0,
            }
        },
    ),
    ("getLoad", {"searchQuery": {"stationID": STATION}}),
    (
        "clearShedState",
        {
            "shedQuery": {
                "shedStation": {"stationID": STATION, "Ports": {"Port": [{"portNumber": "1"}]}}
            }
        },
    ),
    ("clearShedState", {"shedQuery": {"shedGroup": {"sgID": GROUP}}}),
    ("clearShedState", {"shedQuery": {}}),
    ("getAlarms", {"searchQuery": {}}),
    ("clearAlarms", {"searchQuery": {"stationID": STATION}}),
    ("getAlarms", {"searchQuery": {"stationID": STATION}}),
    ("getStationRights", {"searchQuery": {}}),
    ("getChargingSessionData", {"searchQuery": {}}),
    (
        "getChargingSessionData",
        {"searchQuery": {"toTimeStamp": datetime(2020, 1, 1, tzinfo=timezone.utc)}},
    ),
    ("getTransactionData", {"searchQuery": {}}),
    ("getTransactionData", {"searchQuery": {"numTransactions": 1, "startRecord": 2}}),
    ("getTransactionData", {"searchQuery": {"transactionType": "Reservation"}}),
    ("get15minChargingSessionData", {"sessionID": 1}),
    ("getStationGroups", {"orgID": "1:ORG00001"}),
    ("getOrgsAndStationGroups", {"searchQuery": {}}),
    (
        "createLoadShedEvent",
        {
            "shedEvent": {
                "sgID": str(GROUP),
                "eventStartTime": datetime(2026, 3, 3, 19, tzinfo=timezone.utc),
                "eventDuration": 10,
                "percentShedPerStation": 50.0,
            }
        },
    ),
    ("removeLoadShedEvent", {"eventId": 1}),
    ("removeLoadShedEvent", {"eventId": 2}),
]


class Recorder:
    """A zeep plugin that keeps the last reply."""

    def __init__(self) -> None:
        self.reply: etree._Element | None = None

    def ingress(self, envelope: Any, http_headers: Any, operation: Any) -> Any:
        self.reply = envelope
        return envelope, http_headers

    def egress(self, envelope: Any, http_headers: Any, operation: Any, options: Any) -> Any:
        return envelope, http_headers


@contextmanager
def strict_client(path: Path, client: Client, recorder: Recorder) -> Iterator[Any]:
    transport = zeep.Transport(session=client.session)
    made = zeep.Client(
        str(path),
        wsse=UsernameToken(client.username, client.password),
        settings=zeep.Settings(strict=True, xml_huge_tree=False),
        transport=transport,
        plugins=[recorder],
    )
    (binding,) = made.wsdl.bindings
    yield made.create_service(binding, client.simulator.soap_url)


@pytest.mark.parametrize("name", ["own", "reference"])
def test_strict_client_and_schema_accept_every_reply(
    name: str, start: Callable[..., Client]
) -> None:
    path = _wsdl(name)
    tree = etree.parse(str(path))
    schema_element = tree.find(f".//{XSD}schema")
    assert schema_element is not None
    schema = etree.XMLSchema(etree.fromstring(etree.tostring(schema_element)))
    declared = {str(element.get("name")) for element in schema_element.findall(f"{XSD}element")}
    client = start(stations=3)
    recorder = Recorder()
    checked = set()
    with strict_client(path, client, recorder) as service:
        for operation, arguments in CALLS:
            if operation not in declared:
                continue
            reply = getattr(service, operation)(**arguments)
            assert reply is not None
            assert recorder.reply is not None
            (content,) = recorder.reply.findall("{*}Body/*")
            assert content.tag == f"{{{SERVICE_NS}}}{operation}Response"
            schema.assertValid(etree.fromstring(etree.tostring(content)))
            checked.add(operation)
    assert checked >= {"getStations", "getStationStatus", "getLoad", "shedLoad", "getAlarms"}
    if name == "reference":
        assert checked == {operation for operation, _ in CALLS}
