"""Hardware for a load: the ranking, and what would carry a load that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from infra_gen.knowledge import store
from infra_gen.knowledge.offers import Wanted, offers
from infra_gen.knowledge.profiles import shared
from infra_gen.model.facts import Facts
from infra_gen.model.machine import Machine
from infra_gen.model.offer import Offer
from infra_gen.model.spec import Spec
from infra_gen.model.target import TargetKind
from infra_gen.plan.choose import AUTO_TPOT_MS
from infra_gen.plan.places import Placed
from infra_gen.plan.search import Search
from infra_gen.targets.registry import TARGETS

# Ten seconds keep a person's attention on a dialogue (Miller 1968, Response time in man-computer
# conversational transactions; Nielsen 1993, Usability Engineering, chapter 5).
ATTENTION_MS = 10_000.0


def target_for(wanted: str, machine: Machine) -> TargetKind | None:
    """The target of that name, `auto`: any, where it runs on the machine's system; else None."""
    kinds = (t.kind for name, t in TARGETS.items() if wanted in ("auto", name))
    return next((kind for kind in kinds if kind.problem(machine.os) is None), None)


def for_readers(spec: Spec) -> Spec:
    """The spec with targets for people who read, where it has none and people do.

    As fast as they read, and no wait that loses their attention. They read where they pause between
    answers; what asks again at once is a program.
    """
    workload, wanted = store.workload(spec.load.workload), spec.load
    if workload.task != "generate" or not workload.think_s.value:
        return spec
    targets = {
        "ttft_ms": ATTENTION_MS if wanted.ttft_ms is None else wanted.ttft_ms,
        "tpot_ms": AUTO_TPOT_MS if wanted.tpot_ms is None else wanted.tpot_ms,
    }
    return spec.model_copy(update={"load": wanted.model_copy(update=targets)})


def search_of(facts: Facts, spec: Spec, most_devices: int | None = None) -> Search:
    """A search for the load of `spec`; `facts` are those of any machine."""
    return Search(_facts_of(facts, spec), spec, most_devices)


def _facts_of(facts: Facts, spec: Spec) -> Callable[[Machine], Facts | None]:
    def known(machine: Machine) -> Facts | None:
        target = target_for(spec.target, machine)
        if target is None:
            return None
        return replace(facts, machine=shared(machine, spec.gpu_fraction), target=target)

    return known


def nearest_hardware(facts: Facts, spec: Spec) -> tuple[str, ...]:
    """What would carry the load of `spec` instead of its machine, as words to type.

    More of the same device, and, where a model is named, the least hardware of any kind.
    """
    search, device = search_of(facts, spec), facts.machine.id.split(":")[0]
    all_offers = offers(Wanted())
    same = [o for o in all_offers if o.group == device and _more(o, facts.machine)]
    found = [search.place(same)] if same else []
    told = [words(place) for place in found if isinstance(place, Placed)]
    if not facts.auto_model:
        least = search.first(o for o in all_offers if o.group != device)
        told += [words(least)] if least else []
    return tuple(told)


def _more(offer: Offer, machine: Machine) -> bool:
    return offer.machine.devices >= machine.devices


def words(place: Placed) -> str:
    """`--hardware h100:8 --nodes 2 (qwen3-32b bf16 on vllm)`."""
    candidate = place.found.candidate
    nodes = f" --nodes {place.machines}" if place.machines > 1 else ""
    model, method = candidate.model.preset.id, candidate.weights.quantization
    return f"--hardware {place.offer.machine.id}{nodes} ({model} {method} on {candidate.engine})"
