"""The answer to a scrape: by Prometheus' rules, of bounded size, and never a made-up value."""

from __future__ import annotations

import re

import pytest

from chargepoint_driver.events import SinkState
from chargepoint_driver.metrics import METRICS, AccountReading, Exposition
from chargepoint_driver.process.loop_delay import BOUNDS_S, LoopDelay

pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families


def exposition(*readings, delays=None, **options):
    return Exposition(lambda: readings, delays or {}, **options)


def samples(text):
    """(name, labels) to value, of ours."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name.startswith("chargepoint_")
    }


def value(found, name, **labels):
    return found.get((f"chargepoint_{name}", tuple(sorted(labels.items()))))


def full():
    reading = AccountReading("garage")
    reading.outcomes = {("getLoad", "ok"): 5, ("getLoad", "try_later"): 2}
    reading.down = ["getLoad"]
    reading.messages = {"MeterValues": 9}
    reading.irregularities = {"forgiven": 3}
    reading.connections = {"authenticated": 4}
    reading.add_ages("load", [3.0, 40.0])
    reading.add_station(True)
    reading.add_port("INUSE", 6.5)
    reading.add_port("AVAILABLE", 0.0)
    reading.add_port("UNREACHABLE", 7.0)
    reading.add_port("strange", None)
    reading.add_limit(3.0)
    reading.add_limit(None)
    reading.sheds = {"in force": 2}
    reading.events = 17
    reading.sinks = [SinkState("kafka", "kafka", waiting=3, lag_s=1.5, delivered=14, error="away")]
    return reading


def test_every_metric_of_the_table_has_a_sample_with_its_labels():
    delay = LoopDelay()
    delay.add(0.003)
    found = samples(exposition(full(), delays={"web": lambda: delay}).text())
    for name, row in METRICS.items():
        suffix = "_bucket" if row.kind == "histogram" else ""
        labels = {frozenset(key for key, _ in each) for at, each in found if at == name + suffix}
        wanted = {*row.label_names, "le"} if suffix else {*row.label_names}
        assert labels == {frozenset(wanted)}, name


def test_names_follow_the_rules_of_prometheus():
    for name, row in METRICS.items():
        assert re.fullmatch(r"chargepoint_[a-z][a-z_]*", name)
        assert name.endswith("_total") == (row.kind == "counter"), name
        # Base units: no kilowatts, minutes or percentages.
        assert not re.search(r"kilo|kw|minutes|hours|percent|milli|_ms", name), name
        assert row.help.endswith(".")
        assert not {"station", "port", "session", "id_tag", "user"} & set(row.label_names)


def test_the_values():
    found = samples(exposition(full()).text())
    assert value(found, "load_watts", account="garage") == 6500.0
    # The load of a port that is out of reach, or that said nothing, is not known.
    assert value(found, "load_unknown_ports", account="garage") == 2
    assert value(found, "ports", account="garage", status="other") == 1
    assert value(found, "limited_ports", account="garage") == 2
    assert value(found, "limit_watts", account="garage") == 3000.0
    assert value(found, "stations", account="garage", reachable="true") == 1
    age = {"account": "garage", "data": "load"}
    assert value(found, "data_age_seconds", bound="newest", **age) == 3.0
    assert value(found, "data_age_seconds", bound="oldest", **age) == 40.0
    sink = {"account": "garage", "sink": "kafka", "type": "kafka"}
    assert value(found, "sink_working", **sink) == 0
    assert value(found, "sink_lag_seconds", **sink) == 1.5
    call = {"account": "garage", "operation": "getLoad"}
    assert value(found, "calls_total", outcome="try_later", **call) == 2


def test_what_is_not_known_has_no_sample():
    reading = AccountReading("garage")
    reading.add_port("AVAILABLE", None)
    found = samples(exposition(reading).text())
    assert value(found, "load_watts", account="garage") is None
    assert value(found, "limit_watts", account="garage") is None
    assert value(found, "events_stored_total", account="garage") is None
    assert value(found, "load_unknown_ports", account="garage") == 1
    unread = AccountReading("garage", is_readable=False, outcomes={("getLoad", "ok"): 1})
    found = samples(exposition(unread).text())
    assert value(found, "account_readable", account="garage") == 0
    gauges = {name for name, row in METRICS.items() if row.kind == "gauge"}
    said = {name for name, _ in found} & gauges
    assert said == {"chargepoint_account_readable", "chargepoint_build_info"}
    assert value(found, "calls_total", account="garage", operation="getLoad", outcome="ok") == 1


def test_a_reading_is_shared_by_scrapes_that_come_together():
    now, read = [0.0], []

    def accounts():
        read.append(now[0])
        return [full()]

    served = Exposition(accounts, {}, keep_s=2.0, clock=lambda: now[0])
    first = served.text()
    now[0] = 1.9
    assert served.text() is first
    now[0] = 2.0
    served.text()
    assert read == [0.0, 2.0]


def test_delays_are_a_histogram():
    delay = LoopDelay()
    for late_s in (-1.0, 0.0, 0.001, 0.3, 99.0):
        delay.add(late_s)
    found = samples(exposition(delays={"web": lambda: delay, "hub": lambda: None}).text())
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == "chargepoint_loop_delay_seconds_bucket"
    }
    assert len(buckets) == len(BOUNDS_S) + 1
    assert (buckets["0.001"], buckets["0.25"], buckets["0.5"], buckets["+Inf"]) == (3, 3, 4, 5)
    assert value(found, "loop_delay_seconds_sum", loop="web") == pytest.approx(99.301)


def test_the_process_is_measured_too():
    assert b"process_resident_memory_bytes" in exposition().text()
