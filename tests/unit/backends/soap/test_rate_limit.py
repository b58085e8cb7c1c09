"""The limit of calls per minute, in every order in which threads can come and clocks can go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backend import Request, Target
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.backends.soap.rate_limit import RateLimiter
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.errors import TransientError

from .service import URL

LIMIT_S = 60.0


class Turns:
    """Stands for the pace's condition: a waiting thread hands control to the test, which lets
    time pass and chooses who goes on. One thread runs at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, limit_s: float) -> None:
        assert limit_s > 0
        caller: Caller = _here.caller
        caller.wakes_at = caller.rig.now_s + limit_s
        self._lock.release()
        caller.pause()
        self._lock.acquire()

    def notify_all(self) -> None:
        pass


_here = threading.local()


class Caller:
    """One call that wants its turn, in a thread that runs from `go_on` to its next wait."""

    def __init__(self, rig: Rig, is_write: bool, limit_s: float) -> None:
        self.rig, self.is_write = rig, is_write
        self.error: TransientError | None = None
        self.over = False
        self.wakes_at = 0.0
        self.began = rig.now_s
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(limit_s,))
        self._thread.start()
        self.go_on()

    def _run(self, limit_s: float) -> None:
        assert self._go.acquire(timeout=LIMIT_S)
        _here.caller = self
        try:
            self.rig.pace.take(self.is_write, limit_s)
            self.rig.sent.append((self.rig.now_s, self.is_write))
        except TransientError as error:
            self.error = error
        finally:
            self.over = True
            self._paused.release()

    def pause(self) -> None:
        self._paused.release()
        assert self._go.acquire(timeout=LIMIT_S)

    def go_on(self) -> None:
        if not self.over:
            self._go.release()
            assert self._paused.acquire(timeout=LIMIT_S)
        if self.over:
            self._thread.join(LIMIT_S)


class Rig:
    def __init__(self, calls_per_minute: int | None) -> None:
        self.now_s = 0.0
        self.sent: list[tuple[float, bool]] = []
        self.pace = RateLimiter(calls_per_minute, clock=lambda: self.now_s)
        self.pace._turn = Turns()  # type: ignore[assignment]
        self.callers: list[Caller] = []

    def call(self, is_write: bool = False, limit_s: float = 20.0) -> Caller:
        self.callers.append(Caller(self, is_write, limit_s))
        return self.callers[-1]

    @property
    def waiting(self) -> list[Caller]:
        return [caller for caller in self.callers if not caller.over]

    def pass_(self, seconds: float) -> None:
        """Let time pass; the threads that are due go on, in the order in which they came."""
        end = self.now_s + seconds
        while due := [caller for caller in self.waiting if caller.wakes_at <= end]:
            caller = min(due, key=lambda caller: caller.wakes_at)
            self.now_s = max(self.now_s, caller.wakes_at)
            caller.go_on()
        self.now_s = end

    def end(self) -> None:
        self.pass_(10_000.0)
        assert not self.waiting


@pytest.fixture
def make_rig() -> Iterator[Callable[[int | None], Rig]]:
    rigs: list[Rig] = []

    def make(calls_per_minute: int | None) -> Rig:
        rigs.append(Rig(calls_per_minute))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.end()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.booleans(), st.sampled_from([0.0, 1.0, 20.0, 90.0])),
        st.tuples(st.just("pass"), st.floats(0.0, 70.0)),
        st.tuples(st.just("wake"), st.integers(0, 9)),  # out of turn, as condition variables do
    ),
    max_size=25,
)


