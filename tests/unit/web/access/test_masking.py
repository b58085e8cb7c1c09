"""Masks of idTags, keys and passwords."""

from __future__ import annotations

import pytest

from chargepoint_driver.web.access.masking import (
    MASK,
    mask_id_tags,
    mask_secrets,
    mask_settings,
    masked,
)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ({"idTag": "A", "connectorId": 1}, {"idTag": MASK, "connectorId": 1}),
        ({"id_tag": "A"}, {"id_tag": MASK}),
        (
            {"idToken": {"idToken": "A", "type": "ISO14443"}},
            {"idToken": {"idToken": MASK, "type": "ISO14443"}},
        ),
        ([{"evccId": "A"}], [{"evccId": MASK}]),
    ],
)
def test_id_tags(data, shown):
    assert mask_id_tags(data) == masked(data) == shown
    assert mask_secrets(data) == data


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ({"key": "AuthorizationKey", "value": "x"}, {"key": "AuthorizationKey", "value": MASK}),
        (
            {"key": "HeartbeatInterval", "value": "300"},
            {"key": "HeartbeatInterval", "value": "300"},
        ),
        ({"basicAuthPassword": "x"}, {"basicAuthPassword": MASK}),
    ],
)
def test_secrets(data, shown):
    assert mask_secrets(data) == masked(data) == shown
    assert mask_id_tags(data) == data


def test_settings_of_a_charger():
    settings = {"AuthorizationKey": "x", "SecurityCtrlr/BasicAuthPassword": "x", "Interval": "1"}
    shown = mask_settings({**settings, "apiKey": None})
    assert list(shown.values()) == [MASK, MASK, "1", None]
