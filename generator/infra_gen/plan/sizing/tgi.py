"""TGI: paged cache sized by its own warm-up, tensor parallelism ("shards") over every device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from infra_gen.errors import UsageError
from infra_gen.model.calibration import Calibration
from infra_gen.model.engine import EngineInfo
from infra_gen.model.llm import Architecture, ModelPreset, Parsers
from infra_gen.model.machine import Machine
from infra_gen.model.plan import Limits, Memory, Placement, Weights
from infra_gen.plan import legality, quantization
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import shared_cache, tgi_memory, tgi_settings
from infra_gen.plan.sizing.contract import Ask, Split

name = "tgi"
calibrated_as = "vllm"
reserves_slots = False
borrows_speed = True
gives_room = False
settings = tgi_settings.settings

LOCAL_MODEL = "/models"  # where a folder of the host is mounted
_MAX_REQUESTS = 512
_REQUESTS_DEFAULT = 128  # --max-concurrent-requests
_PREFILL_DEFAULT = 4096  # --max-batch-prefill-tokens; never under one whole prompt
_QUANTIZE: dict[str, str | None] = {
    "bf16": None,
    "fp16": None,
    "fp8": "fp8",
    "awq-int4": "awq",
    "gptq-int4": "gptq",
    "w4a16": "compressed-tensors",
    "w8a8-int8": "compressed-tensors",
}


def quantize(method: str) -> str | None:
    """The value of --quantize for that method, None for plain weights."""
    return _QUANTIZE[method]


def placements(arch: Architecture, machine: Machine) -> Sequence[Placement]:
    """None: everything lies on devices."""
    return ()


def problem(weights: Weights, machine: Machine, info: EngineInfo) -> str | None:
    """Why it cannot run these weights there, or None."""
    if weights.quantization not in _QUANTIZE:
        return f"TGI has no loader for {weights.quantization}"
    if machine.vendor == "nvidia":
        return quantization.capability_problem(
            weights.quantization, machine, info.min_capability, quantize(weights.quantization)
        )
    if machine.vendor == "amd":
        plain = quantize(weights.quantization) is None
        return None if plain else f"{weights.quantization} is not sourced for TGI on ROCm"
    return f"TGI is not planned on {machine.vendor}"


def splits(
    arch: Architecture, method: str, machine: Machine, tensor: int | None
) -> Iterator[Split]:
    """Shards: the fewest devices first. It has no data parallelism and no expert parallelism."""
    sizes = [tensor] if tensor else legality.divisors(machine.devices)
    for split, why in shared_cache.tensor_splits(arch, method, sizes):
        yield split, "TGI does not keep experts whole" if split.expert and not why else why


def limits(ask: Ask) -> Limits:
    """Requests as expected, a prefill batch that holds the longest prompt."""
    return Limits(
        context=ask.context,
        max_num_seqs=min(_MAX_REQUESTS, math.ceil((ask.requests or _REQUESTS_DEFAULT) / 8) * 8),
        max_num_batched_tokens=max(_PREFILL_DEFAULT, ask.context),
        memory_fraction=tgi_memory.fraction(ask.machine, ask.calibration),
        kv_cache_dtype="auto",
    )


def memory_of(
    machine: Machine, arch: Architecture, shape: Shape, calibration: Calibration
) -> Memory:
    """The fullest shard."""
    return tgi_memory.tgi_memory(machine, arch, shape, calibration)


def shortfall(mem: Memory, context: int) -> float:
    """GiB a device lacks; 0 when it fits."""
    return shared_cache.shortfall(mem, context)


def served_name(preset: ModelPreset, weights: Weights, asked: str | None) -> str:
    """The repository, or the folder as the server sees it: TGI answers under no other name."""
    own = weights.repo or preset.hf_id
    if weights.local_path:
        own = LOCAL_MODEL
    if asked and asked != own:
        raise UsageError(
            f"TGI calls the model {own} in its API, whatever is asked for",
            where="serve.name",
            hint="leave serve.name at auto",
        )
    return own


def parsers(preset: ModelPreset) -> Parsers | None:
    """None: it reads tool calls by grammar."""
    return None
