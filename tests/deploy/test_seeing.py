"""The alert rules, their tests and the dashboard ask only for metrics that the sidecar tells, without promtool."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from postprober.api.counting import RequestCounts
from postprober.api.routes.metrics import StoredMetrics
from postprober.domain.meters import METERS
from postprober.services.monitoring.measures import HostMeasures, Measures

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
TESTS = yaml.safe_load((DEPLOY / "prometheus" / "rules_test.yml").read_text())
BOARD = json.loads((DEPLOY / "grafana" / "postprober.json").read_text())
DOCUMENTED = (DEPLOY.parent / "docs" / "api.md").read_text()
_NAME = re.compile(r"\bpostprober_[a-z_]+")
UNITS = {"s", "short", "bytes", "reqps", "percentunit", "none"}


def _families() -> list[Metric]:
    """As /metrics tells them, of an installation that has everything."""
    found = Measures({}, {}, 0.0, 0, 0.0, 1.0, {}, 1.0, {}, {})
    stored = CollectorRegistry()
    stored.register(StoredMetrics(found, HostMeasures(1, 1, True, 1.0, 1.0), sqlite=True))
    return [*stored.collect(), *RequestCounts().registry.collect()]


def told() -> dict[str, set[str]]:
    """Names of samples -> kinds of labels where they are known."""
    names: dict[str, set[str]] = {}
    for family in _families():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        labels = next((set(meter.labels) for meter in METERS if meter.name == family.name), set())
        names |= {f"{family.name}{ending}": labels for ending in endings}
    return names


def alerts() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def questions() -> dict[str, str]:
    asked = {rule["alert"]: rule["expr"] for rule in alerts()}
    for panel in BOARD["panels"]:
        asked |= {f"{panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    return asked


@pytest.mark.parametrize("expression", questions().values(), ids=questions().keys())
def test_what_is_asked_for_is_told(expression: str) -> None:
    names = _NAME.findall(expression)
    assert set(names) <= told().keys() and (names or expression.startswith("up{"))  # `up` is Prometheus' own
    for name, given in re.findall(r"(postprober_[a-z_]+)\{([^}]*)\}", expression):
        labels = set(re.findall(r"(\w+)[=!]", given))
        assert labels <= told()[name] or not told()[name]


def test_a_metric_that_nobody_tells_would_be_noticed() -> None:
    assert "postprober_lateness_secs_bucket" not in told() and "postprober_attempts" not in told()
    assert len(told()) > 25


def test_what_is_told_is_documented_and_what_is_documented_is_told() -> None:
    table = DOCUMENTED.split("| metric | meaning |", 1)[1].split("\n\n", 1)[0]
    written = {re.sub(r"_bucket$", "", name) for name in _NAME.findall(table)}
    assert written == {re.sub(r"_(bucket|sum|count)$", "", name) for name in told()}


def test_the_rules_tests_use_metrics_that_are_told_and_try_every_alert() -> None:
    written = " ".join(one["series"] for test in TESTS["tests"] for one in test["input_series"])
    series = set(_NAME.findall(written))
    assert len(series) > 15 and series <= told().keys()
    firing = json.dumps(TESTS)
    for rule in alerts():
        assert rule["alert"] in firing, f"{rule['alert']} is not tried"


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names)) > 10
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert all(rule["annotations"][part].endswith(".") for part in ("summary", "action"))


def test_every_panel_has_a_unit_and_its_own_place() -> None:
    places = set()
    for panel in BOARD["panels"]:
        unit = panel["fieldConfig"]["defaults"]["unit"]
        assert unit in UNITS, panel["title"]
        asked = " ".join(target["expr"] for target in panel["targets"])
        assert ("seconds" in asked and "_count" not in asked) == (unit == "s"), panel["title"]
        places.add((panel["gridPos"]["x"], panel["gridPos"]["y"]))
    assert len(places) == len(BOARD["panels"]) == len({panel["id"] for panel in BOARD["panels"]})
