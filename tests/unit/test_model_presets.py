"""The model presets: every file is valid, consistent with itself and close to the arithmetic."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from infra_gen.knowledge.engines import engine_info
from infra_gen.model.llm import (
    Architecture,
    Checkpoint,
    GatedDelta,
    KimiDelta,
    LayerGroup,
    Mamba2,
    Mixer,
    ModelPreset,
    SafetensorsQuant,
)
from infra_gen.model.params import count_params

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "presets" / "models").glob("*.yaml"))
PRESETS = {
    path.stem: ModelPreset.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    for path in FILES
}
CHECKPOINTS = [
    pytest.param(preset, checkpoint, id=f"{name}-{checkpoint.repo}-{checkpoint.quantization}")
    for name, preset in PRESETS.items()
    for checkpoint in preset.checkpoints
]
# Bits per weight that a whole file may average, embeddings and scales included.
BITS = {
    "fp32": (31.0, 33.0),
    "bf16": (15.5, 20.5),  # Qwen3-0.6B stores its tied embeddings twice
    "fp8": (7.8, 10.0),
    "fp8-block": (7.8, 10.0),
    "w8a8-int8": (7.8, 10.0),
    "awq-int4": (4.0, 6.5),
    "gptq-int4": (4.0, 6.5),
    "w4a16": (4.0, 6.5),
    "nvfp4": (4.0, 6.5),
    "mxfp4": (4.0, 5.6),
    "MXFP4": (4.0, 5.6),
    "Q4_K_M": (4.3, 5.7),
    "Q5_K_M": (5.1, 6.3),
    "Q6_K": (5.8, 7.0),
    "Q8_0": (7.6, 9.0),  # small models: their files also hold the tokenizer
}
# K types come in blocks of 256: llama-quantize takes wider types for rows that do not divide, and
# keeps an encoder's tables of positions, a large part of a small model, at 16 bits or more.
WIDE_BITS = {"Q4_K_M": (4.3, 6.3)}
STATE_ELEMENT = 4  # bytes: llama.cpp keeps states in 32 bits (src/llama-model.cpp, create_memory)

every_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)


def language_params(preset: ModelPreset) -> int:
    """The stated parameters less those that the architecture does not show."""
    total = preset.params_total.value
    assert total is not None
    return total - ((preset.other_params.value or 0) if preset.other_params else 0)


def tolerance(preset: ModelPreset) -> float:
    """How far the shapes may be from what is stated: biases, or a card's rounding."""
    total = preset.params_total.value
    assert total is not None
    if total % 10**9 == 0:
        return 0.01
    other = preset.other_params
    if other and other.note and "by difference" in other.note:
        return 1e-6  # what the shapes do not show is all the rest
    # encoders have biases everywhere and a pooler, which only some of their files hold
    return 0.003 if total % 10**6 == 0 or preset.architecture.positions else 0.001


def resized(arch: Architecture, more: int) -> Architecture:
    """The same with `more` layers in its largest group."""
    largest = max(arch.layer_groups, key=lambda group: group.layers)
    groups = tuple(
        g.model_copy(update={"layers": g.layers + more}) if g is largest else g
        for g in arch.layer_groups
    )
    return arch.model_copy(update={"layers": arch.layers + more, "layer_groups": groups})


def gguf_bits(preset: ModelPreset, quantization: str) -> tuple[float, float]:
    arch = preset.architecture
    if arch.hidden_size % 256 or arch.positions:
        return WIDE_BITS.get(quantization, BITS[quantization])
    return BITS[quantization]


