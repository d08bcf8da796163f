"""Alerts and dashboards on series that nobody exports."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from infra_gen.model.engine_table import Removed, Table
from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.monitoring import expressions, recorded
from infra_gen.rules.promql import metric_names
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="metric-unknown",
    severity="error",
    confidence="high",
    what="Looks every metric name in alert rules and dashboards up in what the pinned version "
    "exports.",
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
    ),
)
_PROMETHEUS = ("up", "ALERTS", "ALERTS_FOR_STATE", "scrape_duration_seconds", "absent")
# Other programs that a deployment may scrape beside the engine.
_EXPORTERS = (
    "scrape_",
    "prometheus_",
    "process_",
    "python_",
    "go_",
    "http_",
    "node_",
    "container_",
    "DCGM_FI_",
    "caddy_",
    "probe_",
)
_SUFFIXES = ("_bucket", "_sum", "_count", "_created")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each name in each expression."""
    table, made = subject.engine.table, recorded(subject.deployment)
    for expression in expressions(subject.deployment):
        for name in metric_names(expression.text):
            if name in made or _known(name, table):
                continue
            yield RULE.finding(
                expression.file,
                f"{subject.title} does not export {name}{_why(name, table)}",
                line=expression.line,
                key_path=expression.key_path,
            )


def _known(name: str, table: Table) -> bool:
    return name in _PROMETHEUS or table.metric(name) or name.startswith(_EXPORTERS)


def _why(name: str, table: Table) -> str:
    gone = _removed(name, table)
    if gone:
        when = f" (gone by {gone.gone_by})" if gone.gone_by else " any more"
        return when + (f"; instead: {gone.instead}" if gone.instead else "")
    close = difflib.get_close_matches(name, sorted(table.metrics), n=2, cutoff=0.8)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _removed(name: str, table: Table) -> Removed | None:
    for suffix in ("", *_SUFFIXES):
        gone = table.removed_metrics.get(name.removesuffix(suffix))
        if gone:
            return gone
    return None
