"""Reference page of the engines: what is pinned and known of each."""

from __future__ import annotations

from typing import Any

from infra_gen.engines.registry import ENGINES
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.tables import table_document
from infra_gen.model.engine import EngineInfo
from infra_gen.model.engine_facts import EngineFacts, Fact
from tools.docs_markdown import page, table

_KNOBS = {
    "context": "context of one request",
    "concurrency": "requests at once",
    "batched_tokens": "tokens of one step",
    "memory_fraction": "share of device memory",
    "tensor_parallel": "devices that share each layer",
    "gpu_layers": "layers on the GPU",
    "served_name": "the model's name in the API",
    "model": "the model",
    "listen": "address and port in one",
}
_NOT_THERE = "not established, or there is none"
_MIGRATION_GUIDE = "../how-to/tgi.md#move-to-vllm"


def _code(value: object) -> str:
    return f"`{value}`"


def _fact(name: str, fact: Fact[Any]) -> tuple[str, str, str]:
    value = fact.value
    if isinstance(value, bool):
        return name, "yes" if value else "no", fact.note or ""
    if isinstance(value, tuple | list):
        value = ", ".join(map(str, value)) or "none"
    return name, _NOT_THERE if value is None else _code(value), fact.note or ""


def _facts(facts: EngineFacts) -> list[tuple[str, str, str]]:
    wanted: list[tuple[str, Fact[Any]]] = [
        ("port", facts.http.port),
        ("health", facts.http.health_path),
        ("ready", facts.http.ready_path),
        ("metrics", facts.http.metrics_path),
        ("flag that turns metrics on", facts.http.metrics_flag),
        ("Host header that a proxy must send", facts.http.host_header),
        ("sends nothing before the first token", facts.http.first_byte_is_token),
        ("answers 503 while it loads", facts.http.loads_with_503),
        ("key: variable", facts.auth.key_env),
        ("key: flag", facts.auth.key_flag),
        ("key: file flag", facts.auth.key_file_flag),
        ("paths that need the key", facts.auth.guarded),
        ("paths without a key", facts.auth.public),
        ("on SIGTERM", facts.shutdown.behaviour),
        ("drain flag", facts.shutdown.drain_flag),
        ("drain by default, s", facts.shutdown.drain_default_seconds),
        ("shared memory", facts.container.shm_needed),
        ("user of the image", facts.container.user),
        ("user that also works", facts.container.nonroot_user),
        ("llama.cpp build inside", facts.reach.llama_cpp_build),
        ("models in several GGUF files", facts.reach.sharded_gguf),
    ]
    return [_fact(name, fact) for name, fact in wanted]


def _images(info: EngineInfo) -> str:
    rows = []
    for image in info.facts.images:
        only = [*(image.families or ()), *(image.gfx or ())]
        capabilities = image.compute_capabilities or ()
        rows.append(
            (
                f"{image.accelerator}{' (default)' if image.default else ''}",
                _code(f"{image.repository}:{image.tag.format(version=info.version)}"),
                ", ".join(only or [f"{one:.1f}" for one in capabilities]) or "all",
                image.min_driver or "not established", ", ".join(image.platforms), image.verified,
            )
        )  # fmt: skip
    return table(["For", "Image", "Devices", "Oldest driver", "Platforms", "Verified"], rows)


def _natives(info: EngineInfo) -> str:
    rows = [
        (
            native.platform, native.accelerator,
            f"<{native.url.format(version=info.version)}>" if native.method == "archive"
            else f"package `{native.asset.format(version=info.version)}` from <{native.url}>",
            native.sha256 or "not known", native.verified,
        )
        for native in info.facts.native
    ]  # fmt: skip
    if not rows:
        return "None: it runs in containers only."
    return table(["Platform", "For", "Build", "sha256", "Verified"], rows)


def _routes(facts: EngineFacts) -> str:
    rows = [
        (
            " ".join(route.methods), _code(route.path), "yes" if route.streams else "no",
            ", ".join(route.tasks), _code(route.source),
        )
        for route in facts.http.routes
    ]  # fmt: skip
    return table(["Method", "Path", "Streams", "For models that", "Source"], rows)


