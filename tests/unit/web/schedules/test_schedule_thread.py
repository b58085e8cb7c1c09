"""A schedule that the page's process runs, at a charger that connects to it."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import requests

from chargepoint_driver.demand_response.schedule.schedule_log import ScheduleLog, log_path
from chargepoint_driver.simulator.ocpp import Twins
from chargepoint_driver.web import Settings, WebServer

from ..conftest import TOKEN, eventually, free_port


def test_a_charger_that_connects_is_limited_and_released(tmp_path) -> None:
    port, path = free_port(), tmp_path / "schedule.json"
    account = {
        "backend": "ocpp",
        "listen": f"127.0.0.1:{port}",
        "database": str(tmp_path / "ocpp.sqlite"),
        "configuration_delay_s": None,
        "charge_points": {"CP1": {"rated_kw": 22}},
    }
    group = {"devices": [{"station": "CP1", "port": 1}], "rules": [{"name": "day", "kw": 7}]}
    content = {"timezone": "UTC", "look_seconds": 0.2, "groups": {"g": group}}
    # Nothing runs a schedule with a fault; it starts when the file is corrected.
    path.write_text("{")
    web = {"schedule": {"file": str(path), "run": True}}
    server = WebServer(
        {"accounts": {"yard": account}, "web": web},
        Settings.of("127.0.0.1:0", token=TOKEN),
        every_s=0.2,
    ).start()
    session = requests.Session()
    session.trust_env = False
    session.headers["X-API-Key"] = TOKEN
    try:
        with Twins(f"ws://127.0.0.1:{port}/ocpp", [{"id": "CP1"}], speed=1) as twins:
            twins.wait_connected()
            assert twins.start_charging("CP1", max_ac_kw=22, battery_kwh=80) == "Accepted"
            part = path.with_suffix(".new")
            part.write_text(json.dumps(content))
            part.replace(path)
            twins.wait("CP1", lambda state: state["connectors"][0]["limit_kw"] <= 7.0, 60)
            url = f"{server.url}api/v1/schedule"
            revision = session.get(url, timeout=60).json()["revision"]
            change = {"revision": revision, "groups": {"g": {"rules": []}}}
            assert session.patch(url, json=change, timeout=60).status_code == 200
            twins.wait("CP1", lambda state: state["connectors"][0]["limit_kw"] > 20, 60)
            done = eventually(lambda: logged(session, url, kw=None))
            assert done[0]["devices"] == ["CP1 1"]
    finally:
        session.close()
        server.stop()
    log = ScheduleLog(log_path(path), lambda: datetime.now(timezone.utc))
    assert log.entries()[0][0].facts["schedule"] == "stopped"
    log.close()


def logged(session, url, **facts):
    """The entries of the log about the group with these facts that were carried out."""
    entries = session.get(f"{url}/log?group=g", timeout=60).json()["entries"]
    return [
        each
        for each in entries
        if each["kind"] == "limit" and each["done"] and facts.items() <= each.items()
    ]
