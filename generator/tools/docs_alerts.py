"""Reference page of the alerts: of each engine, of the proxy, of the GPUs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from infra_gen import api
from infra_gen.engines.registry import ENGINES
from infra_gen.knowledge.engines import engine_info
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.model.stack import Alert
from tools.docs_markdown import page, table

GOLDEN = Path(__file__).parents[2] / "tests" / "golden"
# A deployment of each engine, whose alert expressions are shown.
EXAMPLES = {
    "vllm": "2x4090-40-users",
    "llama.cpp": "apple-m3-5-users",
    "tgi": "a10g-tgi-lan",
    "ollama": "apple-m4-ollama",
}
_BESIDE = {
    "proxy": ("Proxy", "apple-m4-ollama", "Where a proxy stands in front of the engine."),
    "gpu-exporter": ("GPUs", "2x4090-40-users", "On Linux with NVIDIA cards."),
}
_HEAD = ("Alert", "Expression", "For", "Severity", "Means", "What to do")


def _alerts(case: str, service: str) -> tuple[Alert, ...]:
    built = api.build(read_spec(GOLDEN / case / "infra-gen.yaml"), Path())
    return next(s.alerts for s in built.stack.services if s.name == service)


def _rows(alerts: Iterable[Alert]) -> list[tuple[object, ...]]:
    return [
        (f"`{a.name}`", f"`{a.expr}`", a.for_, a.severity, a.summary, a.runbook) for a in alerts
    ]


def _engine(name: str) -> str:
    title, case = engine_info(name).facts.title, EXAMPLES[name]
    found = _alerts(case, "engine")
    if not found:
        return f"## {title}\n\nIt measures nothing itself: the alerts are [those of the proxy](#proxy)."
    return f"## {title}\n\nAs written for `{case}`.\n\n{table(_HEAD, _rows(found))}"


def _beside(service: str) -> str:
    title, case, when = _BESIDE[service]
    rows = _rows(_alerts(case, service))
    return f"## {title}\n\n{when} As written for `{case}`.\n\n{table(_HEAD, rows)}"


def alerts_page() -> str:
    """docs/reference/alerts.md."""
    return page(
        "Alerts",
        "The rules in `monitoring/alerts.yml`. Limits in seconds and counts come from the plan, so "
        "they differ between deployments; these are real ones. Each alert has a test beside it, "
        "`monitoring/alerts_test.yml`, with one series that fires it and one that does not. No alert "
        "is sent anywhere: add an Alertmanager of yours.",
        *[_engine(name) for name in sorted(ENGINES)],
        *[_beside(service) for service in _BESIDE],
    )
