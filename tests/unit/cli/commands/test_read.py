"""`read` against a simulated service in this process."""

from __future__ import annotations

import json
import socket

import pytest

from chargepoint_driver.registry import Point

ROWS = (
    "name,stationName,StationRegister,1,string,,,FALSE,,,",
    "load,portLoad,LoadRegister,1,float,kw,,FALSE,,,",
    "shed,shedState,LoadRegister,,bool,,,TRUE,,,",
    "status,Status,StationStatusRegister,2,string,,,FALSE,,,",
    "alarm,alarmType,AlarmRegister,,string,,,FALSE,,,",
    "rights,stationRightsProfile,StationRightsRegister,,dictionary,,,FALSE,,,",
    "faultReason,faultReason,StationStatusRegister,1,string,,,FALSE,,,",
)


@pytest.fixture
def config(simulator, device, registry):
    """Writes the config of the simulator's first station."""

    def config(*rows, **fields):
        registry(*(rows or ROWS))
        given = {
            "username": simulator.username,
            "password": simulator.password,
            "endpoint": simulator.soap_url,
            "stationID": first_station(simulator),
            **fields,
        }
        return device(**given)

    return config


def first_station(simulator):
    return simulator.world.stations[0].station_id


def test_every_point_is_shown_with_its_value(run, config):
    done = run("read", config())
    assert done.exit_code == 0, done.output
    for words in ("load", "status", "kw", "getLoad", "not reported", "7 values, 0 errors"):
        assert words in done.output


def test_json(run, config, simulator):
    done = run("read", config(), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == {"values", "errors", "ages_s"}
    assert found["errors"] == {}
    values = found["values"]
    assert isinstance(values["load"], float)
    assert values["shed"] is False
    assert values["status"] in {"AVAILABLE", "INUSE", "UNREACHABLE", "UNKNOWN"}
    assert values["faultReason"] is None
    assert isinstance(values["rights"], dict)
    assert set(found["ages_s"]) == set(values) == {row.split(",")[0] for row in ROWS}
    assert all(age < 60 for age in found["ages_s"].values())


def test_version_5_1(run, config, simulator):
    done = run("read", config(endpoint=simulator.soap_url_5_1), "--json")
    assert json.loads(done.stdout)["values"]["faultReason"] is not None


def test_a_wrong_password_is_one_request_and_one_clear_error(run, config, simulator):
    done = run("read", config(password="s3cr3t"))
    assert done.exit_code == 1
    assert simulator.calls.total == 1
    text = " ".join(done.output.split())
    assert f"account {simulator.username} in endpoint 127.0.0.1" in text
    assert "correct username, password or region" in text
    assert text.count("does not accept account") == 1
    assert "0 values, 7 errors" in text
    assert "s3cr3t" not in done.output


def test_errors_as_json(run, config, simulator):
    done = run("read", config(password="s3cr3t"), "--json")
    assert done.exit_code == 1
    errors = json.loads(done.stdout)["errors"]
    assert {error["code"] for error in errors.values()} == {"wrong_credentials"}
    assert len(errors) == len(ROWS)


def test_one_refused_call_costs_its_own_points(run, config, simulator):
    simulator.accounts[simulator.username].refused.add("getLoad")
    done = run("read", config(), "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert set(found["errors"]) == {"load", "shed"}
    assert found["errors"]["load"]["code"] == "not_permitted"
    assert "status" in found["values"]


def test_a_station_that_is_not_there(run, config):
    done = run("read", config(ROWS[1], stationID="1:99999999"), "--json")
    assert done.exit_code == 1
    error = json.loads(done.stdout)["errors"]["load"]
    assert error["code"] == "nothing_there"
    assert "stationID" in error["message"]


def test_a_port_that_is_not_there(run, config):
    done = run("read", config(ROWS[1].replace(",1,", ",9,")), "--json")
    assert done.exit_code == 1
    assert "no port 9" in json.loads(done.stdout)["errors"]["load"]["message"]


def test_names_that_look_like_markup_are_shown_as_they_are(run, config):
    done = run("read", config("a[b][red]c,portLoad,LoadRegister,1,float,[kw],,FALSE,,,"))
    assert done.exit_code == 0
    assert "a[b][red]c" in done.output
    assert "[kw]" in done.output


def test_values_that_look_like_markup_are_shown_as_they_are(run, config, monkeypatch):
    monkeypatch.setattr(Point, "value_of", lambda point, record: "50 % [/off] [red]")
    done = run("read", config(ROWS[0]))
    assert done.exit_code == 0
    assert "50 % [/off] [red]" in done.output


def test_messages_that_look_like_markup_are_shown_as_they_are(run, config, simulator):
    simulator.faults.set("getLoad", "soap_fault", code="s:Server", text="no [/such] tag")
    done = run("read", config(ROWS[1]))
    assert done.exit_code == 1
    assert "no [/such] tag" in done.output


def test_nobody_answers(run, config):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    done = run("read", config(ROWS[1], endpoint=url))
    assert done.exit_code == 1
    assert "no connection" in done.output


def test_a_faulty_registry_is_refused_before_any_call(run, config, simulator):
    done = run("read", config("x,portLaod,LoadRegister,1,,,,,,,", "y,Status,,x,,,,,,,"))
    assert done.exit_code == 2
    assert "row 2: " in done.output
    assert "row 3: " in done.output
    assert simulator.calls.total == 0


def test_another_registry(run, config, registry):
    path = config()
    other = registry(ROWS[1], name="other.csv")
    done = run("read", path, "--registry", other, "--json")
    assert list(json.loads(done.stdout)["values"]) == ["load"]


def test_usage(run, tmp_path):
    assert run("read").exit_code == 2
    assert run("read", tmp_path / "missing.config").exit_code == 2
