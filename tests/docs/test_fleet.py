"""The page on running a fleet, word by word: the shipped files, an update, backups and restores.

Chargers charge all the time. What was acknowledged before a backup is there after the restore, and
no id that was given after it is given again.
"""

from __future__ import annotations

import asyncio
import copy
import os
import re
import shutil
import ssl
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.system.fleet.chargers import Chargers
from tests.unit.events.engines import free_port, missing, until

from .blocks import Block, page_of
from .shell import Shell, ShellFailedError
from .telling import story_of, tell

LIMIT_S = 60.0
SESSIONS = 130
_POSTGRES = ":".join(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
_PORTS = (
    *("4222", "6222", "9443", "9501", "9502"),
    *("9100", "9101", "9102", "9200", "9201", "9202"),
)


@pytest.fixture
def here(shell: Callable[..., Shell]) -> Shell:
    path = f"{os.environ['PATH']}:/usr/sbin:{_POSTGRES}"
    for program in ("initdb", "nats-server", "haproxy", "openssl"):
        if shutil.which(program, path=path) is None:
            missing(program)
    for module in ("asyncpg", "nats", "ocpp"):
        if find_spec(module) is None:
            missing(module)
    return shell(PGPORT=str(free_port()), PGSSLMODE="prefer")


class Acknowledged:
    """What was acknowledged to chargers until one moment: ids of sessions that began, and of those
    of them that ended."""

    def __init__(self, chargers: Chargers) -> None:
        self.ended = {own for each in chargers.each for own in each.ended}
        self.begun = {own for each in chargers.each for own in each.begun}

    def since(self, begun: set[int]) -> Acknowledged:
        """Return the part of sessions that are not among these."""
        found = copy.copy(self)
        found.ended, found.begun = self.ended - begun, self.begun - begun
        return found


class Story:
    """The story, with chargers that charge behind the balancer from when it runs."""

    def __init__(self, here: Shell) -> None:
        self._here = here
        self._ports = {each: str(free_port()) for each in _PORTS}
        self.folder = here.folder / "fleet"
        self.dumped: Acknowledged | None = None
        self.restored: Acknowledged | None = None
        self.noted: Acknowledged | None = None

    def change(self, text: str) -> str:
        """Return a text with the ports of this test."""
        return re.sub(r"(?<=[:\s])\d{4}\b", lambda found: self._ports.get(found[0], found[0]), text)

    def sql(self, statement: str) -> list[list[str]]:
        """Return the rows of a statement."""
        said = self._here.run(
            f'psql --no-psqlrc --dbname=chargepoint --csv --tuples-only --command="{statement}"'
        )
        return [line.split(",") for line in said.splitlines()]

    def tell(self, blocks: list[Block], before: Callable[[Block], None] = lambda _: None) -> None:
        """Tell a part. A failure has the ends of all logs."""
        try:
            tell(self._here, blocks, self.change, before=before)
        except ShellFailedError as error:
            ends = [
                f"{path.name}: {path.read_text(errors='replace')[-1500:]}"
                for path in sorted(self.folder.glob("*.log"))
            ]
            raise AssertionError("\n\n".join([str(error), *ends])) from None

    def use_free_ports(self) -> None:
        """Change the ports in the files that were copied."""
        for path in self.folder.iterdir():
            if path.suffix in (".json", ".conf", ".cfg"):
                path.write_text(self.change(path.read_text()))

    async def charge(self, blocks: list[Block]) -> Chargers:
        """Tell the rest of the story while chargers charge."""
        loop = asyncio.get_running_loop()
        url = self.change("wss://127.0.0.1:9443/ocpp")
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        password = (self.folder / "charger-password").read_text().strip()
        async with Chargers(4, lambda: [url], password=password, context=context) as chargers:
            await chargers.charge(1)

            def charge_first(block: Block) -> None:
                # Before a restore, more ids than nodes have in store.
                count = SESSIONS if "stop_nodes" in block.text else 1
                asyncio.run_coroutine_threadsafe(chargers.charge(count), loop).result(LIMIT_S)
                if "pg_dump" in block.text:
                    self.dumped = Acknowledged(chargers)
                if "pg_basebackup" in block.text:
                    self.check(self.dumped)
                    self.restored = Acknowledged(chargers)
                if "moment=" in block.text:
                    self.noted = Acknowledged(chargers)
                if "recovery_target_time" in block.text:
                    self.archive()

            await asyncio.to_thread(self.tell, blocks, charge_first)
            await chargers.charge(1)
        return chargers

    def archive(self) -> None:
        """Wait until the archive has what was written until now."""
        ((segment,),) = self.sql("SELECT pg_walfile_name(pg_switch_wal())")
        self._here.run(f"until [ -e backup/wal/{segment} ]; do sleep 0.1; done")

    def check(self, known: Acknowledged) -> None:
        """What was acknowledged at a moment is there."""
        rows = {int(row[0]): row[1] for row in self.sql("SELECT id, state FROM transactions")}
        assert known.ended
        assert known.begun <= rows.keys()
        assert {rows[own] for own in known.ended} == {"completed"}


@pytest.mark.timeout(240)
def test_from_nothing_to_a_fleet_that_was_restored_twice(here: Shell) -> None:
    blocks = story_of(page_of("run-a-fleet.md"), "fleet")
    story = Story(here)
    story.tell(blocks[:1])
    story.use_free_ports()
    begin = next(at for at, block in enumerate(blocks) if "for port in" in block.text)
    story.tell(blocks[1:begin])
    chargers = asyncio.run(story.charge(blocks[begin:-1]))
    # What was lost by the first restore does not come back by the second.
    story.check(story.noted.since(story.restored.begun))
    given = [own for each in chargers.each for own in each.begun]
    assert len(given) == len(set(given)) == sum(each.answered for each in chargers.each)
    story.tell(blocks[-1:])
    until(lambda: here.children() == [])
    log = (story.folder / "node-1.log").read_text() + (story.folder / "node-2.log").read_text()
    assert "the database was restored" in log
