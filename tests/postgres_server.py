"""A real PostgreSQL as a child of the tests: data in a temporary folder, a free port.

Its settings are the shipped ones (`examples/fleet`), with other paths, and the tests may enter
without a password. As root it runs as the user postgres, since it refuses to run as root.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import trustme

import chargepoint_driver
from tests.unit.events.engines import REQUIRED, free_port, is_open, missing

START_S = 60.0
EXAMPLES = Path(chargepoint_driver.__file__).parent / "examples" / "fleet"
# TLS has a test of its own. A connection that fails within the handshake is closed late by asyncpg.
os.environ.setdefault("PGSSLMODE", "disable")
_ADMIN = """\
host all         postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
"""
FOLDERS = "/usr/local/bin:/usr/bin:" + ":".join(
    str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
)


def need_asyncpg() -> None:
    """Skip a module of tests without asyncpg; where engines are required, fail."""
    if find_spec("asyncpg") is None:
        if REQUIRED:
            pytest.fail("asyncpg is not installed here, and CHARGEPOINT_ENGINES is required")
        pytest.skip("asyncpg is not installed here", allow_module_level=True)


class Postgres:
    """One server. It can be killed, frozen and started again; databases are made from outside."""

    def __init__(self, folder: Path, primary: Postgres | None = None) -> None:
        """With a primary it is a standby, which follows that one."""
        initdb = shutil.which("initdb", path=FOLDERS) or missing("PostgreSQL (initdb)")
        self._binary = str(Path(initdb).resolve().with_name("postgres"))
        if find_spec("asyncpg") is None:
            missing("asyncpg")
        self._folder = folder
        self._options: dict[str, Any] = {}
        if os.geteuid() == 0:
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                missing("the user postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._child: subprocess.Popen[bytes] | None = None
        self._made = 0
        if primary is None:
            words = [initdb, "-D", str(folder / "data"), "-U", "postgres", "-N", "-E", "UTF8"]
            self._run(words)
            self._configure()
        else:
            copy = str(Path(self._binary).with_name("pg_basebackup"))
            source = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby1"
            self._run([copy, "-D", str(folder / "data"), "-R", "-c", "fast", "-d", source])
        self.port = free_port()
        self.start()

    def _configure(self) -> None:
        """Take the shipped settings. A standby has those of its primary, with its files."""
        authority, data = trustme.CA(), self._folder / "data"
        made = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(str(self._folder / "ca.pem"))
        made.private_key_and_cert_chain_pem.write_to_path(str(data / "server.pem"))
        (data / "server.pem").chmod(0o600)
        text = (EXAMPLES / "postgresql.conf").read_text()
        text, count = re.subn("/etc/postgresql/server.(pem|key)", "server.pem", text)
        assert count == 2
        with (data / "postgresql.conf").open("a") as file:
            file.write(text)
        rules = (EXAMPLES / "pg_hba.conf").read_text()
        (data / "pg_hba.conf").write_text(_ADMIN + rules)
        if self._options:
            os.chown(data / "server.pem", self._options["user"], self._options["group"])

    def _run(self, words: list[str]) -> None:
        done = subprocess.run(
            words, cwd="/", check=False, capture_output=True, timeout=START_S, **self._options
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self._spawn()
        assert self._child is not None
        end_s = time.monotonic() + START_S
        while not (is_open(self.port) and self._answers()):
            said = (self._folder / "log").read_text(errors="replace")[-2000:]
            assert time.monotonic() < end_s, said
            if self._child.poll() is not None:
                # Processes of one that was killed may not have ended yet.
                assert "is still in use" in said, said
                self._spawn()
            time.sleep(0.05)

    def _spawn(self) -> None:
        with (self._folder / "log").open("ab") as log:
            # No flush to the disk: the processes are killed here, and the machine is not.
            self._child = subprocess.Popen(
                [
                    self._binary, "-D", str(self._folder / "data"), "-p", str(self.port),
                    "-h", "127.0.0.1", "-k", str(self._folder), "-c", "fsync=off",
                ],
                cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._options,
            )  # fmt: skip

    def _answers(self) -> bool:
        try:
            self.rows("SELECT 1", database="postgres")
        except Exception:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it: by default at once, as after a crash."""
        child, self._child = self._child, None
        if child is not None:
            self._send(child.pid, signal.SIGCONT)
            child.send_signal(how)
            child.wait(START_S)

    def freeze(self) -> None:
        """Stop every process of it: connections stay open, and nothing answers."""
        assert self._child is not None
        self._send(self._child.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        assert self._child is not None
        self._send(self._child.pid, signal.SIGCONT)

    @staticmethod
    def _send(parent: int, number: signal.Signals) -> None:
        """Send a signal to the server, then to its children: a stopped one makes no more."""
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(parent, number)
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
            for each in children.split():
                with suppress(ProcessLookupError):
                    os.kill(int(each), number)

    @property
    def pid(self) -> int:
        """Return the id of the process that runs."""
        assert self._child is not None
        return self._child.pid

    def dsn(self, database: str) -> str:
        """Where a database is."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """Return the DSN of a new, empty database."""
        self._made += 1
        name = f"test_{self._made}"
        self.rows(f"CREATE DATABASE {name}", database="postgres")
        return self.dsn(name)

    def rows(self, sql: str, *values: Any, database: str) -> list[tuple[Any, ...]]:
        """Run a statement over a connection of its own. `database` is a name or a DSN."""
        asyncpg = import_module("asyncpg")
        dsn = database if "://" in database else self.dsn(database)

        async def run() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(dsn, timeout=10)
            try:
                return [tuple(row) for row in await connection.fetch(sql, *values, timeout=30)]
            finally:
                await connection.close(timeout=5)

        return asyncio.run(run())

    def script(self, sql: str, *, database: str) -> None:
        """Run several statements over a connection of their own."""
        asyncpg = import_module("asyncpg")

        async def run() -> None:
            connection = await asyncpg.connect(database, timeout=10)
            try:
                await connection.execute(sql, timeout=30)
            finally:
                await connection.close(timeout=5)

        asyncio.run(run())


@contextmanager
def postgres_server(primary: Postgres | None = None) -> Iterator[Postgres]:
    """Run a server, or a standby of one; skip the test where there is none to run."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = None
    try:
        server = Postgres(folder, primary)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
