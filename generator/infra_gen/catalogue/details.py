"""What `show` prints of one preset: its facts, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from infra_gen.catalogue.loading import loading_problem
from infra_gen.catalogue.reading import checkpoint_rows, ids, instance_row, sizes_of, target_row
from infra_gen.catalogue.sections import Fact, Section, facts_of, sections_of, text_of
from infra_gen.knowledge import store
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.engine import EngineInfo
from infra_gen.model.engine_facts import EngineFacts
from infra_gen.model.hardware import DevicePreset, InstancePreset
from infra_gen.model.llm import ModelPreset
from infra_gen.model.machine import Machine
from infra_gen.model.plan import GIB
from infra_gen.model.sourced import Record
from infra_gen.model.workload import Workload
from infra_gen.plan.kv_cache import bytes_per_token, cache_groups
from infra_gen.rules.registry import RULES

_KV_TYPES = {"auto": "16 bit", "fp8": "fp8", "q8_0": "q8_0", "q4_0": "q4_0"}


_RECORDS: Mapping[str, type[Record]] = {
    "hardware": DevicePreset,
    "instances": InstancePreset,
    "models": ModelPreset,
    "engines": EngineFacts,
    "workloads": Workload,
}


def record(kind: str, name: str) -> dict[str, Any]:
    """The preset as its file has it, with `kind` in front; what is left out has its default."""
    if kind == "rules":
        document = asdict(RULES[name].RULE)
    elif kind == "targets":
        document = asdict(target_row(name))
    else:
        validated = store.validated(
            _RECORDS[kind], store.document(kind, name), store.preset_path(kind, name)
        )
        document = validated.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    return {"kind": kind, **document}


def _gib(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _plain(value: float | None) -> str:
    return text_of(value) or "unknown"


def _image(info: EngineInfo, machine: Machine) -> str:
    """The image as its default version names it, or why there is none."""
    facts = info.image_facts(machine)
    if facts is None:
        return f"none: {info.unavailable(machine, 'container')}"
    return f"{facts.repository}:{facts.tag.format(version=info.version)}"


def _build(info: EngineInfo, machine: Machine) -> str:
    """The build that runs without a container, or none."""
    facts = info.native_facts(machine)
    return facts.asset.format(version=info.version) if facts else "none"


def _engines_for(machine: Machine) -> Section:
    """What of each engine runs on the machine."""
    containers = machine.os != "macos"
    found = []
    for name in ids("engines"):
        info = engine_info(name)
        if containers:
            found.append(Fact(f"{name} {info.version} image", _image(info, machine)))
        found.append(Fact(f"{name} {info.version} without a container", _build(info, machine)))
    lines = () if containers else ("Containers on macOS do not reach the GPU.",)
    return Section(f"Engines on {machine.os} {machine.arch}", tuple(found), lines=lines)


def _sizes(preset: DevicePreset) -> Section:
    rows = [("--hardware", "visible GiB", "usable GiB", "bandwidth GB/s")]
    rows += [
        (size.word, _gib(size.visible_gib), _gib(size.usable_gib), _plain(size.bandwidth_gb_s))
        for size in sizes_of(preset)
    ]
    return Section("Memory sizes, as plans take them", table=tuple(rows))


def _hardware(name: str) -> tuple[Section, ...]:
    preset = store.load("hardware", name, DevicePreset)
    own = sections_of(preset, f"{preset.name} (hardware {name})")
    return (*own, _sizes(preset), _engines_for(resolve_machine(name)))


def _instance(name: str) -> tuple[Section, ...]:
    preset = store.load("instances", name, InstancePreset)
    device = store.load("hardware", preset.device, DevicePreset)
    own = sections_of(preset, f"{preset.name} (instance {name})")
    row = instance_row(name)
    line = (
        f"{preset.devices} x {device.name}, {_gib(row.visible_gib)} GiB visible each: "
        f"infra-gen show hardware {device.id}"
    )
    machine = resolve_machine(preset.device)
    return (*own, Section("Devices", lines=(line,)), _engines_for(machine))


def _weights(preset: ModelPreset) -> Section:
    rows = [("quantization", "weights GiB", "engines", "size is", "format", "repository")]
    rows += [
        (
            one.quantization,
            _gib(one.bytes / GIB),
            ", ".join(one.engines) or "none",
            "computed" if one.computed else "published",
            one.format,
            one.repo,
        )
        for one in checkpoint_rows(preset)
    ]
    return Section("Weights", table=tuple(rows), lines=_not_loaded(preset))


def _not_loaded(preset: ModelPreset) -> tuple[str, ...]:
    """Reasons where an engine that reads the format still does not load a checkpoint."""
    said = []
    for checkpoint in preset.checkpoints:
        for name in ids("engines"):
            info = engine_info(name)
            problem = loading_problem(info, preset, checkpoint)
            if problem and checkpoint.format in info.facts.reach.formats:
                said.append(f"{checkpoint.quantization} ({checkpoint.repo}): {problem}")
    return tuple(dict.fromkeys(said))


def _kv_cache(preset: ModelPreset) -> Section:
    """Per token, and what one request of the whole context holds; windows stop growing."""
    arch, context = preset.architecture, preset.architecture.max_context
    rows = [("type", "bytes per token", f"GiB of one request of {context} tokens")]
    for kv_type, label in _KV_TYPES.items():
        groups = cache_groups(arch, 1, kv_type)
        held = sum(
            group.layers * group.layer_bytes_per_token * min(group.window or context, context)
            for group in groups
        )
        rows.append((label, str(bytes_per_token(groups)), _gib(held / GIB)))
    windows = sorted({group.window for group in cache_groups(arch, 1, "auto") if group.window})
    lines = (
        f"Layers with a window of {text_of(windows)} tokens stop growing there; a token after that "
        "costs less.",
    )
    return Section("Key-value cache", table=tuple(rows), lines=lines if windows else ())


def _model(name: str) -> tuple[Section, ...]:
    preset = store.load("models", name, ModelPreset)
    own = sections_of(preset, f"{preset.name} (model {name})")
    cache = (_kv_cache(preset),) if preset.task == "generate" else ()
    return (own[0], _weights(preset), *cache, *own[1:])


def _routes(info: EngineInfo) -> Section:
    rows = [("path", "methods", "streams", "for", "source")]
    rows += [
        (
            route.path,
            ", ".join(route.methods),
            "yes" if route.streams else "no",
            ", ".join(route.tasks),
            route.source,
        )
        for route in info.facts.http.routes
    ]
    return Section("Routes for clients", table=tuple(rows))


def _engine(name: str) -> tuple[Section, ...]:
    info = engine_info(name)
    table = info.table
    counts = (
        Fact("flags", str(len({flag.name for flag in table.flags.values()}))),
        Fact("environment variables", str(len(table.env))),
        Fact("metrics", str(len(table.metrics))),
        Fact("cache types", text_of(table.kv_cache_dtypes)),
    )
    title = f"{info.facts.title} (engine {name})"
    own = sections_of(info.facts, title, without=("schema_", "engine", "table", "http"))
    known = Section(f"Known of version {info.version}", counts)
    http = Section("Http", facts_of(info.facts.http, without=("routes",)))
    return (own[0], known, *own[1:], http, _routes(info))


def _target(name: str) -> tuple[Section, ...]:
    row = target_row(name)
    facts = (
        Fact("runs", row.runtime),
        Fact("system", row.os),
        Fact("engines", text_of(row.engines)),
    )
    return (Section(f"{name} (target)", facts, lines=(row.name,)),)


def _workload(name: str) -> tuple[Section, ...]:
    workload = store.workload(name)
    return sections_of(workload, f"{workload.name} (workload {name})")


_DETAILS: Mapping[str, Callable[[str], tuple[Section, ...]]] = {
    "hardware": _hardware,
    "instances": _instance,
    "models": _model,
    "engines": _engine,
    "targets": _target,
    "workloads": _workload,
}


def details(kind: str, name: str) -> tuple[Section, ...]:
    """Everything about a preset; of a rule, print its page instead."""
    return _DETAILS[kind](name)
