"""Ollama: a llama-server started by Ollama, which decides on layers and batches itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from infra_gen.model.llm import Architecture, ModelPreset
from infra_gen.model.machine import Machine
from infra_gen.model.plan import Limits, Placement, Weights
from infra_gen.plan.sizing import llamacpp, ollama_settings
from infra_gen.plan.sizing.contract import Ask

name = "ollama"
calibrated_as = "llama.cpp"
reserves_slots = True
borrows_speed = False
gives_room = False
settings = ollama_settings.settings

problem = llamacpp.problem
splits = llamacpp.splits
memory_of = llamacpp.memory_of
shortfall = llamacpp.shortfall
parsers = llamacpp.parsers

# Whatever OLLAMA_NUM_PARALLEL says, these run one request at a time (ollama/ollama@v0.32.15,
# server/sched.go:497-508, which names llama.cpp's architectures; here as config.json names them).
_ONE_AT_A_TIME = (
    "Mllama", "Qwen3VL", "Qwen3_5", "Qwen3Next", "Lfm2", "NemotronH",
)  # fmt: skip


def placements(arch: Architecture, machine: Machine) -> Sequence[Placement]:
    """Whole layers only: `num_gpu` is all that a Modelfile can say."""
    offered = llamacpp.placements(arch, machine)
    return tuple(Placement(p.gpu_layers) for p in offered if p.gpu_layers is not None)


def limits(ask: Ask) -> Limits:
    """As llama-server's: OLLAMA_NUM_PARALLEL slots of OLLAMA_CONTEXT_LENGTH tokens.

    Batch and micro-batch are one number, `num_batch` (v0.32.15 llm/llama_server.go:appendBatchArgs).
    """
    found = llamacpp.limits(ask)
    found = replace(found, max_num_batched_tokens=found.ubatch or found.max_num_batched_tokens)
    alone = ask.task == "embed" or ask.arch.class_name.startswith(_ONE_AT_A_TIME)
    return replace(found, max_num_seqs=1) if alone else found


def served_name(preset: ModelPreset, weights: Weights, asked: str | None) -> str:
    """A name with a tag: without one Ollama adds `:latest`, in its own lists too."""
    name = asked or preset.id
    return name if ":" in name else f"{name}:{weights.quantization.lower()}"
