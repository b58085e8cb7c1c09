"""The agent against a stub OpenADR 3 VTN over real sockets."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import trustme

from .rig import Garage, Running, eventually
from .vtn3 import SECRET, StubVtn

SCHEMAS = json.loads(
    (Path(__file__).parents[3] / "data" / "openadr3-client-2.4.2.json").read_text("utf-8")
)
VARIABLE = "OPENADR_TEST_SECRET"


@pytest.fixture
def vtn() -> Iterator[StubVtn]:
    found = StubVtn()
    yield found
    found.close()


def settings(vtn: StubVtn, **fields: Any) -> dict[str, Any]:
    return {
        "utility": {
            "version": "3",
            "url": vtn.url,
            "client_id": "ven",
            "client_secret_env": VARIABLE,
            "poll_seconds": 0.2,
            **fields,
        }
    }


@pytest.fixture
def running(
    vtn: StubVtn, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> Running:
    monkeypatch.setenv(VARIABLE, SECRET)
    return start(vtns=settings(vtn), report_seconds=1, rated_kw=7.0)


@pytest.mark.parametrize(
    ("kind", "value", "fields", "kw"),
    [
        ("SIMPLE", 2, {}, 3.0),
        ("IMPORT_CAPACITY_LIMIT", 4.0, {}, 4.0),
        ("PRICE", 0.9, {}, 2.0),
        (
            "DISPATCH_SETPOINT",
            50,
            {"payloadDescriptors": [{"payloadType": "DISPATCH_SETPOINT", "units": "PERCENT"}]},
            3.5,
        ),
    ],
)
def test_an_event_holds_the_port_until_it_is_deleted(
    vtn: StubVtn,
    running: Running,
    garage: Garage,
    kind: str,
    value: float,
    fields: dict[str, Any],
    kw: float,
) -> None:
    made = vtn.event("peak", kind, value, **fields)
    jsonschema.validate(made, SCHEMAS["event"])
    eventually(lambda: garage.ceiling() == kw)
    vtn.delete("peak")
    eventually(lambda: garage.ceiling() is None)
    eventually(lambda: not running.status["held"])


def test_an_update_counts_and_a_newer_token_is_fetched(
    vtn: StubVtn, running: Running, garage: Garage
) -> None:
    vtn.event("peak", "SIMPLE", 1)
    eventually(lambda: garage.ceiling() == 5.0)
    vtn.token = "revoked"
    vtn.event("peak", "SIMPLE", 3)
    eventually(lambda: garage.ceiling() == 1.5)
    assert next(vtn.tokens) > 2
    eventually(lambda: running.status["vtns"]["utility"]["reachable"])


@pytest.mark.parametrize("status", [500, 401, 302])
def test_a_vtn_that_fails_cancels_nothing(
    vtn: StubVtn, running: Running, garage: Garage, status: int
) -> None:
    vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)
    vtn.status = status
    eventually(lambda: running.status["vtns"]["utility"]["unreachable_since"])
    assert garage.ceiling() == 3.0
    vtn.status = None
    vtn.delete("peak")
    eventually(lambda: garage.ceiling() is None)


def test_events_of_others_and_malformed_ones_change_nothing(
    vtn: StubVtn, running: Running, garage: Garage
) -> None:
    vtn.event("theirs", "SIMPLE", 3, targets=[{"type": "VEN_NAME", "values": ["another"]}])
    vtn.event("elsewhere", "SIMPLE", 3, programID="p2")
    vtn.event("broken", "SIMPLE", 3, intervalPeriod={"start": "yesterday", "duration": "PT1H"})
    for index in range(60):
        vtn.event(f"later-{index}", "SIMPLE", 0)
    vtn.event("ours", "SIMPLE", 2, targets=[{"type": "VEN_NAME", "values": ["garage-ven"]}])
    eventually(lambda: garage.ceiling() == 3.0)
    known = lambda: {event["id"] for event in running.status["events"]}  # noqa: E731
    eventually(lambda: len(known()) >= 61)
    assert known() == {"ours", *(f"later-{index}" for index in range(60))}


def test_reports_have_the_energy_of_the_simulator(
    vtn: StubVtn, running: Running, garage: Garage
) -> None:
    vtn.event("dispatch", "DISPATCH_SETPOINT", 4.0)
    eventually(lambda: running.status["load_kw"] == pytest.approx(4.0, rel=0.01))
    seen = len(vtn.reports)
    eventually(lambda: len(vtn.reports) >= seen + 3)
    before, since = garage.energy_kwh(), garage.sim.world.now_s()
    eventually(lambda: len(vtn.reports) >= seen + 6)
    after, until = garage.energy_kwh(), garage.sim.world.now_s()
    actual_kw = (after - before) / (until - since) * 3600
    for report in vtn.reports:
        jsonschema.validate(report, SCHEMAS["report"])
    settled = [_values(report) for report in vtn.reports[seen + 2 :]]
    for values in settled:
        assert values["USAGE"] * 3600 == pytest.approx(actual_kw, rel=0.01)
        assert values["SETPOINT"] == 4.0
        assert values["DEMAND"] == pytest.approx(actual_kw, rel=0.01)
        assert values["DELTA_USAGE"] * 3600 == pytest.approx(-2.4, abs=0.5)
        assert values["OPERATING_STATE"] == "NORMAL"
    assert running.status["failed"] == []


def _values(report: dict[str, Any]) -> dict[str, Any]:
    (resource,) = report["resources"]
    (interval,) = resource["intervals"]
    return {each["type"]: each["values"][0] for each in interval["payloads"]}


def test_only_what_is_asked_for_is_reported(vtn: StubVtn, running: Running, garage: Garage) -> None:
    vtn.event("peak", "SIMPLE", 2, reportDescriptors=[{"payloadType": "DEMAND"}])
    eventually(lambda: vtn.reports)
    assert set(_values(vtn.reports[-1])) <= {"DEMAND", "OPERATING_STATE"}
    assert running.config.ven_name == vtn.reports[-1]["clientName"]
    eventually(lambda: garage.ceiling() == 3.0)


@pytest.mark.parametrize("has_certificate", [True, False])
def test_tls_with_a_client_certificate(
    has_certificate: bool,
    start: Callable[..., Running],
    garage: Garage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "certificate", "key")}
    own = authority.issue_cert("garage-ven")
    authority.cert_pem.write_to_path(files["ca"])
    own.cert_chain_pems[0].write_to_path(files["certificate"])
    own.private_key_pem.write_to_path(files["key"])
    given = files if has_certificate else {"ca": files["ca"]}
    vtn = StubVtn(context)
    try:
        running = start(vtns=settings(vtn, **given))
        vtn.event("peak", "SIMPLE", 2)
        if has_certificate:
            eventually(lambda: garage.ceiling() == 3.0)
        else:
            eventually(lambda: running.status["vtns"]["utility"]["unreachable_since"])
            assert garage.ceiling() is None
        running.stop()
    finally:
        vtn.close()


def test_the_limit_is_written_to_the_point_for_agents(
    vtn: StubVtn, running: Running, garage: Garage
) -> None:
    vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)
    vtn.delete("peak")
    eventually(lambda: garage.ceiling() is None)
    writes = running.accounts.service_of(None).control.writers.newest()
    assert {write["writer"] for write in writes} == {"openadr"}
    assert {write["point"] for write in writes} == {"limit"}


def test_a_limit_above_the_rated_power_limits_nothing(
    vtn: StubVtn, running: Running, garage: Garage
) -> None:
    vtn.event("much", "DISPATCH_SETPOINT", 500.0)
    eventually(lambda: running.status["held"])
    eventually(lambda: running.status["failed"] == [] and running.status["limit_kw"] == 500.0)
    assert garage.ceiling() is None
