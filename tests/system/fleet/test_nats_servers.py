"""The shipped config of NATS: three servers with TLS, and users that may do only their own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import trustme

from chargepoint_driver.config.fleet import NodeNatsConfig
from chargepoint_driver.errors import TransientError
from tests.postgres_server import EXAMPLES
from tests.unit.events.engines import Engine, free_port, missing, nats_binaries, running

LIMIT_S = 30.0


def need_nats() -> Any:
    """Return the class of messages over NATS."""
    if find_spec("nats") is None:
        missing("nats-py")
    return import_module("chargepoint_driver.messaging.nats").NatsMessaging


class Cluster:
    """Three servers from the shipped file, with other ports and paths."""

    def __init__(self, folder: Path, binary: str, stack: ExitStack) -> None:
        self._folder = folder
        authority = trustme.CA()
        made = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        made.private_key_pem.write_to_path(str(folder / "server.key"))
        made.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
        (folder / "passwords.conf").write_text('NODE_PASSWORD = "one"\nEVENTS_PASSWORD = "two"\n')
        routes = [free_port() for _ in range(3)]
        self.servers = [
            stack.enter_context(
                running(lambda port, at=at: self._command(binary, at, port, routes), self._log(at))
            )
            for at in range(3)
        ]

    def _log(self, at: int) -> Path:
        return self._folder / f"nats{at + 1}.log"

    def _command(self, binary: str, at: int, port: int, routes: list[int]) -> list[str]:
        text = (EXAMPLES / "nats-server.conf").read_text()
        text = text.replace("/etc/nats/", f"{self._folder}/")
        text = text.replace("/var/lib/nats", f"{self._folder}/stored{at + 1}")
        text = text.replace("server_name: nats1", f"server_name: nats{at + 1}")
        text = text.replace("0.0.0.0:4222", f"127.0.0.1:{port}")
        text = text.replace("0.0.0.0:6222", f"127.0.0.1:{routes[at]}")
        text = re.sub(
            r"nats(\d)\.example\.org:6222", lambda found: f"127.0.0.1:{routes[int(found[1]) - 1]}",
            text,
        )  # fmt: skip
        file = self._folder / f"nats{at + 1}.conf"
        file.write_text(text)
        return [binary, "-c", str(file)]

    def config(self, user: str, *servers: Engine) -> NodeNatsConfig:
        """Return the config of a client of some servers."""
        return NodeNatsConfig.model_validate(
            {
                "servers": [f"tls://127.0.0.1:{each.port}" for each in servers],
                "tls": True,
                "ca_file": str(self._folder / "ca.pem"),
                "username": user,
                "password_env": f"{user.upper()}_PASSWORD",
            }
        )


@pytest.fixture(params=nats_binaries() or [""], ids=lambda path: Path(path).parent.name or "none")
def cluster(request, tmp_path: Path, monkeypatch) -> Iterator[Cluster]:
    monkeypatch.setenv("NODE_PASSWORD", "one")
    monkeypatch.setenv("EVENTS_PASSWORD", "two")
    with ExitStack() as stack:
        yield Cluster(tmp_path, request.param or missing("nats-server"), stack)


async def echo(fields: dict[str, Any]) -> dict[str, Any]:
    return fields


async def eventually_asked(client: Any, subject: str) -> None:
    """Ask until the answer comes: servers tell each other of a subject with some delay."""
    end_s = asyncio.get_running_loop().time() + LIMIT_S
    while True:
        try:
            assert await client.request(subject, {"a": 1}, 5) == {"a": 1}
        except TransientError:
            assert asyncio.get_running_loop().time() < end_s
            await asyncio.sleep(0.05)
        else:
            return


def test_nodes_reach_each_other_over_any_servers(cluster: Cluster) -> None:
    first, second, third = cluster.servers
    messaging = need_nats()

    async def play() -> None:
        serving = messaging(cluster.config("node", third), "serving")
        asking = messaging(cluster.config("node", first, second), "asking")
        try:
            await serving.open()
            await asking.open()
            await serving.serve("cp.node.1", echo)
            await serving.serve("other.subject", echo)
            await eventually_asked(asking, "cp.node.1")
            first.kill()
            await eventually_asked(asking, "cp.node.1")
            with pytest.raises(TransientError):
                await asking.request("other.subject", {}, 1)
        finally:
            await asking.close()
            await serving.close()

    asyncio.run(play())


def test_the_user_of_events_commands_no_charger_and_writes_the_stream(cluster: Cluster) -> None:
    messaging = need_nats()
    connect = import_module("nats").connect

    async def play() -> None:
        config = cluster.config("events", cluster.servers[1])
        taken: list[dict[str, Any]] = []

        async def take(fields: dict[str, Any]) -> None:
            taken.append(fields)

        serving = messaging(cluster.config("node", cluster.servers[0]), "serving")
        node = messaging(cluster.config("node", cluster.servers[1]), "node")
        await serving.open()
        await node.open()
        await serving.serve("cp.node.1", take)
        context = import_module("chargepoint_driver.process.tls").context_of(config)
        client = await connect(config.servers[0], tls=context, user="events", password="two")
        try:
            stream = await until_stream(client)
            assert stream.config.num_replicas == 3
            ack = await client.jetstream().publish("cp.ev.a.b.c", b"{}")
            assert (ack.stream, ack.seq) == ("CHARGEPOINT", 1)
            await client.publish("cp.node.1", b'{"who": "events"}')
            await client.flush()
            await node.publish("cp.node.1", {"who": "node"})
            end_s = asyncio.get_running_loop().time() + LIMIT_S
            while not taken and asyncio.get_running_loop().time() < end_s:
                await asyncio.sleep(0.02)
            assert taken == [{"who": "node"}]
        finally:
            await client.close()
            await node.close()
            await serving.close()

    asyncio.run(play())


async def until_stream(client: Any) -> Any:
    """Make the stream, once the servers have a leader."""
    errors = import_module("nats.js.errors")
    unsent = import_module("nats.errors")
    end_s = asyncio.get_running_loop().time() + LIMIT_S
    while True:
        try:
            return await client.jetstream().add_stream(
                name="CHARGEPOINT", subjects=["cp.ev.>"], num_replicas=3
            )
        except (errors.Error, unsent.Error):
            assert asyncio.get_running_loop().time() < end_s
            await asyncio.sleep(0.2)
