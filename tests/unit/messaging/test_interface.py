"""What every implementation of messages promises, over each of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    TransientError,
    WriteRejectedError,
)

from .conftest import LIMIT_S, Ends, play, until


async def echo(fields: dict[str, Any]) -> dict[str, Any]:
    return {"got": fields}


def test_a_request_has_the_answer_of_its_handler(ends: Ends) -> None:
    async def run() -> None:
        async with ends() as (serving, asking):
            await serving.serve("cp.node.a-1", echo)
            fields = {"station": "Säule 1.2 *>", "none": None, "zero": 0, "list": [1, 2.5, "x"]}
            assert await asking.request("cp.node.a-1", fields, LIMIT_S) == {"got": fields}

    play(run)


def test_many_requests_run_at_the_same_time(ends: Ends) -> None:
    async def run() -> None:
        running: set[int] = set()
        all_run = asyncio.Event()

        async def wait(fields: dict[str, Any]) -> dict[str, Any]:
            running.add(fields["number"])
            if len(running) == 50:
                all_run.set()
            await all_run.wait()
            return fields

        async with ends() as (serving, asking):
            await serving.serve("cp.node.many", wait)
            found = await asyncio.gather(
                *(asking.request("cp.node.many", {"number": n}, LIMIT_S) for n in range(50))
            )
            assert [each["number"] for each in found] == list(range(50))

    play(run)


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("CP9 has never connected"),
        WriteRejectedError("CP1: the charge point answered Rejected", service_code="Rejected"),
        TransientError("later", retry_after_s=2.5),
        OutcomeUnknownError("CP1: no answer to Reset within 5 s"),
    ],
    ids=lambda error: error.code,
)
def test_an_error_of_the_handler_is_the_same_error_at_the_requester(ends: Ends, error) -> None:
    async def fail(_: dict[str, Any]) -> dict[str, Any]:
        raise error

    async def run() -> None:
        async with ends() as (serving, asking):
            await serving.serve("cp.node.fails", fail)
            with pytest.raises(type(error)) as caught:
                await asking.request("cp.node.fails", {}, LIMIT_S)
        assert type(caught.value) is type(error)
        assert caught.value.to_dict() == error.to_dict()

    play(run)


def test_nobody_knows_whether_a_handler_that_broke_has_done_it(ends: Ends) -> None:
    async def fail(_: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("secret")

    async def run() -> None:
        async with ends() as (serving, asking):
            await serving.serve("cp.node.breaks", fail)
            with pytest.raises(OutcomeUnknownError, match="KeyError") as caught:
                await asking.request("cp.node.breaks", {}, LIMIT_S)
            assert "secret" not in str(caught.value)

    play(run)


def test_without_a_server_of_the_subject_a_request_fails_at_once(ends: Ends) -> None:
    async def run() -> None:
        async with ends() as (serving, asking):
            end = await serving.serve("cp.node.gone", echo)
            await asking.request("cp.node.gone", {}, LIMIT_S)
            await end()
            for subject in ("cp.node.gone", "cp.node.never"):
                # Not OutcomeUnknownError, which is one: nothing was sent.
                with pytest.raises(TransientError, match="nothing was sent") as caught:
                    await asking.request(subject, {}, 1_000 * LIMIT_S)
                assert caught.value.code == "try_later"

    play(run)


def test_a_request_without_an_answer_in_time_has_an_unknown_outcome(ends: Ends) -> None:
    async def run() -> None:
        begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def wait(_: dict[str, Any]) -> dict[str, Any]:
            begun.set()
            await go_on.wait()
            done.set()
            return {}

        async with ends() as (serving, asking):
            await serving.serve("cp.node.slow", wait)
            with pytest.raises(OutcomeUnknownError, match=r"within 0\.3 s"):
                await asking.request("cp.node.slow", {}, 0.3)
            await begun.wait()
            go_on.set()
            await done.wait()  # it was carried out all the same
            # The answer that came too late belongs to no other request.
            end = await serving.serve("cp.node.next", echo)
            assert await asking.request("cp.node.next", {"n": 1}, LIMIT_S) == {"got": {"n": 1}}
            await end()

    play(run)


def test_more_requests_than_a_node_takes_are_not_begun(ends: Ends) -> None:
    async def run() -> None:
        go_on = asyncio.Event()
        begun: list[int] = []

        async def wait(fields: dict[str, Any]) -> dict[str, Any]:
            begun.append(fields["n"])
            await go_on.wait()
            return {}

        async with ends() as (serving, asking):
            await serving.serve("cp.node.full", wait)
            tasks = [
                asyncio.create_task(asking.request("cp.node.full", {"n": n}, LIMIT_S))
                for n in range(1_000)
            ]
            await until(lambda: len(begun) == 1_000)
            with pytest.raises(TransientError, match="too many"):
                await asking.request("cp.node.full", {"n": 1_000}, LIMIT_S)
            assert 1_000 not in begun
            go_on.set()
            await asyncio.gather(*tasks)

    play(run)


def test_a_notice_reaches_all_who_listen_and_a_failure_harms_nobody(ends: Ends) -> None:
    async def run() -> None:
        first: list[Any] = []
        second: list[Any] = []

        async def break_(fields: dict[str, Any]) -> None:
            first.append(fields)
            raise ValueError

        async def take(fields: dict[str, Any]) -> None:
            second.append(fields)

        async with ends() as (serving, asking):
            await serving.serve("cp.changed.a", break_)
            await serving.serve("cp.changed.a", take)
            await asking.publish("cp.changed.a", {"stations": ["CP1"]})
            await asking.publish("cp.changed.nobody", {})
            await asking.publish("cp.changed.a", {"stations": ["CP2"]})
            await until(lambda: len(second) == 2 and len(first) == 2)
            assert {each["stations"][0] for each in second} == {"CP1", "CP2"}

    play(run)


def test_fields_that_are_not_json_are_refused_before_they_are_sent(ends: Ends) -> None:
    async def run() -> None:
        async with ends() as (serving, asking):
            await serving.serve("cp.node.a-1", echo)
            with pytest.raises(InvalidValueError, match="cannot be sent"):
                await asking.request("cp.node.a-1", {"what": object()}, LIMIT_S)

    play(run)
