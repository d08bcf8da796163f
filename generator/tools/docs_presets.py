"""Reference pages of the presets: hardware, models, workloads, calibration."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.knowledge import store
from infra_gen.model.calibration import ByArchitecture, ByDevices, Calibration, Efficiency
from infra_gen.model.hardware import DevicePreset
from infra_gen.model.llm import ModelPreset
from infra_gen.model.sourced import Sourced
from infra_gen.model.workload import Workload
from tools.docs_markdown import cell, number, page, table

_MARK = "\\*"
_ASSUMED = f"{_MARK} assumed or computed, not read somewhere: the preset's note says how."


def _value(fact: Sourced[float] | Sourced[int] | None) -> str:
    if fact is None:
        return ""
    return number(fact.value) + (_MARK if fact.assumed else "")


def _visible(preset: DevicePreset) -> str:
    if preset.memory_options:
        sizes = ", ".join(
            f"**{o.gib}**" if o.gib == preset.default_memory_gib else str(o.gib)
            for o in preset.memory_options
        )
        return f"{sizes} (RAM)"
    return _value(preset.visible_gib) or f"95 % of {number(preset.nominal_gib.value)}"


def _sources(preset: DevicePreset) -> str:
    facts = (preset.visible_gib, preset.nominal_gib, preset.bandwidth_gb_s, preset.fp16_tflops)
    found = [fact.source for fact in facts if fact and fact.source]
    return "; ".join(dict.fromkeys(found))


def hardware_page() -> str:
    """docs/reference/hardware.md."""
    rows = []
    for name in store.names("hardware"):
        preset = store.load("hardware", name, DevicePreset)
        rows.append(
            (
                f"`{name}`", ", ".join(preset.aliases), _visible(preset),
                _value(preset.reserved_gib), _value(preset.bandwidth_gb_s),
                _value(preset.fp16_tflops), _value(preset.fp8_tflops),
                preset.compute_capability or preset.gfx or "", preset.max_per_node,
                _sources(preset),
            )
        )  # fmt: skip
    return page(
        "Hardware",
        f"{len(rows)} presets, one device each. Write several as `2x4090`, `4090:2` or `h100:8`. An "
        "Apple chip comes in several memory sizes: `apple-m3-24gb` names one, `apple-m3` alone means "
        "the size in bold. What a plan may fill is visible minus reserved memory, and on Apple chips "
        "at most the share that macOS lets the GPU wire.",
        "GiB are 2^30 bytes, GB/s are 10^9 bytes a second, TFLOPS are dense. " + _ASSUMED,
        table(
            ["Name", "Also", "Visible GiB", "Reserved GiB", "GB/s", "FP16 TFLOPS", "FP8 TFLOPS",
             "Capability", "At most", "Sources"],
            rows,
        ),
        "Each value's own source, the day it was checked and its note are in "
        "`presets/hardware/<name>.yaml`. Yours is missing? "
        "[Add a GPU](../../CONTRIBUTING.md#add-a-gpu).",
    )  # fmt: skip


def _checkpoints(preset: ModelPreset, form: str) -> str:
    found = []
    for checkpoint in preset.checkpoints:
        if checkpoint.format == form:
            size = checkpoint.bytes.value
            label = f"{size / 2**30:.1f}" if size else "size unknown"
            found.append(f"{checkpoint.quantization} ({label})")
    return ", ".join(found)


def models_page() -> str:
    """docs/reference/models.md."""
    rows = []
    for name in store.names("models"):
        preset = store.load("models", name, ModelPreset)
        gated = {True: "yes", False: "no", None: "unknown"}[preset.gated.value]
        active = preset.params_active.value or 0
        rows.append(
            (
                f"`{name}`", f"`{preset.hf_id}`", f"{(preset.params_total.value or 0) / 1e9:.1f}",
                f"{active / 1e9:.1f}", number(preset.architecture.max_context),
                preset.license.value or "unknown", gated,
                _checkpoints(preset, "safetensors"), _checkpoints(preset, "gguf"),
            )
        )  # fmt: skip
    return page(
        "Models",
        f"{len(rows)} presets. `model: auto` takes only those with a known licence and no access "
        "form, and of those only checkpoints whose size is known. A Hugging Face id of a preset works "
        "as its name. Any other model: [your own folder](../how-to/own-model-folder.md).",
        "Parameters in 10^9, checkpoint sizes in GiB, context in tokens.",
        table(
            ["Name", "Hugging Face id", "Parameters", "Active", "Context", "Licence", "Gated",
             "Safetensors, for vLLM", "GGUF, for llama.cpp"],
            rows,
        ),
        "Sources are in `presets/models/<name>.yaml`.",
    )  # fmt: skip


def workloads_page() -> str:
    """docs/reference/workloads.md."""
    loaded = [store.workload(name) for name in store.names("workloads")]
    rows = [
        (
            f"`{one.id}`", one.name, _value(one.input_tokens.p50), _value(one.input_tokens.p95),
            _value(one.output_tokens.p50), _value(one.output_tokens.p95), _value(one.think_s),
        )
        for one in loaded
    ]  # fmt: skip
    notes = [f"## {one.id}\n\n{_workload_facts(one)}" for one in loaded]
    return page(
        "Workloads",
        "What one request looks like, and how long a person pauses before the next. Token counts "
        "are read as log-normal distributions through these two points. " + _ASSUMED,
        table(
            ["Name", "What", "In, median", "In, p95", "Out, median", "Out, p95", "Pause, s"], rows
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


def _constants(calibration: Calibration) -> Iterator[tuple[str, Sourced[float] | Sourced[int]]]:
    """Every constant that is not an efficiency, by dotted name."""
    for name in Calibration.model_fields:
        held = getattr(calibration, name)
        if isinstance(held, ByArchitecture):
            yield from ((f"{name}.dense", held.dense), (f"{name}.moe", held.moe))
        elif isinstance(held, ByDevices):
            yield from ((f"{name}.single", held.single), (f"{name}.parallel", held.parallel))
        elif isinstance(held, dict):
            yield from ((f"{name}.{key}", fact) for key, fact in held.items())
        elif isinstance(held, Sourced):
            yield name, held


def _origin(fact: Sourced[float] | Sourced[int] | Efficiency) -> str:
    return f"assumed: {fact.note}" if fact.assumed else str(fact.source)


def calibration_page() -> str:
    """docs/reference/calibration.md."""
    calibration = store.calibration()
    head = ["Engine", "Vendor", "Devices", "Share", "Source"]

    def shares(rows: tuple[Efficiency, ...]) -> str:
        return table(
            head, [(r.engine, r.vendor, r.devices, number(r.value), _origin(r)) for r in rows]
        )

    constants = [(f"`{n}`", number(f.value), _origin(f)) for n, f in _constants(calibration)]
    return page(
        "Calibration",
        "The constants of the memory and speed model, from `presets/calibration/roofline.yaml`. How "
        "they are used: [sizing](../explanation/sizing.md).",
        "## Share of memory bandwidth that decoding reaches\n\nBetween two rows the share is "
        "interpolated; above the last row it stays.",
        shares(calibration.decode_efficiency),
        "## Share of FP16 compute that prefill reaches",
        shares(calibration.prefill_efficiency),
        "## Other constants",
        table(["Name", "Value", "Source"], constants),
    )
