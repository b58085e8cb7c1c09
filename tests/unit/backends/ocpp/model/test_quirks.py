"""The quirks met in the field, at twins that have them (limits: test_limits.py)."""

from __future__ import annotations

import json
import re
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chargepoint_driver.backends.ocpp.model import quirks
from chargepoint_driver.backends.ocpp.model.quirks import Quirks, quirks_of
from chargepoint_driver.backends.ocpp.protocol.provisioning import read_settings
from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import eventually


@pytest.fixture
def meet(start):
    """A central system and a twin with the quirks: (site, twins)."""
    running = []

    def make(ocpp="1.6", quirks=None, twin=None, **fields):
        site = start(**fields)
        twins = Twins(
            site.system.ocpp_url,
            [{"id": "T1", **(twin or {})}],
            ocpp=ocpp,
            speed=1,
            quirks=quirks or {},
            backoff_s=0.05,
        ).start()
        running.append(twins)
        return site, twins

    yield make
    for twins in running:
        twins.stop()
        assert not twins._failure


def charge(site, twins) -> int:
    assert twins.start_charging("T1", max_ac_kw=7) == "Accepted"
    twins.wait("T1", lambda state: state["connectors"][0]["transaction_id"])
    return int(eventually(lambda: site.connector(1, "T1").transaction).transaction_id)


def finish(site, twins) -> dict:
    twins.stop_charging("T1")
    return eventually(site.month)[-1]


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_a_boot_is_asked_for_where_none_comes_on_a_reconnect(meet, ocpp) -> None:
    site, twins = meet(ocpp, {"no_boot_on_reconnect": {}}, boot_grace_s=0.2)
    twins.wait_connected()
    transaction = charge(site, twins)
    boots = site.point("T1").boot_time
    twins.act("T1", "drop")
    eventually(lambda: twins.state("T1")["connections"] == 2)
    eventually(lambda: twins.stats()["received"].get("TriggerMessage"))
    assert site.connector(1, "T1").transaction.transaction_id == transaction
    assert boots is not None
    assert finish(site, twins)["id"] == transaction


def test_without_any_boot_it_goes_on(start) -> None:
    site = start(boot_grace_s=0.1)
    charger = site.charger()
    actions = []
    while actions.count("TriggerMessage") < 2:
        _, number, action, _ = charger.receive()
        actions.append(action)
        charger.ws.send(json.dumps([4, number, "NotSupported", "", {}]))
    # Its boot, its settings (all, some), what it measures, its status.
    assert actions == [
        "TriggerMessage",
        "GetConfiguration",
        "GetConfiguration",
        "ChangeConfiguration",
        "TriggerMessage",
    ]
    assert site.point().counters["connections_without_boot"] == 1
    charger.status("Available")
    assert site.connector().status == "AVAILABLE"


@pytest.mark.parametrize(
    ("quirk", "version"),
    [
        ({"no_subprotocol": {}}, "1.6"),
        ({"subprotocols": {"offered": ["soap", "ocpp1.6"]}}, "1.6"),
        ({"probes": {"offered": ["ocpp2.0.1"]}}, "1.6"),
    ],
)
def test_subprotocols_as_they_are_offered(meet, quirk, version) -> None:
    site, twins = meet("1.6", quirk)
    twins.wait_connected()
    transaction = charge(site, twins)
    assert site.point("T1").ocpp_version == version
    assert finish(site, twins)["id"] == transaction


def test_a_charger_that_probes_1_6_and_then_speaks_2_0_1(meet) -> None:
    site, twins = meet("2.0.1", {"probes": {"offered": ["ocpp1.6"]}})
    twins.wait_connected()
    assert site.point("T1").ocpp_version == "2.0.1"
    charge(site, twins)
    site.system.remote_stop("T1")  # in the words of 2.0.1
    assert eventually(site.month)[0]["state"] == "completed"


@pytest.mark.parametrize("value", [-1, 2**40, 0])
def test_a_transaction_id_of_its_own(meet, value) -> None:
    own = {"value": value, "actions": ["MeterValues", "StopTransaction"]}
    site, twins = meet("1.6", {"transaction_id": own})
    twins.wait_connected()
    transaction = charge(site, twins)
    twins.act("T1", "sample", connector=1)
    eventually(lambda: site.point("T1").counters.get("adopted_ids") == 1)
    assert site.connector(1, "T1").transaction.transaction_id == transaction
    row = finish(site, twins)
    assert (row["id"], row["state"]) == (transaction, "completed")


