"""Workload: what one request looks like and how long a person pauses between two."""

from __future__ import annotations

import math
from functools import cached_property

from pydantic import Field, model_validator

from infra_gen.model.llm import Task
from infra_gen.model.sourced import Record, Sourced

_Z95 = 1.6448536269514722  # standard normal quantile at 0.95


class TokenDistribution(Record):
    """Median and 95th percentile in tokens; read as a log-normal distribution."""

    p50: Sourced[int]
    p95: Sourced[int]

    @model_validator(mode="after")
    def _ordered(self) -> TokenDistribution:
        if not 0 < self.low <= self.high:
            raise ValueError("0 < p50 <= p95")
        return self

    @property
    def low(self) -> int:
        """The median, tokens."""
        return self.p50.value or 0

    @property
    def high(self) -> int:
        """The 95th percentile, tokens."""
        return self.p95.value or 0

    @cached_property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return math.log(self.high / self.low) / _Z95

    @cached_property
    def mean(self) -> float:
        """Mean, tokens."""
        return self.low * math.exp(self.sigma**2 / 2)

    @cached_property
    def variance(self) -> float:
        """Variance, tokens squared."""
        return self.mean**2 * (math.exp(self.sigma**2) - 1)


class Workload(Record):
    """`presets/workloads/<id>.yaml`. `shared_prefix` is tokens that all requests begin with."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    name: str
    task: Task = "generate"
    input_tokens: TokenDistribution
    output_tokens: TokenDistribution
    think_s: Sourced[float]
    shared_prefix: Sourced[int]
    notes: tuple[str, ...] = ()
