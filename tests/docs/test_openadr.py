"""The guide and the sample are what the code takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chargepoint_driver.demand_response.openadr.config import OpenAdrConfig, VtnConfig
from chargepoint_driver.demand_response.openadr.signals import SIGNALS
from chargepoint_driver.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "openadr.md").read_text(encoding="utf-8")


def test_the_config_of_the_guide_and_the_sample_load() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    assert OpenAdrConfig.from_dict(json.loads(shown)).levels["2"] == 20.0
    sample = json.loads(
        (ROOT / "agents" / "volttron-chargepoint-openadr" / "openadr.config").read_text()
    )
    assert OpenAdrConfig.from_dict(sample).chargers.devices == ["campus/garage/group"]


def test_the_guide_names_every_key_and_signal() -> None:
    keys = set(OpenAdrConfig.model_fields) | set(VtnConfig.model_fields)
    assert {key for key in keys if f"`{key}`" not in PAGE} == set()
    table = PAGE[PAGE.index("## What a signal means") : PAGE.index("## Events")]
    notices = {"IMPORT_CAPACITY_AVAILABLE", "EXPORT_CAPACITY_LIMIT", "EXPORT_PRICE"}
    names = {row.name for row in SIGNALS if not row.name.startswith("ALERT")} - notices
    assert {name for name in names if f"`{name}`" not in table} == set()
    for row in SIGNALS:
        assert row.type is None or row.type in table


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"levles": {}}, "did you mean 'levels'?"),
        ({"levels": {"high": 1}}, "must be a number as text"),
        ({"levels": {"1": -4}}, "0 kW or more"),
        ({"zone": "Mars"}, "time zone"),
        ({"lease_seconds": 4}, "lease_seconds must be 5 or more"),
        ({"vtns": {}}, "vtns"),
        ({"vtns": {"a": {"version": "2.0b", "url": "vtn.example"}}}, "must begin with https://"),
        (
            {"vtns": {"a": {"version": "2.0b", "url": "http://vtn", "programs": ["x"]}}},
            "are for version 3",
        ),
        (
            {"vtns": {"a": {"version": "3", "url": "http://vtn", "certificate": "x.pem"}}},
            "certificate and key belong together",
        ),
        (
            {"vtns": {"a": {"version": "3", "url": "http://vtn", "client_id": "x"}}},
            "client_secret_env",
        ),
    ],
)
def test_a_fault_is_named(change: dict[str, object], said: str) -> None:
    good = {"ven_name": "ven", "vtns": {"a": {"version": "2.0b", "url": "http://vtn"}}}
    assert OpenAdrConfig.from_dict(good)
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        OpenAdrConfig.from_dict({**good, **change})
