"""Which ways to split a model the engine accepts."""

from __future__ import annotations

from infra_gen.model.llm import Architecture

_FP8_BLOCK = 128  # weight_block_size of block-wise fp8 checkpoints


def divisors(count: int) -> list[int]:
    """Every divisor of `count`, ascending."""
    return [n for n in range(1, count + 1) if count % n == 0]


def tensor_parallel_problem(
    arch: Architecture, tensor: int, quantization: str, *, expert_parallel: bool = False
) -> str | None:
    """Why vLLM refuses this tensor parallel size, or None.

    Heads must divide (config/model.py, verify_with_parallel_config); KV heads divide or replicate
    evenly; block-wise fp8 needs whole blocks on each device unless experts stay whole.
    """
    if arch.heads % tensor:
        return f"{arch.heads} attention heads do not divide by {tensor}"
    if not arch.mla and arch.kv_heads % tensor and tensor % arch.kv_heads:
        return f"{arch.kv_heads} KV heads neither divide by nor into {tensor}"
    if arch.moe and expert_parallel and arch.moe.experts % tensor:
        return f"{arch.moe.experts} experts do not divide by {tensor}"
    width = arch.intermediate_size
    if arch.moe:
        width = arch.moe.intermediate_size
    if quantization == "fp8-block" and tensor > 1 and not (arch.moe and expert_parallel):
        if width % tensor or (width // tensor) % _FP8_BLOCK:
            return (
                f"MLP width {width} over {tensor} devices is not whole fp8 blocks of {_FP8_BLOCK}"
            )
    elif width % tensor and not expert_parallel:
        return f"MLP width {width} does not divide by {tensor}"
    return None
