"""Both implementations of messages: two ends that share handlers, in one process and over NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.config.sinks import NatsConnectionConfig
from chargepoint_driver.messaging.interface import Messaging
from chargepoint_driver.messaging.local import LocalMessaging
from tests.unit.events.engines import Engine, missing, nats_server

LIMIT_S = 30.0
Ends = Callable[[], AbstractAsyncContextManager[tuple[Messaging, Messaging]]]


def play(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run a test on a loop of its own, for a limited time."""
    return asyncio.run(asyncio.wait_for(work(), 2 * LIMIT_S))


@asynccontextmanager
async def opened(url: str, name: str = "test", **fields: Any) -> AsyncIterator[Any]:
    """An end over NATS."""
    made = import_module("chargepoint_driver.messaging.nats").NatsMessaging(
        NatsConnectionConfig.model_validate({"servers": [url], **fields}), name
    )
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A server that stays."""
    if find_spec("nats") is None:
        missing("nats-py")
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[Engine]:
    """A server that a test may kill."""
    if find_spec("nats") is None:
        missing("nats-py")
    with nats_server(tmp_path) as server:
        yield server


@pytest.fixture(params=["local", "nats"])
def ends(request: pytest.FixtureRequest) -> Ends:
    """Return how to open an end that serves and one that asks."""
    if request.param == "local":

        @asynccontextmanager
        async def within() -> AsyncIterator[tuple[Messaging, Messaging]]:
            made = LocalMessaging()
            try:
                yield made, made
            finally:
                await made.close()

        return within
    server = request.getfixturevalue("nats")

    @asynccontextmanager
    async def between() -> AsyncIterator[tuple[Messaging, Messaging]]:
        url = f"nats://127.0.0.1:{server.port}"
        async with opened(url) as serving, opened(url) as asking:
            yield serving, asking

    return between


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end_s = asyncio.get_running_loop().time() + LIMIT_S
    while not is_so():
        assert asyncio.get_running_loop().time() < end_s
        await asyncio.sleep(0.01)
