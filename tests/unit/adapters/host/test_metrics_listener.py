"""`metrics_port` of the driver: one listener for all accounts of its process."""

from __future__ import annotations

import logging

import gevent
import pytest
from gevent import socket

from chargepoint_driver.adapters.host.metrics_listener import DRIVER, DriverMetrics, MetricsListener

from ..devices import device

pytest.importorskip("prometheus_client")


def ask(port, path="/metrics", method="GET"):
    """(status, body) as a scrape gets them, on this process's own hub."""
    with gevent.Timeout(30), socket.create_connection(("127.0.0.1", port)) as found:
        found.sendall(f"{method} {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        text = b""
        while chunk := found.recv(65536):
            text += chunk
    head, _, body = text.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


def answers(port):
    """Whether a scrape gets a whole answer."""
    try:
        return ask(port)[0] == 200
    except (OSError, IndexError):
        return False


@pytest.fixture
def listener():
    made = MetricsListener(list)
    yield made
    made.stop()


def test_it_is_off_unless_a_device_names_a_port(driver, sim):
    driver.start({"a/one": device(sim, "1:34001")})
    assert DRIVER.listener.port is None


def test_the_accounts_of_the_driver(driver, sim):
    driver.start({"a/one": device(sim, "1:34001", metrics_port=0)})
    port = DRIVER.listener.port
    driver.poll()
    calls = sim.calls.total
    status, body = ask(port)
    assert status == 200
    assert f'chargepoint_account_readable{{account="{sim.username}"}} 1.0' in body
    assert 'outcome="ok"' in body
    assert "chargepoint_load_watts" in body
    assert sim.calls.total == calls
    driver.agent.core.onstop.send(driver.agent)
    assert DRIVER.listener.port is None
    with pytest.raises(ConnectionRefusedError):
        ask(port)


def test_two_accounts_of_one_name_are_told_apart(sim):
    metrics = DriverMetrics()
    first, second = object(), object()
    metrics.join("a", first, None)
    metrics.join("a", second, None)
    assert [name for name, _ in metrics.listener._services()] == ["a", "a (2)"]
    metrics.leave(first)
    assert [name for name, _ in metrics.listener._services()] == ["a (2)"]


def test_other_paths_and_methods(listener):
    listener.configure(0)
    assert ask(listener.port, "/")[0] == 404
    assert ask(listener.port, method="POST")[0] == 405
    assert ask(listener.port, method="HEAD") == (200, "")
    assert ask(listener.port)[0] == 200


def test_another_port_moves_it_and_none_ends_it(listener):
    listener.configure(0)
    port = listener.port
    listener.configure(0)
    assert listener.port == port
    listener.configure("127.0.0.1:0")
    assert listener.port is not None
    listener.configure(None)
    assert listener.port is None


def test_a_port_that_is_taken_is_logged_and_the_process_goes_on(listener, caplog):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with caplog.at_level(logging.ERROR):
            listener.configure(taken.getsockname()[1])
    assert listener.port is None
    assert "cannot be used" in caplog.text
    assert "goes on without metrics" in caplog.text


def test_connections_that_ask_nothing_do_not_keep_it_from_answering(listener, monkeypatch):
    monkeypatch.setattr("chargepoint_driver.adapters.host.metrics_listener._CONNECTION_S", 0.5)
    listener.configure(0)
    idle = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(20)]
    try:
        with gevent.Timeout(60):
            # On a busy machine a scrape itself may take longer than that: then it is cut too.
            while not answers(listener.port):
                gevent.sleep(0.1)
    finally:
        for each in idle:
            each.close()


def test_the_delay_of_the_hub_is_measured(listener):
    listener.configure(0)
    with gevent.Timeout(30):
        while sum(listener._delay.counts()[0]) == 0:
            gevent.sleep(0.05)
    assert 'chargepoint_loop_delay_seconds_count{loop="hub"}' in ask(listener.port)[1]
