"""`export`: what stands in the files is what was recorded, with units and meanings."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timezone

import msgspec
import pytest

from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.catalogue.measurands import MEASURANDS
from chargepoint_driver.cli.export import tables, writers
from chargepoint_driver.cli.export.tables import TABLES
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.service.shed_control import CommandFile

AT_S = datetime(2026, 11, 1, 8, tzinfo=timezone.utc).timestamp()
WHOLE = ("--since", "2026-10-01")


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def database(tmp_path):
    """A record as a central system leaves it, of both versions."""
    path = tmp_path / "csms.sqlite"
    store = Store(path, wall=lambda: AT_S)
    store.save_point("CP1", last_seen=AT_S, version="1.6")
    samples = [
        {
            "time": "2026-11-01T08:15:00Z",
            "values": {
                "load_kw": 6.6,
                "energy_wh": 1000.0,
                "soc_percent": 0.0,
                "phases": {"L1": {"current_a": 28.7, "voltage_v": 230.0}},
            },
        },
        {"time": "2026-11-01T08:30:00Z", "values": {"load_kw": 0.0, "load_estimated": True}},
    ]
    data = msgspec.json.encode({"transactionId": 77, "samples": samples})
    store.event(AT_S + 1800, AT_S + 1800, "CP1", 1, "MeterValues", data)
    of_2 = {"transactionInfo": {"transactionId": "=a-b"}, "samples": samples[:1]}
    store.event(AT_S + 1801, AT_S, "CP2", 2, "TransactionEvent", msgspec.json.encode(of_2))
    store.event(AT_S + 1802, AT_S, "CP2", None, "Heartbeat", b"{}")
    shed = {"status": "in force", "allowed_load_kw": 6.0, "percent_shed": None, "note": ""}
    store.event(AT_S + 1803, AT_S + 1803, "CP2", 1, "Shed", msgspec.json.encode(shed))
    store.event(AT_S + 1804, AT_S + 1804, "CP2", 1, "Shed", b"{damaged")
    store.save(
        "limits",
        "CP1",
        1,
        {"written_s": AT_S, "until_s": None, "requested_kw": 7.2, "accepted_kw": 7.0},
    )
    store.flush()
    store.close()
    return path


def test_the_record_of_a_central_system(run, tmp_path, database):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out"
    done = run("export", "--database", database, "--out", out, *WHOLE, "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert rows == {"sessions": 0, "meter_values": 3, "limits": 1, "sheds": 1}
    (shed,) = read(out / "sheds.csv")
    assert (shed["station"], shed["port"], shed["status"]) == ("CP2", "1", "in force")
    assert (shed["allowed_load_kw"], shed["percent_shed"], shed["note"]) == ("6.0", "", "")
    first, second, third = read(out / "meter_values.csv")
    assert (first["station"], first["port"], first["transaction_id"]) == ("CP1", "1", "77")
    assert first["time"] == "2026-11-01T08:15:00.000Z"
    assert first["received"] == "2026-11-01T08:30:00.000Z"
    assert (first["load_kw"], first["current_a_l1"]) == ("6.6", "28.7")
    # 0 is a measurement, empty is not reported.
    assert (first["soc_percent"], second["soc_percent"]) == ("0.0", "")
    assert (second["load_kw"], second["load_estimated"]) == ("0.0", "true")
    # No text is a formula.
    assert (third["station"], third["transaction_id"]) == ("CP2", "'=a-b")
    (limit,) = read(out / "limits.csv")
    assert (limit["requested_kw"], limit["accepted_kw"], limit["confirmed_kw"]) == (
        "7.2",
        "7.0",
        "",
    )
    assert limit["until"] == ""
    table = pyarrow.read_table(out / "meter_values.parquet")
    assert table.column("load_kw").to_pylist() == [6.6, 0.0, 6.6]
    assert table.column("soc_percent").to_pylist() == [0.0, None, 0.0]
    moment = table.column("time").to_pylist()[0]
    assert moment == datetime(2026, 11, 1, 8, 15, tzinfo=timezone.utc)
    field = table.schema.field("energy_wh")
    assert field.metadata[b"unit"] == b"Wh"
    assert b"Energy.Active.Import.Register" in field.metadata[b"meaning"]
    assert not list(out.glob("*.part"))


def test_a_time_and_a_station(run, tmp_path, database):
    out = tmp_path / "out"
    later = ("--since", "2026-11-01T08:20:00Z", "--format", "csv")
    run("export", "--database", database, "--out", out, *later)
    assert [row["time"] for row in read(out / "meter_values.csv")] == ["2026-11-01T08:30:00.000Z"]
    run(
        "export",
        "--database",
        database,
        "--out",
        out,
        *WHOLE,
        "--station",
        "CP2",
        "--format",
        "csv",
    )
    assert {row["station"] for row in read(out / "meter_values.csv")} == {"CP2"}
    assert read(out / "limits.csv") == []
    assert not list(out.glob("*.parquet"))


def test_the_data_dictionary_names_each_column_of_each_file(run, tmp_path, database):
    out = tmp_path / "out"
    run("export", "--database", database, "--out", out, *WHOLE, "--format", "csv")
    said = json.loads((out / "data-dictionary.json").read_text())
    text = (out / "data-dictionary.md").read_text()
    assert said["source"] == str(database)
    for table in said["tables"]:
        with (out / f"{table['name']}.csv").open(encoding="utf-8") as file:
            assert next(csv.reader(file)) == [column["name"] for column in table["columns"]]
        assert f"## {table['name']}" in text
        for column in table["columns"]:
            assert column["meaning"]
            assert f"| {column['name']} |" in text


def test_every_measurand_is_a_column_with_its_unit():
    names = {column.name: column for column in tables.METER_VALUES.columns}
    for row in MEASURANDS:
        assert names[row.field].unit
    assert names["load_kw"].unit == "kW"
    assert names["voltage_v_l3"].unit == "V"


def test_no_column_of_two_tables_means_two_kinds():
    kinds = {}
    for table in TABLES.values():
        assert len({column.name for column in table.columns}) == len(table.columns)
        for column in table.columns:
            assert kinds.setdefault(column.name, (column.kind, column.unit)) == (
                column.kind,
                column.unit,
            )


def test_an_account_of_the_service(run, tmp_path, account):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out"
    done = run("export", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert set(rows) == {"sessions", "limits", "transactions"}
    assert "no command_file" in done.stderr
    listed = json.loads(run("sessions", "--json").stdout)
    found = read(out / "sessions.csv")
    assert [row["session_id"] for row in found] == [row["sessionID"] for row in listed]
    assert [float(row["energy_kwh"]) for row in found] == [row["Energy"] for row in listed]
    assert "id_tag" not in found[0]
    limits = read(out / "limits.csv")
    assert {(row["shed_state"], row["allowed_load_kw"]) for row in limits} == {("false", "")}
    assert len(limits) == 4
    assert pyarrow.read_table(out / "sessions.parquet").num_rows == rows["sessions"]
    run("export", "--out", out, "--personal", "--format", "csv", "--table", "sessions")
    assert read(out / "sessions.csv")[0]["user_id"]


def test_a_limit_is_in_kw_or_in_percent(run, tmp_path, account):
    run("write", "percentShed", "50", "--station", "1:34001", "--yes")
    run("write", "allowedLoad", "0", "--station", "1:34002", "--yes")
    run("export", "--out", tmp_path, "--table", "limits", "--format", "csv")
    found = {
        row["station"]: (row["shed_state"], row["allowed_load_kw"], row["percent_shed"])
        for row in read(tmp_path / "limits.csv")
    }
    assert found == {"1:34001": ("true", "", "50.0"), "1:34002": ("true", "0.0", "")}


def test_intervals_cost_a_call_each_and_are_said_first(run, tmp_path, account):
    sessions = json.loads(run("sessions", "--json").stdout)
    done = run("export", "--out", tmp_path, "--table", "intervals", "--format", "csv")
    assert f"{len(sessions)} more calls of get15min" in done.stderr
    rows = read(tmp_path / "intervals.csv")
    assert {row["session_id"] for row in rows} == {row["sessionID"] for row in sessions}
    account.faults.set("get15minChargingSessionData", "refused", code="102", times=1)
    done = run("export", "--out", tmp_path, "--table", "intervals", "--format", "csv")
    assert done.exit_code == 1
    assert "[nothing_there]" in done.stderr


def test_writes_of_the_command_file(run, tmp_path, database, device):
    key = ("ocpp", str(database))
    config = tmp_path / "cp.config"
    commands = tmp_path / "commands.sqlite"
    config.write_text(
        json.dumps(
            {
                "driver_type": "chargepoint",
                "driver_config": {
                    "backend": "ocpp",
                    "chargePointID": "CP1",
                    "database": str(database),
                    "command_file": str(commands),
                },
            }
        )
    )
    from chargepoint_driver.cli.support.config_files import load_device  # noqa: PLC0415

    key = load_device(config).device.account.key
    store = CommandFile(commands, key)
    store.save_write(("2026-11-01T09:00:00+00:00", "CP1", 1, "", "limit", "6", "a.b", "sent"))
    store.save_write(("2026-09-01T09:00:00+00:00", "CP1", 0, "g", "limit", "5", "", "sent"))
    store.close()
    done = run("export", "--config", config, "--out", tmp_path, *WHOLE, "--format", "csv")
    assert done.exit_code == 0, done.output
    (row,) = read(tmp_path / "writes.csv")
    assert row == {
        "station": "CP1",
        "port": "1",
        "station_group": "",
        "time": "2026-11-01T09:00:00.000Z",
        "point": "limit",
        "value": "6",
        "writer": "a.b",
        "outcome": "sent",
    }


def test_a_file_that_fails_half_way_is_not_there(tmp_path):
    def rows():
        yield {"station": "1:1"}
        raise ConfigurationError("half way")

    table = TABLES["sessions"]
    old = tmp_path / "sessions.csv"
    old.write_text("the last export")
    with pytest.raises(ConfigurationError):
        writers.write(tmp_path, table, table.columns, rows(), ["csv"])
    assert [path.name for path in tmp_path.iterdir()] == ["sessions.csv"]
    assert old.read_text() == "the last export"


def test_usage(run, tmp_path, database, monkeypatch):
    done = run("export", "--database", database, "--out", tmp_path, "--table", "intervals")
    assert (done.exit_code, "not of charge points" in done.output) == (2, True)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    done = run("export", "--database", database, "--out", tmp_path / "new")
    assert (done.exit_code, "--format csv" in done.output) == (2, True)
    assert not (tmp_path / "new").exists()