def _knobs(facts: EngineFacts) -> str:
    knobs = facts.knobs
    rows = []
    for field, what in _KNOBS.items():
        name: str | None = getattr(knobs, field)
        default = ", ".join(map(_code, knobs.automatic.get(field, ())))
        rows.append(
            (
                what, _code(name) if name else "none",
                "yes" if field in knobs.explicit else "", default,
            )
        )  # fmt: skip
    shared = (
        "\n\nThe context is divided among all requests that run at once."
        if knobs.context_shared
        else ""
    )
    return table(["Number", "Carried by", "Must be written", "Means `left out`"], rows) + shared


def _quiet(facts: EngineFacts) -> str:
    rows = [
        (_code(f"{one.name}={one.value}"), when, one.because)
        for when, group in (
            ("always", facts.environment.private),
            ("with `offline`", facts.environment.offline),
        )
        for one in group
    ]
    return table(["Variable", "Set", "Why"], rows) if rows else "Nothing is known to report home."


def _maintenance(facts: EngineFacts) -> str:
    said = facts.maintenance.value
    more = " ".join(part for part in (said, facts.maintenance.note) if part)
    if facts.migration is None:
        return more
    rows = [
        (_code(one.setting), _code(one.instead) if one.instead else "none", one.note or "")
        for one in facts.migration.settings
    ]
    head = [facts.title, engine_info(facts.migration.to).facts.title, "Note"]
    return (
        f"{more}\n\nWhat its settings are called elsewhere ([how to move]({_MIGRATION_GUIDE})):\n\n"
        + table(head, rows)
    )


def _counts(info: EngineInfo) -> str:
    table_ = info.table
    document = table_document(info.name)
    source = next(row for row in document["sources"] if row["version"] == table_.base)
    digest = f" (sha256 `{source['sha256']}`)" if "sha256" in source else ""
    rows = [
        ("flags", len({spec.name for spec in table_.flags.values()}), len(table_.removed_flags)),
        ("variables", len(table_.env), len(table_.removed_env)),
        ("metrics", len(table_.metrics), len(table_.removed_metrics)),
    ]
    return (
        f"Extracted from `{source['artifact']}`{digest}: {document['method']}. "
        f"[All of it, through {len(document['versions'])} versions](tables/{info.name}.md).\n\n"
        + table(["What", f"In {info.version}", "Known to be gone"], rows)
    )


def _engine(name: str) -> list[str]:
    info = engine_info(name)
    facts, title = info.facts, info.facts.title
    loads = f"Loads {', '.join(facts.reach.formats)}; serves {', '.join(facts.reach.tasks)}."
    known = facts.reach.architectures.value
    if known:
        loads += f" {len(known)} classes of models, no others."
    return [
        f"## {title}\n\nPinned version: **{info.version}**. {loads}",
        f"### Maintenance of {title}\n\n{_maintenance(facts)}",
        f"### Table of {title}\n\n{_counts(info)}",
        f"### Images of {title}\n\n{_images(info)}",
        f"### Builds of {title} without containers\n\n{_natives(info)}",
        f"### Routes of {title}\n\nWhat a proxy lets through, by the kind of model; [nothing else]"
        f"(../how-to/expose.md#what-gets-through).\n\n{_routes(facts)}",
        f"### Planned numbers of {title}\n\n{_knobs(facts)}",
        f"### Variables that keep {title} quiet\n\n{_quiet(facts)}",
        f"### Behaviour of {title}\n\n" + table(["What", "Value", "Note"], _facts(facts)),
    ]


def engines_page() -> str:
    """docs/reference/engines.md."""
    parts = [part for name in sorted(ENGINES) for part in _engine(name)]
    return page(
        "Engines",
        "What infra-gen knows about each engine, from `presets/engines/<name>/`. `verified: never` "
        "means that nobody has pulled this tag or archive for us. Sources of each fact are in "
        "`engine.yaml` there. Which one to take: [choosing an engine]"
        "(../explanation/choosing-an-engine.md).",
        *parts,
    )
