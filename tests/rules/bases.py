"""The deployments that rule cases start from, built in memory, and how a case changes them."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from infra_gen import api
from infra_gen.knowledge.constraints import constraints_of
from infra_gen.knowledge.engines import engine_info
from infra_gen.model.finding import Finding
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Stack
from infra_gen.rules import registry
from infra_gen.rules.deployment import read_deployment
from infra_gen.rules.subject import Subject

_SMALL: dict[str, Any] = {"hardware": "rtx-3090", "load": {"users": 4}, "model": "qwen3-8b"}
BASES: dict[str, dict[str, Any]] = {
    "apple-m3": {"hardware": "apple-m3", "load": {"users": 5}, "model": "qwen3-1.7b"},
    "2x4090": {"hardware": "2x4090", "load": {"users": 40}, "model": "qwen3-32b"},
    "cpu": {"hardware": "cpu", "load": {"users": 1}, "model": "qwen3-0.6b"},
    "rtx-3090": {
        "hardware": "rtx-3090",
        "load": {"users": 4},
        "model": "qwen3-8b",
        "engine": "llama.cpp",
    },
    "mi300x": {
        "hardware": "mi300x",
        "load": {"users": 20},
        "model": "qwen3-32b",
        "engine": "llama.cpp",
    },
    "official-image": {
        "hardware": "rtx-3090",
        "load": {"users": 8},
        "model": "qwen3-8b",
        "engine": "vllm",
        "image": "official",
    },
    "tgi": {"hardware": "2x4090", "load": {"users": 4}, "model": "qwen3-32b", "engine": "tgi"},
    "ollama": {**_SMALL, "engine": "ollama"},
    "lan": {**_SMALL, "engine": "vllm", "serve": {"exposure": "lan", "host": "box.lan"}},
    "public": {
        **_SMALL,
        "engine": "llama.cpp",
        "serve": {"exposure": "public", "host": "ai.example.com"},
    },
    "systemd": {
        **_SMALL,
        "engine": "llama.cpp",
        "target": "systemd",
        "serve": {"exposure": "lan", "host": "box.lan"},
    },
    "quadlet": {**_SMALL, "engine": "vllm", "target": "quadlet"},
    "mac-ollama": {
        "hardware": "apple-m3",
        "load": {"users": 5},
        "model": "qwen3-1.7b",
        "engine": "ollama",
    },
    "offline": {
        **_SMALL,
        "engine": "vllm",
        "offline": {"mirror": "registry.lan:5000", "model_path": "/srv/models"},
    },
}


@cache
def _built(base: str, changes: str) -> api.Built:
    document = {"version": 1, "name": "chat", **BASES[base]}
    for pair in changes.split("\n") if changes else ():
        path, _, value = pair.partition("=")
        _put(document, path.split("."), value)
    return api.build(Spec.model_validate(document), Path.cwd())


def _put(document: dict[str, Any], path: list[str], value: str) -> None:
    *above, last = path
    for key in above:
        document[key] = dict(document.get(key, {}))
        document = document[key]
    document[last] = {"true": True, "false": False}.get(value, value)


def built(base: str, spec: dict[str, Any] | None = None) -> api.Built:
    """The deployment of that name, with dotted spec keys replaced."""
    return _built(base, "\n".join(f"{key}={value}" for key, value in (spec or {}).items()))


def edited(files: dict[str, str], edits: list[dict[str, str]]) -> dict[str, str]:
    """`files` after the edits; one that does not match exactly once is a broken case."""
    files = dict(files)
    for edit in edits:
        name = edit["file"]
        if "create" in edit:
            files[name] = edit["create"]
        elif "append" in edit:
            files[name] += edit["append"]
        elif "delete" in edit:
            del files[name]
        elif "old" in edit:
            assert files[name].count(edit["old"]) == 1, f"{name}: {edit['old']!r} not found once"
            files[name] = files[name].replace(edit["old"], edit["new"])
        else:
            files[name] = _substituted(files[name], edit)
    return files


def _substituted(text: str, edit: dict[str, str]) -> str:
    """The regex must match so often in the file, or else in the service `engine` of it."""
    pattern, times = re.compile(edit["regex"], re.MULTILINE), int(edit.get("times", 1))
    start, end = 0, len(text)
    engine = re.search(r"^  engine:\n(?:    .*\n|\n)*", text, re.MULTILINE)
    if engine and len(pattern.findall(text)) > times:
        start, end = engine.span()
    found = len(pattern.findall(text[start:end]))
    assert found == times, f"{edit['file']}: {edit['regex']!r} found {found} x"
    return text[:start] + pattern.sub(edit["new"], text[start:end]) + text[end:]


def changed(record: Any, path: str, value: Any) -> Any:
    """A frozen record with the field at a dotted path replaced."""
    head, _, rest = path.partition(".")
    assert is_dataclass(record), f"{path}: not inside a record"
    assert head in {field.name for field in fields(record)}, f"no field {head}"
    return replace(record, **{head: changed(getattr(record, head), rest, value) if rest else value})  # type: ignore[type-var]


def subject_of(case: dict[str, Any]) -> Subject:
    """What the rules see of a case: its base with spec, plan and files changed."""
    base = built(case["base"], case.get("spec"))
    plan: Plan = base.plan
    for path, value in case.get("plan", {}).items():
        plan = changed(plan, path, value)
    stack: Stack = replace(base.stack, plan=plan)
    files = {path: file.text for path, file in base.tree.items()}
    return Subject(
        spec=base.spec,
        plan=plan,
        stack=stack,
        engine=engine_info(plan.engine, case.get("version") or plan.engine_version),
        model=base.facts.preset(plan.model_id),
        constraints=constraints_of(plan.engine),
        deployment=read_deployment(edited(files, case.get("edits", []))),
    )


def findings(slug: str, case: dict[str, Any]) -> list[Finding]:
    """What one rule says of a case."""
    return sorted(registry.RULES[slug].check(subject_of(case)), key=lambda one: one.sort_key)
