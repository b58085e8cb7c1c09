"""Keys of requests, and the delay of answers to wrong ones."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("aiohttp")

from aiohttp.test_utils import make_mocked_request

from chargepoint_driver.http_server import FailedLogins, Key
from chargepoint_driver.rate_limited_log import RateLimitedLog


@pytest.mark.parametrize(
    ("headers", "opens", "is_brought"),
    [
        ({"X-API-Key": "secret"}, True, True),
        ({"X-API-Key": " secret "}, True, True),
        ({"Authorization": "Bearer secret"}, True, True),
        ({"Authorization": "bearer secret"}, True, True),
        ({"X-API-Key": "wrong"}, False, True),
        ({"X-API-Key": "wrong", "Authorization": "Bearer secret"}, False, True),
        ({"X-API-Key": ""}, False, True),
        ({"Authorization": "Bearer wrong"}, False, True),
        ({"Authorization": "Bearer"}, False, True),
        ({"Authorization": "Basic secret"}, False, False),
        ({"Authorization": "secret"}, False, False),
        ({}, False, False),
    ],
)
def test_a_key_opens_by_either_header(headers, opens, is_brought):
    request = make_mocked_request("GET", "/", headers=headers)
    assert Key("secret").opens(request) is opens
    assert Key.is_brought(request) is is_brought


def test_a_key_is_never_shown():
    assert "secret" not in repr(Key("secret"))


def test_answers_to_wrong_keys_wait_longer_each_time_and_forget():
    now_s = [0.0]
    logins = FailedLogins(RateLimitedLog(logging.getLogger(__name__)), lambda: now_s[0])
    assert [logins.delay_s("a") for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert logins.delay_s("b") == 0.25  # another address has its own count
    now_s[0] = 60.0
    assert logins.delay_s("b") == 0.5
    now_s[0] = 120.1
    assert logins.delay_s("b") == 0.25


def test_the_addresses_of_failed_logins_have_a_maximum():
    logins = FailedLogins(RateLimitedLog(logging.getLogger(__name__)), lambda: 0.0)
    logins.delay_s("first")
    for number in range(1_000):
        logins.delay_s(str(number))
    assert logins.delay_s("first") == 0.25
    assert logins.delay_s("999") == 0.5
