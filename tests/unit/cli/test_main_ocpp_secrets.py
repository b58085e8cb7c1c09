"""A whole run of the central system with `--debug`: charge points that may come and some that may
not, the control API, its file, a diagnostics bundle. What they have to know is nowhere else."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

PASSWORDS = {
    "CP1": "charge-point-one-phrase",
    "CP2": "zweite-phräse-<&>",
    "wrong": "a-guess-that-is-wrong",
}
TOKENS = {"right": "control-token-of-the-site", "wrong": "control-token-guessed"}
BOOT = {"chargePointVendor": "Test Works", "chargePointModel": "Raw"}


def basic(station_id: str, password: str) -> str:
    return base64.b64encode(f"{station_id}:{password}".encode()).decode()


def forms(secret: str) -> set[str]:
    """All that a secret may look like when it is written down."""
    found = {secret, json.dumps(secret)[1:-1], repr(secret.encode())[2:-1]}
    encoded = {basic(station_id, secret) for station_id in ("CP1", "CP2")}
    return found | encoded | {base64.b64encode(secret.encode()).decode()}


@contextmanager
def running(folder: Path, given: Path) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """(what the command printed when ready, the process); its standard error goes to a file."""
    words = ["--debug", "csms", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]
    words += ["--database", str(folder / "ocpp.sqlite"), "--charge-points", str(given / "ids.json")]
    env = {**os.environ, "OF_CP1": PASSWORDS["CP1"], "CHARGEPOINT_CONTROL_TOKEN": TOKENS["right"]}
    with (
        (folder / "csms.log").open("w") as log,
        subprocess.Popen(
            [str(Path(sys.executable).with_name("chargepoint-driver")), *words],
            env=env,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline()), process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def visit(url: str, station_id: str, password: str) -> str:
    """Connect and boot; what came back, or what was refused."""
    header = {"Authorization": f"Basic {basic(station_id, password)}"}
    try:
        with connect(
            f"{url}/{station_id}",
            subprotocols=["ocpp1.6"],  # type: ignore[list-item]
            additional_headers=header,
            proxy=None,
            compression=None,
        ) as ws:
            ws.send(json.dumps([2, "1", "BootNotification", BOOT]))
            return str(ws.recv(15))
    except WebSocketException as error:
        return repr(error)


def ask(url: str, path: str, token: str, body: Any = None) -> str:
    request = urllib.request.Request(
        url + path,
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as reply:
            return str(reply.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.read().decode()}"


def test_no_file_no_log_and_no_answer_holds_a_password(
    tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, made = tmp_path / "given", tmp_path / "made"
    given.mkdir()
    made.mkdir()
    (given / "two").write_text(PASSWORDS["CP2"], encoding="utf-8")
    ids = {"CP1": {"password_env": "OF_CP1"}, "CP2": {"password_file": str(given / "two")}}
    (given / "ids.json").write_text(json.dumps(ids), encoding="utf-8")
    said: list[str] = []
    with running(made, given) as (ready, process):
        for station_id in ids:
            said.append(visit(ready["ocpp_url"], station_id, PASSWORDS[station_id]))
            assert "Accepted" in said[-1]
            said.append(visit(ready["ocpp_url"], station_id, PASSWORDS["wrong"]))
            assert "401" in said[-1]
        for path in ("/charge-points", "/charge-points/CP1", "/settings", "/events?after=0"):
            said.append(ask(ready["control_url"], path, TOKENS["right"]))
            assert "CP1" in said[-1]
            said.append(ask(ready["control_url"], path, TOKENS["wrong"]))
            assert said[-1].startswith("401")
        said.append(ask(ready["control_url"], "/charge-points/CP1/Reset", TOKENS["right"], {}))
        assert process.poll() is None
    agent = given / "agent.json"
    account = {"backend": "ocpp", "database": str(made / "ocpp.sqlite"), "charge_points": ids}
    agent.write_text(json.dumps({"accounts": {"chargers": account}}), encoding="utf-8")
    monkeypatch.setenv("OF_CP1", PASSWORDS["CP1"])
    bundle = run("diagnostics", agent, "--log", made / "csms.log", "--output", made / "d.zip")
    assert bundle.exit_code == 0, bundle.output
    said.append(bundle.output)
    with zipfile.ZipFile(made / "d.zip") as zipped:
        for name in zipped.namelist():
            (made / name.replace("/", "-")).write_bytes(zipped.read(name))
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    assert {"ocpp.sqlite", "csms.log", "d.zip"} <= set(files)
    assert b"wrong passwords" in files["csms.log"]
    for secret in (*PASSWORDS.values(), *TOKENS.values()):
        for form in forms(secret):
            assert [name for name, text in files.items() if form.encode() in text] == []
            assert [text for text in said if form in text] == []
