"""A model that no device holds as a whole: a part of it left to the host's CPU, and what that costs.

Tried only when nothing fits as it is, for a model that was named, and where the host's memory is
known to hold the rest. Memory that devices and host share is never spilled into.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from infra_gen.model.calibration import known
from infra_gen.model.facts import Facts
from infra_gen.model.plan import HostShare, Placement, counted
from infra_gen.model.spec import Spec
from infra_gen.plan.candidates import Candidate, candidates
from infra_gen.plan.choose import Choice, reason_of
from infra_gen.plan.evaluate import complete, outline
from infra_gen.plan.evaluated import Evaluated
from infra_gen.plan.sizing.registry import SIZINGS
from infra_gen.plan.under_load import speed_for


def _least(candidate: Candidate, facts: Facts, spec: Spec) -> Evaluated | None:
    """With as little as possible on the CPU, so that it fits; None where nothing helps."""
    sizing = SIZINGS[candidate.engine]
    offered = sizing.placements(candidate.model.preset.architecture, facts.machine)
    if not offered or sizing.settings(spec.engine_args).placed:
        return None
    return _first_that_fits(candidate, offered, facts, spec)


def _first_that_fits(
    candidate: Candidate, offered: Sequence[Placement], facts: Facts, spec: Spec
) -> Evaluated | None:
    def tried(index: int) -> Evaluated:
        placed = replace(candidate, placement=offered[index])
        return complete(outline(placed, facts, spec), facts)

    low, high = -1, len(offered) - 1
    best = tried(high)
    if not best.fits:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        found = tried(middle)
        if found.fits:
            best, high = found, middle
        else:
            low = middle
    return best


def _meets(found: Evaluated) -> bool:
    reached = found.performance
    return reached.meets_ttft is not False and reached.meets_tpot is not False


def _host_holds(found: Evaluated, facts: Facts) -> bool | None:
    """Whether the host's memory holds its part; None where it is not known how much there is."""
    have = facts.machine.host_memory_gib
    if have is None:
        return None
    return found.memory.host_needed_gib + known(facts.calibration.host.kept_gib) <= have


def _all(facts: Facts, spec: Spec) -> Iterator[Evaluated]:
    if facts.auto_model:
        return
    for candidate in candidates(facts, spec, None):
        found = None if candidate.illegal else _least(candidate, facts, spec)
        if found is not None and _meets(found):
            yield found


def _speed(found: Evaluated) -> tuple[int, float]:
    carried = found.performance.users_supported or 0
    point = found.performance.typical
    return carried, -(point.tpot_ms or float("inf")) if point else -float("inf")


def instead_of(choice: Choice, facts: Facts, spec: Spec) -> Choice:
    """The choice, with a part of the model on the host's CPU where that is the only way."""
    found = best(facts, spec)
    return replace(choice, best=found, reason=reason_of(found, spec, facts)) if found else choice


def best(facts: Facts, spec: Spec) -> Evaluated | None:
    """The one that carries most users, then the fastest, of those that host and targets allow."""
    held = [found for found in _all(facts, spec) if _host_holds(found, facts)]
    return max(held, key=_speed, default=None)


def hint(facts: Facts, spec: Spec) -> tuple[str, ...]:
    """What would fit if the host's memory, which is not known, holds the rest; as words to type."""
    if facts.machine.host_memory_gib is not None:
        return ()
    found = max(_all(facts, spec), key=_speed, default=None)
    if found is None or found.candidate.engine != "llama.cpp":
        return ()
    placed = found.limits.placement
    flags = []
    if placed.cpu_moe_layers:
        flags.append(f"--set n-cpu-moe={placed.cpu_moe_layers}")
    if placed.gpu_layers is not None:
        flags.append(f"--set n-gpu-layers={placed.gpu_layers}")
    need = found.memory.host_needed_gib
    method = found.candidate.weights.quantization
    return (
        f"--engine llama.cpp {' '.join(flags)} ({method}, {need:.0f} GiB of host memory, "
        f"{_rate(found, facts)})",
    )


def _rate(found: Evaluated, facts: Facts, *, whole: bool = False) -> str:
    """Tokens per second of one request; `whole`: as if devices held everything."""
    model = speed_for(found.candidate, facts, found.memory, found.limits)
    if whole:
        model = replace(model, on_host=HostShare())
    load = facts.workload
    point = model.point(1, load.input_tokens.low, load.output_tokens.low)
    if not point.tpot_ms:
        return "speed unknown"
    return f"about {1e3 / point.tpot_ms:.2g} tokens/s"


def layers_beside(placement: Placement, layers: int) -> str:
    """What stays on the CPU, in words; `layers` of the model."""
    if placement.gpu_layers is not None:
        gone = max(0, layers + 1 - placement.gpu_layers)
        said = f"{gone} of {counted(layers, 'layer')}"
        return said if not placement.cpu_moe_layers else f"{said} and all experts"
    return f"the experts of {min(placement.cpu_moe_layers, layers)} of {counted(layers, 'layer')}"


def warnings(found: Evaluated, facts: Facts) -> Iterator[str]:
    """What a model that is partly on the CPU costs; nothing where devices hold it all."""
    if found.memory.on_host.none:
        return
    layers = found.candidate.model.preset.architecture.layers
    placed = found.limits.placement
    beside = "the cache" if placed.whole else layers_beside(placed, layers)
    verb = "is" if placed.whole else "run"
    yield (
        f"{beside} {verb} on the CPU: {_rate(found, facts)} for one request instead of "
        f"{_rate(found, facts, whole=True).removeprefix('about ')}"
    )
    need, have = found.memory.host_needed_gib, facts.machine.host_memory_gib
    if need and have is None:
        yield f"the host needs {need:.1f} GiB of memory for it; how much it has is not known here"
    elif need and not _host_holds(found, facts):
        yield f"the host needs {need:.1f} GiB of memory for it and has {have:g}"
