"""Messages over NATS: what its server and the network do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidValueError,
    OutcomeUnknownError,
    TransientError,
)
from tests.unit.events.engines import nats_server
from tests.unit.events.test_sinks_encrypted import Pki

from .conftest import LIMIT_S, opened, play, until


async def echo(fields: dict[str, Any]) -> dict[str, Any]:
    return fields


def test_a_lost_server_fails_what_is_out_and_is_found_again(own_nats) -> None:
    async def run() -> None:
        url = f"nats://127.0.0.1:{own_nats.port}"
        begun = asyncio.Event()
        taken: list[Any] = []

        async def never(fields: dict[str, Any]) -> dict[str, Any]:
            taken.append(fields)
            begun.set()
            await asyncio.Event().wait()
            return {}

        async with opened(url) as serving, opened(url) as asking:
            await serving.serve("cp.node.never", never)
            await serving.serve("cp.node.echo", echo)
            out = asyncio.create_task(asking.request("cp.node.never", {}, 1_000 * LIMIT_S))
            await begun.wait()
            own_nats.kill()
            # It may have been carried out. Nobody waits for the limit.
            with pytest.raises(OutcomeUnknownError, match="lost"):
                await asyncio.wait_for(out, LIMIT_S)
            await until(lambda: not asking.is_connected)
            with pytest.raises(TransientError, match="not connected") as caught:
                await asking.request("cp.node.never", {"late": 1}, LIMIT_S)
            assert caught.value.code == "try_later"
            with pytest.raises(TransientError, match="not connected"):
                await asking.publish("cp.node.never", {"late": 2})
            await asyncio.to_thread(own_nats.start_again)
            await until(lambda: asking.is_connected and serving.is_connected)
            # Its handlers are there again, and nothing that failed was sent late.
            assert await asking.request("cp.node.echo", {"n": 1}, LIMIT_S) == {"n": 1}
            assert taken == [{}]

    play(run)


def test_the_next_of_several_servers_is_used(nats, own_nats) -> None:
    async def run() -> None:
        gone = f"nats://127.0.0.1:{own_nats.port}"
        own_nats.kill()
        url = f"nats://127.0.0.1:{nats.port}"
        async with opened(gone, servers=[gone, url]) as asking, opened(url) as serving:
            await serving.serve("cp.node.second", echo)
            await until(lambda: asking.is_connected)
            assert await asking.request("cp.node.second", {"n": 1}, LIMIT_S) == {"n": 1}

    play(run)


def test_what_is_larger_than_the_server_takes_fails_with_the_reason(tmp_path) -> None:
    async def run(port: int) -> None:
        url = f"nats://127.0.0.1:{port}"

        async def large(_: dict[str, Any]) -> dict[str, Any]:
            return {"text": "x" * 5_000}

        async with opened(url) as serving, opened(url) as asking:
            await serving.serve("cp.node.large", large)
            with pytest.raises(InvalidValueError, match="nothing was sent"):
                await asking.request("cp.node.large", {"text": "x" * 5_000}, LIMIT_S)
            with pytest.raises(OutcomeUnknownError, match="raise max_payload"):
                await asking.request("cp.node.large", {}, LIMIT_S)

    with nats_server(tmp_path, config="max_payload: 4096") as server:
        play(lambda: run(server.port))


def test_an_answer_that_is_not_ours_has_an_unknown_outcome(nats) -> None:
    async def run() -> None:
        from nats.aio.client import Client  # noqa: PLC0415 - may be missing

        url = f"nats://127.0.0.1:{nats.port}"
        other = Client()
        await other.connect(servers=[url])
        try:
            for subject, data in (("cp.node.x", b"{"), ("cp.node.y", b"{}"), ("cp.node.z", b"[]")):

                async def answer(message: Any, data: bytes = data) -> None:
                    await message.respond(data)

                await other.subscribe(subject, cb=answer)
                await other.flush()
                async with opened(url) as asking:
                    with pytest.raises(OutcomeUnknownError, match="cannot be read"):
                        await asking.request(subject, {}, LIMIT_S)
        finally:
            await other.close()

    play(run)


def test_a_request_that_is_not_ours_is_refused(nats) -> None:
    async def run() -> None:
        from nats.aio.client import Client  # noqa: PLC0415 - may be missing

        url = f"nats://127.0.0.1:{nats.port}"
        other = Client()
        await other.connect(servers=[url])
        try:
            async with opened(url) as serving:
                await serving.serve("cp.node.refuses", echo)
                for data in (b"", b"\xff", b"[1]", b"{"):
                    message = await other.request("cp.node.refuses", data, timeout=LIMIT_S)
                    assert b'"bad_value"' in message.data
        finally:
            await other.close()

    play(run)


def test_tls_and_a_user_with_a_password(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RIGHT", "the right one, with ü")
    monkeypatch.setenv("WRONG", "a wrong one")
    pki = Pki(tmp_path)
    config = f"""
        authorization {{ user: node, password: "the right one, with ü" }}
        tls {{ cert_file: "{pki.server}", key_file: "{pki.server_key}", ca_file: "{pki.ca}",
               verify: true }}
    """

    async def run(port: int) -> None:
        url = f"nats://localhost:{port}"
        good = {"username": "node", "password_env": "RIGHT", "tls": True, **pki.keys}
        async with opened(url, **good) as serving, opened(url, **good) as asking:
            await serving.serve("cp.node.secret", echo)
            assert await asking.request("cp.node.secret", {"n": 1}, LIMIT_S) == {"n": 1}
        without_authority = {key: value for key, value in good.items() if key != "ca_file"}
        for bad in ({**good, "password_env": "WRONG"}, without_authority):
            async with opened(url, **bad) as refused:
                assert not refused.is_connected
                with pytest.raises(TransientError, match="not connected"):
                    await refused.request("cp.node.secret", {}, LIMIT_S)

    with nats_server(tmp_path, config=config) as server:
        play(lambda: run(server.port))


def test_a_token(tmp_path) -> None:
    (tmp_path / "token").write_text("a long token\n")

    async def run(port: int) -> None:
        url = f"nats://127.0.0.1:{port}"
        async with opened(url, token_file=tmp_path / "token") as both:
            await both.serve("cp.node.token", echo)
            assert await both.request("cp.node.token", {"n": 1}, LIMIT_S) == {"n": 1}
        async with opened(url) as refused:
            assert not refused.is_connected
        with pytest.raises(ConfigurationError):
            async with opened(url, token_file=tmp_path / "missing"):
                pass

    with nats_server(tmp_path, config="authorization { token: 'a long token' }") as server:
        play(lambda: run(server.port))
