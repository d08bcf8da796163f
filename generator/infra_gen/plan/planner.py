"""The plan: the choice with its numbers, and every decision with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from infra_gen.errors import DoesNotFitError, InfraGenError, UsageError, did_you_mean
from infra_gen.model.engine import EngineInfo
from infra_gen.model.facts import Facts
from infra_gen.model.llm import ModelPreset
from infra_gen.model.lock import Resolved
from infra_gen.model.plan import Performance, Plan, Weights
from infra_gen.model.spec import Spec
from infra_gen.plan import load, partial, quantization
from infra_gen.plan.asked_weights import said_of
from infra_gen.plan.choose import Choice, choose, smaller_model
from infra_gen.plan.evaluated import Evaluated
from infra_gen.plan.reasons import (
    borrowed_speed,
    decisions_of,
    other_version,
    reading_speed,
    refused_values,
)
from infra_gen.plan.sizing.registry import SIZINGS
from infra_gen.plan.sizing.vllm_memory_settings import moves_memory
from infra_gen.plan.startup import startup_of


def _check_context(spec: Spec, facts: Facts) -> None:
    """An explicit context beyond the model's limit is an error, never silently cut."""
    if spec.load.context == "auto" or facts.auto_model:
        return
    preset = facts.models[0].preset
    if spec.load.context > preset.architecture.max_context:
        raise UsageError(
            f"context {spec.load.context} is beyond {preset.name}'s limit of "
            f"{preset.architecture.max_context} tokens",
            where="load.context",
            hint="lower the context, or leave it at auto",
        )


def _check_task(facts: Facts) -> None:
    """A workload of another kind of work would size the wrong thing."""
    if facts.auto_model:
        return
    preset, wanted = facts.models[0].preset, facts.workload.task
    if preset.task != wanted:
        raise UsageError(
            f"{preset.name} is made to {preset.task}, the workload {facts.workload.id} to {wanted}",
            where="load.workload",
            hint=f"use a workload of that kind: infra-gen list workloads --task {preset.task}",
        )


def _warnings(found: Evaluated, facts: Facts, spec: Spec) -> tuple[str, ...]:
    said: list[str] = []
    candidate, performance = found.candidate, found.performance
    preset = candidate.model.preset
    if not preset.architecture.known:
        said.append(
            f"architecture {preset.architecture.class_name} is not known: sized as its config "
            "states, with every layer a full attention layer unless it says otherwise"
        )
    if candidate.model.guessed:
        said.append(candidate.model.guessed)
    said += said_of(candidate.weights, preset.name)
    used = candidate.parallelism.devices_per_replica
    if used < facts.machine.devices:
        said.append(f"{facts.machine.devices - used} of {facts.machine.devices} devices stay idle")
    need = load.context_needed(facts.workload)
    if found.limits.context < need:
        said.append(
            f"context {found.limits.context} is below the workload's {need}: long requests fail"
        )
    carried = performance.users_supported
    if carried is not None and carried < spec.load.users:
        said.append(
            f"the plan carries {carried} of {spec.load.users} users: `infra-gen new` and `update` "
            "refuse it unless infra-gen.yaml allows the rule users-over-capacity"
        )
    info = facts.engines[candidate.engine]
    said += partial.warnings(found, facts)
    said += _overruled(spec, info)
    said += refused_values(spec, info)
    said += other_version(info)
    if info.facts.maintenance.value:
        said.append(info.facts.maintenance.value)
    said += reading_speed(performance, preset.task)
    if found.limits.guesses:
        said.append(
            "tokens are guessed ahead: how many are right depends on the draft and the text, so the "
            "speeds here assume a share, and their error band is wider"
        )
    said += borrowed_speed(candidate.engine, performance.error_band)
    if performance.basis == "unknown":
        said.append("no speed constant for this machine: every user is counted as busy")
    elif performance.points and performance.points[0].ttft_ms is None:
        said.append("compute of this machine is unknown: time to first token is not predicted")
    return tuple(said)


