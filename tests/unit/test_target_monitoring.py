"""Alerts and their tests, by promtool where it is installed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from tests.unit.target_stacks import ALERTS, llama_stack, vllm_stack

from infra_gen.model.stack import Alert, Series, Service, Stack
from infra_gen.targets.configs import Configs
from infra_gen.targets.monitoring import monitoring_files


def address(service: Service) -> str:
    return f"{service.name}:{service.metrics_port}"


FILES = monitoring_files(vllm_stack(), address)


def test_each_alert_has_a_test_that_fires_and_one_that_does_not() -> None:
    document = yaml.safe_load(FILES["monitoring/alerts_test.yml"].text)
    cases = [case["alert_rule_test"][0] for case in document["tests"]]
    for alert in ALERTS:
        fired = [bool(case["exp_alerts"]) for case in cases if case["alertname"] == alert.name]
        assert fired == [True, False]


def test_rules_carry_severity_and_the_way_to_the_runbook() -> None:
    rules = yaml.safe_load(FILES["monitoring/alerts.yml"].text)["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules] == [alert.name for alert in ALERTS]
    assert rules[0]["labels"] == {"severity": "critical"}
    assert rules[0]["annotations"]["runbook"] == "README.md#enginedown"
    assert rules[0]["for"] == "5m"


def test_the_hash_follows_what_prometheus_reads() -> None:
    prometheus = vllm_stack().service("metrics")
    keyed = Configs(monitoring_files(llama_stack("compose"), address))
    assert Configs(FILES).sha256(prometheus) != keyed.sha256(prometheus)
    without_tests = {path: file for path, file in FILES.items() if "_test" not in path}
    assert Configs(FILES).sha256(prometheus) == Configs(without_tests).sha256(prometheus)


def expected_labels(expr: str, *fires: str) -> dict[str, str]:
    """Labels that the written test expects of an alert with that expression."""
    alert = Alert(
        "A", expr, "1m", "warning", "s", "r", tuple(Series(one, "1x9") for one in fires), (), "5m"
    )
    stack = vllm_stack()
    services = [replace(one, alerts=()) for one in stack.services]
    services[-1] = replace(services[-1], alerts=(alert,))
    changed: Stack = replace(stack, services=tuple(services))
    document = yaml.safe_load(monitoring_files(changed, address)["monitoring/alerts_test.yml"].text)
    (firing,) = document["tests"][0]["alert_rule_test"][0]["exp_alerts"]
    labels: dict[str, str] = firing["exp_labels"]
    assert labels.pop("severity") == "warning"
    return labels


@pytest.mark.parametrize(
    ("expr", "labels"),
    [
        ('max by (job) (up{job="engine"}) == 0', {"job": "engine"}),
        ("max by (gpu) (DCGM_FI_DEV_XID_ERRORS) != 0", {"gpu": "1"}),
        ("sum(rate(x[5m])) > 0", {}),
        ("(count(count by (gpu) (x)) or on () vector(0)) < 2", {}),
        ("histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m]))) > 1", {}),
        ("histogram_quantile(0.95, sum by (le, gpu) (rate(x_bucket[5m]))) > 1", {"gpu": "1"}),
    ],
)
def test_an_alert_keeps_what_its_outermost_aggregation_keeps(
    expr: str, labels: dict[str, str]
) -> None:
    assert expected_labels(expr, 'x{gpu="1",le="0.5"}') == labels


def test_an_alert_must_aggregate() -> None:
    with pytest.raises(ValueError, match="keeps every label"):
        expected_labels('up{job="engine"} == 0')