def test_an_adopted_transaction_is_stopped_by_the_id_that_the_charger_knows(site, clock) -> None:
    charger = site.charger()
    charger.status("Charging")
    charger.meter(clock.iso(), -5, Energy_Active_Import_Register="10")
    asked = []

    def answer() -> None:
        while len(asked) < 2:
            _, number, _, payload = json.loads(charger.ws.recv(10))
            asked.append(payload["transactionId"])
            status = "Accepted" if asked[-1] == -5 else "Rejected"
            charger.ws.send(json.dumps([3, number, {"status": status}]))

    thread = threading.Thread(target=answer)
    thread.start()
    site.system.remote_stop("CP1")
    thread.join()
    assert asked == [site.connector().transaction.transaction_id, -5]


def test_values_after_a_stop_revive_nothing(meet) -> None:
    site, twins = meet("1.6", {"meter_values_after_stop": {"times": 3}})
    twins.wait_connected()
    charge(site, twins)
    finish(site, twins)
    eventually(lambda: [e["action"] for e in site.system.events()][-4:].count("MeterValues") >= 3)
    connector = site.connector(1, "T1")
    assert (connector.transaction, connector.load_kw) == (None, 0)
    assert len(site.month()) == 1


def test_a_start_sent_twice_is_one(meet) -> None:
    site, twins = meet("1.6", {"repeats_start": {}})
    twins.wait_connected()
    charge(site, twins)
    eventually(lambda: site.point("T1").counters.get("repeated_starts") == 1)
    finish(site, twins)
    assert len(site.month()) == 1


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
@pytest.mark.parametrize(
    "quirk",
    [
        {"totals_and_phases": {"neutral": True}},
        {"phases_only": {}},
        {"kilo_units": {}},
        {"empty_values": {}},
        {},
    ],
    ids=lambda quirk: next(iter(quirk), "none"),
)
def test_the_load_however_it_is_told(meet, ocpp, quirk) -> None:
    site, twins = meet(ocpp, quirk, voltage=230)
    twins.wait_connected()
    charge(site, twins)
    twins.act("T1", "sample", connector=1)
    power_kw = twins.state("T1")["power_kw"]
    assert power_kw > 6
    eventually(lambda: site.connector(1, "T1").load_kw == pytest.approx(power_kw, rel=0.01))


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_schema_breaking_values_and_settings_are_used_and_counted(meet, ocpp) -> None:
    site, twins = meet(ocpp, {"breaks_schema": {}}, configuration_delay_s=0)
    twins.wait_connected()
    charge(site, twins)
    twins.act("T1", "sample", connector=1)
    eventually(lambda: site.connector(1, "T1").load_kw)
    eventually(lambda: site.point("T1").counters.get("forgiven"))
    eventually(lambda: site.point("T1").configuration)


def test_a_session_register_gives_the_energy_of_each_session(meet) -> None:
    site, twins = meet("1.6", {"session_register": {}})
    twins.wait_connected()
    for number in (1, 2):
        charge(site, twins)
        twins.advance(1800)
        finish(site, twins)
        row = eventually(lambda number=number: len(site.month()) == number and site.month()[-1])
        assert row["energy_wh"] == pytest.approx(3500, rel=0.05)
        twins.unplug("T1")


def test_a_late_answer_is_awaited_where_the_model_is_known_for_it(meet) -> None:
    slow = {"late_answers": {"seconds": 1}}
    site, twins = meet(
        "1.6",
        slow,
        call_timeout_s=0.3,
        charge_points={"T1": {"quirks": {"call_timeout_s": 10}}},
    )
    twins.wait_connected()
    site.system.call("T1", "ClearCache", {}, timeout_s=10)
    assert site.point("T1").connected


