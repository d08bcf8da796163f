"""Time of one step on one device: matrices, attention, exchange between devices, fixed times."""

from __future__ import annotations

from dataclasses import dataclass, replace

from infra_gen.model.calibration_speed import Rates
from infra_gen.plan.speed.work import Work

_ACTIVATION_BYTES = 2.0  # what devices exchange is in 16 bits
_EXCHANGES = 2  # all-reduces of a layer: after attention and after the MLP
_STATE_PASSES = 2  # a recurrent state is read and written


@dataclass(frozen=True, slots=True)
class Limits:
    """What one device could do at best, and how its neighbours reach it.

    Bytes and operations per second; `compute` in the precision that matrices are multiplied in,
    `attention_compute` in 16 bits. `link` is bytes per second and direction; `relayed`: what devices
    exchange passes the host.
    """

    bandwidth: float
    compute: float | None
    attention_compute: float | None
    link: float | None
    ranks: int
    relayed: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `sequences` that get a token, at `context` tokens each, and tokens of prompts.

    `prompt_tokens` are of prompts of `prompt_length` tokens each; `prompts` is how many of them get
    their first token in this step. `guesses` of each sequence are checked beside its next token.
    """

    sequences: float
    context: float
    prompt_tokens: float = 0.0
    prompt_length: float = 0.0
    prompts: float = 0.0
    guesses: int = 0


def joined_s(first: float, second: float, sharpness: float) -> float:
    """Two times that overlap in part: never below the larger, never above the sum."""
    if first <= 0 or second <= 0:
        return max(first, second)
    large, small = max(first, second), min(first, second)
    return float(large * (1 + (small / large) ** sharpness) ** (1 / sharpness))


def read_s(size: float, share: float, limits: Limits, rates: Rates) -> float:
    """Read `size` bytes of weights: bandwidth bounds it, and what kernels can ask for at once."""
    memory = size / (limits.bandwidth * share)
    if rates.read_gb_s is None:
        return memory
    return joined_s(memory, size / (rates.read_gb_s * 1e9), rates.sharpness)


@dataclass(frozen=True, slots=True)
class Matrices:
    """Bytes that are read, operations on them, the shares of both limits, how they overlap."""

    size: float
    operations: float
    reads: float
    computes: float
    sharpness: float


def _matrix_s(matrices: Matrices, compute: float | None, limits: Limits, rates: Rates) -> float:
    memory = read_s(matrices.size, matrices.reads, limits, rates)
    busy = matrices.operations / (compute * matrices.computes) if compute else 0.0
    return joined_s(memory, busy, matrices.sharpness)


def matrices_s(work: Work, limits: Limits, rates: Rates, tokens: float, rows: float) -> float:
    """All matrices for `tokens` tokens; the head makes logits for `rows` of them only."""
    common = Matrices(
        work.common_bytes,
        2 * work.common_params * tokens,
        rates.weights,
        rates.matrices,
        rates.sharpness,
    )
    total = _matrix_s(common, limits.compute, limits, rates)
    if work.expert_bytes:
        met = tokens * work.data
        experts = Matrices(
            work.expert_bytes * work.experts_touched(met, rates.coverage),
            2 * work.expert_active * met,
            rates.experts,
            rates.expert_matrices,
            rates.expert_sharpness,
        )
        total += _matrix_s(experts, limits.compute, limits, rates)
    head = Matrices(
        work.head_bytes, 2 * work.head_params * rows, rates.weights, rates.matrices, rates.sharpness
    )
    return total + _matrix_s(head, limits.attention_compute, limits, rates)  # not quantized


def decode_attention_s(work: Work, limits: Limits, rates: Rates, step: Step) -> float:
    """Keys and values, latents and states of all sequences that get a token."""
    bandwidth = limits.bandwidth * rates.cache
    total = _STATE_PASSES * work.state_bytes * step.sequences / bandwidth
    for group in work.attention:
        seen = group.seen(step.context) * step.sequences
        memory = group.cache_bytes * seen / bandwidth
        compute = 0.0
        if limits.attention_compute:
            compute = group.flops * seen / (limits.attention_compute * rates.attention)
        total += joined_s(memory, compute, rates.sharpness)
    return total


def prompt_attention_s(work: Work, limits: Limits, rates: Rates, tokens: float) -> float:
    """Attention of a whole prompt of `tokens` tokens."""
    if not limits.attention_compute:
        return 0.0
    operations = sum(g.prefill_flops * g.seen_by_all(tokens) for g in work.attention)
    return operations / (limits.attention_compute * rates.attention)


def exchange_s(work: Work, limits: Limits, rates: Rates, tokens: float) -> float:
    """All-reduces of a step, and what groups with a batch each send to the experts and back.

    An all-reduce over n devices takes 2 x (n - 1) / n x (latency + bytes / link). Groups gather the
    tokens of all of them before the experts and scatter the sums after: an all-reduce's two halves.
    """
    total = 0.0
    if limits.ranks > 1:
        reduces = work.layers * _EXCHANGES - (work.expert_layers if work.data > 1 else 0)
        total += reduces * _all_reduce_s(work, limits, rates, tokens, limits.ranks)
    if work.data > 1:
        met, devices = tokens * work.data, limits.ranks * work.data
        total += work.expert_layers * _all_reduce_s(work, limits, rates, met, devices)
    return total


def _all_reduce_s(work: Work, limits: Limits, rates: Rates, tokens: float, devices: int) -> float:
    return 2 * (devices - 1) / devices * hop_s(work, limits, rates, tokens)


def hop_s(work: Work, limits: Limits, rates: Rates, tokens: float) -> float:
    """Hand the hidden states of so many tokens to another device.

    Where the link is not known it has the latency of the host's.
    """
    through_host = limits.relayed or not limits.link
    latency = max(rates.link_us, rates.relay_us) if through_host else rates.link_us
    size = tokens * work.hidden * _ACTIVATION_BYTES
    passing = size / (limits.link * rates.link_share) if limits.link else 0.0
    return latency / 1e6 + passing


def fixed_s(work: Work, rates: Rates, sequences: float) -> float:
    """Launching kernels, scheduling and sampling."""
    micro = rates.step_us + work.layers * rates.layer_us + sequences * rates.sequence_us
    micro += work.expert_layers * rates.expert_layer_us + work.state_layers * rates.state_layer_us
    return micro / 1e6


def step_s(work: Work, limits: Limits, rates: Rates, step: Step) -> float:
    """Seconds of one step with its tokens written and its tokens read."""
    checked = step.sequences * (1 + step.guesses)
    tokens = checked + step.prompt_tokens
    total = fixed_s(work, rates, step.sequences + step.prompts)
    total += matrices_s(work, limits, rates, tokens, checked + step.prompts)
    total += exchange_s(work, limits, rates, tokens)
    if step.sequences:
        total += decode_attention_s(work, limits, rates, step)
    if step.prompt_length:
        share = step.prompt_tokens / step.prompt_length
        total += share * prompt_attention_s(work, limits, rates, step.prompt_length)
    if tokens > rates.graph_tokens:  # the CPU launches every kernel, while the device works
        total = max(total, work.layers * rates.launch_us / 1e6)
    return total


def draft_s(work: Work, limits: Limits, rates: Rates, sequences: float) -> float:
    """Guess one token for each sequence: as one more layer of the model and its head would."""
    layer = replace(
        work,
        layers=1,
        expert_layers=min(1, work.expert_layers),
        state_layers=0,
        common_bytes=work.common_bytes / work.layers,
        common_params=work.common_params / work.layers,
        expert_bytes=work.expert_bytes / max(1, work.expert_layers),
        expert_active=work.expert_active / max(1, work.expert_layers),
    )
    total = fixed_s(layer, rates, sequences) - rates.step_us / 1e6
    total += matrices_s(layer, limits, rates, sequences, sequences)
    return total + exchange_s(layer, limits, rates, sequences)
