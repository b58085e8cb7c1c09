"""Statuses of errors, and pages of rows."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("aiohttp")

from chargepoint_driver import errors
from chargepoint_driver.http_server.answers import STATUSES, json_pages


@pytest.mark.parametrize("number", [0, 1, 499, 500, 501, 1_000, 1_201])
def test_rows_in_pages_are_one_array(number):
    rows = [{"id": each} for each in range(number)]
    assert json.loads(json_pages(rows)) == rows


def test_each_error_of_the_tree_has_a_status():
    def below(kind: type) -> list[type]:
        return [kind, *(each for child in kind.__subclasses__() for each in below(child))]

    kinds = [
        each
        for child in errors.ChargePointError.__subclasses__()
        for each in below(child)
        if each.__module__ == errors.__name__
    ]
    assert len(kinds) > 8
    known = tuple(kind for kind, _, _ in STATUSES)
    assert [each.__name__ for each in kinds if not issubclass(each, known)] == []
