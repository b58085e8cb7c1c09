"""idTags: who may charge, how it is changed, and the local lists of charge points."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from chargepoint_driver.backends.ocpp.csms.charger_requests import BUILDERS
from chargepoint_driver.backends.ocpp.model.authorization import IdTag
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.protocol.local_list import keep_local_list
from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidValueError,
    NotFoundError,
    WriteRejectedError,
)
from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import eventually

FILE = """# who may charge
plain tag
lost     status=Blocked
guest    expires=2020-01-01T00:00:00Z
once     max_concurrent=1
twice    expires=2199-01-01T00:00:00Z  max_concurrent=2
"""


@pytest.fixture
def site(start, tmp_path):
    (tmp_path / "tags").write_text(FILE)
    return start({"control": "127.0.0.1:0", "token": "secret"}, accept_id_tags=tmp_path / "tags")


@pytest.fixture
def api(site):
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = "Bearer secret"

        def ask(method: str, path: str, body: Any = None, status: int = 200) -> Any:
            answer = session.request(
                method, site.system.control_url + path, data=json.dumps(body), timeout=15
            )
            assert answer.status_code == status, answer.text
            return answer.json()

        yield ask


class Reader:
    """A charge point with a card reader, of either version."""

    def __init__(self, site, version: str, station_id: str = "CP1") -> None:
        self.is_16 = version == "1.6"
        self.clock = site.clock
        self.charger = site.charger(station_id, subprotocols=[f"ocpp{version}"])
        self.number = 0

    def authorize(self, tag: str) -> str:
        payload = {"idTag": tag} if self.is_16 else {"idToken": {"idToken": tag, "type": "Central"}}
        return self._status(self.charger.ask("Authorize", payload))

    def start(self, tag: str, connector: int) -> str:
        self.number += 1
        at = self.clock.iso(60 - self.number)
        if self.is_16:
            payload = {"connectorId": connector, "idTag": tag, "timestamp": at, "meterStart": 0}
            answer = self.charger.ask("StartTransaction", payload)
            self.running = answer["transactionId"]
        else:
            answer = self._event("Started", at, tag, connector)
        return self._status(answer)

    def stop(self, tag: str, connector: int) -> str:
        at = self.clock.iso()
        if self.is_16:
            end = {"transactionId": self.running, "timestamp": at, "meterStop": 5, "idTag": tag}
            return self._status(self.charger.ask("StopTransaction", end))
        return self._status(self._event("Ended", at, tag, connector))

    def _event(self, kind: str, at: str, tag: str, connector: int) -> dict[str, Any]:
        event = {
            "eventType": kind,
            "timestamp": at,
            "triggerReason": "Authorized",
            "seqNo": int(kind == "Ended"),
            "transactionInfo": {"transactionId": f"tx-{connector}"},
            "evse": {"id": connector},
            "idToken": {"idToken": tag, "type": "Central"},
        }
        return self.charger.ask("TransactionEvent", event)

    def _status(self, answer: dict[str, Any]) -> str:
        self.info = answer["idTagInfo" if self.is_16 else "idTokenInfo"]
        return str(self.info["status"])


@pytest.fixture(params=["1.6", "2.0.1"])
def reader(request, site) -> Reader:
    return Reader(site, request.param)


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ("plain tag", "Accepted"),
        ("PLAIN TAG", "Accepted"),
        ("lost", "Blocked"),
        ("guest", "Expired"),
        ("once", "Accepted"),
        ("nobody", "Invalid"),
    ],
)
def test_what_a_card_is_answered(reader, tag, status) -> None:
    assert reader.authorize(tag) == status
    assert reader.start(tag, 1) == status  # and the session is kept all the same


def test_a_card_that_expires_while_it_is_known(site, reader, clock) -> None:
    site.system.put_id_tag("soon", expires=clock.iso(-600))
    assert reader.authorize("soon") == "Accepted"
    field = "expiryDate" if reader.is_16 else "cacheExpiryDateTime"
    assert reader.info[field] == clock.iso(-600).replace("Z", ".000Z")
    clock.ahead_s += 600
    assert reader.authorize("soon") == "Expired"


def test_as_many_at_once_as_a_card_may(site, reader) -> None:
    other = Reader(site, "1.6", "CP2")
    assert reader.start("once", 1) == "Accepted"
    assert reader.authorize("ONCE") == "ConcurrentTx"
    assert other.start("once", 1) == "ConcurrentTx"
    assert other.stop("once", 1) == "Accepted"
    assert reader.stop("once", 1) == "Accepted"
    assert reader.authorize("once") == "Accepted"
    assert [reader.start("twice", n) for n in (1, 2)] == ["Accepted", "Accepted"]
    assert reader.authorize("twice") == "ConcurrentTx"


def test_a_repeated_start_does_not_count_itself(site, reader) -> None:
    reader.start("once", 1)
    reader.number -= 1
    assert reader.start("once", 1) == "Accepted"


def test_the_control_api_lists_adds_changes_and_removes(site, api, reader, start) -> None:
    assert [row["id_tag"] for row in api("GET", "/id-tags")] == [
        "guest", "lost", "once", "plain tag", "twice"
    ]  # fmt: skip
    assert api("GET", "/id-tags/GUEST")["current"] == "Expired"
    added = api("POST", "/id-tags", {"id_tag": "New/1", "max_concurrent": 1})
    assert (added["source"], added["status"], added["running"]) == ("api", "Accepted", 0)
    api("POST", "/id-tags", {"id_tag": "new/1"}, 400)
    assert reader.start("new/1", 1) == "Accepted"
    found = api("GET", "/id-tags/New%2F1")
    assert (found["running"], found["current"]) == (1, "ConcurrentTx")
    assert api("PUT", "/id-tags/new%2F1", {"status": "blocked"})["max_concurrent"] == 1
    assert reader.authorize("NEW/1") == "Blocked"
    # One of the file: changed here, and as the file has it again.
    api("DELETE", "/id-tags/lost", None, 400)
    assert api("PUT", "/id-tags/lost", {"status": "Accepted"})["source"] == "api"
    assert reader.authorize("lost") == "Accepted"
    path = site.config.accept_id_tags
    site.stop()
    again = start(accept_id_tags=path)
    reader = Reader(again, "1.6")
    assert (reader.authorize("lost"), reader.authorize("new/1")) == ("Accepted", "Blocked")
    again.system.remove_id_tag("lost")
    again.system.remove_id_tag("new/1")
    assert (reader.authorize("lost"), reader.authorize("new/1")) == ("Blocked", "Invalid")
    with pytest.raises(NotFoundError):
        again.system.remove_id_tag("new/1")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id_tag": ""},
        {"id_tag": "a", "status": "Fine"},
        {"id_tag": "a", "expires": "tomorrow"},
        {"id_tag": "a", "max_concurrent": 0},
        {"id_tag": "a", "max_concurrent": True},
        {"id_tag": "a", "colour": "red"},
        [],
    ],
)
def test_bad_id_tags_of_the_control_api(api, body) -> None:
    api("POST", "/id-tags", body, 400)
    assert len(api("GET", "/id-tags")) == 5


def test_without_a_file_only_known_cards_are_refused(start) -> None:
    site = start()
    reader = Reader(site, "1.6")
    site.system.put_id_tag("lost", status="Blocked")
    assert (reader.authorize("lost"), reader.authorize("anyone")) == ("Blocked", "Accepted")


@pytest.mark.parametrize("line", ["a status=Fine", "a expires=soon", "a max_concurrent=none"])
def test_a_bad_line_names_itself(start, tmp_path, line) -> None:
    (tmp_path / "tags").write_text(f"good\n\n{line}\n")
    with pytest.raises(ConfigurationError, match="tags: line 3: "):
        start(accept_id_tags=tmp_path / "tags")


def test_a_bad_line_of_a_changed_file_leaves_the_cards_as_they_were(site, reader) -> None:
    site.config.accept_id_tags.write_text("other\nplain tag status=Fine\n")
    assert (reader.authorize("plain tag"), reader.authorize("other")) == ("Accepted", "Invalid")
    site.config.accept_id_tags.write_text("other status=Blocked\n# plain tag\n")
    assert (reader.authorize("plain tag"), reader.authorize("other")) == ("Invalid", "Blocked")


def test_names_of_the_facade_are_checked(site) -> None:
    with pytest.raises(InvalidValueError):
        site.system.put_id_tag("a", status="Fine")


# ---- the local list --------------------------------------------------------------------


class Peer:
    """A charge point of the local list: what it is asked, and its answers."""

    def __init__(self, version: str, settings: dict[str, str], there: int = 0) -> None:
        self.out = BUILDERS[version]
        self.point = Charger("CP1", Electrical(230, 3), configuration=settings)
        self.there = there
        self.status = "Accepted"
        self.tags: list[str] = []
        self.sizes: list[int] = []
        self.asked: list[str] = []

    async def call(self, point: Charger, ask: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        action, payload = ask
        self.asked.append(action)
        if action == "GetLocalListVersion":
            return {"listVersion": self.there, "versionNumber": self.there}
        if action != "SendLocalList":
            raise WriteRejectedError("no", service_code="NotSupported")
        version = payload.get("listVersion", payload.get("versionNumber"))
        listed = payload.get("localAuthorizationList", [])
        if self.status == "Accepted":
            assert version > self.there
            self.there = version
            tags = [each.get("idTag") or each["idToken"]["idToken"] for each in listed]
            self.tags = (self.tags if payload["updateType"] == "Differential" else []) + tags
            self.sizes.append(len(listed))
        return {"status": self.status}

    async def keep(self, *tags: IdTag) -> str | None:
        return await keep_local_list(self.point, self.out, self.call, tags, 1_000.0)


TAGS = [IdTag(f"tag{number}") for number in range(5)]
NAMES = {
    "1.6": {"SupportedFeatureProfiles": "Core,LocalAuthListManagement"},
    "2.0.1": {"LocalAuthListCtrlr.Available": "true", "LocalAuthListCtrlr.Enabled": "true"},
}


@pytest.mark.parametrize("version", NAMES)
def test_the_list_is_sent_once_and_after_a_change(run, version) -> None:
    peer = Peer(version, NAMES[version], there=7)
    assert run(peer.keep(*TAGS)) is None
    assert (peer.tags, peer.there) == ([tag.id_tag for tag in TAGS], 8)
    run(peer.keep(*TAGS))
    assert peer.asked.count("SendLocalList") == 1
    run(peer.keep(*TAGS[:2]))
    assert (peer.tags, peer.there) == (["tag0", "tag1"], 9)
    peer.there = 3  # it lost its list, or somebody else wrote it
    run(peer.keep(*TAGS[:2]))
    assert peer.there == 4
    run(peer.keep())  # the last one was removed
    assert (peer.tags, peer.there) == ([], 5)


@pytest.mark.parametrize(
    ("version", "name"),
    [("1.6", "SendLocalListMaxLength"), ("2.0.1", "LocalAuthListCtrlr.ItemsPerMessage")],
)
def test_a_long_list_comes_in_parts(run, version, name) -> None:
    peer = Peer(version, {**NAMES[version], name: "2"})
    run(peer.keep(*TAGS))
    assert (peer.tags, peer.sizes) == ([tag.id_tag for tag in TAGS], [2, 2, 1])


def test_no_more_than_it_takes_and_those_that_may_charge_first(run) -> None:
    peer = Peer("1.6", {**NAMES["1.6"], "LocalAuthListMaxLength": "3"})
    tags = [IdTag("bad", "Blocked"), IdTag("old", expires_s=5.0), *TAGS[:2], IdTag("x" * 21)]
    run(peer.keep(*tags))
    assert peer.tags == ["tag0", "tag1", "bad"]
    assert peer.point.learned["local_list"]["left_out"] == 2


@pytest.mark.parametrize(
    ("version", "settings"),
    [
        ("1.6", {"SupportedFeatureProfiles": "Core,SmartCharging"}),
        ("1.6", {**NAMES["1.6"], "LocalAuthListEnabled": "false"}),
        ("2.0.1", {"LocalAuthListCtrlr.Available": "false"}),
        ("2.0.1", {**NAMES["2.0.1"], "LocalAuthListCtrlr.Enabled": "False"}),
    ],
)
def test_no_list_where_the_feature_is_missing_or_off(run, version, settings) -> None:
    peer = Peer(version, settings)
    assert run(peer.keep(*TAGS)) is None
    assert "SendLocalList" not in peer.asked


@pytest.mark.parametrize("version", NAMES)
def test_no_tags_no_questions(run, version) -> None:
    peer = Peer(version, NAMES[version])
    assert run(peer.keep()) is None
    assert peer.asked == []


def test_a_list_that_is_refused_is_sent_again_next_time(run) -> None:
    peer = Peer("1.6", NAMES["1.6"])
    peer.status = "Failed"
    assert run(peer.keep(*TAGS)) == "SendLocalList: Failed"
    peer.status = "Accepted"
    assert run(peer.keep(*TAGS)) is None
    assert len(peer.tags) == 5


@pytest.fixture
def run():
    import asyncio  # noqa: PLC0415

    return asyncio.run


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_a_twin_has_the_list_and_keeps_it_in_step(start, ocpp) -> None:
    site = start(configuration_delay_s=0)
    site.system.put_id_tag("one")
    with Twins(site.system.ocpp_url, [{"id": "T1"}], ocpp=ocpp, speed=1) as twins:
        twins.wait_connected()

        def version() -> int:
            answer = site.system.call("T1", "GetLocalListVersion", {})
            return int(answer.get("listVersion", answer.get("versionNumber")))

        eventually(lambda: version() == 1)
        site.system.put_id_tag("two", status="Blocked")
        eventually(lambda: version() == 2)
