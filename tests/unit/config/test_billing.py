"""The section `billing`: what it takes, and each fault with its cure."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver import examples
from chargepoint_driver.billing.cost_centres import CostCentres
from chargepoint_driver.config import AgentConfig, BillingConfig
from chargepoint_driver.errors import ConfigurationError

TARIFF = {"name": "T", "currency": "EUR", "per_kwh": "0.30"}
DAY = {"name": "day", "from": "08:00", "until": "20:00", "per_kwh": "0.50"}


def read(*tariffs: Any, **section: Any) -> BillingConfig:
    given = {"time_zone": "Europe/Berlin", "tariffs": list(tariffs), **section}
    return BillingConfig.from_dict({"accounts": {"garage": {}}, "billing": given})


def test_what_it_takes() -> None:
    found = read(
        {
            **TARIFF,
            "per_hour": 1.2,
            "per_session": 1,
            "valid_from": "2026-01-01",
            "valid_to": "2026-12-31",
            "accounts": ["garage"],
            "periods": [DAY],
        },
        cost_centres="centres.csv",
    )
    (tariff,) = found.tariffs
    # Exact, also as a number of JSON.
    assert (tariff.per_kwh, tariff.per_hour, tariff.per_session) == (
        Decimal("0.30"),
        Decimal("1.2"),
        Decimal(1),
    )
    assert tariff.is_valid_on(date(2026, 12, 31))
    assert not tariff.is_valid_on(date(2027, 1, 1))
    assert len(list(tariff.periods[0].quarters())) == 7 * 48
    assert BillingConfig.from_dict({}) == BillingConfig()


def test_the_zone_of_the_page_counts_where_there_is_no_other() -> None:
    section = {"tariffs": [TARIFF]}
    found = BillingConfig.from_dict({"billing": section, "web": {"time_zone": "Asia/Tokyo"}})
    assert found.time_zone == "Asia/Tokyo"
    with pytest.raises(ConfigurationError, match="time_zone: is missing; name the zone"):
        BillingConfig.from_dict({"billing": section})
    assert BillingConfig.from_dict({"web": {"time_zone": "Asia/Tokyo"}}).time_zone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"currency": "Euro"}, "tariffs.0.currency: "),
        ({"currency": "eur"}, "tariffs.0.currency: "),
        ({"per_kwh": "-0.1"}, "tariffs.0.per_kwh: "),
        ({"per_kwh": "0,30"}, "tariffs.0.per_kwh: "),
        ({"per_kwh": True}, "tariffs.0.per_kwh: must be a number"),
        ({"per_kwh": "NaN"}, "tariffs.0.per_kwh: "),
        ({"per_kwh": "0.1234567"}, "tariffs.0.per_kwh: "),
        ({"per_kwh": None}, "tariffs.0.per_kwh: must be a number"),
        ({"per_kWh": "1"}, "unknown key 'tariffs.0.per_kWh'; did you mean 'per_kwh'?"),
        ({"hours": "parked"}, "tariffs.0.hours: "),
        ({"valid_from": "01.02.2026"}, "tariffs.0.valid_from: "),
        (
            {"valid_from": "2026-02-01", "valid_to": "2026-01-01"},
            "tariffs.0: valid_to: lies before valid_from",
        ),
        ({"stations": ["a"], "station_groups": ["b"]}, "stations or station_groups, not both"),
        ({"accounts": ["yard"]}, "there is no account 'yard'; the accounts are garage"),
        ({"name": " "}, "tariffs.0.name: must be printable text"),
        ({"periods": [{**DAY, "from": "08:07"}]}, "'08:07' is not a time of day in quarter hours"),
        ({"periods": [{**DAY, "until": "24:15"}]}, "'24:15' is not a time of day"),
        ({"periods": [{**DAY, "until": "08:00"}]}, "from 08:00 until 08:00 is an empty time"),
        ({"periods": [{"name": "x"}]}, "periods.0: has no price; give per_kwh or per_hour"),
        ({"periods": [{**DAY, "weekdays": ["monday"]}]}, "periods.0.weekdays.0: "),
        ({"periods": [{**DAY, "weekdays": []}]}, "periods.0.weekdays: "),
        ({"periods": [DAY, DAY]}, "'day' is there twice"),
        (
            {"periods": [DAY, {**DAY, "name": "late", "from": "19:45", "until": "22:00"}]},
            "'day' and 'late' both have mon 19:45",
        ),
        (
            {
                "periods": [
                    {**DAY, "name": "night", "from": "22:00", "until": "06:00"},
                    {**DAY, "name": "early", "weekdays": ["mon"], "from": "05:00"},
                ]
            },
            "both have mon 05:00",
        ),
    ],
)
def test_a_fault_names_its_place(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read({**TARIFF, **fields})
    assert words in str(raised.value)
    assert str(raised.value).startswith("config: billing: ")


def test_a_tariff_without_a_price() -> None:
    with pytest.raises(ConfigurationError, match="has no price; give per_session"):
        read({"name": "T", "currency": "EUR"})
    assert read({"name": "T", "currency": "EUR", "per_session": 0}).tariffs


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ({}, {}, True),
        ({"valid_to": "2026-06-30"}, {"valid_from": "2026-07-01"}, False),
        ({"valid_to": "2026-07-01"}, {"valid_from": "2026-07-01"}, True),
        ({"accounts": ["garage"]}, {}, False),
        ({"stations": ["a", "b"]}, {"stations": ["b"]}, True),
        ({"stations": ["a"]}, {"stations": ["b"]}, False),
        ({"stations": ["a"], "accounts": ["garage"]}, {"stations": ["a"]}, True),
        ({"station_groups": ["a"]}, {"station_groups": ["a"]}, True),
        ({"station_groups": ["a"]}, {"stations": ["a"]}, False),
    ],
)
def test_tariffs_that_cannot_be_told_apart(
    one: dict[str, Any], other: dict[str, Any], meet: bool
) -> None:
    pair = {**TARIFF, **one}, {**TARIFF, "name": "U", **other}
    if not meet:
        assert len(read(*pair).tariffs) == 2
        return
    for tariffs in (pair, pair[::-1]):
        with pytest.raises(ConfigurationError, match="may both apply to a station"):
            read(*tariffs)


def test_two_tariffs_of_one_name() -> None:
    with pytest.raises(ConfigurationError, match="'T' is there twice"):
        read({**TARIFF, "stations": ["a"]}, {**TARIFF, "stations": ["b"]})


def test_the_sample_is_one() -> None:
    folder = Path(examples.__file__).parent / "billing"
    content = json.loads((folder / "accounts.json").read_text(encoding="utf-8"))
    assert AgentConfig.from_dict(content)[1] == []
    found = BillingConfig.from_dict(content)
    assert (len(found.tariffs), found.time_zone) == (2, "Europe/Berlin")
    assert str(found.cost_centres) == "cost-centres.csv"
    assert len(CostCentres.read(folder / "cost-centres.csv")) == 2


@pytest.mark.parametrize("section", [[], "x", {"time_zone": "Mars/Base"}, {"tarifs": []}])
def test_the_caching_agent_says_what_is_wrong(section: Any) -> None:
    _, faults = AgentConfig.from_dict({"accounts": {}, "billing": section})
    assert any("billing" in fault for fault in faults)
