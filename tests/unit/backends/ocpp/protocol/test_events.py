"""Versions only translate: the same story gives the same events, and the shared modules act."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp.protocol import (
    charger_reports,
    events,
    handlers,
    meter_values,
    status_notifications,
    transactions,
    v16,
)
from chargepoint_driver.backends.ocpp.protocol.v16 import inbound as inbound16
from chargepoint_driver.backends.ocpp.protocol.v201 import inbound as inbound201

from ..conftest import BOOT, Charger, Site

FOLDER = Path(v16.__file__).parents[1]
# What acts, and where the handlers find it.
ACTS = (
    (handlers, "take_boot"),
    (inbound16, "take_status"),
    (inbound201, "take_status"),
    (inbound16, "measure"),
    (inbound201, "measure"),
    (transactions, "start"),
    (transactions, "go_on"),
    (transactions, "end"),
)
STATION = {"reason": "PowerUp", "chargingStation": {"model": "Raw", "vendorName": "Test Works"}}


def _times(site: Site) -> list[str]:
    return [site.clock.iso(ago_s) for ago_s in (60.0, 50.0, 40.0, 30.0, 20.0)]


def _story16(charger: Charger, at: list[str]) -> None:
    charger.ask("BootNotification", BOOT)
    charger.status("Faulted", timestamp=at[0], errorCode="GroundFailure")
    charger.status("Available", timestamp=at[1])
    own_id = charger.start(at[2], meter=1_000, tag="A")
    charger.meter(at[3], Power_Active_Import="7000")
    charger.stop(own_id, at[4], 3_500, reason="EVDisconnected", idTag="A")


def _story201(charger: Charger, at: list[str]) -> None:
    def status(word: str, timestamp: str) -> None:
        charger.ask(
            "StatusNotification",
            {"evseId": 1, "connectorId": 1, "connectorStatus": word, "timestamp": timestamp},
        )

    def event(kind: str, number: int, timestamp: str, wh: float, **info: str) -> None:
        payload = {
            "eventType": kind,
            "timestamp": timestamp,
            "triggerReason": "Authorized",
            "seqNo": number,
            "transactionInfo": {"transactionId": "T", **info},
            "evse": {"id": 1, "connectorId": 1},
            "idToken": {"idToken": "A", "type": "ISO14443"},
            "meterValue": [{"timestamp": timestamp, "sampledValue": [{"value": wh}]}],
        }
        charger.ask("TransactionEvent", payload)

    charger.ask("BootNotification", STATION)
    status("Faulted", at[0])
    status("Available", at[1])
    event("Started", 0, at[2], 1_000)
    power = {"value": 7_000, "measurand": "Power.Active.Import"}
    values = [{"timestamp": at[3], "sampledValue": [power]}]
    charger.ask("MeterValues", {"evseId": 1, "meterValue": values})
    event("Ended", 1, at[4], 3_500, stoppedReason="EVDisconnected")


STORIES: dict[str, Callable[[Charger, list[str]], None]] = {
    "ocpp1.6": _story16,
    "ocpp2.0.1": _story201,
}


def _of(found: list[Any], site: Site, name: str) -> list[tuple[Any, ...]]:
    """What the events of one kind say that both versions can say."""
    shared = {
        "Booted": lambda it: (it.boot["vendor"], it.boot["model"]),
        "StatusChanged": lambda it: (it.connector_id, it.status, it.timestamp, bool(it.faults)),
        "Metered": lambda it: (it.connector_id, [(at, x.load_kw) for at, x in it.moments]),
        "TransactionStarted": lambda it: (it.connector_id, it.id_tag, it.time_s, it.begin_wh),
        "TransactionEnded": lambda it: (it.id_tag, it.time_s, it.end_wh, it.reason),
    }[name]
    return [shared(each) for each in found if type(each).__name__ == name]


@pytest.fixture
def reported(site: Site, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """Version to the events that its charger's messages were translated to."""
    seen: list[Any] = []
    for module, name in ACTS:
        act = getattr(module, name)

        def spy(request: Any, event: Any, *more: Any, act: Any = act, **options: Any) -> Any:
            seen.append(event)
            return act(request, event, *more, **options)

        monkeypatch.setattr(module, name, spy)
    found = {}
    for version, story in STORIES.items():
        charger = site.charger(f"CP-{version}", subprotocols=[version])
        seen.clear()
        story(charger, _times(site))
        found[version] = list(seen)
    return found


@pytest.mark.parametrize(
    "name", ["Booted", "StatusChanged", "Metered", "TransactionStarted", "TransactionEnded"]
)
def test_both_versions_tell_the_same_events(
    site: Site, reported: dict[str, list[Any]], name: str
) -> None:
    one, other = (_of(reported[version], site, name) for version in STORIES)
    assert one
    assert one == other


def test_both_versions_leave_the_same_record(site: Site, reported: dict[str, list[Any]]) -> None:
    kept = ("start", "stop", "energy_wh", "id_tag", "reason", "connector")
    rows = [tuple(row[name] for name in kept) for row in site.month()]
    assert len(rows) == len(reported) == 2
    assert rows[0] == rows[1]
    assert rows[0][2] == 2_500


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("v*/*.py")), ids=lambda it: it.parent.name + it.name
)
def test_a_version_neither_stores_nor_changes_a_charger(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & {"store", "connector", "after", "note_fault", "booted", "began"}
    changed = [
        target
        for node in ast.walk(tree)
        if isinstance(node, (ast.Assign, ast.AugAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute) and ast.unparse(target).startswith("request.")
    ]
    assert not changed


def test_events_cannot_be_changed() -> None:
    kinds = [getattr(events, name) for name in events.__all__]
    for kind in kinds:
        assert kind.__dataclass_params__.frozen
        assert fields(kind) or kind.__mro__[1] is not object
        assert not hasattr(kind, "__dict__") or "__slots__" in vars(kind)
    acting = (charger_reports, meter_values, status_notifications, transactions)
    assert all(module.__doc__ for module in acting)
