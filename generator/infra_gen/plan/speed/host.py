"""The part of a step that the host's CPU does, where a model does not fit its devices.

Layers follow each other, so its time comes on top of the devices'. From some tokens in a batch on the
devices fetch the weights instead and multiply themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from infra_gen.model.calibration import HostSide, known
from infra_gen.model.calibration_speed import ANY, Rates
from infra_gen.model.plan import HostShare
from infra_gen.plan.speed.step import (
    Limits,
    Step,
    decode_attention_s,
    matrices_s,
    prompt_attention_s,
)
from infra_gen.plan.speed.work import Attention, Work

HOST_NAMES = ("cpu", "cpu", ANY)


def _attention(work: Work, share: float) -> tuple[Attention, ...]:
    return tuple(
        replace(
            group,
            cache_bytes=group.cache_bytes * share,
            flops=group.flops * share,
            prefill_flops=group.prefill_flops * share,
        )
        for group in work.attention
    )


def device_part(work: Work, share: HostShare) -> Work:
    """The bytes that devices read. Operations stay: for long prompts they do them all."""
    if share.none:
        return work
    return replace(
        work,
        common_bytes=work.common_bytes * (1 - share.plain),
        expert_bytes=work.expert_bytes * (1 - share.experts),
        attention=_attention(work, 1 - share.cache),
        state_bytes=work.state_bytes * (1 - share.cache),
    )


@dataclass(frozen=True, slots=True)
class HostPart:
    """What the CPU reads and multiplies, its limits and constants.

    `link`: bytes per second that devices fetch weights with, from `fetched_from` tokens on.
    """

    work: Work
    limits: Limits
    rates: Rates
    link: float
    fetched_from: int

    def step_s(self, step: Step) -> float:
        """Seconds of one step on the host."""
        tokens = step.sequences + step.prompt_tokens
        total = self._weights_s(tokens)
        if step.sequences:
            total += decode_attention_s(self.work, self.limits, self.rates, step)
        if step.prompt_length:
            share = step.prompt_tokens / step.prompt_length
            total += share * prompt_attention_s(
                self.work, self.limits, self.rates, step.prompt_length
            )
        return total

    def _weights_s(self, tokens: float) -> float:
        if tokens < self.fetched_from:
            return matrices_s(self.work, self.limits, self.rates, tokens, 0.0)
        touched = self.work.experts_touched(tokens, self.rates.coverage)
        return (self.work.common_bytes + self.work.expert_bytes * touched) / self.link


def host_part(
    work: Work, share: HostShare, host: HostSide, rates: Rates, *, shared_gb_s: float | None
) -> HostPart:
    """The host's part of `work`, which is of the whole model. The output layer is never there.

    `shared_gb_s`: bandwidth of memory that devices and host share, None where each has its own.
    """
    bandwidth = shared_gb_s or known(host.bandwidth_gb_s)
    compute = known(host.tflops) * 1e12
    mine = replace(
        work,
        common_bytes=work.common_bytes * share.plain,
        common_params=work.common_params * share.plain,
        expert_bytes=work.expert_bytes * share.experts,
        expert_active=work.expert_active * share.experts,
        head_bytes=0.0,
        head_params=0.0,
        attention=_attention(work, share.cache),
        state_bytes=work.state_bytes * share.cache,
    )
    return HostPart(
        work=mine,
        limits=Limits(bandwidth * 1e9, compute, compute, None, 1),
        rates=rates,
        link=(shared_gb_s or known(host.link_gb_s)) * 1e9,
        fetched_from=host.fetched_from.value or 0,
    )
