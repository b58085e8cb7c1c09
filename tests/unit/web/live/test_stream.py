"""Server-sent events."""

from __future__ import annotations

import json
import threading
import zlib

import pytest
import requests

from chargepoint_driver.web.live import stream

from ..conftest import STATION, TOKEN, eventually


class Reader:
    """Reads the stream on a thread; `reported` is what came, by event."""

    def __init__(self, site, query="", **options):
        self.reported: list[tuple[str, dict]] = []
        self.ended = threading.Event()
        self._answer = requests.get(
            f"{site.server.url}api/v1/events{query}", stream=True, timeout=20, **options
        )
        self.headers = self._answer.headers
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        name = ""
        try:
            for line in self._answer.iter_lines():
                word, _, rest = line.decode().partition(": ")
                if word == "event":
                    name = rest
                elif word == "data":
                    self.reported.append((name, json.loads(rest)))
        except requests.RequestException:
            pass
        finally:
            self._answer.close()
            self.ended.set()

    def of(self, name):
        return [content for reported, content in self.reported if reported == name]

    def wait_end(self):
        assert self.ended.wait(60)
        self._thread.join(60)


@pytest.fixture
def reader(site):
    made = Reader(site, headers={"X-API-Key": TOKEN})
    yield made
    site.server.stop()
    made.wait_end()


def test_all_at_first_then_what_changes(site, reader):
    assert reader.headers["Content-Type"].startswith("text/event-stream")
    first = eventually(lambda: reader.of("stations"))[0]
    assert len(first["changed"]) == 4
    assert first["gone"] == []
    assert eventually(lambda: reader.of("state"))[0]["site"]["ports"] == 8
    site.post("/shed", {"cpid": STATION, "connectorId": 1, "allowedLoad": 3})
    later = eventually(
        lambda: [
            station
            for content in reader.of("stations")[1:]
            for station in content["changed"]
            if station["ports"][0]["values"].get("commandedLoad") == 3
        ]
    )
    assert {station["cpid"] for station in later} == {STATION}


def test_nothing_is_said_twice(site, reader):
    eventually(lambda: len(reader.of("state")) > 4)
    # Between two readings of the service nothing changes.
    assert len(reader.of("stations")) <= 2


def test_who_logs_out_is_told_no_more(site):
    with requests.Session() as browser:
        browser.trust_env = False
        browser.headers["Origin"] = site.server.url.rstrip("/")
        browser.post(f"{site.server.url}login", data={"token": TOKEN}, timeout=60)
        reader = Reader(site, cookies=browser.cookies)
        eventually(lambda: reader.of("state"))
        browser.post(f"{site.server.url}logout", timeout=60)
        reader.wait_end()


def test_a_page_that_is_closed_is_forgotten(site):
    readers = [
        requests.get(
            f"{site.server.url}api/v1/events",
            stream=True,
            timeout=60,
            headers={"X-API-Key": TOKEN},
        )
        for _ in range(5)
    ]
    for each in readers:
        next(each.iter_lines())
        each.close()
    assert site.get("/health")["good"] is True
    reader = Reader(site, headers={"X-API-Key": TOKEN})
    eventually(lambda: reader.of("state"))
    site.server.stop()
    reader.wait_end()


def test_readers_get_the_same_bytes_compressed_once(site, monkeypatch):
    packed = []
    original = stream._deflate
    monkeypatch.setattr(stream, "_deflate", lambda data: packed.append(data) or original(data))
    raw = []
    for _ in range(3):
        answer = requests.get(
            f"{site.server.url}api/v1/events",
            stream=True,
            timeout=60,
            headers={"X-API-Key": TOKEN, "Accept-Encoding": "gzip"},
        )
        unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        data = text = b""
        while b"event: state" not in text:
            data += answer.raw.read1(65536, decode_content=False)
            text = unpack.copy().decompress(data)
        raw.append((answer.headers["Content-Encoding"], text.partition(b"event: state")[0]))
        answer.close()
    assert {encoding for encoding, _ in raw} == {"gzip"}
    assert len({text for _, text in raw}) == 1
    assert sum(b"event: stations" in data for data in packed) == 1


def test_a_reader_that_takes_no_gzip_gets_plain_text(site):
    reader = Reader(site, headers={"X-API-Key": TOKEN, "Accept-Encoding": "identity"})
    assert "Content-Encoding" not in reader.headers
    eventually(lambda: reader.of("stations"))
    site.server.stop()
    reader.wait_end()


def test_parts_come_only_after_a_change(site):
    reader = Reader(site, "?parts=1", headers={"X-API-Key": TOKEN})
    eventually(lambda: len(reader.of("alive")) > 8)
    assert 1 <= len(reader.of("state")) < len(reader.of("alive"))
    assert 1 <= len(reader.of("sessions")) < len(reader.of("alive"))
    assert reader.of("state")[0]["sessions"]["sessions"] == []
    wanted = len(site.get("/active")["sessions"])
    running = [s for s in reader.of("sessions")[-1]["sessions"] if s["endTime"] is None]
    assert len(running) == wanted
    assert reader.of("alive")[0]["time"]
    before = len(reader.of("state"))
    site.post("/shed", {"cpid": STATION, "connectorId": 1, "allowedLoad": 3})
    site.pass_(61)
    eventually(lambda: reader.of("state")[before:])
    site.server.stop()
    reader.wait_end()


def test_of_many_stations_the_first_screen_comes_first(make_site):
    site = make_site(stations=60).ready()
    reader = Reader(site, "?parts=1", headers={"X-API-Key": TOKEN})
    eventually(lambda: len(reader.of("stations")) >= 2)
    names = [name for name, _ in reader.reported[:4]]
    assert names == ["stations", "state", "alive", "stations"]
    first, rest = reader.of("stations")[:2]
    assert (len(first["changed"]), first["more"]) == (stream._FIRST, True)
    assert len({s["cpid"] for part in (first, rest) for s in part["changed"]}) == 60
    assert "more" not in rest
    site.server.stop()
    reader.wait_end()
