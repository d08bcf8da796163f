"""Prometheus: what to scrape, the alerts of the engine, and promtool's tests of those alerts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from infra_gen.model.filetree import File
from infra_gen.model.stack import Alert, Series, Service, Stack
from infra_gen.render.yamldoc import Noted, dump
from infra_gen.targets.names import HEADER, METRICS_TOKEN, engine_of

_JOB = "engine"


def monitoring_files(stack: Stack, address: str) -> dict[str, File]:
    """The three files below monitoring/; `address` is where Prometheus finds the engine."""
    engine = engine_of(stack)
    return {
        "monitoring/prometheus.yml": File(_prometheus(engine, address)),
        "monitoring/alerts.yml": File(_alerts(engine)),
        "monitoring/alerts_test.yml": File(_alerts_test(engine)),
    }


def config_hash(files: Mapping[str, File]) -> str:
    """A short hash of the files that Prometheus itself reads."""
    text = "".join(
        file.text for path, file in sorted(files.items()) if not path.endswith("_test.yml")
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def anchor(alert: Alert) -> str:
    """The anchor of the alert's heading in the README."""
    return alert.name.lower()


def _prometheus(engine: Service, address: str) -> str:
    job: dict[str, object] = {
        "job_name": _JOB,
        "metrics_path": engine.metrics_path or "/metrics",
        "static_configs": [{"targets": [address]}],
    }
    if engine.metrics_secret:
        job["authorization"] = Noted(
            {"type": "Bearer", "credentials_file": METRICS_TOKEN},
            "The engine's key; the container writes this file from its environment when it starts.",
        )
    document: dict[str, object] = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": [job],
    }
    return dump(document, HEADER)


def _alerts(engine: Service) -> str:
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.for_,
            "labels": {"severity": alert.severity},
            "annotations": _annotations(alert),
        }
        for alert in engine.alerts
    ]
    note = "What to do when one fires stands in README.md under the alert's name."
    return dump({"groups": [{"name": _JOB, "rules": rules}]}, f"{HEADER}\n{note}")


def _annotations(alert: Alert) -> dict[str, str]:
    return {"summary": alert.summary, "runbook": f"README.md#{anchor(alert)}"}


def _alerts_test(engine: Service) -> str:
    tests: list[object] = []
    for alert in engine.alerts:
        labels = {"severity": alert.severity, **_result_labels(alert.expr)}
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


def _result_labels(expr: str) -> dict[str, str]:
    """Labels that an aggregation keeps and the expression itself fixes, as `by (job)` with job="x".

    Alerts that keep labels with open values are not for this table of tests.
    """
    kept = {
        label.strip()
        for group in re.findall(r"\bby\s*\(([^)]*)\)", expr)
        for label in group.split(",")
    }
    fixed = dict(re.findall(r'(\w+)\s*=\s*"([^"]*)"', expr))
    return {label: fixed[label] for label in sorted(kept) if label in fixed}
