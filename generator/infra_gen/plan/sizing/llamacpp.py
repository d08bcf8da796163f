"""llama-server: every slot reserves its context at start, layers are split over devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra_gen.model.calibration import Calibration
from infra_gen.model.engine import EngineInfo
from infra_gen.model.llm import Architecture, ModelPreset, Parsers
from infra_gen.model.machine import Machine
from infra_gen.model.plan import Limits, Memory, Parallelism, Placement, Weights
from infra_gen.plan.memory import UBATCH, Shape
from infra_gen.plan.sizing import llamacpp_memory, llamacpp_settings
from infra_gen.plan.sizing.contract import Ask, Split

name = "llama.cpp"
calibrated_as = "llama.cpp"
reserves_slots = True
borrows_speed = False
gives_room = False
settings = llamacpp_settings.settings

_MAX_SLOTS = 64


def placements(arch: Architecture, machine: Machine) -> Sequence[Placement]:
    """Experts of ever more layers on the CPU, then whole layers; the output layer stays.

    Only beside cards of their own: where memory is shared, a layer on the CPU frees nothing.
    """
    if not machine.is_gpu or machine.memory_kind != "discrete":
        return ()
    found, experts = [], 0
    if arch.moe:
        experts = arch.layers
        dense = arch.moe.dense_layers
        found = [Placement(cpu_moe_layers=n) for n in range(dense + 1, arch.layers + 1)]
    return (*found, *(Placement(n, experts) for n in range(arch.layers, 0, -1)))


def problem(weights: Weights, machine: Machine, info: EngineInfo) -> str | None:
    """Why it cannot run these weights there, or None."""
    if len(weights.files) > 1 and info.facts.reach.sharded_gguf.value is False:
        return f"{info.name} does not load a model in {len(weights.files)} GGUF files"
    return None


def splits(
    arch: Architecture, method: str, machine: Machine, tensor: int | None
) -> Iterator[Split]:
    """Layers over all devices."""
    yield Parallelism(layer_split=machine.devices), None


def limits(ask: Ask) -> Limits:
    """A slot for each request that is expected, at most 64; one where no load is stated.

    llama-server answers scrapes and health checks between two batches only, so batches stay small
    where they are slow. An input that is embedded must fit one batch.
    """
    batch = 512 if ask.machine.memory_kind != "discrete" else 2048
    if ask.task != "generate":
        batch = max(batch, ask.context)
    return Limits(
        context=ask.context,
        max_num_seqs=min(ask.requests or 1, _MAX_SLOTS),
        max_num_batched_tokens=batch,
        ubatch=UBATCH if ask.task == "generate" else batch,
        memory_fraction=None,
        kv_cache_dtype="f16",
        threads=ask.machine.cpu_cores,
    )


def memory_of(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest device of the server."""
    return llamacpp_memory.llamacpp_memory(machine, arch, shape, calibration)


def shortfall(mem: Memory, context: int) -> float:
    """GiB a device lacks; 0 when it fits."""
    return max(0.0, -mem.headroom_gib)


def served_name(preset: ModelPreset, weights: Weights, asked: str | None) -> str:
    """Any name; the preset's own unless another is asked for."""
    return asked or preset.id


def parsers(preset: ModelPreset) -> Parsers | None:
    """None: it reads the chat template itself."""
    return None
