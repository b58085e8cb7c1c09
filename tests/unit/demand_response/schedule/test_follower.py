"""A scheduler on its file: new versions, refused ones, the state and the log."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from chargepoint_driver.demand_response.schedule.follower import Follower
from chargepoint_driver.demand_response.schedule.schedule_file import ScheduleFile
from chargepoint_driver.demand_response.schedule.schedule_log import ScheduleLog, log_path
from chargepoint_driver.errors import ConfigurationError, TransientError

from .test_runner import START, Clock, Devices

DAY = {"devices": ["a", "b"], "rules": [{"name": "day", "kw": 20}]}


class Rig:
    def __init__(self, path):
        self.path, self.devices, self.clock = path, Devices(), Clock()
        self.write({"g": DAY})
        self.follower = Follower(ScheduleFile(path), self.devices, self.clock, host="command")
        self.log = ScheduleLog(log_path(path), self.clock)

    def write(self, groups, **fields):
        self.path.write_text(json.dumps({"timezone": "UTC", "groups": groups, **fields}))

    def look(self):
        self.clock.ahead(seconds=5)
        self.follower.run_due()
        return self.devices.take()

    def entries(self):
        return [each.facts for each in reversed(self.log.entries()[0])]

    def state(self):
        found = self.log.state()
        assert found is not None
        return found[1]

    def close(self):
        self.follower.stop()
        self.log.close()


@pytest.fixture
def rig(tmp_path):
    found = Rig(tmp_path / "schedule.json")
    yield found
    found.close()


def test_a_new_version_counts_without_a_gap(rig) -> None:
    assert rig.look() == [("hold", "a", 10.0, 300.0), ("hold", "b", 10.0, 300.0)]
    # Only the limit of h is new: nothing of g is released meanwhile.
    rig.write({"g": DAY, "h": {"devices": ["c"], "rules": [{"kw": 3}]}})
    assert rig.look() == [
        ("hold", "a", 10.0, 300.0),
        ("hold", "b", 10.0, 300.0),
        ("hold", "c", 3.0, 300.0),
    ]
    # b moves to h, and a is in no group: it is released.
    rig.write({"h": {"devices": ["b", "c"], "rules": [{"kw": 3}]}})
    assert rig.look() == [
        ("hold", "b", 1.5, 300.0),
        ("hold", "c", 1.5, 300.0),
        ("release", "a"),
    ]
    assert rig.entries()[-2]["removed"] is True
    assert rig.entries()[-1]["devices"] == ["b", "c"]


def test_a_release_that_fails_is_tried_again(rig) -> None:
    rig.look()
    rig.write({"g": {**DAY, "devices": ["a"]}})
    rig.devices.broken["release", "b"] = TransientError("away")
    assert rig.look() == [("hold", "a", 20.0, 300.0)]
    rig.devices.broken.clear()
    assert rig.look() == [("hold", "a", 20.0, 300.0), ("release", "b")]
    assert rig.look() == [("hold", "a", 20.0, 300.0)]


def test_a_plan_ends_where_its_group_is_gone(rig) -> None:
    rig.write({"g": {"devices": ["a"], "plan": True, "rules": [{"kw": 4}]}})
    assert [each[:2] for each in rig.look()] == [("plan", "a")]
    rig.write({"h": {"devices": ["b"]}})
    assert rig.look() == [("plan", "a", "")]
    assert rig.look() == []


@pytest.mark.parametrize("bad", ["{", "[]", '{"timezone": "UTC"}', None])
def test_a_version_with_a_fault_is_refused_and_the_one_before_stays(rig, bad) -> None:
    rig.look()
    revision = rig.state()["revision"]
    if bad is None:
        rig.path.unlink()
    else:
        rig.path.write_text(bad)
    for _ in range(3):
        assert len(rig.look()) == 2
    (refused,) = [each for each in rig.entries() if each.get("schedule") == "refused"]
    assert str(rig.path) in refused["error"]
    assert rig.state()["revision"] == revision
    assert rig.state()["refused"]["error"] == refused["error"] == rig.follower.fault
    rig.write({"g": DAY})
    rig.look()
    assert rig.state()["refused"] is None
    assert rig.follower.fault == ""


def test_other_accounts_need_a_restart(rig) -> None:
    rig.write({"g": {**DAY, "rules": [{"kw": 1}]}}, accounts={"x": {}})
    assert rig.look()[0] == ("hold", "a", 10.0, 300.0)
    assert "restart the scheduler" in rig.state()["refused"]["error"]


def test_the_log_has_what_was_written_to_whom_with_which_result(rig) -> None:
    rig.devices.broken["hold", "b"] = TransientError("b is away")
    rig.look()
    rig.devices.broken.clear()
    rig.look()
    limits = [each for each in rig.entries() if each.get("group") == "g"]
    assert [(e["kw"], e["reason"], e["done"], e["devices"], e["errors"]) for e in limits] == [
        (20, "day", False, ["a", "b"], {"b": "b is away"}),
        (20, "day", True, ["a", "b"], {}),
    ]
    assert limits[0]["time"] == (START + timedelta(seconds=5)).isoformat()
    state = rig.state()
    assert state["groups"]["g"]["applied"] == {"kw": 20, "reason": "day", "done": True}
    assert state["groups"]["g"]["upcoming"][0]["kw"] == 20
    assert state["host"] == "command"


def test_a_stop_is_in_the_log_and_the_state(rig) -> None:
    rig.look()
    rig.follower.stop()
    assert rig.devices.take() == [("release", "a"), ("release", "b")]
    assert rig.state()["stopped"] is True
    assert rig.entries()[-1]["schedule"] == "stopped"


def test_without_a_log_the_limits_are_written(tmp_path, caplog) -> None:
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps({"timezone": "UTC", "groups": {"g": DAY}}))
    log_path(path).mkdir()
    devices = Devices()
    follower = Follower(ScheduleFile(path), devices, Clock(), host="command")
    follower.run_due()
    assert len(devices.take()) == 2
    assert "no log" in caplog.text
    follower.stop()


def test_a_second_scheduler_is_kept_from_the_file(rig) -> None:
    with pytest.raises(ConfigurationError, match="another scheduler runs this schedule"):
        Follower(ScheduleFile(rig.path), Devices(), rig.clock, host="agent")
    rig.follower.stop()
    other = Follower(ScheduleFile(rig.path), Devices(), rig.clock, host="agent")
    other.stop()


def test_a_slow_look_is_not_silence(rig) -> None:
    def slow(*_arguments) -> None:
        rig.clock.ahead(seconds=100)

    rig.devices._do = slow
    rig.look()
    assert rig.state()["silent_after"] == pytest.approx(3 * (5 + 200))


def test_a_first_version_with_a_fault_starts_nothing(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        Follower(ScheduleFile(tmp_path / "x.json"), Devices(), Clock(), host="agent")
