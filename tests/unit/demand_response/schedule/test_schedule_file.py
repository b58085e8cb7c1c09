"""The file of a schedule: versions, two editors, faults, and what a write leaves alone."""

from __future__ import annotations

import fcntl
import json
import os
import threading

import pytest

from chargepoint_driver.demand_response.schedule import schedule_file
from chargepoint_driver.demand_response.schedule.devices import check_account_devices, check_topics
from chargepoint_driver.demand_response.schedule.schedule_file import ScheduleFile
from chargepoint_driver.errors import ConfigurationError, RefusedError, TransientError

CONTENT = {
    "timezone": "Europe/Berlin",
    "groups": {"g": {"devices": [{"station": "CP1"}], "rules": [{"kw": 5}]}},
    "accounts": {"a": {"password": "secret"}},
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps(CONTENT))
    return path


def rule(kw):
    return lambda content: content["groups"]["g"].update(rules=[{"kw": kw}])


def test_a_change_is_written_whole_and_leaves_the_rest(path) -> None:
    path.chmod(0o640)
    file = ScheduleFile(path)
    before = file.read()
    after = file.change(before.revision, rule(7))
    assert after.revision != before.revision
    assert after.config is not None
    assert after.config.groups["g"].rules[0].kw == 7
    written = json.loads(path.read_text())
    assert written["accounts"] == CONTENT["accounts"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["schedule.json"]


def test_the_second_of_two_editors_is_refused(path) -> None:
    one, other = ScheduleFile(path), ScheduleFile(path)
    revision = one.read().revision
    assert other.read().revision == revision
    one.change(revision, rule(7))
    with pytest.raises(RefusedError, match=r"changed by somebody else.*nothing was saved"):
        other.change(revision, rule(9))
    assert json.loads(path.read_text())["groups"]["g"]["rules"] == [{"kw": 7}]


def test_of_many_editors_at_once_one_wins(path) -> None:
    revision = ScheduleFile(path).read().revision
    refused: list[RefusedError] = []

    def edit(kw) -> None:
        try:
            ScheduleFile(path).change(revision, rule(kw))
        except RefusedError as error:
            refused.append(error)

    threads = [threading.Thread(target=edit, args=(kw,)) for kw in range(1, 9)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert len(refused) == 7


def test_who_waits_for_another_editor_waits_for_a_limited_time(path, monkeypatch) -> None:
    monkeypatch.setattr(schedule_file, "_LOCK_S", 0.1)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        file = ScheduleFile(path)
        with pytest.raises(TransientError, match="another program is saving"):
            file.change(file.read().revision, rule(7))
    finally:
        os.close(handle)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (rule(-1), "groups.g.rules.0.kw: "),
        (lambda content: content.update(timezone="Mars"), "timezone: 'Mars' is not a known"),
        (lambda content: content["groups"]["g"].update(devices=["campus/a"]), "groups.g: without"),
        (
            lambda content: content.update(exceptions=[{"date": "24.12.", "kw": 1}]),
            "exceptions.0.date: '24.12.' is not a date; write it like 2026-12-25",
        ),
    ],
)
def test_a_bad_schedule_is_refused_and_the_file_stays(path, edit, words) -> None:
    file = ScheduleFile(path, check=check_account_devices)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError) as raised:
        file.change(file.read().revision, edit)
    assert words in str(raised.value)
    assert str(raised.value).startswith(str(path))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["schedule.json"]


def test_a_disk_that_is_full_leaves_the_old_version(path, monkeypatch) -> None:
    def full(_handle) -> None:
        raise OSError(28, "No space left on device")

    file = ScheduleFile(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RefusedError, match=r"No space left.*nothing was saved"):
        file.change(file.read().revision, rule(7))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["schedule.json"]


def test_what_cannot_be_edited_says_why(path) -> None:
    file = ScheduleFile(path)
    path.write_text("{} // nothing")
    assert "has a fault" in file.read_only(file.read())
    path.write_text("# ours\n" + json.dumps(CONTENT))
    stored = file.read()
    assert stored.config is not None
    assert "has comments" in file.read_only(stored)
    with pytest.raises(RefusedError, match="comments"):
        file.change(stored.revision, rule(7))
    path.unlink()
    missing = file.read()
    assert (missing.revision, file.read_only(missing)) == ("", "")
    assert file.change("", lambda content: content.update(CONTENT)).config is not None
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["folder", "fifo", "binary", "list"])
def test_what_is_not_a_schedule_is_a_fault_and_never_waits(tmp_path, kind) -> None:
    path = tmp_path / "schedule.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"\0\xff\0\xfe" if kind == "binary" else b"[]")
    stored = ScheduleFile(path).read()
    assert stored.config is None
    assert str(path) in stored.fault
    assert stored.revision


def test_changes_are_noticed_once(path) -> None:
    file = ScheduleFile(path)
    assert file.changed() is not None
    assert file.changed() is None
    other = ScheduleFile(path)
    other.change(other.read().revision, rule(7))
    found = file.changed()
    assert found is not None
    assert found.config is not None
    path.unlink()
    found = file.changed()
    assert found is not None
    assert "no such file" in found.fault
    assert file.changed() is None


def test_keys_of_the_agents_entry_may_be_left_out(tmp_path) -> None:
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps({"groups": {"g": {"devices": ["campus/a"]}}}))
    file = ScheduleFile(path, base={"timezone": "UTC"}, check=check_topics)
    stored = file.read()
    assert stored.config is not None
    file.change(stored.revision, rule(3))
    assert "timezone" not in json.loads(path.read_text())
    path.write_text(json.dumps({"groups": {"g": {"devices": [{"station": "CP1"}]}}}))
    assert "a device is a topic" in file.read().fault
