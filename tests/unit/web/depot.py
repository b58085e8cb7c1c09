"""A server whose central system has a history of sessions."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import requests

from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.backends.ocpp.storage.transaction_table import End
from chargepoint_driver.web import Settings, WebServer

from .conftest import TOKEN

BERLIN = ZoneInfo("Europe/Berlin")
TARIFF = {
    "name": "Staff",
    "currency": "EUR",
    "per_kwh": "0.20",
    "periods": [{"name": "day", "from": "08:00", "until": "20:00", "per_kwh": "0.50"}],
}


def at(text: str) -> float:
    """Seconds since 1970 of a time of the site."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def add(
    store: Store,
    begin_s: float,
    minutes: float | None,
    wh: float | None = 10_000.0,
    *,
    station: str = "CP1",
    connector: int = 1,
    tag: str = "ANNA",
    readings: dict[float, float] | None = None,
) -> str:
    """Add a session. `minutes` None: it runs; `readings`: seconds since the begin to Wh."""
    begun, _ = store.start(station, connector, tag, begin_s, 500.0, begin_s, request=None)
    for after_s, energy_wh in (readings or {}).items():
        store.register(begun.transaction_id, 500.0 + energy_wh, begin_s + after_s)
    if minutes is not None:
        end_s = begin_s + minutes * 60
        stop_wh = None if wh is None else 500.0 + wh
        end = End(begun.wire_id, tag, end_s, stop_wh, "Local", f"end {begun.transaction_id}")
        store.stop(begun.transaction_id, end, end_s)
    return str(begun.transaction_id)


def october(store: Store) -> None:
    """Add 240 sessions of a month: by day, each of two hours, each day the same eight."""
    first = datetime(2026, 10, 1, tzinfo=BERLIN)
    for station in ("CP1", "CP2"):
        store.save_point(station, last_seen=first.timestamp(), version="1.6")
    for day in range(30):
        for number in range(8):
            begin = first + timedelta(days=day, hours=8 + number % 4 * 2)
            add(
                store,
                begin.timestamp(),
                119,
                station=f"CP{number // 4 + 1}",
                tag=("ANNA", "BOB", "carol")[number % 3],
            )


class Depot:
    """A page over a central system that has sessions from before."""

    def __init__(
        self,
        folder: Path,
        fill: Any,
        now: str,
        web: dict[str, Any] | None = None,
        **config: Any,
    ) -> None:
        """`fill` adds sessions to a store; `now`: the time of the site; `config`: of `billing`."""
        database = folder / "depot.sqlite"
        with closing(Store(database)) as store:
            fill(store)
        account = {"backend": "ocpp", "listen": "127.0.0.1:0", "database": str(database)}
        billing = {"time_zone": "Europe/Berlin", "tariffs": [TARIFF]}
        self.server = WebServer(
            {
                "accounts": {"depot": account},
                "web": {"time_zone": "Europe/Berlin", **(web or {})},
                "billing": {**billing, **config},
            },
            Settings.of("127.0.0.1:0", token=TOKEN),
            every_s=0.2,
            now=lambda: at(now),
        ).start()
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["X-API-Key"] = TOKEN

    def get(self, path: str, **query: Any) -> Any:
        answer = self.session.get(f"{self.server.url}api/v1{path}", params=query, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self) -> None:
        self.session.close()
        self.server.stop()
