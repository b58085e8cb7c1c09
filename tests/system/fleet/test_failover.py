"""A synchronous standby that takes the place of a primary that was killed."""

from __future__ import annotations

import asyncio
import re
import signal
from importlib import import_module

from tests.postgres_server import EXAMPLES, postgres_server

from .chargers import Chargers
from .nodes import NodeProcess

STANDBYS = EXAMPLES / "postgresql-standby.conf"


def test_nothing_acknowledged_is_lost_when_the_primary_is_killed(tmp_path) -> None:
    with postgres_server() as primary, postgres_server(primary) as standby:
        name = primary.database().rpartition("/")[2]
        import_module("tests.unit.backends.ocpp.nodes").make_tables(primary.dsn(name))
        (wanted,) = re.findall("^synchronous_standby_names.*", STANDBYS.read_text(), re.MULTILINE)
        primary.rows(f"ALTER SYSTEM SET {wanted}", database="postgres")
        primary.rows("SELECT pg_reload_conf()", database="postgres")
        dsn = primary.dsn(name).replace("/" + name, f",127.0.0.1:{standby.port}/{name}")
        node = NodeProcess(tmp_path, dsn, "node-1").start()

        async def play() -> Chargers:
            async with Chargers(8, lambda: [node.url]) as chargers:
                await chargers.charge(2)
                primary.stop(signal.SIGKILL)
                await asyncio.to_thread(standby.rows, "SELECT pg_promote()", database="postgres")
                await chargers.charge(2)
            return chargers

        try:
            chargers = asyncio.run(play())
        finally:
            node.end()
        rows = standby.rows("SELECT id, charge_point, state FROM transactions", database=name)
        assert {row[:2]: row[2] for row in rows} == {
            (transaction, each.name): "completed"
            for each in chargers.each
            for transaction in each.ended
        }
        assert len(rows) == sum(each.asked for each in chargers.each)
