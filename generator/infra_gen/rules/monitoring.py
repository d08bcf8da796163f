"""What is watched, read from Prometheus' files: scrape targets, rules, dashboards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra_gen.rules.deployment import Deployment
from infra_gen.rules.reading.values import items, nested


@dataclass(frozen=True, slots=True)
class Target:
    """One address that Prometheus asks; `engine` when the job is the engine's."""

    file: str
    job: str
    text: str
    host: str
    port: int | None
    path: str
    authorized: bool
    engine: bool


@dataclass(frozen=True, slots=True)
class Expression:
    """One PromQL expression and where it stands."""

    file: str
    key_path: str
    text: str
    line: int | None


def prometheus_files(deployment: Deployment) -> tuple[str, ...]:
    """Files that configure Prometheus' scrapes."""
    found = deployment.documents
    return tuple(path for path in found if _has(deployment.document(path), "scrape_configs"))


def _has(value: object, key: str) -> bool:
    return isinstance(value, Mapping) and key in value


def scrape_targets(deployment: Deployment) -> Iterator[Target]:
    """Every static target of every job."""
    for file in prometheus_files(deployment):
        for job in items(deployment.document(file)["scrape_configs"]):
            if isinstance(job, Mapping):
                yield from _targets(file, job)


def _targets(file: str, job: Mapping[str, Any]) -> Iterator[Target]:
    name = str(job.get("job_name", ""))
    secret = any(key in job for key in ("authorization", "basic_auth", "oauth2", "http_headers"))
    for group in items(job.get("static_configs")):
        for text in items(nested(group, "targets")):
            host, _, port = str(text).rpartition(":")
            yield Target(
                file=file,
                job=name,
                text=str(text),
                host=host or str(text),
                port=int(port) if port.isdigit() else None,
                path=str(job.get("metrics_path", "/metrics")),
                authorized=secret,
                engine=name == "engine" or host == "engine",
            )


def recorded(deployment: Deployment) -> frozenset[str]:
    """Names that recording rules make."""
    return frozenset(str(rule["record"]) for _, _, rule in _rules(deployment) if rule.get("record"))


def expressions(deployment: Deployment) -> Iterator[Expression]:
    """Every expression of rules and dashboards."""
    for file, path, rule in _rules(deployment):
        if isinstance(rule.get("expr"), str | int | float):
            key = f"{path}.expr"
            yield Expression(file, key, str(rule["expr"]), deployment.line_at(file, key))
    for file, text in deployment.files.items():
        if file.endswith(".json") and '"expr"' in text:
            yield from _dashboard(deployment, file, text)


def _rules(deployment: Deployment) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for file in deployment.documents:
        groups = nested(deployment.document(file), "groups")
        for at, group in enumerate(items(groups)):
            for number, rule in enumerate(items(nested(group, "rules"))):
                if isinstance(rule, Mapping):
                    yield file, f"groups.{at}.rules.{number}", rule


def _dashboard(deployment: Deployment, file: str, text: str) -> Iterator[Expression]:
    try:
        document = json.loads(text)
    except ValueError:
        return  # unreadable-file speaks of that
    for path, expr in _exprs(document, ""):
        needle = json.dumps(expr, ensure_ascii=False)
        yield Expression(file, path, expr, deployment.line_of(file, needle))


def _exprs(node: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            below = f"{path}.{key}" if path else str(key)
            if key == "expr" and isinstance(value, str):
                yield below, value
            else:
                yield from _exprs(value, below)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _exprs(value, f"{path}.{index}")
