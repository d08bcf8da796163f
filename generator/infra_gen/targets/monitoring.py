"""Prometheus: what to scrape, all alerts, and promtool's tests of those alerts."""

from __future__ import annotations

import re
from collections.abc import Callable

from infra_gen.model.filetree import File
from infra_gen.model.stack import Alert, Scrape, Series, Service, Stack
from infra_gen.render.yamldoc import Noted, dump
from infra_gen.targets.names import HEADER, METRICS_TOKEN


def monitoring_files(stack: Stack, address: Callable[[Service], str]) -> dict[str, File]:
    """What Prometheus reads; `address` says where a service is found, as host:port."""
    alerts = all_alerts(stack)
    return {
        "monitoring/prometheus.yml": File(_prometheus(stack.scrapes, address)),
        "monitoring/alerts.yml": File(_alerts(alerts)),
        "monitoring/alerts_test.yml": File(_alerts_test(alerts)),
    }


def all_alerts(stack: Stack) -> tuple[Alert, ...]:
    """Every alert of the deployment."""
    return tuple(alert for service in stack.services for alert in service.alerts)


def anchor(alert: Alert) -> str:
    """The anchor of the alert's heading in the README."""
    return alert.name.lower()


def _prometheus(found: tuple[Scrape, ...], address: Callable[[Service], str]) -> str:
    document: dict[str, object] = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": [_job(one, address(one.asked)) for one in found],
    }
    return dump(document, HEADER)


def _job(scrape: Scrape, address: str) -> dict[str, object]:
    job: dict[str, object] = {
        "job_name": scrape.job,
        "metrics_path": scrape.path,
        "static_configs": [{"targets": [address]}],
    }
    if scrape.asked.metrics_secret:
        job["authorization"] = Noted(
            {"type": "Bearer", "credentials_file": METRICS_TOKEN},
            "The engine's key, in a file that only this container has.",
        )
    return job


def _alerts(alerts: tuple[Alert, ...]) -> str:
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.for_,
            "labels": {"severity": alert.severity},
            "annotations": _annotations(alert),
        }
        for alert in alerts
    ]
    note = "What to do when one fires stands in README.md under the alert's name."
    return dump({"groups": [{"name": "engine", "rules": rules}]}, f"{HEADER}\n{note}")


def _annotations(alert: Alert) -> dict[str, str]:
    return {"summary": alert.summary, "runbook": f"README.md#{anchor(alert)}"}


def _alerts_test(alerts: tuple[Alert, ...]) -> str:
    tests: list[object] = []
    for alert in alerts:
        labels = {"severity": alert.severity, **_result_labels(alert)}
        firing: dict[str, object] = {"exp_labels": labels, "exp_annotations": _annotations(alert)}
        tests.append(_test(alert, f"{alert.name} fires", alert.fires, [firing]))
        tests.append(_test(alert, f"{alert.name} stays silent", alert.quiet, []))
    document = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests}
    note = "Each alert fires when it should, else stays silent: promtool test rules alerts_test.yml"
    return dump(document, f"{HEADER}\n{note}")


def _test(
    alert: Alert, name: str, series: tuple[Series, ...], expected: list[dict[str, object]]
) -> dict[str, object]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": one.series, "values": one.values} for one in series],
        "alert_rule_test": [
            {"eval_time": alert.at, "alertname": alert.name, "exp_alerts": expected}
        ],
    }


_AGGREGATION = re.compile(
    r"\b(?:sum|min|max|avg|count|group|quantile)\b\s*(?:by\s*\(([^)]*)\)\s*)?\("
)
_LABEL = re.compile(r'(\w+)\s*=\s*"([^"]*)"')


def _result_labels(alert: Alert) -> dict[str, str]:
    """Labels of the alert that fires: those that its outermost aggregation keeps.

    Their values are what the expression fixes, as `by (job)` with job="x", or what the series have
    that fire it. ValueError for an expression that aggregates nothing: it would keep every label.
    """
    outermost = _AGGREGATION.search(alert.expr)
    if outermost is None:
        raise ValueError(f"{alert.name} keeps every label: aggregate {alert.expr!r}")
    words = (outermost[1] or "").split(",")
    kept = {word.strip() for word in words if word.strip()} - {"le"}  # histogram_quantile eats le
    given = {k: v for one in alert.fires for k, v in _LABEL.findall(one.series)}
    known = {**given, **dict(_LABEL.findall(alert.expr))}
    return {label: known[label] for label in sorted(kept) if label in known}
