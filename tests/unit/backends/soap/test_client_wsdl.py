"""The project's own service description: complete, strict, and read without a network."""

from __future__ import annotations

import socket
import subprocess
import sys
from importlib.resources import files

import pytest
import zeep
from lxml import etree

from chargepoint_driver.backends import soap
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.catalogue import CHARGEPOINT

WSDL = files(soap) / "chargepoint.wsdl"
W = "{http://schemas.xmlsoap.org/wsdl/}"
X = "{http://www.w3.org/2001/XMLSchema}"
# Points that are written to ChargePoint, not to the driver itself.
WRITES = {
    name
    for row in CHARGEPOINT
    if row.write != "lease"
    for name in row.write.replace(",", " ").split()
}
EVENTS = {"createLoadShedEvent", "removeLoadShedEvent"}
# Asked on demand for reports: of no register.
USAGE = {"get15minChargingSessionData", "getTransactionData"}
# Described and not called yet: groups and organisations by name.
AHEAD = {"getOrgsAndStationGroups", "getStationGroups"}


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_it_is_read_offline_at_the_first_call_and_once(no_network, account):
    backend = SoapBackend(account)
    assert backend._envelopes._zeep is None
    first = backend._envelopes._description()
    assert backend._envelopes._description() is first
    backend.close()


def test_it_imports_nothing():
    root = etree.fromstring(WSDL.read_bytes())
    imports = [*root.iter(f"{W}import", f"{X}import", f"{X}include")]
    assert [
        e.get("location") or e.get("schemaLocation") for e in imports if len(e.keys()) > 1
    ] == []


def test_it_holds_exactly_the_operations_of_the_catalogue_and_those_named_here():
    root = etree.fromstring(WSDL.read_bytes())
    (kind,) = root.iter(f"{W}portType")
    operations = {operation.get("name") for operation in kind.iter(f"{W}operation")}
    assert operations == set(CHARGEPOINT.calls) | WRITES | EVENTS | USAGE | AHEAD
    (binding,) = root.iter(f"{W}binding")
    assert {e.get("name") for e in binding.iter(f"{W}operation")} == operations


def _leaves(kind, path=()):
    """Paths of all elements below a type."""
    for name, element in getattr(kind, "elements", []):
        yield (*path, name)
        if hasattr(element.type, "elements"):
            yield from _leaves(element.type, (*path, name))


@pytest.mark.parametrize("call", list(CHARGEPOINT.calls.values()), ids=lambda call: call.name)
def test_it_describes_the_place_of_every_row_of_5_0(call, account, no_network):
    backend = SoapBackend(account)
    client, _ = backend._envelopes._description()
    output = client.get_element(
        f"{{urn:dictionary:com.chargepoint.webservices}}{call.name}Response"
    )
    described = set(_leaves(output.type))
    undescribed = set()
    for row in CHARGEPOINT.of_call(call.name):
        places = {(call.record, *path.split("/")) for path in row.path if path}
        if row.since == "5.0" and places and not places & described:
            undescribed.add(row.name)
    # Only versions before 5.0 send these.
    assert undescribed <= {
        "rfidSerialNumber",
        "driverAccountNumber",
        "driverName",
        "unitPriceForFirst",
    }
    backend.close()


def test_an_argument_that_it_does_not_describe_is_refused(account):
    backend = SoapBackend(account)
    client, service = backend._envelopes._description()
    with pytest.raises((TypeError, zeep.exceptions.Error)):
        client.create_message(service, "getLoad", searchQuery={"station": "1:1"})
    backend.close()


def test_reading_the_description_floods_no_debug_log() -> None:
    code = """
import logging
from chargepoint_driver.backend import Request
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
lines = []
class Count(logging.Handler):
    def emit(self, record):
        lines.append(record.name)
logging.basicConfig(level=logging.DEBUG, handlers=[Count()])
backend = SoapBackend(AccountConfig(username="u", password="p", endpoint="http://127.0.0.1:9/"))
try:
    backend.fetch(Request("getLoad", ("1:1",)))
except Exception:
    pass
print(sum(name.startswith("zeep") for name in lines))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