def test_a_socket_without_pong_is_dropped(start) -> None:
    site = start(ping_s=0.1)
    url = urlsplit(site.system.ocpp_url)
    with socket.create_connection((url.hostname, url.port), 5) as raw:
        raw.settimeout(10)
        raw.sendall(
            b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        while raw.recv(1000):
            pass  # pings that nobody answers, and at last the end
    eventually(lambda: not site.point().connected)
    assert site.point().counters["pings_without_answer"] == 1


def test_the_old_socket_may_stay_open(meet) -> None:
    site, twins = meet("1.6", {"keeps_old_socket": {}})
    twins.wait_connected()
    transaction = charge(site, twins)
    twins.act("T1", "drop")
    eventually(lambda: twins.state("T1")["connections"] == 2)
    eventually(lambda: site.point("T1").counters.get("replaced_sockets") == 1)
    twins.wait_connected()
    assert finish(site, twins)["id"] == transaction


def test_an_id_with_every_character_encoded(meet) -> None:
    site, twins = meet("1.6", {"encodes_whole_id": {}}, twin={"id": "a/b c%"})
    twins.wait_connected()
    assert site.point("a/b c%").connected


def test_one_message_id_for_everything(meet) -> None:
    site, twins = meet("1.6", {"same_message_ids": {}})
    twins.wait_connected()
    charge(site, twins)
    assert finish(site, twins)["state"] == "completed"


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
@pytest.mark.parametrize(
    "quirk",
    [
        {"clock_1970": {}},
        {"local_time_as_utc": {"offset_s": -28_800}},
        {"local_time_as_utc": {"offset_s": 7_200}},
    ],
    ids=["1970", "west", "east"],
)
def test_clocks_that_lie(meet, ocpp, quirk) -> None:
    site, twins = meet(ocpp, quirk)
    twins.wait_connected()
    charge(site, twins)
    twins.act("T1", "sample", connector=1)
    power_kw = twins.state("T1")["power_kw"]
    eventually(lambda: site.connector(1, "T1").load_kw == pytest.approx(power_kw, rel=0.01))
    assert site.connector(1, "T1").ocpp_status in {"Charging", "Occupied"}
    twins.stop_charging("T1")
    eventually(lambda: site.connector(1, "T1").transaction is None)
    assert site.connector(1, "T1").load_kw == 0


@pytest.mark.parametrize("refuses_all", [False, True])
def test_settings_a_few_at_a_time(meet, refuses_all) -> None:
    site, twins = meet("1.6", {"max_keys": {"keys": 1}}, configuration_delay_s=None)
    twins.wait_connected()
    names = ["ChargeProfileMaxStackLevel", "NumberOfConnectors", "MeterValueSampleInterval"]
    csms = site.system._csms
    point = csms.point("T1")
    out = csms.outbound(point)
    asked = []

    async def call(to, ask):
        asked.append(ask[1].get("key"))
        if refuses_all and not ask[1]:
            return {}
        return await csms.ask(to, ask)

    found = site.system._loop.run(lambda: read_settings(point, out, call), 15)
    assert all(found[name] for name in names)
    assert asked[0] is None
    assert (len(asked) > 1) is refuses_all


def test_quirks_of_a_model_and_those_of_a_charge_point_after_them(monkeypatch) -> None:
    path = Path(quirks.__file__).with_name("quirks.json")
    example = json.loads(path.read_text(encoding="utf-8"))["example"]
    monkeypatch.setattr(quirks, "_entries", lambda: [quirks.read_entry(example)])
    found = quirks_of("ACME Ltd", "Wall 2 Pro", Quirks())
    assert (found.rate_unit, found.stack_level) == ("A", 0)
    own = quirks_of("ACME Ltd", "Wall 2 Pro", Quirks(stack_level=3))
    assert (own.rate_unit, own.stack_level) == ("A", 3)
    for vendor, model in (("Other", "Wall 2"), ("ACME", "Post 1"), (None, None)):
        assert quirks_of(vendor, model, Quirks()) == Quirks()


def test_the_page_names_tests_that_exist() -> None:
    root = Path(__file__).parents[5]
    page = (root / "docs" / "reference" / "ocpp.md").read_text(encoding="utf-8")
    file, named = "", 0
    for word in re.findall(r"`(test_\w+(?:::test_\w+)?|…test_\w+)`", page):
        name = word.removeprefix("…")
        if word == name:
            file, _, name = word.partition("::")
        files = (root / "tests" / "unit" / "backends" / "ocpp").rglob(f"{file}.py")
        text = "".join(path.read_text(encoding="utf-8") for path in sorted(files))
        assert f"def {name}(" in text or not name, word
        named += 1
    assert named >= 25
