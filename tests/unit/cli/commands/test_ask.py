"""`ask`: the simple questions from a driver config, of both backends."""

from __future__ import annotations

import json
import sqlite3
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner

from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.backends.ocpp.storage.transaction_table import End
from chargepoint_driver.cli import main
from chargepoint_driver.simulator import ManualClock, Simulator


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["ask", *words])
    return result.exit_code, result.output


@pytest.fixture
def ocpp(tmp_path: Path) -> str:
    """A driver config whose central system has a record."""
    database = tmp_path / "ocpp.db"
    now_s = time.time()
    store = Store(database)
    store.save_point("CP1", last_seen=now_s)
    store.save_point("CP2", last_seen=now_s - 86_400)
    done, _ = store.start("CP1", 1, "ANNA", now_s - 600, 1000.0, now_s, request="a")
    store.stop(done.transaction_id, End(None, "", now_s - 60, 3500.0, "Local", "end"), now_s - 60)
    store.close()
    config = {
        "backend": "ocpp",
        "chargePointID": "CP1",
        "connectorId": 1,
        "database": str(database),
    }
    path = tmp_path / "ocpp.config"
    path.write_text(json.dumps({"driver_type": "chargepoint", "driver_config": config}))
    return str(path)


@pytest.fixture
def soap(tmp_path: Path) -> str:
    """A driver config of a simulated station that has been watched for ten days: on a single one
    there may be no session."""
    path = tmp_path / "soap.config"
    clock = ManualClock(datetime.now(timezone.utc) - timedelta(days=10))
    with Simulator(clock=clock) as sim:
        clock.advance(10 * 86_400 - 3_600)
        config = {
            "username": sim.username,
            "password": sim.password,
            "endpoint": sim.soap_url,
            "stationID": "1:34001",
        }
        path.write_text(json.dumps({"driver_type": "chargepoint", "driver_config": config}))
        yield str(path)


def test_of_the_record_of_a_central_system(ocpp: str) -> None:
    assert run("active", ocpp) == (0, '["CP1"]\n')
    code, text = run("contact", ocpp, "CP2")
    assert code == 0
    assert json.loads(text)["time"] is not None
    month = time.strftime("%Y-%m", time.gmtime(time.time() - 60))
    rows = json.loads(run("sessions", ocpp, month)[1])
    assert [(row["station"], row["energy_kwh"]) for row in rows] == [("CP1", 2.5)]
    assert round(rows[0]["duration_s"]) == 540
    assert json.loads(run("energy", ocpp, rows[0]["transaction"])[1])["energy_kwh"] == 2.5
    text = run("sessions", ocpp, month, "--csv")[1]
    assert text.startswith("transaction,station,port,id_tag,start,end,duration_s,energy_kwh\n")
    assert len(text.splitlines()) == 2


def test_of_the_web_services(soap: str) -> None:
    code, text = run("active", soap)
    assert code == 0
    assert "1:34001" in json.loads(text)
    code, text = run("contact", soap, "1:34001")
    assert (code, json.loads(text)["station"]) == (0, "1:34001")
    assert json.loads(text)["time"] is not None
    five_days_ago = time.gmtime(time.time() - 5 * 86_400)
    rows = json.loads(run("sessions", soap, time.strftime("%Y-%m", five_days_ago))[1])
    assert rows
    assert all(row["duration_s"] > 0 and row["energy_kwh"] >= 0 for row in rows)
    code, text = run("energy", soap, rows[-1]["transaction"])
    assert json.loads(text) == rows[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sessions", "March"), "month must be YYYY-MM, like 2026-01, not 'March'"),
        (("sessions", "2026-1"), "month must be YYYY-MM, like 2026-01, not '2026-1'"),
        (("sessions", "2026-13"), "month must be YYYY-MM, like 2026-01, not '2026-13'"),
        (("sessions", "2026-01 "), "month must be YYYY-MM"),
        (("sessions", "0000-01"), "month must be YYYY-MM"),
        (("sessions", "２０２６-01"), "month must be YYYY-MM"),
        (("sessions", "9999-12"), "month must be before 9999"),
        (("energy", "nothing"), "no transaction 'nothing'; its id is a whole number"),
        (("energy", "9" * 5_000), "no transaction 9999"),
        (("contact", "CP9"), "no charge point 'CP9'"),
        (("energy", "1"), "no transaction 1"),
    ],
)
def test_what_cannot_be_answered_is_said(ocpp: str, words: tuple[str, str], said: str) -> None:
    question, subject = words
    code, text = run(question, ocpp, subject)
    assert code > 0
    assert said in text


def test_nothing_is_made_where_there_is_no_record(tmp_path: Path, ocpp: str) -> None:
    (tmp_path / "ocpp.db").unlink()
    code, text = run("active", ocpp)
    assert code > 0
    assert "there is no database" in text
    assert not (tmp_path / "ocpp.db").exists()


def test_reading_does_not_take_the_place_of_the_driver(ocpp: str) -> None:
    result = CliRunner().invoke(main, ["read", ocpp, "--registry", "registry_configs/ocpp.csv"])
    assert result.exit_code > 0
    assert "cannot be a second one in its place" in result.output


def test_a_record_is_read_while_it_is_written(tmp_path: Path, ocpp: str) -> None:
    with sqlite3.connect(tmp_path / "ocpp.db", isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert run("active", ocpp)[0] == 0
        writer.execute("ROLLBACK")
    writer.close()


def test_both_backends_refuse_the_same_months(ocpp: str, soap: str) -> None:
    for month in ("2026-1", "9999-12", "x"):
        assert run("sessions", ocpp, month) == run("sessions", soap, month)
        assert run("sessions", ocpp, month)[0] == 2


def test_the_energy_of_an_old_transaction_is_found(ocpp: str, tmp_path: Path) -> None:
    long_ago_s = time.time() - 400 * 86_400
    store = Store(tmp_path / "ocpp.db")
    done, _ = store.start("CP1", 1, "ANNA", long_ago_s - 600, 0.0, long_ago_s, request="b")
    store.stop(done.transaction_id, End(None, "", long_ago_s, 7_200.0, "Local", "end"), long_ago_s)
    store.close()
    code, text = run("energy", ocpp, str(done.transaction_id))
    assert (code, json.loads(text)["energy_kwh"]) == (0, 7.2)
    code, text = run("energy", ocpp, str(done.transaction_id), "--days", "31")
    assert code > 0
    assert "ended before the last 31 days; leave days out" in text


@pytest.mark.parametrize("transaction", ["0", "no", "9" * 30])
def test_the_web_services_know_no_such_session(soap: str, transaction: str) -> None:
    code, text = run("energy", soap, transaction)
    assert code > 0
    assert "no transaction" in text