def mixer_state_bytes(mixer: Mixer, hidden: int) -> int:
    """Bytes that one layer keeps for a sequence: the window of its convolution, and its matrix."""
    if isinstance(mixer, GatedDelta):
        key, value = mixer.key_heads * mixer.key_dim, mixer.value_heads * mixer.value_dim
        window, matrix = (mixer.kernel - 1) * (2 * key + value), value * mixer.key_dim
    elif isinstance(mixer, KimiDelta):
        inner = mixer.heads * mixer.head_dim
        window, matrix = (mixer.kernel - 1) * 3 * inner, inner * mixer.head_dim
    elif isinstance(mixer, Mamba2):
        inner = mixer.heads * mixer.head_dim
        window = (mixer.kernel - 1) * (inner + 2 * mixer.groups * mixer.state)
        matrix = inner * mixer.state
    else:
        window, matrix = (mixer.kernel - 1) * hidden, 0
    return (window + matrix) * STATE_ELEMENT


def head_again(preset: ModelPreset) -> int:
    """Parameters of a head that is stored although the embeddings serve as one."""
    arch = preset.architecture
    return arch.vocab_size * arch.hidden_size if arch.tied_embeddings else 0


def has_sourced_file(preset: ModelPreset, quantization: str) -> bool:
    return any(
        checkpoint.format == "gguf"
        and checkpoint.quantization == quantization
        and checkpoint.bytes.value is not None
        for checkpoint in preset.checkpoints
    )


@every_preset
def test_file_is_named_after_the_model(preset: ModelPreset) -> None:
    assert PRESETS[preset.id] is preset


def test_ids_and_aliases_name_one_model_each() -> None:
    names = Counter(
        chain.from_iterable((p.id, p.hf_id.lower(), *p.aliases) for p in PRESETS.values())
    )
    assert [name for name, count in names.items() if count > 1] == []
    assert [name for name in names if name != name.lower()] == []


def test_hf_repos_belong_to_one_model_each() -> None:
    repos = Counter(chain.from_iterable({c.repo for c in p.checkpoints} for p in PRESETS.values()))
    assert [repo for repo, count in repos.items() if count > 1] == []


def test_coverage() -> None:
    presets = PRESETS.values()
    assert len(presets) >= 15
    assert any(p.architecture.moe for p in presets)
    assert any(p.architecture.mla for p in presets)
    assert any(g.kind == "sliding" for p in presets for g in p.architecture.layer_groups)
    assert sum(has_sourced_file(p, "Q4_K_M") for p in presets) >= 15
    assert sum(has_sourced_file(p, "Q8_0") for p in presets) >= 10
    safetensors = [c for p in presets for c in p.checkpoints if c.format == "safetensors"]
    assert len({c.repo for c in safetensors}) >= 25
    assert {"bf16", "fp8", "fp8-block", "awq-int4", "gptq-int4", "mxfp4"} <= {
        c.quantization for c in safetensors
    }


@every_preset
def test_heads_divide(preset: ModelPreset) -> None:
    assert preset.architecture.heads % preset.architecture.kv_heads == 0


@every_preset
def test_params_follow_from_the_architecture(preset: ModelPreset) -> None:
    counted = count_params(preset.architecture).total
    assert counted == pytest.approx(language_params(preset), rel=tolerance(preset))


@every_preset
def test_a_wrong_shape_would_be_noticed(preset: ModelPreset) -> None:
    arch, stated = preset.architecture, language_params(preset)
    if tolerance(preset) == 0.01:
        pytest.skip("the stated count is rounded to 1B: one layer more is within the rounding")
    wrong = [
        resized(arch, 1),
        resized(arch, -1),
        arch.model_copy(update={"hidden_size": arch.hidden_size + 128}),
        arch.model_copy(update={"tied_embeddings": not arch.tied_embeddings}),
    ]
    if preset.task != "generate":
        wrong.pop()  # encoders and embedders have no head, whatever config.json says
    for changed in wrong:
        counted = count_params(changed).total
        assert counted != pytest.approx(stated, rel=tolerance(preset))


