"""`report`, and `sessions --costs`: costs of sessions from a record and from a service."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp.storage.store import Store

from ...web.depot import TARIFF, add, at, october

OCTOBER = ("--since", "2026-10-01", "--until", "2026-11-20")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config with a central system that has sessions, and cost centres."""
    with closing(Store(tmp_path / "depot.sqlite")) as store:
        october(store)
        add(store, at("2026-11-09T07:00"), 120, tag="DORA")
        add(store, at("2026-11-09T07:00"), 120, connector=2, readings={3_600.0: 4_000.0})
    (tmp_path / "centres.csv").write_text("id_tag,cost_centre\nanna,4711\nBOB,=4712\n")
    return written(
        tmp_path,
        {
            "yard": {
                "backend": "ocpp",
                "listen": "127.0.0.1:0",
                "database": str(tmp_path / "depot.sqlite"),
            }
        },
        cost_centres=str(tmp_path / "centres.csv"),
    )


def written(folder: Path, accounts: dict[str, Any], **billing: Any) -> Path:
    path = folder / "accounts.json"
    section = {"time_zone": "Europe/Berlin", "tariffs": [TARIFF], **billing}
    path.write_text(json.dumps({"accounts": accounts, "billing": section}))
    return path


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_report_of_a_month(run, config):
    done = run("report", "--config", config, "--month", "2026-10")
    assert done.exit_code == 0, done.output
    assert "450.00 EUR" in done.output
    assert "not assigned" in done.output
    assert "Europe/Berlin" in done.output
    rows = table(run("report", "--config", config, "--month", "2026-10", "--csv").stdout)
    assert [(row["cost_centre"], row["cost_EUR"]) for row in rows] == [
        ("4711", "450.00"),
        # A spreadsheet must not take it for a formula.
        ("'=4712", "450.00"),
        ("not assigned", "300.00"),
        ("total", "1200.00"),
    ]
    content = json.loads(run("report", "--config", config, "--month", "2026-10", "--json").stdout)
    assert content["total"]["sessions"] == 240
    assert "id_tags" not in content
    by_tag = run("report", "--config", config, "--month", "2026-10", "--personal", "--csv").stdout
    assert {row["id_tag"] for row in table(by_tag)} == {"ANNA", "BOB", "carol", ""}


def test_a_month_with_unknown_costs(run, config):
    done = run("report", "--config", config, "--month", "2026-11")
    assert "at least 3.80 EUR (1 unknown)" in done.output
    assert "without cost: cannot_split: 1" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--month", "2026-13"), "month must be YYYY-MM"),
        (("--month", "2026-10", "--account", "x"), "no account 'x'"),
        (("--month", "2026-10", "--csv", "--json"), "--csv or --json, not both"),
        ((), "Missing option '--month'"),
    ],
)
def test_what_is_wrong_with_a_command(run, config, arguments, words):
    done = run("report", "--config", config, *arguments)
    assert done.exit_code != 0
    assert words in done.output


def test_what_is_wrong_with_a_config(run, tmp_path, config):
    (tmp_path / "centres.csv").write_text("id_tag,cost_centre\nanna,\n")
    done = run("report", "--config", config, "--month", "2026-10")
    assert done.exit_code != 0
    assert "line 2: idTag 'anna' has no cost centre" in done.output
    (tmp_path / "device.config").write_text('{"driver_config": {}}')
    done = run("report", "--config", tmp_path / "device.config", "--month", "2026-10")
    assert "must have accounts" in done.output
    content = json.loads(config.read_text())
    content["billing"]["tariffs"][0]["per_kwh"] = "-1"
    config.write_text(json.dumps(content))
    done = run("report", "--config", config, "--month", "2026-10")
    assert "billing: tariffs.0.per_kwh" in done.output


def test_sessions_of_a_record_with_costs(run, config):
    rows = table(run("sessions", "--config", config, *OCTOBER, "--costs", "--csv").stdout)
    assert len(rows) == 242
    assert [row["begin"] for row in rows] == sorted(row["begin"] for row in rows)
    assert "id_tag" not in rows[0]
    assert {row["cost"] for row in rows} == {"5.00", "3.80", ""}
    found = json.loads(
        run(
            "sessions", "--config", config, *OCTOBER, "--costs", "--json", "--personal",
            "--station", "CP1",
        ).stdout
    )  # fmt: skip
    assert {row["id_tag"] for row in found} == {"ANNA", "BOB", "carol", "DORA"}
    done = run("sessions", "--config", config, *OCTOBER, "--costs")
    assert "242 sessions (0 running), cost 1203.80 EUR; 1 without cost" in done.output
    assert "unknown: cannot be split" in done.output


def test_options_that_exclude_each_other(run, account):
    assert "choose one of" in run("sessions", "--costs", "--interval").output
    assert "--yes goes with --interval or --costs" in run("sessions", "--yes").output


@pytest.fixture
def past(account):
    """The account after a day, so that sessions have ended."""
    account.clock.advance(86_400)
    return account


def test_chargepoints_own_pricing_of_an_account(run, past):
    rows = table(run("sessions", "--since", "2020-01-01", "--costs", "--csv").stdout)
    ended = [row for row in rows if row["end"]]
    assert ended
    assert {row["tariff"] for row in ended} == {"ChargePoint"}
    priced = [row for row in ended if row["cost"]]
    assert priced
    assert all(float(row["cost"]) > 0 for row in priced)
    longer = [row["cost_reason"] for row in ended if not row["cost"]]
    assert all("longer than sessionTime" in reason for reason in longer)


def test_sessions_of_a_service_are_split_by_its_quarter_hours(run, past, tmp_path):
    """The price changes each quarter hour: without them no cost of these is known."""
    periods = [
        {"name": f"{hour:02}:{minute}", "from": f"{hour:02}:{minute}", "per_kwh": "0.50"}
        for hour in range(24)
        for minute in ("00", "30")
    ]
    for each in periods:
        hour, minute = map(int, each["from"].split(":"))
        end = hour * 60 + minute + 15
        each["until"] = f"{end // 60:02}:{end % 60:02}"
    fields = {
        "username": past.username,
        "password": past.password,
        "endpoint": past.soap_url,
    }
    tariff = {**TARIFF, "currency": "USD", "periods": periods}
    path = written(tmp_path, {"garage": fields}, tariffs=[tariff])
    done = run("sessions", "--config", path, "--since", "2020-01-01", "--costs", "--csv", "--yes")
    assert "sessions have more than one price: " in done.stderr
    ended = [row for row in table(done.stdout) if row["end"]]
    assert ended
    for row in ended:
        low, high = 0.2 * float(row["energy_kwh"]), 0.5 * float(row["energy_kwh"])
        assert low < float(row["cost"]) < high, row
    month = ended[-1]["end"][:7]
    done = run("report", "--config", path, "--month", month, "--yes", "--json")
    assert json.loads(done.stdout)["total"]["cost_unknown"] == 0


def test_check_reads_the_file_of_cost_centres(run, tmp_path, config):
    assert run("check", config).exit_code == 0
    (tmp_path / "centres.csv").write_text("id_tag,cost_centre\nanna,4711\nANNA,4712\n")
    done = run("check", config)
    assert done.exit_code != 0
    assert "line 3: idTag 'ANNA' stands in line 2 too" in done.output
