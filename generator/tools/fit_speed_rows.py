"""Measurements of speed as rows, and what the model predicts for one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.calibration_speed import EngineSpeed, Rates, names_of, rates
from infra_gen.model.llm import ModelPreset
from infra_gen.model.machine import Machine
from infra_gen.model.plan import GIB
from infra_gen.plan import kv_cache
from infra_gen.plan.speed.precision import compute_tflops, precision_of, short_sum_tflops
from infra_gen.plan.speed.serving import Engine
from infra_gen.plan.speed.step import Limits
from infra_gen.plan.speed.work import work_of
from infra_gen.plan.weights import computed_bytes

FOLDER = Path(__file__).parents[2] / "tests" / "measurements" / "speed"
# Where a run does not say how large its cache was: vLLM's share less what a device usually holds
# beside weights and cache.
_SHARE, _HELD_GIB = 0.9, 4.0


@dataclass(frozen=True)
class Row:
    """One measured time in milliseconds. `engine` is the model of the device, without constants."""

    model: str
    hardware: str
    quantization: str
    kind: str
    concurrency: int
    input: int
    output: int
    ms: float
    version: str
    use: str
    preset: ModelPreset
    machine: Machine
    engine: Engine

    @property
    def precision(self) -> str:
        """The class of kernels."""
        return precision_of(self.quantization, self.machine)

    @property
    def group(self) -> tuple[str, str, bool]:
        """What constants of its own belong to."""
        return names_of(self.machine)[0], self.precision, self.preset.architecture.moe is not None

    def told_apart(self, *, devices: bool) -> tuple[str, str, str]:
        """The runs that a test leaves out together: a model on one kind of hardware.

        With `devices` only those on as many devices.
        """
        hardware = self.hardware if devices else self.hardware.split(":")[0]
        return self.model, hardware, self.precision


@cache
def preset_of(name: str) -> ModelPreset:
    """A preset, or LLaMA-2-7B, which is in many public runs but in no preset."""
    if name != "llama-2-7b":
        return store.load("models", name, ModelPreset)
    like = store.load("models", "llama-3.1-8b-instruct", ModelPreset)
    shape = {"kv_heads": 32, "vocab_size": 32000, "intermediate_size": 11008}
    return like.model_copy(update={"architecture": like.architecture.model_copy(update=shape)})


def _weight_bytes(preset: ModelPreset, quantization: str, stated: str) -> int:
    if stated:
        return int(stated)
    for checkpoint in preset.checkpoints:
        same = checkpoint.quantization == quantization and checkpoint.format == "safetensors"
        if same and checkpoint.bytes.value:
            return checkpoint.bytes.value
    return computed_bytes(preset, quantization)


_NO_RATES = Rates(
    weights=1.0, experts=1.0, matrices=1.0, expert_matrices=1.0, cache=1.0, attention=1.0,
    step_us=0.0, layer_us=0.0, expert_layer_us=0.0, state_layer_us=0.0, sequence_us=0.0,
    stream_us=0.0, launch_us=0.0, link_us=0.0, link_share=1.0, read_gb_s=None, sharpness=1.0,
    expert_sharpness=1.0, coverage=1.0, arrival_ms=0.0, burst=0.0, acceptance=0.5,
    relay_us=0.0, acceptance_spread=0.1, graph_tokens=0, band=1.0, measured=False,
)  # fmt: skip


def _engine(preset: ModelPreset, machine: Machine, found: dict[str, str]) -> Engine:
    tensor, data = int(found["tensor"]), int(found.get("data") or 1)
    quantization = found["quantization"]
    weights = _weight_bytes(preset, quantization, found["weight_bytes"])
    groups = kv_cache.cache_groups(preset.architecture, tensor, found.get("kv_dtype") or "auto")
    cache_bytes_per_token = sum(g.layers * g.layer_bytes_per_token for g in groups)
    room = None
    if found["kv_gib"]:
        room = float(found["kv_gib"]) * GIB
    elif found["kind"] in ("tpot", "ttft"):
        room = (_SHARE * machine.visible_gib - _HELD_GIB) * GIB - weights / (tensor * data)
    compute = compute_tflops(quantization, machine)
    plain = short_sum_tflops(quantization, machine)
    return Engine(
        work=work_of(
            preset.architecture,
            tensor=tensor,
            weight_bytes=weights,
            cache_bytes_per_token=cache_bytes_per_token,
            quantization=quantization,
            writes=True,
            data=data,
        ),
        limits=Limits(
            bandwidth=machine.bandwidth_gb_s * 1e9,
            compute=compute * 1e12 if compute else None,
            attention_compute=plain * 1e12 if plain else None,
            link=machine.interconnect_gb_s * 1e9 if machine.interconnect_gb_s else None,
            ranks=tensor,
        ),
        rates=_NO_RATES,
        batched_tokens=int(found["batched_tokens"]),
        cache_bytes=room,
    )


def _read(engine: str) -> Iterator[Row]:
    with (FOLDER / f"{engine}.csv").open(encoding="utf-8") as lines:
        for found in csv.DictReader(lines):
            preset, machine = preset_of(found["model"]), resolve_machine(found["hardware"])
            share = float(found.get("length_share") or 1)
            yield Row(
                model=found["model"],
                hardware=found["hardware"],
                quantization=found["quantization"],
                kind=found["kind"],
                concurrency=int(found["concurrency"]),
                input=round(int(found["input"]) * share),
                output=round(int(found["output"]) * share),
                ms=float(found["ms"]),
                version=found["version"],
                use=found["use"],
                preset=preset,
                machine=machine,
                engine=_engine(preset, machine, found),
            )


@cache
def rows_of(engine: str) -> tuple[Row, ...]:
    """Every row of an engine."""
    return tuple(_read(engine))


def predicted_ms(table: EngineSpeed, row: Row, known: dict[object, object]) -> float:
    """The model's time for a row. `known` keeps the constants of one table between rows.

    A prefill after `output` tokens of depth is what that many more tokens cost.
    """
    key = (names_of(row.machine), row.precision)
    if key not in known:
        known[key] = rates(table, *key)
    numbers = known[key]
    if not isinstance(numbers, Rates):
        raise LookupError(f"no constants for {row.hardware} {row.quantization}")
    engine = replace(row.engine, rates=numbers, _known={})
    requests, tokens, out = row.concurrency, row.input, row.output
    if row.kind == "step":
        return engine.waves_s(requests, tokens, out) / max(1, out - 1) * 1e3
    if row.kind == "tpot":
        return engine.per_token_s(requests, tokens, out) * 1e3
    if row.kind == "ttft":
        return engine.first_token_s(requests, tokens, out) * 1e3
    if table.id == "vllm" or not out:
        return engine.prefill_s(requests, tokens) * 1e3
    return (engine.prefill_s(1, tokens + out) - engine.prefill_s(1, out)) * 1e3
