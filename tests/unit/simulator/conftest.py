"""A simulator on a clock that stands still, and a client that shares nothing with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape

import pytest
import requests
from lxml import etree

from chargepoint_driver.simulator import ManualClock, Simulator

SERVICE_NS = "urn:dictionary:com.chargepoint.webservices"
ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>{header}</s:Header>'
    "<s:Body>{body}</s:Body></s:Envelope>"
)
TOKEN = (
    '<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/'
    'oasis-200401-wss-wssecurity-secext-1.0.xsd"><w:UsernameToken>'
    "<w:Username>{username}</w:Username><w:Password>{password}</w:Password>"
    "</w:UsernameToken></w:Security>"
)


class Reply:
    """An HTTP reply with a SOAP envelope in it."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.text = response.text
        self.content = response.content

    @property
    def envelope(self) -> etree._Element:
        return etree.fromstring(self.content)

    @property
    def element(self) -> etree._Element:
        found = self.envelope.find("{*}Body/*")
        assert found is not None
        return found

    @property
    def code(self) -> str | None:
        return self.element.findtext("responseCode")

    @property
    def fault(self) -> str | None:
        return self.element.findtext("faultcode")

    def rows(self, path: str) -> list[etree._Element]:
        return self.element.findall(path)

    def texts(self, path: str) -> list[str | None]:
        return [element.text for element in self.rows(path)]


class Client:
    """Posts hand-written SOAP."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        self.session.trust_env = False
        self.username = simulator.username
        self.password = simulator.password

    def post(self, body: bytes | str, version: str = "5.0") -> Reply:
        url = self.simulator.soap_url.replace("5.0", version)
        data = body.encode() if isinstance(body, str) else body
        return Reply(self.session.post(url, data=data, timeout=30))

    def envelope(self, operation: str, inner: str) -> str:
        token = TOKEN.format(username=escape(self.username), password=escape(self.password))
        body = f'<n:{operation} xmlns:n="{SERVICE_NS}">{inner}</n:{operation}>'
        return ENVELOPE.format(header=token, body=body)

    def call(self, operation: str, inner: str = "<searchQuery/>", version: str = "5.0") -> Reply:
        return self.post(self.envelope(operation, inner), version)

    def search(self, operation: str, version: str = "5.0", **fields: Any) -> Reply:
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        return self.call(operation, f"<searchQuery>{inner}</searchQuery>", version)

    def loads(self, **fields: Any) -> dict[tuple[str, str], dict[str, str]]:
        """(station id, port number) -> the values of getLoad."""
        reply = self.search("getLoad", **fields)
        assert reply.code == "100", reply.text
        return {
            (data.findtext("stationID", ""), port.findtext("portNumber", "")): {
                child.tag: child.text or "" for child in port
            }
            for data in reply.rows("stationData")
            for port in data.findall("Port")
        }

    def shed(self, target: str, interval: str = "<timeInterval>0</timeInterval>") -> Reply:
        return self.call("shedLoad", f"<shedQuery>{target}{interval}</shedQuery>")

    def control(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        url = f"{self.simulator.control_url}{path}"
        response = self.session.request(method, url, data=data, timeout=30)
        return response.status_code, response.json()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def start(clock: ManualClock) -> Iterator[Callable[..., Client]]:
    """Start simulators; they are stopped, and must leave no thread, at the end."""
    before = set(threading.enumerate())
    clients: list[Client] = []

    def make(**options: Any) -> Client:
        simulator = Simulator(**{"clock": clock, **options})
        clients.append(Client(simulator))
        simulator.start()
        return clients[-1]

    yield make
    for client in clients:
        client.simulator.stop()
        client.session.close()
    assert set(threading.enumerate()) <= before


@pytest.fixture
def client(start: Callable[..., Client]) -> Client:
    """A client of four stations with two ports each."""
    return start()