def _check_quantization(spec: Spec) -> None:
    names = {name.lower(): name for name in (*quantization.QUALITY, *quantization.FAMILIES)}
    if spec.quantization.lower() not in ("auto", *names):
        raise UsageError(
            f"unknown quantization {spec.quantization!r}",
            where="quantization",
            hint=did_you_mean(spec.quantization, names),
        )


def _no_checkpoint(facts: Facts, spec: Spec) -> UsageError:
    models = "no model" if facts.auto_model else facts.models[0].preset.name
    engine = "any engine" if spec.engine_name == "auto" else spec.engine_name
    verb = "has a" if facts.auto_model else "has no known"
    asked = "" if spec.quantization == "auto" else f"{spec.quantization} "
    known = sorted({c.quantization for m in facts.models for c in m.preset.checkpoints})
    return UsageError(
        f"{models} {verb} {asked}checkpoint that {engine} could load on this machine",
        where="quantization",
        hint="known: " + ", ".join(known) if known else None,
    )


def _overruled(spec: Spec, info: EngineInfo) -> list[str]:
    """The user's flags that replace a planned number and that the plan does not know: they win."""
    planned = [info.table.flag(name) for name in info.facts.knobs.planned]
    own = SIZINGS[info.name].settings(spec.engine_args)
    mine = []
    for name in spec.engine_args:
        if name in own.names:
            continue
        flag = info.table.flag(name if name.startswith("-") else f"--{name}")
        if flag is not None and (flag in planned or moves_memory(info.name, name)):
            mine.append(name.lstrip("-"))
    said = [
        f"engine_args sets {name}: the numbers here are those without it" for name in sorted(mine)
    ]
    return [*said, *own.warnings]


def _refuse(facts: Facts, spec: Spec, choice: Choice, nearest: tuple[str, ...]) -> InfraGenError:
    if not choice.closest and not choice.alternatives:
        return _no_checkpoint(facts, spec)
    name = facts.machine.name
    count = f"{facts.machine.devices} x " if facts.machine.devices > 1 else ""
    nearest = (*partial.hint(facts, spec), *nearest)
    hint = "what would carry it: " + "; ".join(nearest) if nearest else None
    if choice.closest:
        closest = choice.closest
        label = f"{closest.candidate.model.preset.name} {closest.candidate.weights.quantization}"
        message = (
            f"{label} does not fit {count}{name}: {closest.shortfall_gib:.1f} GiB short per device "
            f"(weights {closest.memory.weights_gib:.1f} GiB of {facts.machine.usable_gib:.1f} GiB usable)"
        )
    else:
        first = choice.alternatives[0]
        message = (
            f"no legal plan on {count}{name}: {first.model} {first.quantization}: {first.why_not}"
        )
    refused = None
    if choice.closest:
        refused = replace(
            _assemble(choice.closest, choice, facts, spec),
            fits=False,
            nearest=nearest,
            shortfall_gib=choice.closest.shortfall_gib,
        )
    return DoesNotFitError(message, hint=hint, refused=refused)


def check_wishes(facts: Facts, spec: Spec) -> None:
    """UsageError for what no machine could give: context, quantization, kind of work."""
    _check_context(spec, facts)
    _check_quantization(spec)
    _check_task(facts)


def make_plan(
    facts: Facts,
    spec: Spec,
    pins: Resolved | None,
    everything: Facts,
    other_hardware: Callable[[], tuple[str, ...]] = tuple,
) -> Plan:
    """The plan for `spec` on `facts`; with `pins` (a lock's resolved block) nothing is chosen anew.

    For naming what would carry the load: `everything` is `facts` with all models, `other_hardware`
    says what hardware would. Raises DoesNotFitError when nothing fits, UsageError for impossible
    wishes.
    """
    _check_target(facts)
    _check_engine(spec, facts)
    check_wishes(facts, spec)
    share = _of_one_node(spec, facts)
    choice = choose(facts, share, pins)
    if choice.best is None and not pins:
        choice = partial.instead_of(choice, facts, share)
    if choice.best is None:
        raise _refuse(facts, spec, choice, (*other_hardware(), *smaller_model(share, everything)))
    plan = _assemble(choice.best, choice, facts, spec)
    plan = replace(plan, decisions=decisions_of(plan, facts, spec, choice.reason))
    if pins or choice.best.carries:
        return plan
    return replace(plan, nearest=(*other_hardware(), *smaller_model(share, everything)))


