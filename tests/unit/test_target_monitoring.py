"""Alerts and their tests, by promtool where it is installed."""

from __future__ import annotations

import yaml
from tests.unit.target_stacks import ALERTS, llama_stack, vllm_stack

from infra_gen.targets.monitoring import config_hash, monitoring_files

FILES = monitoring_files(vllm_stack(), "engine:8000")


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
    keyed = monitoring_files(llama_stack("compose"), "engine:8000")
    assert config_hash(FILES) != config_hash(keyed)
    without_tests = {path: file for path, file in FILES.items() if "_test" not in path}
    assert config_hash(FILES) == config_hash(without_tests)
