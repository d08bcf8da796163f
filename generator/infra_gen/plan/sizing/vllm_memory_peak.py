"""The peak of vLLM's profile run: what PyTorch holds at once beside the weights, in bytes.

Four moments can be the fullest, and the largest counts: an attention layer, an MLP, the sampler
after the forward pass, and the compiler timing the first kernel on copies of what it reads.
Tokens are those of one batch (`--max-num-batched-tokens`), elements have 16 bits.
"""

from __future__ import annotations

from infra_gen.model.calibration import known
from infra_gen.model.calibration_memory import VllmMemory
from infra_gen.model.llm import Architecture, GatedDelta, KimiDelta, Mamba2, ShortConvolution
from infra_gen.model.params import ungated
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing.vllm_memory_release import Release
from infra_gen.plan.sizing.vllm_memory_stage import Stage

_ELEMENT = 2  # bytes of bf16 and fp16
_FLOAT = 4  # bytes of a float32
_MIB = 2**20


def _attention_out(arch: Architecture, tensor: int) -> float:
    """Elements a token that attention hands to its output projection, on one device."""
    if arch.mla:
        return arch.heads * arch.mla.v_head_dim / tensor
    widest = max([arch.head_dim, *(g.head_dim or 0 for g in arch.layer_groups)])
    return arch.heads * widest / tensor


def _attention_layer(arch: Architecture, shape: Shape, release: Release) -> float:
    """Bytes while a layer attends: residual, normed input, projections and their rotated copy."""
    tokens, tensor = shape.max_num_batched_tokens, shape.tensor
    out = _attention_out(arch, tensor)
    if arch.mla is None:
        keys = max(g.kv_heads or arch.kv_heads for g in arch.layer_groups)
        width = 2 * (out + 2 * max(1.0, keys / tensor) * out * tensor / arch.heads) + out
        return tokens * (2 * arch.hidden_size + width) * _ELEMENT
    mla = arch.mla
    query = arch.heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim) / tensor
    latent = mla.kv_lora_rank + mla.qk_rope_head_dim + (mla.q_lora_rank or 0)
    flowing = tokens * (2 * arch.hidden_size + 2 * query + latent + out) * _ELEMENT
    up = arch.heads / tensor * (mla.qk_nope_head_dim + mla.v_head_dim) * _ELEMENT
    return flowing + min(release.latent_tokens, _context_tokens(shape)) * up


def _context_tokens(shape: Shape) -> int:
    """Tokens of cached context that latent attention wants to project up at once."""
    return max(8 * shape.context, 4 * shape.max_num_seqs * 16)


def _state_layer(arch: Architecture, shape: Shape) -> float:
    """Bytes while a linear or mamba layer runs: input projection, convolution, output."""
    mixer = arch.mixer
    inner = 0.0
    if isinstance(mixer, GatedDelta):
        value = mixer.value_heads * mixer.value_dim
        inner = 2 * (2 * mixer.key_heads * mixer.key_dim + value) + 3 * value
    elif isinstance(mixer, KimiDelta):
        inner = 9 * mixer.heads * mixer.head_dim  # three projections before and after, three out
    elif isinstance(mixer, Mamba2):
        value = mixer.heads * mixer.head_dim
        inner = 2 * (value + 2 * mixer.groups * mixer.state) + 3 * value
    elif isinstance(mixer, ShortConvolution):
        inner = 4 * arch.hidden_size
    width = 2 * arch.hidden_size + inner / shape.tensor
    return shape.max_num_batched_tokens * width * _ELEMENT


def workspace(arch: Architecture, shape: Shape, release: Release) -> float:
    """Bytes of the two buffers between the experts' matrices, for every token and its experts.

    Copies of attention that share experts bring their tokens together. Older versions take them in
    chunks.
    """
    if arch.moe is None:
        return 0.0
    over = shape.tensor * shape.data
    width = arch.moe.intermediate_size / (1 if shape.expert_parallel else over)
    first = width if ungated(arch) else 2 * width
    tokens = shape.max_num_batched_tokens * shape.data
    rows = min(tokens, release.chunk or tokens) * arch.moe.experts_per_token
    wide = max(width, arch.hidden_size) + max(first, arch.hidden_size)
    return rows * wide * _ELEMENT


def _mlp_layer(arch: Architecture, shape: Shape, release: Release) -> float:
    """Bytes while an MLP runs: what attention left, two residuals, and its own intermediates."""
    hidden, tensor = arch.hidden_size, shape.tensor
    held = _attention_out(arch, tensor) + 2 * hidden
    width = arch.intermediate_size / tensor
    dense = held + max(hidden + 2 * width, 3 * width)
    if arch.moe is None:
        return shape.max_num_batched_tokens * dense * _ELEMENT
    shared = arch.moe.shared_intermediate_size or (
        arch.moe.shared_experts * arch.moe.intermediate_size
    )
    routed = held + 2 * hidden + 3 * shared / tensor + arch.moe.experts * _FLOAT / _ELEMENT
    width = max(routed, dense if arch.moe.dense_layers else 0.0)
    return shape.max_num_batched_tokens * width * _ELEMENT + workspace(arch, shape, release)


def forward(arch: Architecture, shape: Shape, release: Release) -> float:
    """Bytes of the fullest layer. A workspace that stays is there during attention too."""
    kept = workspace(arch, shape, release) if release.kept else 0.0
    states = any(g.state_bytes for g in arch.layer_groups)
    mixing = max(_attention_layer(arch, shape, release), _state_layer(arch, shape) * states)
    return max(mixing + kept, _mlp_layer(arch, shape, release))


def sampler(arch: Architecture, shape: Shape, release: Release, constants: VllmMemory) -> float:
    """Bytes while one token is drawn for as many requests as run at once."""
    rows = min(shape.max_num_seqs, shape.max_num_batched_tokens)
    held = float(shape.max_num_batched_tokens * arch.hidden_size * _ELEMENT)
    held += workspace(arch, shape, release) if release.kept else 0.0
    scratch = min(rows, constants.sampler_rows.value or rows) * arch.vocab_size * _FLOAT
    each = constants.logit_bytes
    if release.second:
        held += scratch if release.warmed else 0.0
        return held + rows * arch.vocab_size * known(each.second)
    if release.fused:
        return held + scratch + rows * arch.vocab_size * known(each.fused)
    return rows * arch.vocab_size * known(each.sort)


def compiler(arch: Architecture, shape: Shape, release: Release) -> float:
    """Bytes while the look-up of the embedding is timed: a copy of it, and what it writes.

    What it writes is the embedded and the normed input, and the quantized one for fp8.
    """
    if not release.combo:
        return 0.0
    written = 2 * _ELEMENT + (1 if shape.quantization.startswith("fp8") else 0)
    table = arch.vocab_size * arch.hidden_size * _ELEMENT / shape.tensor
    return table + shape.max_num_batched_tokens * arch.hidden_size * written


def peak(
    arch: Architecture, shape: Shape, release: Release, constants: VllmMemory, stage: Stage
) -> float:
    """Bytes of the fullest moment: only the first stage embeds, only the last one samples."""
    running = forward(arch, shape, release)
    if stage.last:
        running = max(running, sampler(arch, shape, release, constants))
    running += (constants.matmul_workspace_mib.value or 0) * _MIB
    return max(running, compiler(arch, shape, release)) if stage.first else running
