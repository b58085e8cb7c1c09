"""`chargepoint-driver web-keys`."""

from __future__ import annotations

import json

import pytest

from chargepoint_driver.config import WebConfig
from chargepoint_driver.web.access.access import Keys


@pytest.fixture
def file(tmp_path):
    return tmp_path / "web-keys.json"


def test_a_key_from_making_to_removing(run, file):
    made = json.loads(
        run("web-keys", "add", "dispatch", "--role", "operator", "--file", file).stdout
    )
    assert {"name", "role", "expires", "key"} == set(made)
    assert len(made["key"]) >= 32
    assert made["key"] not in file.read_text(encoding="utf-8")
    keys = Keys(WebConfig(keys_file=file), "")
    assert keys.caller(keys.find(made["key"])).role == "operator"
    end = "2100-01-31"
    run("web-keys", "add", "lobby", "--role", "viewer", "--expires", end, "--file", file)
    rows = [
        json.loads(line) for line in run("web-keys", "list", "--file", file).stdout.splitlines()
    ]
    assert rows == [
        {"name": "dispatch", "role": "operator", "expires": None, "expired": False},
        {"name": "lobby", "role": "viewer", "expires": end, "expired": False},
    ]
    assert run("web-keys", "remove", "dispatch", "--file", file).exit_code == 0
    assert "dispatch" not in run("web-keys", "list", "--file", file).stdout
    keys = Keys(WebConfig(keys_file=file), "")
    assert keys.find(made["key"]) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "lobby", "--role", "viewer"), "has a key 'lobby' already"),
        (("add", "token", "--role", "viewer"), "is the name of the token"),
        (("add", " ", "--role", "viewer"), "must be printable text"),
        (("add", "a" * 65, "--role", "viewer"), "at most 64"),
        (("add", "a", "--role", "viewer", "--expires", "soon"), "is not a date or time"),
        (("add", "a", "--role", "viewer", "--expires", "2001-01-01"), "is over already"),
        (("add", "a", "--role", "boss"), "boss"),
        (("remove", "a"), "it has lobby"),
    ],
)
def test_what_is_refused_changes_nothing(run, file, arguments, words):
    run("web-keys", "add", "lobby", "--role", "viewer", "--file", file)
    before = file.read_bytes()
    done = run("web-keys", *arguments, "--file", file)
    assert done.exit_code != 0
    assert words in done.stderr
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_file_that_is_not_there(run, file):
    done = run("web-keys", "list", "--file", file)
    assert (done.exit_code, "cannot be read" in done.stderr) == (2, True)
    done = run("web-keys", "add", "a", "--role", "viewer", "--file", file.parent / "x" / "y")
    assert "cannot be written" in done.stderr
