"""What is kept in a file over a restart, and how files of no use are handled."""

from __future__ import annotations

import json
import logging
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.cache import SharedCache
from chargepoint_driver.cache.file_store import Disk
from chargepoint_driver.records import StationRecord, Unreadable

from .fake import ALARMS, LOAD, RIGHTS, STATIONS, STATUS, FakeBackend, Time

OWNER = ("https://host/path", "someone")
DAY_S = 86_400.0

texts = st.text(st.characters(codec="utf-8"), max_size=8)
names = texts | st.sampled_from(["unreadable text", "dictionary", "station"])
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
trees = st.dictionaries(
    names, st.recursive(plain, lambda t: st.dictionaries(names, t), max_leaves=4)
)
values = st.dictionaries(
    names, plain | st.sampled_from([0, 0.0, "", False]) | trees | st.builds(Unreadable, texts)
)
records = st.builds(
    StationRecord,
    texts,
    values,
    st.dictionaries(st.integers(1, 99), values, max_size=3),
    st.none() | values,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept.json"


@pytest.fixture
def wall() -> Time:
    """The time of day, which goes on while the driver is down."""
    return Time()


@pytest.fixture
def start(
    make_cache: Callable[..., SharedCache], path: Path, wall: Time
) -> Callable[[], SharedCache]:
    """A cache as after a restart: its clock has begun again."""

    def make(owner: tuple[str, ...] = OWNER) -> SharedCache:
        clock = Time()
        clock.now_s = 5.0
        return make_cache(disk=Disk(path, owner, now=wall), clock=clock)

    return make


def exact(record: StationRecord) -> Any:
    """With types: 0, 0.0 and False are equal, and not the same."""
    return repr(
        (
            record.station_id,
            dict(record.values),
            {port: dict(v) for port, v in record.ports.items()},
            None if record.other_ports is None else dict(record.other_ports),
        )
    )


@given(st.dictionaries(texts, st.lists(records, max_size=3), max_size=3))
def test_what_is_saved_is_loaded_exactly(kept: dict[str, list[StationRecord]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kept.json"
        Disk(path, OWNER, now=lambda: 1_000.0).save({c: (7.0, r) for c, r in kept.items()})
        loaded = Disk(path, OWNER, now=lambda: 1_100.0).load()
    assert {call: age_s for call, (age_s, _) in loaded.items()} == dict.fromkeys(kept, 107.0)
    for call, (_, found) in loaded.items():
        assert [exact(record) for record in found] == [exact(record) for record in kept[call]]


class TestRestart:
    @pytest.mark.parametrize("call", [STATIONS, RIGHTS])
    def test_within_a_day_nothing_is_asked_again(
        self, start: Callable[..., SharedCache], backend: FakeBackend, wall: Time, call: str
    ) -> None:
        wanted = {(call, station): DAY_S for station in backend.stations}
        before = start().get(wanted)
        wall.pass_(DAY_S - 1)
        cache = start()
        after = cache.get(wanted)
        assert len(backend.requests) == 1
        assert {k: o.record for k, o in after.items()} == {k: o.record for k, o in before.items()}
        assert {o.age_s for o in after.values()} == {DAY_S - 1}

    @pytest.mark.parametrize("call", [STATIONS, RIGHTS])
    def test_after_a_day_it_is_asked(
        self, start: Callable[..., SharedCache], backend: FakeBackend, wall: Time, call: str
    ) -> None:
        wanted = {(call, station): DAY_S for station in backend.stations}
        start().get(wanted)
        wall.pass_(DAY_S + 1)
        assert {o.age_s for o in start().get(wanted).values()} == {0.0}
        assert len(backend.requests) == 2

    def test_stations_without_rights_are_known_too(
        self, start: Callable[..., SharedCache], backend: FakeBackend
    ) -> None:
        backend.absent[RIGHTS] = {backend.stations[0]}
        wanted = {(RIGHTS, station): DAY_S for station in backend.stations}
        start().get(wanted)
        start().get(wanted)
        assert len(backend.requests) == 1

    def test_groups_are_known_from_the_file(
        self, start: Callable[..., SharedCache], backend: FakeBackend
    ) -> None:
        backend.groups["7"] = set(backend.stations)
        wanted = {(LOAD, station): 0.0 for station in backend.stations}
        start().get(wanted)
        start().get(wanted)
        assert len(backend.asked(STATIONS)) == 1
        assert [request.group for request in backend.asked(LOAD)] == ["7", "7"]

    @pytest.mark.parametrize("call", [STATUS, LOAD, ALARMS])
    def test_live_data_is_not_kept(
        self, start: Callable[..., SharedCache], backend: FakeBackend, path: Path, call: str
    ) -> None:
        start().get({(call, backend.stations[0]): 30.0})
        assert not path.exists()

    def test_a_failure_does_not_replace_what_was_kept(
        self, start: Callable[..., SharedCache], backend: FakeBackend, wall: Time, path: Path
    ) -> None:
        wanted = {(STATIONS, station): DAY_S for station in backend.stations}
        start().get(wanted)
        before = path.read_text()
        wall.pass_(2 * DAY_S)
        backend.fail_with(OSError("gone"))
        outcomes = start().get(wanted)
        assert all(o.error and "last good value is 172800 s old" in str(o.error)
                   for o in outcomes.values())  # fmt: skip
        assert path.read_text() == before

    def test_another_account_s_file_is_not_read(
        self,
        start: Callable[..., SharedCache],
        backend: FakeBackend,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        wanted = {(STATIONS, backend.stations[0]): DAY_S}
        start().get(wanted)
        for other in (("https://host/path", "other"), ("https://other/path", "someone")):
            assert len(start(other)) == 0
        assert caplog.text.count("another account's") == 2

    def test_a_clock_that_was_set_back_does_no_harm(
        self, start: Callable[..., SharedCache], backend: FakeBackend, wall: Time
    ) -> None:
        wanted = {(STATIONS, station): DAY_S for station in backend.stations}
        start().get(wanted)
        wall.pass_(-900)
        assert {o.age_s for o in start().get(wanted).values()} == {0.0}


def kept(**calls: Any) -> str:
    return json.dumps({"format": 1, "owner": list(OWNER), "calls": calls})


def record(**fields: Any) -> dict[str, Any]:
    one = {"station": "1:1", "values": {}, "ports": {}, "other_ports": None, **fields}
    return {"at": 1_000.0, "records": [one]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        kept()[:-5].encode(),
        b'{"format": 1}',
        kept().replace("1", "2").encode(),
        b'{"format": 1, "owner": ["https://host/path", "someone"], "calls": 3}',
        kept(getStations=None).encode(),
        kept(getStations={"at": "noon", "records": []}).encode(),
        kept(getStations={"at": 1, "records": 7}).encode(),
        kept(getStations={"at": 10**400, "records": []}).encode(),
        kept(getStations=record(values=[1])).encode(),
        kept(getStations=record(values={"x": [1]})).encode(),
        kept(getStations=record(values={"x": {"a": 1, "b": 2}})).encode(),
        kept(getStations=record(values={"x": {"else": 1}})).encode(),
        kept(getStations=record(ports={"one": {}})).encode(),
        kept(getStations=record(other_ports=5)).encode(),
    ],
    ids=range(22),
)
def test_a_file_of_no_use_is_a_warning(
    start: Callable[..., SharedCache],
    backend: FakeBackend,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    content: bytes,
) -> None:
    path.write_bytes(content)
    wanted = {(STATIONS, station): DAY_S for station in backend.stations}
    outcomes = start().get(wanted)
    assert all(outcome.record for outcome in outcomes.values())
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert str(path) in caplog.text
    start().get(wanted)  # it was written again
    assert len(backend.requests) == 1


@pytest.mark.parametrize("call", ["getSomethingNew", LOAD])
def test_calls_that_are_not_kept_are_left_out(
    start: Callable[..., SharedCache], backend: FakeBackend, path: Path, call: str
) -> None:
    path.write_text(kept(**{call: record()}))
    cache = start()
    assert len(cache) == 0
    assert cache.get({(STATIONS, backend.stations[0]): DAY_S})
    assert list(json.loads(path.read_text())["calls"]) == [STATIONS]


@pytest.mark.parametrize("where", ["a file/kept.json", "a folder", "/proc/none/kept.json"])
def test_a_path_that_cannot_be_written_is_a_warning(
    make_cache: Callable[..., SharedCache],
    backend: FakeBackend,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    (tmp_path / "a file").write_text("")
    (tmp_path / "a folder" / "within").mkdir(parents=True)
    cache = make_cache(disk=Disk(tmp_path / where, OWNER))
    (outcome,) = cache.get({(STATIONS, backend.stations[0]): DAY_S}).values()
    assert outcome.record
    assert "cannot be written" in caplog.text
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a file", "a folder"]


def test_the_file_is_private_and_alone(
    start: Callable[..., SharedCache], backend: FakeBackend, path: Path
) -> None:
    path.write_text("")
    path.chmod(0o666)
    start().get({(STATIONS, backend.stations[0]): DAY_S})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_many_at_once_leave_a_whole_file(path: Path) -> None:
    disks = [Disk(path, OWNER) for _ in range(8)]
    one = StationRecord("1:1", {"text": "x" * 50_000})
    threads = [threading.Thread(target=d.save, args=({STATIONS: (0.0, [one])},)) for d in disks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert disks[0].load()[STATIONS][1] == [one]
    assert list(path.parent.iterdir()) == [path]
