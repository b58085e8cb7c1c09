"""`write`: one command, sent once, after a question."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner

from chargepoint_driver.cli import main
from chargepoint_driver.cli.commands import write as module

STATION = "1:34001"
WRITES = ("shedLoad", "clearShedState", "clearAlarms")
TARGET = ("--station", STATION, "--port", "1")


@pytest.fixture
def sent(account):
    """How many commands the service received."""
    return lambda: sum(account.calls.counts().get(name, 0) for name in WRITES)


@pytest.fixture
def at_a_terminal(monkeypatch):
    """Somebody who can be asked; what is typed is the input of the runner."""
    monkeypatch.setattr(module, "can_ask", lambda: True)


def test_a_limit_is_sent_with_its_end(run, account, sent):
    done = run("write", "allowedLoad", "3.3", *TARGET, "--minutes", "30", "--yes", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["before"]["shedState"], said["after"]["shedState"]) == (0, 1)
    assert (said["after"]["allowedLoad"], said["station"], said["port"]) == (3.3, STATION, 1)
    sent_at, ends_at = (datetime.fromisoformat(said[key]) for key in ("sent_at", "ends_at"))
    assert ends_at - sent_at == timedelta(minutes=30)
    assert sent() == 1
    (command,) = account.world.commands
    assert "30" in str(command)


def test_it_says_what_was_sent_and_when_charging_comes_back(run, account):
    done = run("write", "percentShed", "50", *TARGET, "--yes")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "sent: shed 50 % of the present load of 1:34001 port 1 for 60 minutes" in text
    assert "charging resumes at " in text
    assert text.index("before") < text.index("after")


def test_a_shed_without_end_is_warned_of(run, account):
    done = run("write", "allowedLoad", "3", *TARGET, "--minutes", "0", "--yes")
    assert "warning this shed has no end" in " ".join(done.output.split())
    assert "charging comes back" not in done.output


def test_ending_a_shed(run, account, sent):
    run("write", "allowedLoad", "3", *TARGET, "--yes")
    said = json.loads(run("write", "shedState", "0", *TARGET, "--yes", "--json").stdout)
    assert (said["before"]["shedState"], said["after"]["shedState"]) == (1, 0)
    assert said["ends_at"] is None
    assert sent() == 2


def test_a_whole_station_and_its_alarms(run, account, sent):
    account.world.raise_alarm(STATION, "GFCI Trip", 1)
    assert run("write", "clearAlarms", "1", *TARGET, "--yes").exit_code == 2  # it has no port
    done = run("write", "clearAlarms", "1", "--station", STATION, "--yes", "--json")
    said = json.loads(done.stdout)
    assert said["before"]["alarmType"] == "GFCI Trip"
    assert said["after"]["alarmType"] is None
    assert said["port"] is None
    done = run("write", "allowedLoad", "4", "--station", STATION, "--yes", "--json")
    assert json.loads(done.stdout)["after"]["shedState"] == 1
    assert sent() == 2


@pytest.mark.parametrize("value", ["0", "false"])
def test_clearing_no_alarms_says_that_nothing_is_sent(value, run, account, sent):
    account.world.raise_alarm(STATION, "GFCI Trip", 1)
    done = run("write", "clearAlarms", value, "--station", STATION, "--yes")
    assert done.exit_code == 0
    assert "clearAlarms 0: nothing is sent; write 1 to clear the alarms" in done.output
    assert "nothing was sent" in done.output
    assert "sent: clear" not in done.output
    words = ("write", "clearAlarms", value, "--station", STATION, "--yes", "--json")
    said = json.loads(run(*words).stdout)
    assert said["sent_at"] is None
    assert "nothing is sent" in said["warnings"][0]
    assert said["after"]["alarmType"] == "GFCI Trip"
    assert sent() == 0


@pytest.fixture
def group(run, account, tmp_path):
    """The driver config of the station group, as discover writes it, with a floor."""
    assert run("discover", "--write", tmp_path, "--groups").exit_code == 0
    (path,) = (tmp_path / "driver_configs").glob("*group_*")
    content = json.loads(path.read_text())
    content["driver_config"] |= {"floor_kw": 1.4, "division": "rated"}
    path.write_text(json.dumps(content))
    return path


def test_a_station_group(run, account, sent, group):
    done = run("write", "allowedLoad", "8", "--config", group, "--minutes", "30", "--yes", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    group_id = json.loads(group.read_text())["driver_config"]["stationGroup"]
    assert (said["station"], said["port"], said["group"]) == (None, None, group_id)
    assert (said["before"]["shedState"], said["after"]["shedState"]) == (0, 1)
    # A total: the ports of both stations share it, each in whole watts.
    assert said["after"]["allowedLoad"] == pytest.approx(8, abs=0.01)
    assert said["after"]["siteLoad"] is not None
    seen = json.loads(run("read", group, "--json").stdout)
    assert seen["errors"] == {}
    assert seen["values"]["allowedLoad"] == pytest.approx(8, abs=0.01)
    text = " ".join(run("write", "shedState", "0", "--config", group, "--yes").output.split())
    assert f"sent: end the shed of station group {group_id}" in text
    assert json.loads(run("read", group, "--json").stdout)["values"]["shedState"] == 0
    assert sent() >= 2


def test_a_group_keeps_the_floor_of_its_config(run, account, sent, group):
    done = run("write", "allowedLoad", "2", "--config", group, "--yes")
    assert done.exit_code == 1  # the group was read before
    assert "floor" in done.output
    assert sent() == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("clearAlarms", "1"), "clearAlarms is for one station"),
        (("allowedLoad", "8", "--port", "1"), "a station group has no ports"),
    ],
)
def test_what_a_group_has_not(words, said, run, sent, group):
    done = run("write", *words, "--config", group, "--yes")
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert sent() == 0


def test_the_target_of_a_driver_config(run, account, sent, device, registry):
    path = device(
        username=account.username,
        password=account.password,
        endpoint=account.soap_url,
        stationID=STATION,
        portNumber=2,
    )
    done = run("write", "allowedLoad", "3", "--config", path, "--yes", "--json")
    assert json.loads(done.stdout)["port"] == 2


@pytest.mark.parametrize(("answer", "count"), [("y\n", 1), ("n\n", 0), ("\n", 0)])
def test_it_asks_first(answer, count, account, sent, at_a_terminal):
    words = ["write", "allowedLoad", "3", *TARGET]
    done = CliRunner().invoke(main, words, input=answer)
    assert "Limit 1:34001 port 1 to 3 kW for 60 minutes? [y/N]" in done.output
    assert done.exit_code == (0 if count else 1)
    assert ("nothing was sent" in done.output) == (not count)
    assert sent() == count


def test_nobody_to_ask(run, account, sent):
    done = run("write", "allowedLoad", "3", *TARGET)
    assert done.exit_code == 2
    assert "there is nobody to ask: give --yes" in done.output
    assert account.calls.total == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("allowedLoad", "-3"), "No such option"),
        (("allowedLoad", "many"), "the value is not a number"),
        (("allowedLoad", "1e9"), "is not within"),
        (("percentShed", "101"), "is not a percentage"),
        (("percentShed", "2.5"), "is not a whole percentage"),
        (("shedState", "1"), "write allowedLoad or percentShed"),
        (("shedState", "2"), "write 1 or 0"),
        (("portLoad", "1"), "is not one of"),
    ],
)
def test_bad_values_send_nothing(words, said, run, account, sent):
    done = run("write", *words, *TARGET, "--yes")
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert account.calls.total == 0


@pytest.mark.parametrize("point", [("shedState", "0"), ("clearAlarms", "1")])
def test_minutes_without_a_shed_are_an_error(point, run, account):
    done = run("write", *point, "--station", STATION, "--minutes", "5", "--yes")
    assert (done.exit_code, "--minutes is for a shed" in done.output) == (2, True)
    assert account.calls.total == 0


def test_no_station(run, account):
    done = run("write", "allowedLoad", "3", "--yes")
    assert done.exit_code == 2
    assert "which station? give --station" in done.output


def test_a_refusal(run, account):
    account.accounts[account.username].refused.add("shedLoad")
    done = run("write", "allowedLoad", "3", *TARGET, "--yes")
    assert done.exit_code == 3
    assert "shedLoad" in done.output


def test_an_answer_that_is_lost(run, account, sent):
    account.faults.set("shedLoad", "drop_reply")
    done = run("write", "allowedLoad", "3", *TARGET, "--yes")
    assert done.exit_code == 5
    assert "read the point before writing again" in " ".join(done.output.split())
    assert sent() == 1


def test_wrong_credentials_send_nothing(run, account, sent, monkeypatch):
    monkeypatch.setenv("CHARGEPOINT_PASSWORD", "s3cr3t")
    done = run("write", "allowedLoad", "3", *TARGET, "--yes")
    assert done.exit_code == 3
    assert sent() == 0
    assert "s3cr3t" not in done.output
