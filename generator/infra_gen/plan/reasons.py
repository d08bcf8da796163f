"""Decisions: each choice of a plan in words, with the numbers that made it."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.engine import EngineInfo
from infra_gen.model.facts import Facts
from infra_gen.model.plan import GIB, Decision, Performance, Plan, counted
from infra_gen.model.spec import Spec
from infra_gen.plan import load
from infra_gen.plan.choose import AUTO_TPOT_MS
from infra_gen.plan.partial import layers_beside
from infra_gen.plan.sizing.registry import SIZINGS

# Why `auto` takes an engine, by engine and by how programs reach the device.
_REASONS: dict[tuple[str, str], str] = {
    ("llama.cpp", "metal"): (
        "the Mac's GPU is reached through Metal, which llama.cpp has and vLLM's releases lack"
    ),
    ("llama.cpp", "cpu"): "a plain CPU: llama.cpp is made for it, vLLM batches on GPUs",
    ("llama.cpp", "vulkan"): "a GPU that llama.cpp reaches through Vulkan and vLLM's images do not",
    ("vllm", "cuda"): "a GPU with several users: vLLM batches requests as they come",
}
_OTHERWISE = {
    "vllm": "several users: vLLM batches requests as they come",
    "llama.cpp": "one GGUF file that this GPU holds",
}


def _written(by_user: bool, otherwise: str) -> str:
    return "as asked" if by_user else otherwise


def _hardware(plan: Plan) -> Decision:
    machine = plan.machine
    return Decision(
        "hardware",
        machine.id,
        f"{machine.devices} x {machine.name}: {machine.visible_gib:g} GiB visible each, "
        f"{machine.usable_gib:g} GiB usable"
        + (f"; {machine.share:.0%} of each is this deployment's" if machine.share < 1 else "")
        + (f"; {machine.nodes} such nodes share the load" if machine.nodes > 1 else ""),
        "presets/hardware",
    )


def _engine(plan: Plan, spec: Spec) -> Decision:
    known = _REASONS.get((plan.engine, plan.machine.accelerator))
    reason = known or _OTHERWISE.get(plan.engine, "as pinned")
    return Decision(
        "engine",
        f"{plan.engine} {plan.engine_version}",
        _written(spec.engine_name != "auto", reason),
        f"presets/engines/{plan.engine}",
    )


def _model(plan: Plan, spec: Spec, reason: str) -> Decision:
    auto = (
        "auto takes the best by a public measure (its preset's quality) whose licence and files are "
        f"known; this one {reason}"
    )
    return Decision("model", plan.model_id, _written(spec.model != "auto", auto), "presets/models")


def _quantization(plan: Plan, spec: Spec, reason: str) -> Decision:
    size = f"{plan.weights.bytes / GIB:.1f} GiB of weights ({plan.weights.basis})"
    why = f"{size}; {reason}" if spec.quantization == "auto" else f"{size}; as asked"
    return Decision("quantization", plan.weights.quantization, why, "presets/models")


def _parallelism(plan: Plan) -> Decision:
    split = plan.parallelism
    if split.layer_split > 1:
        return Decision(
            "parallelism", f"layers over {split.layer_split} devices",
            f"{plan.engine} splits by layers: memory adds up, speed does not",
            "plan/sizing/llamacpp_layout.py",
        )  # fmt: skip
    if split.tensor == 1 and split.data == 1:
        return Decision(
            "parallelism", "one device", "the model fits one device", "plan/legality.py"
        )
    parts = [f"tensor {split.tensor}"]
    why = "the fewest devices that hold the model and its cache"
    if plan.params_active < plan.params_total:
        why = "the experts are shared over all devices"
    if split.data > 1:
        parts.append(f"data {split.data}")
        why += "; the other devices run further copies"
    if split.expert:
        parts.append("expert parallel")
        why += "; experts stay whole because their width does not split evenly"
    return Decision("parallelism", ", ".join(parts), why, "plan/legality.py")


def _context(plan: Plan, facts: Facts, spec: Spec) -> Decision:
    need = load.context_needed(facts.workload)
    auto = (
        f"a long {facts.workload.id} request: {facts.workload.input_tokens.high} tokens in and "
        f"{facts.workload.output_tokens.high} out at the 95th percentile, rounded up to {need}"
    )
    if plan.limits.context < need:
        auto += f", cut to the model's limit of {plan.limits.context}"
    return Decision(
        "context", str(plan.limits.context), _written(spec.load.context != "auto", auto),
        f"presets/workloads/{facts.workload.id}.yaml",
    )  # fmt: skip


def _bound(plan: Plan, spec: Spec) -> str:
    """What keeps more requests from running at once."""
    wanted, performance = spec.load, plan.performance
    for target, met, name in (
        (wanted.tpot_ms, performance.meets_tpot, "a token"),
        (wanted.ttft_ms, performance.meets_ttft, "to the first token"),
    ):
        if target is not None and met:
            return f"more at once would take longer than {target:g} ms {name}"
    return "memory or the engine holds no more at once"


def _concurrency(plan: Plan, facts: Facts, spec: Spec) -> Decision:
    if not facts.load_stated:
        why = f"no number of users was given: what {plan.engine} takes by itself on this device"
        return Decision("concurrency", str(plan.limits.max_num_seqs), why, "plan/load.py")
    peak = plan.performance.peak_concurrency
    think = facts.workload.think_s.value or 0
    why = (
        f"load of {counted(plan.users, 'user')} pausing {think:g} s between requests: "
        f"{counted(peak, 'request')} at once at the 95th percentile"
    )
    if plan.parallelism.data > 1:
        why += f", spread over {plan.parallelism.data} copies"
    if plan.users > 1 and peak == 1:
        why += "; two, because two people may always overlap once"
    if plan.engine == "vllm":
        why += (
            "; places for as many as cache and targets carry, if more come, but no more than users "
            "or vLLM's own default for the device, in multiples of eight"
        )
    if plan.limits.max_num_seqs * plan.parallelism.data < peak:
        why += f"; {_bound(plan, spec)}, so further requests wait"
    return Decision("concurrency", str(plan.limits.max_num_seqs), why, "plan/load.py")


def _memory(plan: Plan) -> Decision:
    mem = plan.memory
    if not mem.kv_bytes_per_token:
        why = "the model reads an input at once and keeps nothing of it; the engine has the rest"
        return Decision("kv_cache", "no KV cache", why, "plan/kv_cache.py")
    value = f"{mem.kv_cache_gib:.1f} GiB of KV cache"
    why = (
        f"{mem.kv_bytes_per_token} bytes a token and device: {mem.kv_cache_tokens} tokens, "
        f"{mem.max_concurrency_at_context:.1f} requests of full context"
    )
    return Decision("kv_cache", value, why, "plan/kv_cache.py")


def _fraction(plan: Plan) -> list[Decision]:
    fraction = plan.limits.memory_fraction
    if fraction is None:
        return []
    kept = plan.machine.visible_gib * (1 - fraction)
    why = (
        f"of {plan.machine.visible_gib:g} GiB visible; {kept:.1f} GiB stay for the driver and the "
        f"system; {plan.engine} needs its share to be free when it starts"
    )
    source = f"plan/sizing/{plan.engine}_memory.py"
    return [Decision("memory_fraction", f"{fraction:g}", why, source)]


def _offload(plan: Plan, facts: Facts) -> list[Decision]:
    """What of the model stays on the CPU; nothing where devices hold it all."""
    placed, preset = plan.limits.placement, facts.preset(plan.model_id)
    if placed.whole or preset is None or not plan.machine.is_gpu:
        return []
    beside = layers_beside(placed, preset.architecture.layers)
    why = (
        f"{plan.weights.bytes / GIB:.1f} GiB of weights do not fit {plan.machine.usable_gib:g} GiB "
        f"usable on each device: {beside} stay in {plan.memory.host_needed_gib:.1f} GiB of the host"
    )
    return [Decision("offload", beside, why, "plan/partial.py")]


def _times(plan: Plan) -> list[Decision]:
    start = plan.startup
    size = plan.weights.bytes / 1e9
    return [
        Decision(
            "startup_budget", f"{start.budget_s} s",
            f"twice the estimate of {start.load_s} s: {size:.1f} GB from disk, then engine start-up",
            "presets/calibration/roofline.yaml",
        ),
        Decision(
            "drain", f"{start.drain_s} s",
            "a running answer of 95th percentile length may finish before the server stops"
            if start.drain_s
            else f"{plan.engine} cuts running answers off when it is stopped; it has no drain",
            f"presets/engines/{plan.engine}/engine.yaml, shutdown",
        ),
    ]  # fmt: skip


def decisions_of(plan: Plan, facts: Facts, spec: Spec, reason: str) -> tuple[Decision, ...]:
    """All decisions of the plan, in the order a reader asks for them."""
    return (
        _hardware(plan),
        _engine(plan, spec),
        _model(plan, spec, reason),
        _quantization(plan, spec, reason),
        _parallelism(plan),
        _context(plan, facts, spec),
        _concurrency(plan, facts, spec),
        _memory(plan),
        *_offload(plan, facts),
        *_fraction(plan),
        *_times(plan),
    )


def borrowed_speed(engine: str, band: float) -> Iterator[str]:
    """What a prediction stands on where no run of the engine is at hand."""
    sizing = SIZINGS[engine]
    if sizing.borrows_speed:
        yield (
            f"no run of {engine} is at hand: its speed is planned as {sizing.calibrated_as}'s, within "
            f"{band:.0%}; its memory follows its sources, unmeasured"
        )


def other_version(info: EngineInfo) -> Iterator[str]:
    """What is not certain where the engine's version is not the pinned one."""
    table, pinned = info.table, info.facts.default_version
    if table.standing != "exact":
        how = "newer than" if table.standing == "newer" else "between two versions of"
        yield (
            f"{info.name} {info.version} is {how} infra-gen's table: flags are judged as of "
            f"{table.base}, and what it does not know is a warning"
        )
    if info.version != pinned:
        yield (
            f"images and behaviour are known of {info.name} {pinned}; for {info.version} they are "
            "taken to be the same"
        )


def reading_speed(performance: Performance, task: str) -> Iterator[str]:
    """That answers come slower than people read, where they do."""
    typical = performance.typical
    taken = (typical.tpot_ms or 0.0) if typical else 0.0
    if task == "generate" and taken > AUTO_TPOT_MS:
        yield (
            f"slower than people read: {taken:.0f} ms a token as a rule, "
            f"{AUTO_TPOT_MS:.0f} is what reading takes"
        )


def refused_values(spec: Spec, info: EngineInfo) -> Iterator[str]:
    """Values of the user's that the engine would not take; writing the deployment is refused then."""
    for name, value in sorted(spec.engine_args.items()):
        flag = info.table.flag(name if name.startswith("-") else f"--{name}")
        if flag is None or isinstance(value, bool):
            continue
        problem = flag.problem_with(str(value), name)
        if problem:
            yield f"engine_args: {problem}; `infra-gen new` refuses it"
