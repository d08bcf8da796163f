"""Reference pages of the engines: what is pinned and known, and the alerts on each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra_gen import api
from infra_gen.engines.registry import ENGINES
from infra_gen.knowledge.engines import engine_info
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.model.engine import EngineFacts, EngineInfo, Fact
from infra_gen.resources import data_dir
from tools.docs_markdown import page, table

GOLDEN = Path(__file__).parents[2] / "tests" / "golden"
# A deployment of each engine, whose alert expressions are shown.
_EXAMPLES = {"vllm": "2x4090-40-users", "llama.cpp": "apple-m3-5-users"}


def _fact(name: str, fact: Fact[Any]) -> tuple[str, str, str]:
    value = fact.value
    if isinstance(value, tuple | list):
        value = ", ".join(map(str, value))
    shown = "not established, or there is none" if value is None else f"`{value}`"
    return name, shown, fact.note or ""


def _facts(facts: EngineFacts) -> list[tuple[str, str, str]]:
    wanted: list[tuple[str, Fact[Any]]] = [
        ("port", facts.http.port),
        ("health", facts.http.health_path),
        ("metrics", facts.http.metrics_path),
        ("flag that turns metrics on", facts.http.metrics_flag),
        ("key: variable", facts.auth.key_env),
        ("key: flag", facts.auth.key_flag),
        ("key: file flag", facts.auth.key_file_flag),
        ("paths that need the key", facts.auth.guarded),
        ("paths without a key", facts.auth.public),
        ("on SIGTERM", facts.shutdown.behaviour),
        ("drain flag", facts.shutdown.drain_flag),
        ("drain by default, s", facts.shutdown.drain_default_seconds),
        ("user of the image", facts.container.user),
        ("user that also works", facts.container.nonroot_user),
    ]
    return [_fact(name, fact) for name, fact in wanted]


def _images(info: EngineInfo) -> str:
    rows = [
        (
            f"{image.accelerator}{' (default)' if image.default else ''}",
            f"`{image.repository}:{image.tag.format(version=info.version)}`",
            image.min_driver or "not established", ", ".join(image.platforms), image.verified,
        )
        for image in info.facts.images
    ]  # fmt: skip
    return table(["For", "Image", "Oldest driver", "Platforms", "Verified"], rows)


def _archives(info: EngineInfo) -> str:
    rows = [
        (native.platform, f"<{native.url.format(version=info.version)}>", native.verified)
        for native in info.facts.native
    ]
    return table(["Platform", "Archive", "Verified"], rows) if rows else "None."


def _counts(name: str) -> str:
    path = data_dir("presets") / "engines" / name / "table.json"
    document = json.loads(path.read_text("utf-8"))
    kinds = ("flags", "removed_flags", "env", "removed_env", "metrics", "removed_metrics")
    rows = [(kind.replace("_", " "), len(document[kind])) for kind in kinds]
    source = document["sources"][-1]
    return (
        f"Extracted from `{source['artifact']}` (sha256 `{source['sha256']}`): {source['method']}.\n\n"
        + table(["What", "In the table"], rows)
    )


def _engine(name: str) -> list[str]:
    info = engine_info(name)
    return [
        f"## {info.facts.title}\n\nPinned version: **{info.version}**.",
        f"### Table of {info.facts.title}\n\n{_counts(name)}",
        f"### Images of {info.facts.title}\n\n{_images(info)}",
        f"### Archives of {info.facts.title}\n\n{_archives(info)}",
        f"### Behaviour of {info.facts.title}\n\n"
        + table(["What", "Value", "Note"], _facts(info.facts)),
    ]


def engines_page() -> str:
    """docs/reference/engines.md."""
    parts = [part for name in sorted(ENGINES) for part in _engine(name)]
    return page(
        "Engines",
        "What infra-gen knows about each engine, from `presets/engines/<name>/`. `verified: never` "
        "means that nobody has pulled this tag or archive for us. Sources of each fact are in "
        "`engine.yaml` there.",
        *parts,
    )


def _alerts(name: str) -> str:
    case = _EXAMPLES[name]
    built = api.build(read_spec(GOLDEN / case / "infra-gen.yaml"), Path())
    rows = [
        (f"`{a.name}`", f"`{a.expr}`", a.for_, a.severity, a.summary, a.runbook)
        for a in built.stack.service("engine").alerts
    ]
    head = ["Alert", "Expression", "For", "Severity", "Means", "What to do"]
    return f"## {engine_info(name).facts.title}\n\nAs written for `{case}`.\n\n{table(head, rows)}"


def alerts_page() -> str:
    """docs/reference/alerts.md."""
    return page(
        "Alerts",
        "The rules in `monitoring/alerts.yml`. Limits in seconds and counts come from the plan, so "
        "they differ between deployments; these are two real ones. Each alert has a test beside it, "
        "`monitoring/alerts_test.yml`, with one series that fires it and one that does not. No alert "
        "is sent anywhere: add an Alertmanager of yours.",
        *[_alerts(name) for name in sorted(ENGINES)],
    )
