"""What all commands share: accounts, exit codes, no tracebacks, no secrets, completion."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from chargepoint_driver import errors
from chargepoint_driver.cli import main
from chargepoint_driver.cli.support import account as account_module
from chargepoint_driver.cli.support import console as console_module
from chargepoint_driver.cli.support.console import note, progress
from chargepoint_driver.cli.support.exit_codes import MEANINGS, exit_code

from .conftest import command

PROGRAM = Path(sys.executable).with_name("chargepoint-driver")
ACCOUNT_COMMANDS = ("discover", "read", "sessions", "watch", "write")
JSON_COMMANDS = (*ACCOUNT_COMMANDS, "check", "points", "plot")
STATION = ("--station", "1:34001", "--port", "1")


def options(name: str) -> set[str]:
    return {option for param in command(name).params for option in param.opts}


@pytest.mark.parametrize("name", ACCOUNT_COMMANDS)
def test_the_account_is_given_alike(name):
    assert {
        "--config",
        "--account",
        "--username",
        "--password-env",
        "--password-file",
        "--region",
        "--endpoint",
        "--api-version",
        "--timeout",
        "--json",
        "--debug",
    } <= options(name)
    # A password on the command line stands in the list of processes.
    assert "--password" not in options(name)


@pytest.mark.parametrize("name", JSON_COMMANDS)
def test_json_for_machines(name):
    assert "--json" in options(name)


def test_the_agents_config_names_accounts(run, simulator, tmp_path):
    account = {
        "username": simulator.username,
        "password": simulator.password,
        "endpoint": simulator.soap_url,
    }
    path = tmp_path / "agent.config"
    path.write_text(json.dumps({"accounts": {"garage": account}}))
    assert run("read", *STATION, "--config", path).exit_code == 0
    other = {**account, "username": "other"}
    path.write_text(json.dumps({"accounts": {"garage": account, "other": other}}))
    done = run("read", *STATION, "--config", path)
    assert done.exit_code == 2
    assert "several accounts; choose with --account: garage, other" in done.output
    assert run("read", *STATION, "--config", path, "--account", "garage").exit_code == 0
    assert run("read", *STATION, "--config", path, "--account", "nope").exit_code == 2
    assert simulator.password not in done.output


def test_a_device_behind_the_agent_has_no_account(run, device):
    path = device(cache_agent="platform.chargepoint", username=None, password=None)
    done = run("sessions", "--config", path)
    assert done.exit_code == 2
    assert "its account is in the caching agent platform.chargepoint" in " ".join(
        done.output.split()
    )


def test_a_config_is_not_mixed_with_the_environment(run, account, device, registry):
    registry("load,portLoad,LoadRegister,1,float,kw,,FALSE,,,")
    somebody = {"username": "somebody", "password": "else", "stationID": "1:34001"}
    path = device(endpoint=account.soap_url, **somebody)
    done = run("read", path, "--json")
    assert done.exit_code == 1
    assert "account somebody" in done.output
    # What is written on the command line counts.
    done = run(
        "read", path, "--username", account.username, "--password-env", "CHARGEPOINT_PASSWORD"
    )
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no account: give --username"),
        (("--username", "u"), "set the environment variable CHARGEPOINT_PASSWORD"),
        (("--username", "u", "--password-env", "A", "--password-file", "b"), "exactly one of"),
        (("--username", "u", "--password-env", "A", "--endpoint", "nowhere"), "must be a full URL"),
        (
            ("--username", "u", "--password-env", "NOT_SET_ANYWHERE"),
            "'NOT_SET_ANYWHERE' is not set",
        ),
        (("--username", "u", "--region", "mars"), "is not one of"),
    ],
)
def test_accounts_that_cannot_be(words, said, run):
    done = run("sessions", *words)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_the_password_is_asked_for_at_a_terminal_and_not_shown(account, monkeypatch):
    password = account.password
    monkeypatch.delenv("CHARGEPOINT_PASSWORD")
    monkeypatch.setattr(account_module, "can_ask", lambda: True)
    done = CliRunner().invoke(main, ["watch", "--once"], input=f"{password}\n")
    assert done.exit_code == 0, done.output
    assert "Password of simulator:" in done.output
    assert password not in done.output


def test_a_faulty_agents_config(run, tmp_path):
    path = tmp_path / "agent.config"
    path.write_text('{"accounts": {"garage": {"username": "u"}, "yard": 5}}')
    done = run("sessions", "--config", path)
    assert done.exit_code == 2
    assert "accounts.garage: exactly one of password" in " ".join(done.output.split())
    assert "accounts.yard: must be an object" in " ".join(done.output.split())


def test_deploying_without_volttron(run, account, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = run("discover", "--deploy", "--volttron-home", tmp_path)
    assert done.exit_code == 2
    text = " ".join(done.output.split())
    assert "pip install 'volttron-lib-chargepoint-driver[volttron]'" in text


def test_every_error_has_its_exit_code():
    wanted = {
        "ConfigurationError": 2,
        "InvalidValueError": 2,
        "OutcomeUnknownError": 5,
        "TransientError": 4,
        "RefusedError": 3,
        "AuthenticationError": 3,
        "PermissionDeniedError": 3,
        "WriteRejectedError": 3,
        "NotFoundError": 1,
        "InvalidReplyError": 1,
        "ChargePointError": 1,
    }
    assert {name: exit_code(getattr(errors, name)("x")) for name in wanted} == wanted
    assert set(wanted.values()) <= set(MEANINGS)
    kinds = [kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)]
    assert set(wanted) == {
        kind.__name__ for kind in kinds if issubclass(kind, errors.ChargePointError)
    }


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (RuntimeError("oh [no]"), 70, "RuntimeError: oh [no] - this is a defect"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (errors.TransientError("come back"), 4, "error [try_later] come back"),
    ],
)
def test_no_traceback(raised, code, said, run, monkeypatch):
    def fail(**_: object) -> None:
        raise raised

    monkeypatch.setattr(command("points"), "callback", fail)
    done = run("points")
    assert done.exit_code == code
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize("words", [("--debug", "read"), ("read", "--debug")])
def test_debug_shows_where(words, tmp_path):
    done = subprocess.run(
        [PROGRAM, *words, tmp_path / "missing.config"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" in done.stderr
    assert "missing.config" in done.stderr


def test_colours_are_for_terminals(account):
    env = {**os.environ, "FORCE_COLOR": "1"}
    env.pop("NO_COLOR", None)
    words = [PROGRAM, "read", *STATION]

    def read(**more: str) -> str:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=60, check=True, env={**env, **more}
        )
        return done.stdout

    assert "\x1b[" in read()
    assert "\x1b[3" not in read(NO_COLOR="1")
    del env["FORCE_COLOR"]
    assert "\x1b" not in read()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell, run):
    done = run("completion", shell)
    assert done.exit_code == 0
    assert "_CHARGEPOINT_DRIVER_COMPLETE" in done.output


def test_a_shell_completes_commands_and_options():
    def complete(line: str, number: int) -> set[str]:
        env = {
            **os.environ,
            "_CHARGEPOINT_DRIVER_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(number),
        }
        done = subprocess.run(
            [PROGRAM], env=env, capture_output=True, text=True, timeout=60, check=True
        )
        return {text.partition(",")[2] for text in done.stdout.split()}

    assert complete("chargepoint-driver disc", 1) == {"discover"}
    assert "allowedLoad" in complete("chargepoint-driver write ", 2)
    assert {"--json", "--password-file"} <= complete("chargepoint-driver sessions --", 2)


@pytest.mark.parametrize("sample", ["ocpp.config", "ocpp-agent.config", "agent"])
@pytest.mark.parametrize(
    "words",
    [
        ("read",),
        ("watch", "--once", "--config"),
        ("sessions", "--since", "7d", "--config"),
        ("write", "allowedLoad", "7", "--yes", "--config"),
    ],
    ids=lambda words: words[0],
)
def test_what_to_do_with_chargers_that_connect_directly(words, sample, run, tmp_path):
    path = Path(__file__).parents[3] / "driver_configs" / sample
    if sample == "agent":
        path = tmp_path / "agent.config"
        account = {"backend": "ocpp", "database": str(tmp_path / "ocpp.db")}
        path.write_text(json.dumps({"accounts": {"chargers": account}}))
    done = run(*words, path)
    assert done.exit_code == 2
    assert "cannot be a second one in its place" in done.output
    assert "discover --central-system URL" in done.output
    assert not (tmp_path / "ocpp.db").exists()


def test_two_only_if_nothing_was_asked():
    assert exit_code(errors.InvalidValueError("x"), asked=False) == 2
    assert exit_code(errors.InvalidValueError("x"), asked=True) == 1
    assert exit_code(errors.TransientError("x"), asked=True) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("watch", "--once", "--interval", "5"), "--interval is the time between two looks"),
        (("diagnostics", "--read"), "--read reads the points of driver configs"),
        (("csms", "--database", "x", "--max-log-bytes", "20000"), "is the size of --log-file"),
        (("discover", "--force"), "--force is for devices"),
        (("sim", "--kind", "DC"), "--kind is for twins"),
        (("read", "--station", "1:34001", "--registry", "x"), "--registry goes with"),
    ],
)
def test_an_option_that_would_be_ignored_is_an_error(words, said, run, account):
    done = run(*words)
    assert (done.exit_code, said in " ".join(done.output.split())) == (2, True), done.output
    assert account.calls.total == 0


def test_a_group_that_is_not_there_was_asked_for(run, account):
    assert run("watch", "--once", "--group", "nowhere").exit_code == 1


def test_each_cause_is_said_once_with_its_code(run, account):
    account.faults.set("*", "http", status=503)
    for words in (("read", "--station", "1:34001"), ("watch", "--once")):
        done = run(*words)
        assert done.stderr.count("503") + done.stdout.count("503") == 1, done.output
        assert "error [try_later]" in done.output


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        # Nothing listens on port 1; the name and the network cannot be reached from anywhere.
        (("--endpoint", "http://127.0.0.1:1/"), 4, "nothing answers there (connection refused)"),
        (("--endpoint", "http://no-such-host.invalid/"), 4, "its name is not found; check that"),
        (("--username", "somebody-else"), 3, "[wrong_credentials]"),
        (("--username", "somebody-else"), 3, "wrong region looks the same"),
    ],
)
def test_what_an_operator_has_to_look_at(options, code, words, run, account, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    done = run("discover", *options)
    assert done.exit_code == code, done.output
    assert words in " ".join(done.output.split())
    assert done.output.count("error ") == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize(
    "words",
    [
        ("watch", "--once"),
        ("discover",),
        ("sessions",),
        ("sessions", "--csv"),
        ("read", "--station", "1:34001"),
        ("write", "allowedLoad", "3", "--station", "1:34001", "--yes"),
        ("write", "--help"),
        ("read", "--station", "1:99999"),
    ],
)
def test_no_encoding_ends_in_a_traceback(encoding, words, account):
    done = subprocess.run(
        [PROGRAM, *words],
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "100"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    text = done.stdout + done.stderr
    assert done.returncode in (0, 1), text
    assert b"Traceback" not in text
    assert b"UnicodeEncodeError" not in text
    assert b"\\u" not in text
    if "--help" not in words:  # click takes UTF-8 instead of ASCII for help
        text.decode(encoding)


def test_log_lines_and_tables_pause_the_progress_line(monkeypatch):
    drawn = io.StringIO()
    drawn.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", drawn)
    monkeypatch.setenv("TERM", "xterm")
    with progress("asking the service"):
        assert [status._live.is_started for status in console_module._active] == [True]
        with console_module.paused():
            assert [status._live.is_started for status in console_module._active] == [False]
        assert [status._live.is_started for status in console_module._active] == [True]
        note("next to it")
    assert console_module._active == []
    # What was drawn of the progress line is erased before the note.
    before, _, _ = drawn.getvalue().partition("next to it")
    assert before.endswith("\x1b[2K") or "\x1b[2K" in before.rpartition("asking")[2]
