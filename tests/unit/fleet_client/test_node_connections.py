"""Failover: what is sent again, what never is, and within which time."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme

from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidValueError,
    OutcomeUnknownError,
    TransientError,
)
from chargepoint_driver.fleet_client import node_connections

STATION = "1:34001"
LOAD = {"attribute": "portLoad", "station": STATION, "port": 1}
LIMIT = {"attribute": "allowedLoad", "station": STATION, "port": 1}


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Waits of a second and less."""
    monkeypatch.setattr(node_connections, "_READ_SILENCE_S", 0.5)
    monkeypatch.setattr(node_connections, "_WRITE_SILENCE_S", 1.5)
    monkeypatch.setattr(node_connections, "_PATIENCE_S", 0.0)
    monkeypatch.setattr("chargepoint_driver.fleet.account_api._BEAT_S", 0.1)


@pytest.fixture
def silent():
    """A port whose connections are taken by the system and never answered: a frozen node."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield f"http://127.0.0.1:{made.getsockname()[1]}"


@pytest.fixture
def closed():
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_the_node_that_answered_last_is_asked_first(fleet, account):
    fleet.hold(1)
    account.read({"a": LOAD})
    fleet.kill(0)
    account.read({"a": LOAD})
    assert [each for each in fleet.nodes[1].requests if each.startswith("POST")] == [
        "POST /accounts/garage/read"
    ]
    fleet.run(fleet.nodes[0].listen())
    account.read({"a": LOAD})
    assert len(fleet.nodes[1].requests) == 2
    assert len(fleet.nodes[0].requests) == 1


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_a_node_that_is_gone_costs_neither_a_read_nor_a_write(fleet, connect, request, kind):
    account = connect(nodes=[request.getfixturevalue(kind), fleet.urls[0]])
    assert "a" in account.read({"a": LOAD})["values"]
    account = connect(nodes=[request.getfixturevalue(kind), fleet.urls[0]])
    assert account.write(LIMIT, 3.0, shed_on_write=True) == 3.0
    assert fleet.nodes[0].accounts.begun == ["read", "write"]


def test_a_read_whose_node_dies_in_the_middle_is_asked_elsewhere(fleet, account):
    first = fleet.nodes[0]
    first.accounts.gate.clear()
    found = []
    thread = threading.Thread(target=lambda: found.append(account.read({"a": LOAD})))
    thread.start()
    wait_for(lambda: first.accounts.begun == ["read"])
    fleet.hold(1, epoch=2)
    fleet.kill(0)
    thread.join(10)
    assert "a" in found[0]["values"]
    assert fleet.nodes[1].accounts.begun == ["read"]


def test_a_write_whose_node_dies_in_the_middle_is_not_sent_again(fleet, account, sim):
    first = fleet.nodes[0]
    first.accounts.gate.clear()
    caught = []

    def write():
        try:
            account.write(LIMIT, 3.0, shed_on_write=True)
        except OutcomeUnknownError as error:
            caught.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    wait_for(lambda: first.accounts.begun == ["write"])
    fleet.hold(1, epoch=2)
    fleet.kill(0)
    thread.join(10)
    assert "may have been carried out" in str(caught[0])
    assert fleet.nodes[1].accounts.begun == []
    # It was carried out.
    first.accounts.gate.set()
    wait_for(lambda: sim.calls.count("shedLoad") == 1)


def test_a_node_that_works_on_an_answer_for_long_is_not_left(fleet, account):
    first = fleet.nodes[0]
    first.accounts.gate.clear()
    # Longer than a node may be silent.
    threading.Timer(2.0, first.accounts.gate.set).start()
    assert "a" in account.read({"a": LOAD})["values"]
    assert first.accounts.begun == ["read"]
    assert fleet.nodes[1].requests == []


def test_an_account_without_holder_is_waited_for(fleet, account):
    fleet.hold(None)
    threading.Timer(0.5, lambda: fleet.hold(1, epoch=2)).start()
    assert account.write(LIMIT, 3.0, shed_on_write=True) == 3.0
    assert fleet.nodes[1].accounts.begun == ["write"]


def test_a_request_that_is_too_large_is_named(fleet, account):
    fleet.kill(0)
    fleet.nodes[0].max_bytes = 10_000
    fleet.run(fleet.nodes[0].listen())
    points = {f"p{number}": LOAD for number in range(500)}
    with pytest.raises(InvalidValueError, match="bytes are too many for a node; ask for fewer"):
        account.read(points)
    assert fleet.nodes[1].requests == []


def test_without_any_node_each_reason_is_named_and_nothing_was_sent(connect, closed):
    account = connect(nodes=[closed])
    with pytest.raises(TransientError, match=r"no connection.*Nothing was sent") as found:
        account.write(LIMIT, 3.0)
    assert not isinstance(found.value, OutcomeUnknownError)
    with pytest.raises(TransientError, match="check that the node runs"):
        account.read({"a": LOAD})


def test_all_nodes_are_tried_again_for_some_seconds(fleet, account, monkeypatch):
    monkeypatch.setattr(node_connections, "_PATIENCE_S", 6.0)
    fleet.kill(0)
    fleet.kill(1)
    fleet.hold(1)
    threading.Timer(0.6, lambda: fleet.run(fleet.nodes[1].listen())).start()
    assert "a" in account.read({"a": LOAD})["values"]


def test_the_certificate_of_a_node_is_checked(fleet, connect, tmp_path):
    ca, node = trustme.CA(), fleet.nodes[0]
    fleet.kill(0)
    node.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(node.tls)
    fleet.run(node.listen())
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(ca_file)
    trusting = connect(nodes=[node.url], ca_file=ca_file)
    assert "a" in trusting.read({"a": LOAD})["values"]
    assert trusting.write(LIMIT, 3.0, shed_on_write=True) == 3.0
    with pytest.raises(TransientError, match=r"certificate is not accepted .* in ca_file"):
        connect(nodes=[node.url]).write(LIMIT, 2.0)
    with pytest.raises(ConfigurationError, match=r"ca_file: .*cannot be used"):
        connect(nodes=[node.url], ca_file=tmp_path / "none.pem").read({"a": LOAD})
    plain = fleet.nodes[1].url.replace("http:", "https:")
    with pytest.raises(TransientError, match="no encrypted connection"):
        connect(nodes=[plain], ca_file=ca_file).read({"a": LOAD})


@pytest.mark.parametrize("status", [200, 403, 404, 502])
def test_what_is_no_node_never_looks_like_an_answer(connect, status):
    with other_server(status, b"<html>hello</html>") as url:
        account = connect(nodes=[url])
        with pytest.raises(TransientError, match="is not that of a node"):
            account.read({"a": LOAD})
        # The question before a write is answered as badly: it is not sent.
        with pytest.raises(TransientError, match="is not that of a node") as found:
            account.write(LIMIT, 3.0)
    assert not isinstance(found.value, OutcomeUnknownError)


@pytest.mark.parametrize(("status", "is_unknown"), [(200, True), (404, False), (502, True)])
def test_a_write_that_something_between_loses(fleet, connect, sim, status, is_unknown):
    with other_server(status, b"lost", to=fleet.urls[0]) as url:
        account = connect(nodes=[url])
        with pytest.raises(TransientError) as found:
            account.write(LIMIT, 3.0, shed_on_write=True)
    assert isinstance(found.value, OutcomeUnknownError) is is_unknown
    assert sim.calls.count("shedLoad") == 0


@contextlib.contextmanager
def other_server(status, body, to=None):
    """A server of something else. `to`: what it asks there are the answers to GET."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if to is None:
                self.do_POST()
                return
            wanted = urllib.request.Request(to + self.path, headers=dict(self.headers))
            with urllib.request.urlopen(wanted) as found:
                content = found.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def wait_for(is_so, limit_s=10.0):
    """Wait until something is so."""
    waiting = threading.Event()
    for _ in range(int(limit_s / 0.01)):
        if is_so():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not happen")
