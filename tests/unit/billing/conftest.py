"""Sessions and tariffs of these tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from chargepoint_driver.config import TariffConfig
from chargepoint_driver.records import SessionRecord

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, fold: int = 0) -> float:
    """Seconds since 1970 of a time of Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def session(
    begin: str | float | None,
    end: str | float | None,
    wh: float | None = 10_000.0,
    **fields: Any,
) -> SessionRecord:
    start_s = at(begin) if isinstance(begin, str) else begin
    end_s = at(end) if isinstance(end, str) else end
    given = {
        "session_id": "1",
        "station_id": "CP1",
        "port": 1,
        "id_tag": "tag",
        "has_ended": end_s is not None,
        "is_minimum": False,
        "place_s": start_s or end_s or 0.0,
        **fields,
    }
    return SessionRecord(start_s=start_s, end_s=end_s, energy_wh=wh, **given)


def tariff(**fields: Any) -> TariffConfig:
    return TariffConfig(**{"name": "T", "currency": "EUR", **fields})


DAY_NIGHT = {
    "per_kwh": "0.20",
    "periods": [{"name": "day", "from": "08:00", "until": "20:00", "per_kwh": "0.50"}],
}
"""0.50 by day, 0.20 at night."""
