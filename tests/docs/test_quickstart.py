"""The quick start, word by word, on a platform of its own with simulated stations."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone

import pytest

from chargepoint_driver.examples.grafana.__main__ import PANELS
from chargepoint_driver.simulator import Simulator

from .blocks import Block, page_of
from .grafana import HOUR, filled
from .shell import AS_USER, Shell, ShellFailedError
from .telling import story_of, tell

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        importlib.util.find_spec("platform_driver") is None
        or importlib.util.find_spec("historian") is None,
        reason="needs VOLTTRON and its SQLite historian: pip install '.[demo]'",
    ),
]

# A minute until the first row is a long time for a test.
SUBSTITUTES = {
    "YOUR-USER-NAME": "simulator",
    "discover --deploy": "discover --deploy --interval 2",
}


def _root_may_not() -> bool:
    if os.getuid():
        return False
    done = subprocess.run([*AS_USER, "true"], capture_output=True, timeout=10, check=False)
    return done.returncode != 0


def _change(text: str) -> str:
    for meant, instead in SUBSTITUTES.items():
        text = text.replace(meant, instead)
    return text


@pytest.mark.skipif(
    _root_may_not(), reason="VOLTTRON refuses root, which may be no other user here"
)
def test_the_quick_start(shell: Callable[..., Shell]):
    with Simulator(stations=2, seed=7, speed=1) as simulator:
        here = shell(CHARGEPOINT_ENDPOINT=simulator.soap_url)
        home = here.folder / ".volttron"
        home.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # Its default port may belong to a platform of somebody else's.
        (home / "config").write_text(f"[volttron]\naddress = tcp://127.0.0.1:{port}\n")

        def before(block: Block) -> None:
            if "sqlite3" in block.text:  # "wait for two minutes"
                _wait_for_rows(here)
            if "kill" in block.text:
                _look(here)

        blocks = story_of(page_of("quickstart.md"), "quickstart")
        tell(here, blocks, _change, stdin=f"{simulator.password}\n", before=before)
        assert here.children() == []
        files = [path for path in home.rglob("*") if path.is_file()]
        assert files
        assert not [path for path in files if simulator.password.encode() in path.read_bytes()]


def _wait_for_rows(here: Shell) -> None:
    try:
        here.run(f"until {_ROWS}; do sleep 0.2; done", limit_s=75)
    except ShellFailedError as failed:
        logs = here.run("tail -n 30 *.log")
        raise ShellFailedError(f"{failed}\n{logs}") from None


def _look(here: Shell) -> None:
    """What the historian has so far: metadata of each topic, and rows for every panel."""
    with closing(sqlite3.connect(here.folder / ".volttron" / "historian.sqlite")) as database:
        topics = database.execute("SELECT topic_name, metadata FROM topics").fetchall()
        assert len(topics) > 4 * 5
        for topic, metadata in topics:
            assert json.loads(metadata).keys() == {"units", "type", "tz"}, topic
        site, end = topics[0][0].split("/")[0], datetime.now(timezone.utc)
        empty = [
            panel.title
            for panel in PANELS
            if not database.execute(filled(panel.sql, site, end - HOUR, end)).fetchall()
        ]
        assert empty == ["Limits in force"]  # nothing is shed


_ROWS = (
    "python -c \"import sqlite3; c = sqlite3.connect('historian.sqlite'); "
    'exit(c.execute(\\"SELECT count(DISTINCT topic_id) < 4 FROM data NATURAL JOIN topics '
    "WHERE topic_name LIKE '%/portLoad'\\\").fetchone()[0])\" 2> /dev/null"
)
