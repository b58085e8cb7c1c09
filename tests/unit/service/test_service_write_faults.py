"""A failed write is sent once and raises; a good one is read back; writes follow each other."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest

from chargepoint_driver.errors import (
    AuthenticationError,
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    TransientError,
    WriteRejectedError,
)
from chargepoint_driver.service import ShedController, ShedOptions

from .conftest import STATION, Rig

AT_ONCE = ShedOptions(on_write=True)

FAULTS: list[tuple[str, dict[str, Any], type[ChargePointError]]] = [
    ("http", {"status": 503}, TransientError),
    ("http", {"status": 429, "retry_after_s": 60}, TransientError),
    ("http", {"status": 403}, TransientError),
    ("http", {"status": 502}, OutcomeUnknownError),
    ("refused", {"code": "101"}, PermissionDeniedError),
    ("refused", {"code": "119"}, NotFoundError),
    ("refused", {"code": "126"}, WriteRejectedError),
    ("refused", {"code": "999"}, WriteRejectedError),
    ("soap_fault", {"http_status": 500}, TransientError),
    ("soap_fault", {"http_status": 200}, TransientError),
    ("drop", {}, OutcomeUnknownError),
    ("drop_reply", {}, OutcomeUnknownError),
    ("drop_middle", {}, OutcomeUnknownError),
    ("truncated_xml", {}, OutcomeUnknownError),
    ("malformed_xml", {}, OutcomeUnknownError),
    ("empty_body", {}, OutcomeUnknownError),
]
IDS = [f"{kind}-{'-'.join(map(str, options.values()))}" for kind, options, _ in FAULTS]


@pytest.mark.parametrize(("kind", "options", "error"), FAULTS, ids=IDS)
def test_a_failed_shed_is_sent_once_and_raises_and_leaves_what_was_staged(
    rig: Rig, kind: str, options: dict[str, Any], error: type[ChargePointError]
) -> None:
    rig.write("allowedLoad", 3.0)
    rig.sim.faults.set("shedLoad", kind, **options)
    with pytest.raises(error):
        rig.write("shedState", 1)
    with pytest.raises(ChargePointError):
        rig.write("percentShed", 50, options=AT_ONCE)
    assert rig.staged() == "allowedLoad 3 kW"
    assert rig.sent() == 2  # one for each write


@pytest.mark.parametrize(("kind", "options", "error"), FAULTS, ids=IDS)
def test_a_failed_clear_is_sent_once_and_raises(
    rig: Rig, kind: str, options: dict[str, Any], error: type[ChargePointError]
) -> None:
    rig.sim.faults.set("clearShedState", kind, **options)
    with pytest.raises(error):
        rig.write("shedState", 0)
    assert rig.sent() == 1


def test_a_failed_clear_of_alarms_is_sent_once_and_raises(rig: Rig) -> None:
    rig.sim.faults.set("clearAlarms", "drop_reply")
    with pytest.raises(OutcomeUnknownError):
        rig.write("clearAlarms", 1, port=None)
    assert rig.sent("clearAlarms") == 1


def test_a_failed_write_is_not_held_back_by_failing_reads(rig: Rig) -> None:
    """A shed has to get through as soon as it can."""
    rig.write("allowedLoad", 3.0)
    rig.pass_(31)
    rig.sim.faults.set("getLoad", "http", status=503)
    with pytest.raises(AssertionError, match="503"):
        rig.read("portLoad")
    assert rig.write("shedState", 1) is None  # it went out and cannot be read back
    assert rig.actual(1)["shedState"] == 1


def test_a_failed_write_does_not_hold_the_next_one_back(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.sim.faults.set("shedLoad", "http", status=503, times=1)
    with pytest.raises(TransientError):
        rig.write("shedState", 1)
    assert rig.write("shedState", 1) == 1


def test_wrong_credentials(rig: Rig) -> None:
    rig.sim.accounts.add(rig.sim.username, "another")
    with pytest.raises(AuthenticationError, match="username, password or region"):
        rig.write("shedState", 0)
    assert rig.sent() == 1


def test_a_port_that_is_not_there(rig: Rig) -> None:
    with pytest.raises(ChargePointError):
        rig.write("allowedLoad", 3.0, port=9)
    assert (rig.sent(), rig.staged(port=9)) == (0, "None")


def test_while_the_state_is_not_known_a_limit_is_neither_sent_nor_staged(rig: Rig) -> None:
    rig.sim.faults.set("getLoad", "http", status=503)
    with pytest.raises(TransientError):
        rig.write("allowedLoad", 3.0)
    assert (rig.sent(), rig.staged()) == (0, "None")


class TestReadBack:
    def test_what_is_reported_and_not_what_was_written(self, make_rig: Callable[..., Rig]) -> None:
        rig = make_rig(shed_delay_s=300.0, clear_delay_s=600.0)
        rig.write("allowedLoad", 3.0)
        assert rig.write("shedState", 1) == 0
        rig.pass_(301)
        assert rig.read("shedState") == 1
        assert rig.write("allowedLoad", 2.0) == 3.0
        rig.pass_(301)
        assert rig.write("shedState", 0) == 1
        rig.pass_(601)
        assert rig.read("shedState") == 0

    def test_it_is_read_after_the_write(self, rig: Rig) -> None:
        assert rig.read("shedState") == 0  # fresh for 30 s
        rig.write("allowedLoad", 3.0)
        assert rig.write("shedState", 1) == 1

    def test_a_limit_is_reported_as_the_service_rounds_it(self, rig: Rig) -> None:
        assert rig.write("allowedLoad", 3.00049, options=AT_ONCE) == pytest.approx(3.0, abs=1e-3)

    def test_none_when_it_cannot_be_read_back(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        rig.write("allowedLoad", 3.0)
        rig.sim.faults.set("getLoad", "http", status=503)
        assert rig.write("shedState", 1) is None
        assert rig.sent("shedLoad") == 1
        assert "could not be read back" in caplog.text

    def test_readers_see_it_too(self, rig: Rig) -> None:
        rig.read("portLoad")
        rig.write("allowedLoad", 3.0)
        rig.write("shedState", 1)
        assert rig.read("portLoad") == pytest.approx(3.0)

    def test_also_after_a_write_whose_answer_was_lost(self, rig: Rig) -> None:
        rig.read("portLoad")
        rig.write("allowedLoad", 3.0)
        rig.sim.faults.set("shedLoad", "drop_reply")
        with pytest.raises(OutcomeUnknownError):
            rig.write("shedState", 1)
        assert rig.read("portLoad") == pytest.approx(3.0)

    def test_one_write_costs_one_command_and_one_read(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.sim.calls.reset()
        rig.write("shedState", 1)
        assert rig.sim.calls.counts() == {"shedLoad": 1, "getLoad": 1}


class TestOrder:
    def test_writes_to_one_station_follow_each_other(self, rig: Rig) -> None:
        most = Most()
        control = ShedController(Watched(rig.backend, most), rig.service.cache, 30.0)
        points = rig.point("allowedLoad", 1), rig.point("allowedLoad", 2)
        threads = [
            threading.Thread(target=control.write, args=(points[kw % 2], kw, AT_ONCE))
            for kw in range(1, 9)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30.0)
        assert rig.sent("shedLoad") == 8
        assert most.seen == 1
        last = rig.commands[-1][1]["ports"][0]
        assert rig.actual(last["portNumber"])["allowed_kw"] == last["allowedLoadPerPort"]

    def test_what_is_staged_is_what_was_sent_last(self, rig: Rig) -> None:
        threads = [
            threading.Thread(target=rig.write, args=("allowedLoad", kw, 1, STATION, AT_ONCE))
            for kw in range(1, 9)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30.0)
        kw = rig.commands[-1][1]["ports"][0]["allowedLoadPerPort"]
        assert rig.staged() == f"allowedLoad {kw:g} kW"

    def test_a_write_to_another_station_does_not_wait(self, rig: Rig) -> None:
        rig.sim.faults.set("shedLoad", "delay", seconds=30, times=1)
        slow = threading.Thread(target=self._slow, args=(rig,))
        slow.start()
        wait_for(lambda: rig.sent("shedLoad") == 1)
        assert rig.write("allowedLoad", 3.0, 1, "1:34004", AT_ONCE) == 3.0
        assert slow.is_alive()
        rig.sim.stop()  # ends the delay
        slow.join(30.0)
        assert not slow.is_alive()

    @staticmethod
    def _slow(rig: Rig) -> None:
        with contextlib.suppress(ChargePointError):
            rig.write("allowedLoad", 3.0, 1, STATION, AT_ONCE)


class Most:
    """How many were inside at once, at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = self.seen = 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            self.seen = max(self.seen, self._inside)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1


class Watched:
    """A backend whose sheds are counted while they are under way."""

    def __init__(self, backend: Any, most: Most) -> None:
        self._backend = backend
        self._most = most

    def shed(self, *arguments: Any) -> None:
        with self._most:
            self._backend.shed(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def test_a_write_that_hangs_ends_with_its_fate_unknown(rig: Rig) -> None:
    control, point = ShedController(rig.backend, rig.service.cache, 0.2), rig.point("allowedLoad")
    rig.sim.faults.set("shedLoad", "delay", seconds=30)
    with pytest.raises(OutcomeUnknownError, match="no answer within"):
        control.write(point, 3.0, AT_ONCE)
    assert control.staged(point.target) is None
    rig.sim.stop()  # ends the delay


def test_a_point_that_can_only_be_read(rig: Rig) -> None:
    with pytest.raises(InvalidValueError, match="only be read"):
        rig.write("portLoad", 1.0)
    assert rig.sim.calls.total == 0


def wait_for(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(12_000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("did not happen")
