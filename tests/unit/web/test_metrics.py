"""`GET /metrics` of the page's server."""

from __future__ import annotations

import sys

import pytest
import requests

from .conftest import TOKEN, Site, eventually


@pytest.fixture
def site():
    made = Site().ready()
    yield made
    made.close()


def test_a_scrape_with_the_key_as_prometheus_brings_it(site):
    parser = pytest.importorskip("prometheus_client.parser")
    url = f"{site.server.url}metrics"
    answer = requests.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {
        sample.name: sample
        for family in parser.text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["chargepoint_account_readable"].labels == {"account": "garage"}
    load_w = found["chargepoint_load_watts"].value
    assert load_w == pytest.approx(1000 * site.get("/state")["site"]["load"])
    # Scrapes ask the service for nothing.
    calls = site.sim.calls.total
    for _ in range(3):
        requests.get(url, headers={"X-API-Key": TOKEN}, timeout=60).raise_for_status()
    assert site.sim.calls.total == calls
    # A reading is kept for a moment, and the loop is measured twice a second.
    eventually(
        lambda: (
            'chargepoint_loop_delay_seconds_count{loop="web"} 0.0'
            not in requests.get(url, headers={"X-API-Key": TOKEN}, timeout=60).text
        )
    )


def test_without_the_key_there_are_no_metrics(site):
    url = f"{site.server.url}metrics"
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = requests.get(url, headers=headers, timeout=60, allow_redirects=False)
        assert (answer.status_code, "chargepoint_" in answer.text) == (401, False)


def test_without_the_library_the_page_works_and_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    site = Site()
    try:
        answer = site.session.get(f"{site.server.url}metrics", timeout=60)
        assert (answer.status_code, "[metrics]" in answer.text) == (501, True)
        site.ready()
    finally:
        site.close()