@every_preset
def test_the_state_of_a_layer_follows_from_its_mixer(preset: ModelPreset) -> None:
    arch = preset.architecture
    stateful = [g for g in arch.layer_groups if g.kind in ("linear", "mamba")]
    assert bool(stateful) == (arch.mixer is not None)
    for group in stateful:
        assert arch.mixer is not None
        assert group.state_bytes == mixer_state_bytes(arch.mixer, arch.hidden_size)
    assert all(not g.state_bytes for g in arch.layer_groups if g not in stateful)


def test_state_bytes_are_of_one_layer() -> None:
    # llama.cpp logs 75.38 MiB of recurrent state for one sequence of Qwen3-Next-80B-A3B.
    groups = PRESETS["qwen3-next-80b-a3b-instruct"].architecture.layer_groups
    linear = next(group for group in groups if group.kind == "linear")
    assert linear.state_bytes
    assert linear.layers * linear.state_bytes / 2**20 == pytest.approx(75.38, abs=0.01)
    assert "sequence and layer" in (LayerGroup.model_fields["state_bytes"].description or "")


@every_preset
def test_other_params_say_what_they_are(preset: ModelPreset) -> None:
    if preset.other_params is None:
        return
    assert preset.other_params.value
    assert preset.other_params.note
    # The towers of the smallest models for images weigh a quarter of what writes.
    assert preset.other_params.value < 0.3 * language_params(preset)


def test_indexer_keys_are_cached_beside_the_latent() -> None:
    assert PRESETS["deepseek-v3.2"].architecture.extra_cache_bytes == 128 + 4
    assert PRESETS["deepseek-v3"].architecture.extra_cache_bytes == 0


@every_preset
def test_active_params(preset: ModelPreset) -> None:
    total, active = preset.params_total.value, preset.params_active.value
    assert total is not None
    assert active is not None
    assert active < total if preset.architecture.moe else active == total


@every_preset
def test_parsers_exist_in_the_pinned_vllm(preset: ModelPreset) -> None:
    if preset.vllm_parsers is None:
        return
    table = engine_info("vllm").table
    assert preset.vllm_parsers.tool_call in (None, *table.tool_call_parsers)
    assert preset.vllm_parsers.reasoning in (None, *table.reasoning_parsers)


@pytest.mark.parametrize(("preset", "checkpoint"), CHECKPOINTS)
def test_checkpoint_files_match_the_format(preset: ModelPreset, checkpoint: Checkpoint) -> None:
    if checkpoint.format == "safetensors":
        assert checkpoint.quantization in get_args(SafetensorsQuant)
        assert not checkpoint.files or preset.task != "generate"  # encoders: old weights are .bin
        assert checkpoint.sha256 is None
        return
    assert checkpoint.files
    for file in checkpoint.files:
        assert file.endswith(".gguf")
        assert checkpoint.quantization.lower() in file.lower()
    assert checkpoint.sha256 is None or len(checkpoint.files) == 1


@pytest.mark.parametrize(("preset", "checkpoint"), CHECKPOINTS)
def test_bytes_fit_the_params(preset: ModelPreset, checkpoint: Checkpoint) -> None:
    if checkpoint.bytes.value is None:
        return
    params = preset.params_total.value
    assert params is not None
    low, high = BITS[checkpoint.quantization]
    most = params
    if checkpoint.format == "gguf":
        params = language_params(preset)
        most = params + head_again(preset)
        low, high = gguf_bits(preset, checkpoint.quantization)
    bits = checkpoint.bytes.value * 8
    assert low <= bits / params, f"fewer than {low} bits for each of {params} parameters"
    again = ", the head counted again: a file may hold the tied embeddings twice"
    assert bits / most <= high, (
        f"more than {high} bits for each of {most} parameters{again if most > params else ''}"
    )


@every_preset
def test_one_file_per_format_and_quantization_of_a_repo(preset: ModelPreset) -> None:
    keys = Counter((c.format, c.quantization, c.repo) for c in preset.checkpoints)
    assert max(keys.values()) == 1
