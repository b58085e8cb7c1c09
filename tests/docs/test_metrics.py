"""The dashboard and the alert rules of the metrics: their form, and every name in them."""

from __future__ import annotations

import json
import re

import pytest

from chargepoint_driver.examples.grafana.metrics import PANELS, dashboard
from chargepoint_driver.metrics.definitions import METRICS

from .blocks import ROOT

yaml = pytest.importorskip("yaml")

FOLDER = ROOT / "chargepoint_driver" / "examples" / "grafana"
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
EXPRESSIONS = [
    *(query for panel in PANELS for query, _ in panel.queries),
    *(rule["expr"] for rule in ALERTS),
]
# What Prometheus and its library add: labels of the scrape, metrics of the process.
SCRAPE = {"instance", "job", "le"}
OTHERS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}


def metric_of(name):
    """The row of a series' name; a histogram has three."""
    return METRICS.get(name) or METRICS.get(re.sub(r"_(bucket|sum|count)$", "", name))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_and_label_of_an_expression_exists(expression):
    found = re.findall(r"\b((?:chargepoint|process)_\w+|up)\b", expression)
    assert found
    labels = set()
    for name in found:
        assert name in OTHERS or metric_of(name) is not None, name
        row = metric_of(name)
        labels |= set() if row is None else set(row.label_names)
        if row is not None and row.kind == "counter":
            assert re.search(rf"(rate|increase)\({name}", expression), "a counter only grows"
    used = set(re.findall(r"(\w+)=~?\"", expression))
    for names in re.findall(r"by \(([^)]*)\)", expression):
        used |= {name.strip() for name in names.split(",")}
    assert used <= labels | SCRAPE


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_is_promql(expression):
    parser = pytest.importorskip("promql_parser")
    parser.parse(expression.replace("$account", ".*"))


def test_the_rules_have_the_form_of_prometheus():
    assert set(RULES) == {"groups"}
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"ChargePoint[A-Za-z]+", rule["alert"])
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))


def test_labels_in_the_words_of_an_alert_are_left_by_its_expression():
    for rule in ALERTS:
        names = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        kept = re.match(r"(?:sum|max) by \(([^)]*)\)", rule["expr"])
        if kept is not None:
            left = {name.strip() for name in kept[1].split(",")}
            assert names <= left, rule["alert"]


def test_the_dashboard_is_the_one_that_the_program_makes():
    stored = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
    assert stored == dashboard()


def test_no_panel_stands_on_another():
    fields = set()
    for panel in PANELS:
        x, y, width, height = panel.place
        cells = {(x + i, y + j) for i in range(width) for j in range(height)}
        assert not cells & fields, panel.title
        assert x + width <= 24
        fields |= cells


def test_every_metric_that_people_watch_is_on_the_board_or_alerts():
    text = " ".join(EXPRESSIONS)
    unseen = {name for name in METRICS if name not in text}
    assert unseen <= {
        "chargepoint_build_info",
        "chargepoint_connections",
        "chargepoint_events_stored_total",
        "chargepoint_sink_delivered_total",
        "chargepoint_sink_retries_total",
        "chargepoint_sink_waiting_events",
        "chargepoint_sink_working",
        "chargepoint_stations",
    }
