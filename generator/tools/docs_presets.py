"""Reference pages of the presets: models and workloads."""

from __future__ import annotations

from collections import Counter

from infra_gen.knowledge import store
from infra_gen.model.llm import ModelPreset
from infra_gen.model.workload import Workload
from tools.docs_markdown import MARK, cell, number, page, table, value

_ASSUMED = f"{MARK} assumed or computed, not read somewhere: the preset's note says how."
_FORMATS = {
    "safetensors": "Safetensors, for vLLM and TGI",
    "gguf": "GGUF, for llama.cpp and Ollama",
}
_TASKS = {
    "generate": "Models that write\n\nFor the workloads `chat`, `rag`, `code` and `batch`.",
    "embed": "Models that embed\n\nFor the workload `embed`: text in, a vector out. "
    "[How to serve one](../how-to/embeddings.md).",
    "rerank": "Models that rerank\n\nFor the workload `rerank`: a question and texts in, a score for "
    "each out.",
}


def _checkpoints(preset: ModelPreset, form: str) -> str:
    found = []
    for checkpoint in preset.checkpoints:
        if checkpoint.format == form:
            size = checkpoint.bytes.value
            label = f"{size / 2**30:.{1 if size > 2**30 else 2}f}" if size else "size unknown"
            found.append(f"{checkpoint.quantization} ({label})")
    return ", ".join(found)


def _model(preset: ModelPreset) -> tuple[object, ...]:
    gated = {True: "yes", False: "no", None: "unknown"}[preset.gated.value]
    quality = preset.quality.value if preset.quality else None
    return (
        f"`{preset.id}`", f"`{preset.hf_id}`", _billions(preset.params_total.value),
        _billions(preset.params_active.value), number(preset.architecture.max_context),
        preset.license.value or "unknown", gated, "" if quality is None else number(quality),
        *(_checkpoints(preset, form) for form in _FORMATS),
    )  # fmt: skip


def _billions(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e9:.{2 if count < 1e9 else 1}f}"


def _scale(presets: list[ModelPreset]) -> str:
    counted = Counter(p.quality.scale for p in presets if p.quality and p.quality.value is not None)
    scale = max(counted, key=lambda name: (counted[name], name), default=None)
    return f"Quality: {scale}." if scale else "No measure of quality is known for these."


def models_page() -> str:
    """docs/reference/models.md."""
    presets = [store.load("models", name, ModelPreset) for name in store.names("models")]
    head = (
        "Name", "Hugging Face id", "Parameters", "Active", "Context", "Licence", "Gated", "Quality",
        *_FORMATS.values(),
    )  # fmt: skip
    parts = []
    for task, title in _TASKS.items():
        these = [preset for preset in presets if preset.task == task]
        parts.append(f"## {title} {_scale(these)}\n\n{table(head, map(_model, these))}")
    return page(
        "Models",
        f"{len(presets)} presets. `model: auto` takes only those with a known licence and no access "
        "form, and of those only checkpoints whose size is known, [the best measured first]"
        "(../explanation/choosing.md). A Hugging Face id of a preset works as its name. Any other "
        "model: [a model of your own](../how-to/your-own-model.md).",
        "Parameters in 10^9, checkpoint sizes in GiB, context in tokens.",
        *parts,
        "## More\n\nSources are in `presets/models/<name>.yaml`; `infra-gen show NAME` prints them. Yours "
        "is missing? [Add a model](../../CONTRIBUTING.md#add-a-model).",
    )


def workloads_page() -> str:
    """docs/reference/workloads.md."""
    loaded = [store.workload(name) for name in store.names("workloads")]
    rows = [
        (
            f"`{one.id}`", one.name, one.task, value(one.input_tokens.p50), value(one.input_tokens.p95),
            value(one.output_tokens.p50), value(one.output_tokens.p95), value(one.think_s),
        )
        for one in loaded
    ]  # fmt: skip
    notes = [f"## {one.id}\n\n{_workload_facts(one)}" for one in loaded]
    return page(
        "Workloads",
        "What one request looks like, and how long a person pauses before the next. Token counts "
        "are read as log-normal distributions through these two points. A workload is for models of "
        "its kind: `generate`, `embed` or `rerank`. " + _ASSUMED,
        table(
            [
                "Name",
                "What",
                "Kind",
                "In, median",
                "In, p95",
                "Out, median",
                "Out, p95",
                "Pause, s",
            ],
            rows,
        ),
        *notes,
    )


def _workload_facts(workload: Workload) -> str:
    facts = {
        "in, median": workload.input_tokens.p50,
        "in, p95": workload.input_tokens.p95,
        "out, median": workload.output_tokens.p50,
        "out, p95": workload.output_tokens.p95,
    }
    lines = [f"- {label}: {cell(fact.source or fact.note)}" for label, fact in facts.items()]
    lines.append(f"- pause: {cell(workload.think_s.source or workload.think_s.note)}")
    return "\n".join(lines)