def _check_target(facts: Facts) -> None:
    elsewhere = facts.target.problem(facts.machine.os)
    if elsewhere:
        raise UsageError(
            f"{facts.target.name} does not run on {facts.machine.name}: {elsewhere}", where="target"
        )


def _check_engine(spec: Spec, facts: Facts) -> None:
    """An engine that does not exist for the machine is a slip, not a plan that does not fit."""
    if spec.engine_name == "auto":
        return
    runtime = facts.target.runtime
    problem = facts.engines[spec.engine_name].unavailable(facts.machine, runtime)
    if problem:
        others = [n for n, i in facts.engines.items() if not i.unavailable(facts.machine, runtime)]
        raise UsageError(
            f"{problem} (target {facts.target.name})",
            where="engine",
            hint=f"there is one of {', '.join(others)}" if others else "choose another target",
        )


def _of_one_node(spec: Spec, facts: Facts) -> Spec:
    """The load of one of several equal nodes, over which requests are spread evenly."""
    if facts.machine.nodes == 1:
        return spec
    users = math.ceil(spec.load.users / facts.machine.nodes)
    return spec.model_copy(update={"load": spec.load.model_copy(update={"users": users})})


def _on_host(weights: Weights, spec: Spec) -> Weights:
    """Without a network the files are where the spec says, whatever they were called upstream."""
    return replace(weights, local_path=spec.offline.model_path) if spec.offline else weights


def _over_nodes(performance: Performance, nodes: int) -> Performance:
    """The figures of one node as those of all of them; points stay those of one replica."""
    carried = performance.users_supported
    return replace(
        performance,
        users_supported=None if carried is None else carried * nodes,
        typical_concurrency=performance.typical_concurrency * nodes,
        peak_concurrency=performance.peak_concurrency * nodes,
    )


def _assemble(found: Evaluated, choice: Choice, facts: Facts, spec: Spec) -> Plan:
    candidate, nodes = found.candidate, facts.machine.nodes
    preset: ModelPreset = candidate.model.preset
    engine = facts.engines[candidate.engine]
    parsers = SIZINGS[candidate.engine].parsers(preset)
    return Plan(
        engine=candidate.engine,
        engine_version=engine.version,
        target=facts.target.name,
        runtime=facts.target.runtime,
        task=preset.task,
        model_word=candidate.model.reference,
        model_id=preset.id,
        model_name=preset.name,
        hf_id=preset.hf_id,
        licence=preset.license.value or "unknown",
        gated=bool(preset.gated.value),
        served_name=SIZINGS[candidate.engine].served_name(
            preset,
            _on_host(candidate.weights, spec),
            None if spec.serve.name == "auto" else spec.serve.name,
        ),
        params_total=preset.params_total.value or 0,
        params_active=preset.params_active.value or 0,
        machine=facts.machine,
        weights=_on_host(candidate.weights, spec),
        parallelism=replace(candidate.parallelism, replicas=nodes),
        memory=found.memory,
        performance=_over_nodes(found.performance, nodes),
        limits=found.limits,
        startup=startup_of(found, facts),
        users=spec.load.users,
        workload=facts.workload.id,
        think_s=facts.workload.think_s.value or 0.0,
        alternatives=choice.alternatives,
        warnings=_warnings(found, facts, spec),
        tool_parser=parsers.tool_call if parsers else None,
        reasoning_parser=parsers.reasoning if parsers else None,
        pooling=preset.pooling.value if preset.pooling else None,
    )
