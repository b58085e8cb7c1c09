"""Which station is in which group, and what a reply that disagrees does to it."""

from __future__ import annotations

from chargepoint_driver.cache.station_groups import Groups
from chargepoint_driver.records import StationRecord, Value


def station(station_id: str, groups: Value) -> StationRecord:
    return StationRecord(station_id, {} if groups is None else {"sgID": groups})


def test_learned_from_the_comma_separated_list_of_each_station() -> None:
    groups = Groups()
    groups.learn([station("1:1", "7"), station("1:2", "7, 8"), station("1:3", "8,9,")])
    assert groups.usable() == {"7": {"1:1", "1:2"}, "8": {"1:2", "1:3"}, "9": {"1:3"}}


def test_a_station_without_groups_is_in_none() -> None:
    groups = Groups()
    groups.learn([station("1:1", None), station("1:2", ""), station("1:3", " , ")])
    assert not any(groups.usable().values())


def test_what_no_call_would_take_is_no_group() -> None:
    groups = Groups()
    groups.learn([station("1:1", "all, 7")])
    assert groups.usable() == {"7": {"1:1"}}


def test_learning_again_replaces_what_was_known() -> None:
    groups = Groups()
    groups.learn([station("1:1", "7"), station("1:2", "7")])
    groups.learn([station("1:1", "8")])
    assert groups.usable() == {"8": {"1:1"}}


def test_a_missing_station_is_not_expected_of_that_group_until_learned_again() -> None:
    known = [station("1:1", "7,8"), station("1:2", "7")]
    groups = Groups()
    groups.learn(known)
    assert not groups.doubtful
    groups.missing("7", ["1:1"])
    assert groups.doubtful
    assert groups.usable() == {"7": {"1:2"}, "8": {"1:1"}}
    groups.learn(known)
    assert not groups.doubtful
    assert groups.usable() == {"7": {"1:1", "1:2"}, "8": {"1:1"}}