@given(st.integers(1, 7), steps)
def test_no_minute_has_more_calls_than_the_limit(most: int, script: list[Any]) -> None:
    rig = Rig(most)
    for step in script:
        if step[0] == "call":
            rig.call(step[1], step[2])
        elif step[0] == "pass":
            rig.pass_(step[1])
        elif rig.waiting:
            rig.waiting[step[1] % len(rig.waiting)].go_on()
    rig.end()
    times = [at for at, _ in rig.sent]
    for first, later in zip(times, times[most:]):  # noqa: B905  # the tail is shorter
        assert later - first >= 60.0 - 1e-6
    for caller in rig.callers:
        assert caller.error is None or caller.error.retry_after_s > 0
    assert len(rig.sent) == sum(caller.error is None for caller in rig.callers)
    # A fifth is kept for writes: no minute is full of reads.
    reads = [at for at, is_write in rig.sent if not is_write]
    room = most - min(max(1, most // 5), most - 1)
    for first, later in zip(reads, reads[room:]):  # noqa: B905
        assert later - first >= 60.0 - 1e-6


@given(st.integers(1, 7), steps)
def test_whoever_can_wait_gets_a_turn(most: int, script: list[Any]) -> None:
    """With time to wait nobody is starved, writes least of all."""
    rig = Rig(most)
    for step in script:
        if step[0] == "call":
            rig.call(step[1], 5_000.0)
        elif step[0] == "pass":
            rig.pass_(step[1])
    rig.end()
    assert all(caller.error is None for caller in rig.callers)


def test_reads_leave_room_for_writes(make_rig: Callable[[int], Rig]) -> None:
    rig = make_rig(10)
    for _ in range(9):
        rig.call(limit_s=0.0)
    assert len(rig.sent) == 8
    for _ in range(3):
        rig.call(is_write=True, limit_s=0.0)
    assert [is_write for _, is_write in rig.sent] == [False] * 8 + [True] * 2


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_write_goes_before_reads_that_waited_longer(
    make_rig: Callable[[int], Rig], most: int
) -> None:
    rig = make_rig(most)
    for _ in range(most):
        rig.call(is_write=True)
    rig.pass_(10.0)
    reads = [rig.call(limit_s=500.0) for _ in range(3)]
    write = rig.call(is_write=True, limit_s=500.0)
    rig.pass_(49.9)
    assert rig.waiting == [*reads, write]
    rig.pass_(0.2)
    assert write.over
    assert rig.sent[most][1] is True
    rig.pass_(500.0)
    assert all(read.over and read.error is None for read in reads)


def test_try_later_names_when_there_is_room(make_rig: Callable[[int], Rig]) -> None:
    rig = make_rig(1)
    rig.call()
    rig.pass_(12.0)
    late = rig.call(limit_s=20.0)
    rig.pass_(20.0)
    assert late.error is not None
    assert "calls_per_minute (1)" in str(late.error)
    assert "room in 28 s" in str(late.error)
    assert late.error.retry_after_s == pytest.approx(28.0)
    # Just then there is.
    rig.pass_(late.error.retry_after_s)
    assert rig.call(limit_s=0.0).error is None


def test_a_read_is_told_when_there_is_room_for_reads(make_rig: Callable[[int], Rig]) -> None:
    rig = make_rig(5)
    for _ in range(5):
        rig.call(is_write=True)
        rig.pass_(1.0)
    read = rig.call(limit_s=0.0)
    assert read.error is not None
    assert read.error.retry_after_s == pytest.approx(56.0)  # when the second is a minute old


def test_one_who_gives_up_sends_nothing_and_blocks_nobody(make_rig: Callable[[int], Rig]) -> None:
    rig = make_rig(1)
    rig.call()
    gave_up = rig.call(is_write=True, limit_s=5.0)
    rig.pass_(5.0)
    assert gave_up.error is not None
    rig.pass_(55.0)
    assert rig.call(limit_s=0.0).error is None
    assert len(rig.sent) == 2


def test_without_a_limit_nothing_waits(make_rig: Callable[[int | None], Rig]) -> None:
    rig = make_rig(None)
    for _ in range(1_000):
        rig.call(limit_s=0.0)
    assert len(rig.sent) == 1_000


class TestTheBackend:
    @pytest.fixture
    def account(self) -> AccountConfig:
        return AccountConfig(
            username="someone", password="s", endpoint=URL, calls_per_minute=1, timeout=0.05
        )

    @pytest.fixture
    def backend(self, account: AccountConfig) -> Iterator[SoapBackend]:
        backend = SoapBackend(account)
        yield backend
        backend.close()

    def test_a_call_without_room_is_not_sent(self, backend: SoapBackend) -> None:
        with responses.RequestsMock() as mock:
            mock.post(URL, status=503)
            with pytest.raises(TransientError):
                backend.fetch(Request("getStations"))
            for ask in (
                lambda: backend.fetch(Request("getStations")),
                lambda: backend.clear(Target("1:34001")),
            ):
                with pytest.raises(TransientError, match="calls_per_minute") as raised:
                    ask()
                assert raised.value.code == "try_later"  # a write's fate is known: not sent
            assert len(mock.calls) == 1
        assert sum(backend.calls().values()) == 1

    def test_a_higher_limit_does_not_forget_what_was_sent(
        self, backend: SoapBackend, account: AccountConfig
    ) -> None:
        with responses.RequestsMock() as mock:
            mock.post(URL, status=503)
            for most in (1, 2):
                backend.reconfigure(account.model_copy(update={"calls_per_minute": most}))
                with pytest.raises(TransientError, match="HTTP 503"):
                    backend.clear_alarms("1:34001")
            with pytest.raises(TransientError, match="calls_per_minute"):
                backend.clear_alarms("1:34001")
            assert len(mock.calls) == 2
