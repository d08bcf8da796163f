"""What could be deployed: engine x model x checkpoint x split, in the order of preference.

The order is the choice: the first candidate that holds the load wins, so planning stops early and
every candidate passed over has a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from infra_gen.model.facts import Facts, ModelFacts
from infra_gen.model.llm import Checkpoint
from infra_gen.model.lock import Resolved
from infra_gen.model.plan import Machine, Parallelism, Weights
from infra_gen.model.spec import Spec
from infra_gen.plan import legality, quantization
from infra_gen.plan.weights import checkpoint_bytes, computed_bytes

_FORMAT = {"vllm": "safetensors", "llama.cpp": "gguf"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to deploy. `illegal` is why it cannot be, None when it can."""

    engine: str
    model: ModelFacts
    weights: Weights
    parallelism: Parallelism
    illegal: str | None = None


def engine_order(spec: Spec, machine: Machine, pins: Resolved | None) -> tuple[str, ...]:
    """Engines to try, best first.

    Metal and plain CPUs run llama.cpp. On a GPU vLLM batches many users best; one person alone is
    served as well by llama.cpp, with smaller files, so it goes first there.
    """
    if pins:
        return (pins.engine,)
    if spec.engine_name != "auto":
        return (spec.engine_name,)
    if machine.vendor in ("apple", "cpu"):
        return ("llama.cpp",)
    if spec.load.users == 1 and machine.devices == 1 and machine.visible_gib < 40:
        return ("llama.cpp", "vllm")
    return ("vllm", "llama.cpp")


def model_order(facts: Facts) -> tuple[ModelFacts, ...]:
    """Models, best first: more parameters, then newer. `auto` wants licence and files sourced."""
    if not facts.auto_model:
        return facts.models
    eligible = [m for m in facts.models if m.preset.license.value and not m.preset.gated.value]

    def key(model: ModelFacts) -> tuple[int, str, str]:
        preset = model.preset
        return (preset.params_total.value or 0, preset.released.value or "", preset.id)

    return tuple(sorted(eligible, key=key, reverse=True))


def _from_checkpoint(model: ModelFacts, checkpoint: Checkpoint) -> Weights:
    size, stated = checkpoint_bytes(model.preset, checkpoint)
    return Weights(
        format=checkpoint.format,
        quantization=checkpoint.quantization,
        bytes=size,
        basis="checkpoint" if stated else "computed",
        repo=checkpoint.repo,
        files=checkpoint.files,
        revision=checkpoint.revision,
        sha256=checkpoint.sha256,
    )


def _folder_weights(model: ModelFacts) -> Weights:
    method = model.folder_quantization or "bf16"
    size = model.folder_bytes or computed_bytes(model.preset, method)
    return Weights(
        format="safetensors",
        quantization=method,
        bytes=size,
        basis="checkpoint" if model.folder_bytes else "computed",
        repo=None,
        files=(),
        revision=None,
        sha256=None,
        local_path=model.folder,
    )


def weights_of(model: ModelFacts, engine: str) -> list[Weights]:
    """The checkpoints that `engine` reads, best quality first; official before converted."""
    wanted = _FORMAT[engine]
    if model.folder:
        return [_folder_weights(model)] if wanted == "safetensors" else []
    found = [c for c in model.preset.checkpoints if c.format == wanted]
    if wanted == "gguf":
        found = [c for c in found if c.files]
    found.sort(key=lambda c: (quantization.rank(c.quantization), not c.official))
    return [_from_checkpoint(model, c) for c in found]


def _wanted(spec: Spec, pins: Resolved | None, auto_model: bool, weights: Weights) -> bool:
    asked = pins.quantization if pins else spec.quantization
    if asked != "auto":
        return weights.quantization.lower() == asked.lower()
    known_files = weights.basis == "checkpoint" or not auto_model
    return quantization.rank(weights.quantization) <= quantization.AUTO_FLOOR and known_files


def _vllm_splits(
    model: ModelFacts, weights: Weights, devices: int, pins: Resolved | None
) -> Iterator[tuple[Parallelism, str | None]]:
    """Dense models: the fewest devices that hold one copy, the rest as data-parallel copies.

    Experts are shared over all devices of a data-parallel group, so for MoE models every device
    goes into tensor parallelism, with whole experts (expert parallelism) where widths do not split.
    """
    arch = model.preset.architecture
    sizes = [pins.parallelism.tensor] if pins else legality.divisors(devices)
    if arch.moe and not pins:
        sizes = sizes[::-1]
    for tensor in sizes:
        problem = legality.tensor_parallel_problem(arch, tensor, weights.quantization)
        expert = False
        if problem and arch.moe and tensor > 1:
            expert = True
            problem = legality.tensor_parallel_problem(
                arch, tensor, weights.quantization, expert_parallel=True
            )
        data = 1 if arch.moe else max(1, devices // tensor)
        yield Parallelism(tensor=tensor, data=data, expert=expert), problem


def _splits(
    engine: str, model: ModelFacts, weights: Weights, machine: Machine, pins: Resolved | None
) -> Iterator[tuple[Parallelism, str | None]]:
    if engine == "vllm":
        yield from _vllm_splits(model, weights, machine.devices, pins)
    else:
        yield Parallelism(layer_split=machine.devices), None


def candidates(facts: Facts, spec: Spec, pins: Resolved | None) -> Iterator[Candidate]:
    """Every candidate in order of preference, illegal ones with their reason."""
    for model in model_order(facts):
        for engine in engine_order(spec, facts.machine, pins):
            yield from _of_model(facts, spec, pins, model, engine)


def _context_problem(spec: Spec, model: ModelFacts) -> str | None:
    limit = model.preset.architecture.max_context
    if spec.load.context == "auto" or spec.load.context <= limit:
        return None
    return f"its context ends at {limit} tokens, {spec.load.context} are asked for"


def _of_model(
    facts: Facts, spec: Spec, pins: Resolved | None, model: ModelFacts, engine: str
) -> Iterator[Candidate]:
    capabilities = facts.engines[engine].min_capability
    for weights in weights_of(model, engine):
        if not _wanted(spec, pins, facts.auto_model, weights):
            continue
        problem = None
        if engine == "vllm":
            problem = quantization.vllm_can_run(weights.quantization, facts.machine, capabilities)
        problem = problem or _context_problem(spec, model)
        for parallelism, illegal in _splits(engine, model, weights, facts.machine, pins):
            pinned = replace(weights, revision=pins.revision) if pins else weights
            yield Candidate(engine, model, pinned, parallelism, problem or illegal)
