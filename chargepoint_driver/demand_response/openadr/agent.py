"""The running VEN: clients of every VTN, and the loop that makes limits of events."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from chargepoint_driver.demand_response.chargers import Chargers, Measured
from chargepoint_driver.demand_response.openadr.config import OpenAdrConfig, VtnConfig
from chargepoint_driver.demand_response.openadr.ven import Ven
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.text import get_logger

__all__ = ["Client", "OpenAdrAgent"]

_T = TypeVar("_T")
_log = get_logger(__name__)

# A stopped agent does not wait longer for the chargers.
_STOP_LIMIT_S = 30.0
_RETRY_S = 1.0


class Client(Protocol):
    """One VTN. `run` goes on until it is cancelled, whatever the VTN does."""

    async def run(self) -> None: ...

    async def opted(self, event_id: str) -> None:
        """Report the operator's decision about an event to the VTN."""


class OpenAdrAgent:
    """Runs until `stop` is called. `publish` takes the status whenever it changes."""

    def __init__(
        self,
        config: OpenAdrConfig,
        chargers: Chargers,
        publish: Callable[[dict[str, Any]], None] = lambda _status: None,
    ) -> None:
        self.config = config
        self.ven = Ven(config)
        self._chargers = chargers
        self._publish = publish
        self._published: dict[str, Any] | None = None
        self._stopping = asyncio.Event()
        self._is_open = True
        self._written: tuple[float | None, float] | None = None
        self._opting: set[asyncio.Task[None]] = set()
        self.clients: dict[str, Client] = {
            name: _client(name, vtn, self.ven) for name, vtn in config.vtns.items()
        }

    def stop(self) -> None:
        """Let `run` end. Thread-safe through `loop.call_soon_threadsafe` only."""
        self._stopping.set()

    async def run(self) -> None:
        """Follow the events. Raises nothing that a VTN or a charger did."""
        tasks = [
            asyncio.create_task(client.run(), name=name) for name, client in self.clients.items()
        ]
        try:
            if self.ven.is_limiting and self.config.on_start == "release":
                await self._write(None)
            while not self._stopping.is_set():
                await self._run_once()
                await _wait(self._stopping, self.config.look_seconds)
            if self.config.on_stop == "release":
                await self._give_back()
        finally:
            tasks += self._opting
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            for error in done:
                if isinstance(error, Exception):
                    _log.error("a VTN's client failed: %r", error)
            self.ven.close()

    async def _run_once(self) -> None:
        for vtn, event_id in self.ven.reread_opts():
            client = self.clients.get(vtn)
            if client is not None:
                # A VTN that does not answer must not keep the lease from being renewed.
                opting = asyncio.create_task(client.opted(event_id))
                self._opting.add(opting)
                opting.add_done_callback(self._opting.discard)
        try:
            measured = await self._measure()
            if measured is not None:
                self.ven.add_reading(measured)
        # A reading that fails must not end what renews the lease.
        except Exception:  # noqa: BLE001 - whatever it is
            _log.exception("the chargers cannot be looked at")
        if self._stopping.is_set():
            return
        decision = self.ven.decide()
        if decision.kw is not None or self.ven.is_limiting:
            await self._write(decision.kw)
        status = self.ven.status()
        if status != self._published:
            self._published = status
            self.ven.set_fact("status", {"at": self.ven.now().isoformat(), **status})
            self._publish(status)

    async def _measure(self) -> Measured | None:
        """Look at the chargers. None where the agent stops meanwhile: the release does not wait
        for a charger that is slow to answer."""
        looking = _on_thread(self._chargers.measure)
        stopping = asyncio.create_task(self._stopping.wait())
        waiting: list[asyncio.Future[Any]] = [looking, stopping]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if looking.done():
            return looking.result()
        looking.cancel()
        return None

    async def _give_back(self) -> None:
        """Release what is held, and try again until it is done or the limit is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _STOP_LIMIT_S
        while self.ven.is_limiting and loop.time() < end:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._write(None), end - loop.time())
            if self.ven.is_limiting:
                await asyncio.sleep(_RETRY_S)
        if self.ven.is_limiting:
            lease_s = self.config.lease_seconds
            until = f"its lease of {lease_s:g} seconds ends" if lease_s else "the next start"
            _log.error("the chargers did not take the release: the limit stays until %s", until)

    async def _write(self, kw: float | None) -> None:
        """Hold to a limit or renew it; None: release."""
        now = asyncio.get_running_loop().time()
        if self._written is not None and not self.ven.failed and kw is not None:
            written_kw, written_s = self._written
            renew_s = self.config.lease_seconds / 3 if self.config.lease_seconds else 60.0
            if written_kw == kw and now - written_s < renew_s:
                return
        if kw is not None:
            self.ven.is_limiting = True  # Noted first: a killed agent has to give it back.
        try:
            if kw is None:
                failed = await _on_thread(self._chargers.release)
            else:
                failed = await _on_thread(lambda: self._chargers.hold(kw))
        except Exception as error:  # noqa: BLE001 - as above
            _log.exception("the chargers cannot be written")
            failed = [f"{type(error).__name__}: {error}"]
        if failed and failed != self.ven.failed:
            _log.error("not written, tried again: %s", "; ".join(failed))
        self.ven.failed = failed
        self._written = (kw, now)
        if kw is None and not failed:
            self.ven.is_limiting = False
            self._written = None


def _on_thread(work: Callable[[], _T]) -> asyncio.Future[_T]:
    """Do work on a thread of its own, for which the end of the process does not wait."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # of work, then

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as caught:  # noqa: BLE001 - handed to who waits
            error = caught
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="chargers", daemon=True).start()
    return future


async def _wait(event: asyncio.Event, seconds: float) -> None:
    waiting: Awaitable[bool] = event.wait()
    try:
        await asyncio.wait_for(waiting, seconds)
    except asyncio.TimeoutError:
        return


def _client(name: str, vtn: VtnConfig, ven: Ven) -> Client:
    """Raises ConfigurationError where the extra is not installed."""
    client: Client
    try:
        if vtn.version == "2.0b":
            from chargepoint_driver.demand_response.openadr.client_2b import (  # noqa: PLC0415
                Client2b,
            )

            client = Client2b(name, vtn, ven)
            return client
        from chargepoint_driver.demand_response.openadr.client_3 import (  # noqa: PLC0415
            Client3,
        )

        client = Client3(name, vtn, ven)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'volttron-lib-chargepoint-driver[openadr]'"
        ) from None
    return client
