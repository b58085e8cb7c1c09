"""An asyncio loop on a thread of its own, also where gevent has replaced threads by greenlets.

gevent is never imported here; it is used when it is there and has patched this process. Then
the thread is a real one, the loop gets the selector that gevent took away, and a greenlet that
waits for the loop lets others run meanwhile.
"""

from __future__ import annotations

import _socket
import _thread
import asyncio
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from chargepoint_driver.errors import ChargePointError, OutcomeUnknownError, TransientError
from chargepoint_driver.process import threads

__all__ = [
    "NativeLoop",
    "Signal",
    "gevent_if_patched",
    "native_lock",
    "native_queue",
    "off_loop",
    "start_native_thread",
]


_T = TypeVar("_T")


def gevent_if_patched() -> Any:
    """Return the gevent package, where greenlets stand for threads; else None."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not (monkey.is_module_patched("threading") or threads.greenlets()):
        return None
    return sys.modules.get("gevent")


def native_queue() -> Any:
    """Return a `queue.SimpleQueue` between real threads, also where gevent has replaced queues."""
    if gevent_if_patched() is None:
        return queue.SimpleQueue()
    return sys.modules["gevent.monkey"].get_original("queue", "SimpleQueue")()


def native_lock() -> Any:
    """Return a lock between real threads, for what takes microseconds."""
    if gevent_if_patched() is None:
        return _thread.allocate_lock()
    return sys.modules["gevent.monkey"].get_original("_thread", "allocate_lock")()


def start_native_thread(run: Callable[[], None]) -> None:
    """Run a function on a real thread, also where gevent has replaced threads."""
    if gevent_if_patched() is None:
        _thread.start_new_thread(run, ())
    else:
        sys.modules["gevent.monkey"].get_original("_thread", "start_new_thread")(run, ())


async def off_loop(work: Callable[[], _T]) -> _T:
    """Do something on a real thread, and wait for it without stopping the loop. Raises what it
    raises."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def end(result: Any, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def run() -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - it is raised where it is waited for
            error = raised
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(end, result, error)

    start_native_thread(run)
    return await done


class Signal:
    """Set once, from any thread; waited for by the one that made it."""

    def __init__(self) -> None:
        gevent = gevent_if_patched()
        self._watcher: Any = None
        self._closed = False
        self._event: Any
        if gevent is None:
            self._event = threading.Event()
            return
        self._event = sys.modules["gevent.event"].Event()
        self._watcher = gevent.get_hub().loop.async_()
        self._watcher.start(self._event.set)

    def set(self) -> None:
        if self._watcher is None:
            self._event.set()
        elif not self._closed:
            self._watcher.send()

    def wait(self, timeout_s: float | None) -> bool:
        """Return True if it was set in time."""
        return bool(self._event.wait(timeout_s))

    def close(self) -> None:
        self._closed = True
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()


class _Job:
    """A coroutine on the loop, and the callers that wait for it."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, Any]], done: Signal) -> None:
        self.make = make
        self.done = done
        self.task: asyncio.Task[Any] | None = None
        self.result: Any = None
        self.error: BaseException | None = None

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self.make())
        self.task.add_done_callback(self._end)

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def _end(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self.error = TransientError("the central system has stopped")
        else:
            self.error = task.exception()
            self.result = None if self.error is not None else task.result()
        self.done.set()


class NativeLoop:
    """The thread and its loop. Every wait is limited."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ended: Signal | None = None
        self._jobs: deque[_Job] = deque()
        self._ident: int | None = None

    def start(self, timeout_s: float = 10.0) -> None:
        """Begin; returns when the loop runs."""
        ready, self._ended = Signal(), Signal()
        gevent = gevent_if_patched()
        try:
            if gevent is None:
                self._thread = threading.Thread(
                    target=self._run, args=(ready,), name=self._name, daemon=True
                )
                self._thread.start()
            else:
                # The main thread's hub first: making two at once can lock their imports up.
                gevent.get_hub()
                start_native_thread(lambda: self._run(ready))
            if not ready.wait(timeout_s):
                raise TransientError(f"{self._name} has not started within {timeout_s:g} s")
        finally:
            ready.close()

    def run(self, make: Callable[[], Coroutine[Any, Any, Any]], timeout_s: float) -> Any:
        """Run a coroutine there and return its result. Raises its error; OutcomeUnknownError when
        it has not ended in time, and then it is cancelled."""
        loop = self._loop
        if loop is None or loop.is_closed():
            raise TransientError(f"{self._name} is not running")
        if _thread.get_ident() == self._ident:
            raise RuntimeError(f"{self._name}: called from its own thread")
        done = Signal()
        job = _Job(make, done)
        self._jobs.append(job)
        try:
            loop.call_soon_threadsafe(self._take)
            if not done.wait(timeout_s):
                loop.call_soon_threadsafe(job.cancel)
                raise OutcomeUnknownError(f"{self._name}: not done within {timeout_s:g} s")
        except RuntimeError as error:
            raise TransientError(f"{self._name} has stopped") from error
        finally:
            done.close()
        if job.error is not None:
            raise _own(job.error)
        return job.result

    def soon(self, work: Callable[[], None]) -> None:
        """Have something done on the loop, without waiting for it. Raises TransientError."""
        loop = self._loop
        if loop is None:
            raise TransientError(f"{self._name} is not running")
        try:
            loop.call_soon_threadsafe(work)
        except RuntimeError as error:
            raise TransientError(f"{self._name} has stopped") from error

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the loop and its thread. Safe to call more than once."""
        loop, ended = self._loop, self._ended
        if loop is None or ended is None:
            return
        self._loop = None
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        ended.wait(timeout_s)
        ended.close()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _take(self) -> None:
        while self._jobs:
            self._jobs.popleft().start()

    def _run(self, ready: Signal) -> None:
        loop = _new_loop()
        self._ident = _thread.get_ident()
        ended = self._ended
        try:
            asyncio.set_event_loop(loop)
            self._loop = loop
            loop.call_soon(ready.set)
            loop.run_forever()
            rest = asyncio.all_tasks(loop)
            for task in rest:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        finally:
            asyncio.set_event_loop(None)
            loop.close()
            if ended is not None:
                ended.set()


class _GeventSafeLoop(asyncio.SelectorEventLoop):
    """A loop whose blocking work runs on real threads.

    The default executor's threads are greenlets of this thread under gevent: what waits for one,
    like the lookup of a host name, never ends.
    """

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> list[Any]:
        """Look a host name up with the C library, past gevent's replacement."""
        return await off_loop(lambda: _socket.getaddrinfo(host, port, *_hints(**options)))

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Run a function on a real thread of its own, unless an executor is given."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        return asyncio.ensure_future(off_loop(lambda: func(*args)), loop=self)


def _hints(*, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> tuple[int, ...]:  # noqa: A002
    """Return the arguments of `getaddrinfo` in the order of the C library."""
    return family, type, proto, flags


def _new_loop() -> asyncio.AbstractEventLoop:
    """Under gevent a loop with the selector that gevent took away; else uvloop's, where it is
    installed: a quarter less time for each message."""
    if gevent_if_patched() is not None:
        original = sys.modules["gevent.monkey"].get_original("selectors", "DefaultSelector")
        return _GeventSafeLoop(original())
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return asyncio.SelectorEventLoop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _own(error: BaseException) -> BaseException:
    """Errors that are not of the tree say where they came from."""
    if isinstance(error, ChargePointError):
        return error
    wrapped = ChargePointError(f"the central system failed: {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
