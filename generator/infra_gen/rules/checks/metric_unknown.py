"""Alerts and dashboards on series that nobody exports."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from infra_gen.model.engine_table import Removed, Table
from infra_gen.model.finding import Finding, Severity
from infra_gen.resources import data_dir
from infra_gen.rules.contract import Rule
from infra_gen.rules.monitoring import expressions, recorded, scrape_targets
from infra_gen.rules.promql import metric_names
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="metric-unknown",
    severity="error",
    confidence="high",
    what="Looks every metric name in alert rules and dashboards up in what the pinned versions of "
    "the engine, the proxy and the GPU exporter export, and whether anybody scrapes them.",
    why="Prometheus takes a name that does not exist for an empty result: the alert never fires and "
    "the panel stays empty, with no error anywhere. Engines rename metrics; counters end in "
    "`_total`, which the source code does not show.",
    bad="expr: max(vllm:gpu_cache_usage_perc) > 0.95",
    good="expr: max(vllm:kv_cache_usage_perc) > 0.95",
    fix="Write a name that this version exports; `infra-gen update` renders the right ones.",
    sources=(
        "https://docs.vllm.ai/en/stable/usage/metrics/",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "https://github.com/vllm-project/production-stack",
        "https://github.com/NVIDIA/dcgm-exporter/blob/main/etc/default-counters.csv",
    ),
)
_PROMETHEUS = ("up", "ALERTS", "ALERTS_FOR_STATE", "scrape_duration_seconds", "absent")
# Other programs that somebody may scrape, of which there is no list.
_OTHERS = (
    "scrape_",
    "prometheus_",
    "process_",
    "python_",
    "go_",
    "http_",
    "node_",
    "container_",
    "probe_",
)
_SUFFIXES = ("_bucket", "_sum", "_count", "_created")
# Programs beside the engine: the role of their service, and the list in presets/metrics.
_LISTED = {"proxy": "caddy", "exporter": "dcgm-exporter"}


@dataclass(frozen=True, slots=True)
class _Program:
    """What one program beside the engine exports: names with their types."""

    title: str
    prefixes: tuple[str, ...]
    metrics: Mapping[str, str]

    def exports(self, series: str) -> bool:
        """Whether the program exports that series, those of histograms included."""
        bases = (series.removesuffix(suffix) for suffix in ("_bucket", "_sum", "_count"))
        return series in self.metrics or any(self.metrics.get(b) == "histogram" for b in bases)


@cache
def _program(role: str) -> _Program:
    path = data_dir("presets") / "metrics" / f"{_LISTED[role]}.json"
    document = json.loads(path.read_text("utf-8"))
    return _Program(
        title=f"{document['program']} {document['version']}",
        prefixes=tuple(document["prefixes"]),
        metrics={row["name"]: row["type"] for row in document["metrics"]},
    )


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each name in each expression."""
    made = recorded(subject.deployment)
    for expression in expressions(subject.deployment):
        for name in metric_names(expression.text):
            problem = None if name in made or name in _PROMETHEUS else _problem(subject, name)
            if problem:
                yield RULE.finding(
                    expression.file,
                    problem,
                    line=expression.line,
                    key_path=expression.key_path,
                    severity=_severity(subject, name),
                )


def _severity(subject: Subject, name: str) -> Severity:
    """A warning where a later version than the table's may export the series."""
    if any(name.startswith(_program(role).prefixes) for role in _LISTED):
        return RULE.severity
    table = subject.engine.table
    gone = _removed(name, table)
    return table.absence(gone.name if gone else name)


def _problem(subject: Subject, name: str) -> str | None:
    """What is wrong with a name that is neither Prometheus' own nor recorded by a rule."""
    table = subject.engine.table
    if table.metric(name) or name.startswith(_OTHERS):
        return None
    for role in _LISTED:
        if name.startswith(_program(role).prefixes):
            return _problem_beside(subject, role, name)
    return f"{subject.title} does not export {name}{_why(name, table)}{table.doubt}"


def _problem_beside(subject: Subject, role: str, name: str) -> str | None:
    """The same for a name that a program beside the engine would have."""
    program = _program(role)
    if not program.exports(name):
        return f"{program.title} does not export {name}{_close(name, program.metrics)}"
    jobs = {target.job for target in scrape_targets(subject.deployment)}
    ours = {service.name for service in subject.stack.services}
    asked = {service.name for service in subject.stack.services if service.role == role}
    if jobs & asked or jobs - ours:  # a job of somebody else's may be such a program
        return None
    return f"no scrape job asks {program.title}, which exports {name}"


def _why(name: str, table: Table) -> str:
    gone = _removed(name, table)
    if gone:
        return gone.said
    return _close(name, table.metrics)


def _close(name: str, metrics: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(name, sorted(metrics), n=2, cutoff=0.8)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _removed(name: str, table: Table) -> Removed | None:
    for suffix in ("", *_SUFFIXES):
        gone = table.removed_metrics.get(name.removesuffix(suffix))
        if gone:
            return gone
    return None
