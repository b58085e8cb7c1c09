"""What `csms` logs without being asked: refusals and handshakes, one line each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


def visit(url: str) -> None:
    with connect(url, subprotocols=["ocpp1.6"], proxy=None):  # type: ignore[list-item]
        pass


def test_refusals_and_handshakes_are_logged_by_default(tmp_path: Path) -> None:
    log = tmp_path / "log"
    ids = tmp_path / "ids.json"
    ids.write_text(json.dumps({"CP1": {}}))
    words = ["csms", "--listen", "127.0.0.1:0", "--database", str(tmp_path / "db")]
    words += ["--charge-points", str(ids)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
    with (
        log.open("w") as out,
        subprocess.Popen(
            [str(Path(sys.executable).with_name("chargepoint-driver")), *words],
            env=env,
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["ocpp_url"]
            for path in ("", "/CP9", "/CP9", "/CP9"):
                with pytest.raises(InvalidStatus):
                    visit(url + path)
            visit(url + "/CP1")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
    lines = log.read_text().splitlines()
    begins = [line.split(" from ")[0] for line in lines]
    assert begins == [
        "WARNING bad ids",
        "WARNING unknown charge points",
        "INFO connected",
        "INFO disconnected",
    ], lines
    assert "127.0.0.1, id 'CP9': this id is not one of charge_points" in lines[1]


def test_metrics_at_a_port_of_their_own(tmp_path: Path) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    words = ["csms", "--listen", "127.0.0.1:0", "--database", str(tmp_path / "db")]
    with subprocess.Popen(
        [
            str(Path(sys.executable).with_name("chargepoint-driver")),
            *words,
            "--metrics",
            "127.0.0.1:0",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            with connect(f"{ready['ocpp_url']}/CP1", subprotocols=["ocpp1.6"], proxy=None):  # type: ignore[list-item]
                answer = requests.get(ready["metrics_url"], timeout=30)
            families = parser.text_string_to_metric_families(answer.text)
            found = {sample.name: sample.value for family in families for sample in family.samples}
            assert found["chargepoint_account_readable"] == 1
            assert "chargepoint_loop_delay_seconds_count" in found
            assert requests.get(ready["metrics_url"] + "x", timeout=30).status_code == 404
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
