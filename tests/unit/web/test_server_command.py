"""`chargepoint-driver web` as a process, and what it refuses."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chargepoint_driver.cli import main
from chargepoint_driver.config import AgentConfig, WebConfig
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.simulator import ManualClock, Simulator
from chargepoint_driver.web import TOKEN as VARIABLE
from chargepoint_driver.web import Settings, WebServer

from .conftest import eventually

# The package has a command of the same name.
web = import_module("chargepoint_driver.cli.commands.web")

TOKEN = "token-of-these-tests"


@pytest.fixture
def simulator():
    with Simulator(stations=1, clock=ManualClock()) as simulator:
        yield simulator


@pytest.fixture
def config(simulator, tmp_path):
    path = tmp_path / "accounts.json"
    account = {
        "username": simulator.username,
        "password": simulator.password,
        "endpoint": simulator.soap_url,
    }
    path.write_text(json.dumps({"accounts": {"garage": account}}), encoding="utf-8")
    return path


@pytest.fixture
def command(config, tmp_path, monkeypatch):
    """Starts the command; what it printed when it was ready."""
    monkeypatch.delenv(VARIABLE, raising=False)
    children = []
    code = "import sys; from chargepoint_driver.cli import main; main(sys.argv[1:])"

    def command(*arguments, **environment):
        child = subprocess.Popen(
            [sys.executable, "-c", code, "web", "--config", str(config), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        children.append(child)
        return json.loads(child.stdout.readline()), child

    yield command
    for child in children:
        child.kill()
        child.communicate(timeout=60)


def health(ready, token, **options):
    with requests.Session() as session:
        session.trust_env = False
        return session.get(
            f"{ready['url']}api/v1/health", headers={"X-API-Key": token}, timeout=10, **options
        ).json()


def test_it_says_where_and_the_token_that_it_made(command):
    ready, child = command()
    assert set(ready) == {"url", "token"}
    assert ready["url"].startswith("http://127.0.0.1:")
    assert health(ready, ready["token"])["accounts"][0]["account"] == "garage"
    child.send_signal(signal.SIGTERM)
    out, errors = child.communicate(timeout=30)
    assert (child.returncode, out, errors) == (0, "", "")


def test_history_is_in_a_file_next_to_the_config_and_is_there_again(command, config):
    ready, child = command(**{VARIABLE: TOKEN})
    eventually(lambda: series(ready))
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    assert config.with_name("accounts.web.sqlite").exists()
    first = series_start(config)
    again, _ = command(**{VARIABLE: TOKEN})
    eventually(lambda: series(again))
    assert series(again)[0][0] == pytest.approx(first, abs=0.001)


def series(ready):
    with requests.Session() as session:
        session.trust_env = False
        url = f"{ready['url']}api/v1/series"
        return session.get(url, headers={"X-API-Key": TOKEN}, timeout=60).json()["samples"]


def series_start(config):
    """When the first sample of the site begins."""
    with closing(sqlite3.connect(config.with_name("accounts.web.sqlite"))) as db:
        query = "SELECT min(start) FROM samples JOIN series ON id = series WHERE kind = 'site'"
        (found,) = db.execute(query).fetchone()
    return found


def test_a_folder_that_cannot_be_written_is_said(config, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    accounts = web._with_database({"accounts": {}}, config)
    assert accounts == {"accounts": {}}
    assert "kept in memory only" in capsys.readouterr().err
    named = {"accounts": {}, "web": {"database": "x"}}
    assert web._with_database(named, config) == named


@pytest.mark.parametrize(
    ("section", "shown"),
    [
        ("x", "web: must be an object"),
        ({"titel": "x"}, "did you mean 'title'?"),
        ({"time_zone": "Mars/Base"}, "is not a time zone"),
        ({"title": " "}, "title: must be printable text"),
        ({"historian": {"database": "x"}}, "'historian.devices' is missing"),
    ],
)
def test_settings_of_the_page_are_checked(section, shown):
    with pytest.raises(ConfigurationError) as raised:
        WebConfig.from_dict({"web": section})
    assert shown in str(raised.value)
    # The caching agent reads the same file, and reports the same.
    assert shown in " ".join(AgentConfig.from_dict({"accounts": {}, "web": section})[1])


def test_a_token_of_the_environment_is_not_printed(command):
    ready, _ = command(**{VARIABLE: TOKEN})
    assert set(ready) == {"url"}
    assert health(ready, TOKEN)["faults"] == []


def test_tls(command, certificate):
    ready, _ = command("--certificate", str(certificate[0]), "--key", str(certificate[1]))
    assert ready["url"].startswith("https://")
    assert health(ready, ready["token"], verify=str(certificate[0]))["good"] in (True, False)
    with requests.Session() as session:
        session.trust_env = False
        origin = ready["url"].rstrip("/")
        answer = session.post(
            f"{origin}/login",
            data={"token": ready["token"]},
            headers={"Origin": origin},
            verify=str(certificate[0]),
            timeout=60,
            allow_redirects=False,
        )
        assert answer.headers["Set-Cookie"].startswith("__Host-")
        assert "Secure" in answer.headers["Set-Cookie"]


def test_without_tls_beyond_loopback_it_warns(command):
    ready, child = command("--listen", "0.0.0.0:0", "--allow-remote")
    assert ready["url"].startswith("http://0.0.0.0:")
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=30)
    assert "warning: without TLS" in errors
    assert child.returncode == 0


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"listen": "0.0.0.0:0"}, "--allow-remote"),
        ({"listen": "localhost"}, "address:port"),
        ({"listen": "127.0.0.1:0", "token": "short"}, "shorter than 16"),
        ({"listen": "127.0.0.1:0", "certificate": __file__}, "give both or none"),
        ({"listen": "127.0.0.1:0", "certificate": __file__, "key": __file__}, "PEM files"),
    ],
)
def test_settings_that_cannot_be_meant(options, shown, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match=shown):
        Settings.of(**options)


def test_every_fault_is_told_at_once(monkeypatch):
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(ConfigurationError) as raised:
        Settings.of("0.0.0.0:0", certificate=__file__)
    assert len(str(raised.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("{", "not JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "accounts: is missing"),
        ('{"accounts": {"a": {"username": "x"}}}', "exactly one of password"),
        ('{"accounts": {"a": {"username": "x", "password_env": "NO_SUCH"}}}', "NO_SUCH"),
    ],
)
def test_accounts_that_cannot_be_used_are_refused_with_the_files_name(tmp_path, content, shown):
    path = tmp_path / "accounts.json"
    path.write_text(content, encoding="utf-8")
    before = set(threading.enumerate())
    done = CliRunner().invoke(main, ["web", "--config", str(path)])
    assert done.exit_code in (1, 2)
    assert shown in " ".join(done.output.split())
    assert str(path) in done.output.replace("\n", "")
    assert set(threading.enumerate()) <= before


def test_a_port_that_is_taken(config):
    accounts = json.loads(config.read_text(encoding="utf-8"))
    first = WebServer(accounts, Settings.of("127.0.0.1:0", token=TOKEN)).start()
    try:
        port = first.url.rstrip("/").rpartition(":")[2]
        second = WebServer(accounts, Settings.of(f"127.0.0.1:{port}", token=TOKEN))
        with pytest.raises(ConfigurationError, match="cannot be used"):
            second.start()
    finally:
        first.stop()


def test_the_token_is_not_shown():
    settings = Settings.of("127.0.0.1:0", token=TOKEN)
    assert TOKEN not in repr(settings)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
