"""Pages of lists."""

from __future__ import annotations

import pytest

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.web.api.paging import cursor, page_of, read_cursor, sorted_page_of


def pages(ask, limit):
    """Every item of all pages, and how many pages there were."""
    found, number, after = [], 0, None
    while True:
        query = {"limit": str(limit), **({} if after is None else {"after": after})}
        items, after = ask(query)
        found += items
        number += 1
        assert len(items) <= limit
        if after is None:
            return found, number


def key(item):
    return (item,)


@pytest.mark.parametrize(("limit", "number"), [(1, 5), (2, 3), (5, 1), (6, 1)])
def test_pages_have_every_item_once_in_order(limit, number):
    items = ["b", "a", "d", "c", "é"]
    assert pages(lambda query: page_of(query, items, key), limit) == (items, number)
    found = pages(lambda query: sorted_page_of(query, items, key), limit)
    assert found == (sorted(items), number)


def test_without_limit_everything_is_on_one_page():
    assert page_of({}, "ba", key) == (["b", "a"], None)
    assert page_of({"after": cursor(("b",))}, "ba", key) == (["a"], None)
    assert page_of({"limit": "2"}, [], key) == ([], None)


def test_a_list_that_changes_between_two_pages():
    _, after = page_of({"limit": "2"}, "abcd", key)
    assert page_of({"after": after}, "xabyc", key)[0] == ["y", "c"]
    with pytest.raises(InvalidValueError, match="the list has changed"):
        page_of({"after": after}, "acd", key)
    # In the order of the key nothing is left out, also when the last one has gone.
    assert sorted_page_of({"after": after}, "acd", key)[0] == ["c", "d"]


@pytest.mark.parametrize("after", ["x", "bm90IGpzb24", cursor(({},)), "é", "W1tdXQ", "=" * 5000])
def test_an_after_of_somewhere_else(after):
    with pytest.raises(InvalidValueError, match="after: "):
        read_cursor(after)


def test_an_after_of_another_list():
    with pytest.raises(InvalidValueError, match="not of this list"):
        sorted_page_of({"after": cursor((1,))}, "abc", key)


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "1.5", "", "１", "9" * 30])
def test_limits_that_are_wrong(limit):
    with pytest.raises(InvalidValueError, match="from 1 to 1000"):
        page_of({"limit": limit}, "abc", key)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/stations", "stations"),
        ("/status", "connectors"),
        ("/active", "sessions"),
        ("/history", "sessions"),
        ("/alarms", "incidents"),
    ],
)
def test_lists_of_the_api(site, path, name):
    whole = site.get(path)
    assert whole["after"] is None
    assert whole[name]

    def ask(query):
        page = site.get(path, params=query)
        return page[name], page["after"]

    assert pages(ask, 1) == (whole[name], len(whole[name]))
    assert "limit" in site.get(path, 400, params={"limit": "0"})["error"]["message"]
    assert "after" in site.get(path, 400, params={"after": "x"})["error"]["message"]


def test_the_list_of_the_latest_status_names_its_next_page(site):
    whole = site.get("/live-status")
    found, url = [], f"{site.server.url}api/v1/live-status?limit=3"
    while url:
        answer = site.session.get(url, timeout=60)
        found += answer.json()
        link = answer.links.get("next")
        url = link and f"{site.server.url.rstrip('/')}{link['url']}"
    assert [each["charge_point_id"] for each in found] == [e["charge_point_id"] for e in whole]
    assert len(found) == 4
