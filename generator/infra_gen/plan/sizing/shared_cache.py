"""What engines do alike whose requests share one cache in device memory (vLLM, TGI)."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.llm import Architecture
from infra_gen.model.plan import GIB, Memory, Parallelism
from infra_gen.plan import legality
from infra_gen.plan.sizing.contract import Split


def shortfall(mem: Memory, context: int) -> float:
    """GiB a device lacks for one sequence of full context, or for what lies outside its share.

    0 when it fits. A share that the user set may take what is reserved for a display: only the
    device's end counts, less what the driver holds. An engine that wants a recurrent state for every
    request that it may run at once does not start without.
    """
    beyond = mem.driver_gib - (mem.headroom_gib + mem.reserved_gib)
    if beyond > 0:
        return beyond
    if mem.kv_bytes_per_token == 0:
        return max(0.0, -mem.kv_cache_gib)
    if mem.kv_cache_gib > 0 and mem.max_concurrency_at_context >= 1:
        return mem.states_lacking_gib
    if mem.max_concurrency_at_context > 0:
        one = mem.kv_cache_gib / mem.max_concurrency_at_context
    else:
        one = mem.kv_bytes_per_token * context / GIB
    return max(0.001, one - mem.kv_cache_gib)


def tensor_splits(arch: Architecture, quantization: str, sizes: list[int]) -> Iterator[Split]:
    """Tensor parallelism in those sizes; whole experts where their width does not split."""
    for tensor in sizes:
        problem = legality.tensor_parallel_problem(arch, tensor, quantization)
        expert = False
        if problem and arch.moe and tensor > 1:
            expert = True
            problem = legality.tensor_parallel_problem(
                arch, tensor, quantization, expert_parallel=True
            )
        yield Parallelism(tensor=tensor, expert=expert), problem
