"""The files, engines and targets by name, as spec and lock write them.

The registries hold one module for each; a test holds the three lists together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

SPEC_FILE = "infra-gen.yaml"
LOCK_FILE = "infra-gen.lock"

EngineName = Literal["vllm", "tgi", "llama.cpp", "ollama"]
TargetName = Literal["compose", "quadlet", "systemd", "launchd"]
# Names that later releases will take; said apart so that the error can tell "not yet" from a typo.
RESERVED_TARGETS = ("helm", "kubernetes")

ENGINE_NAMES: tuple[str, ...] = get_args(EngineName)
TARGET_NAMES: tuple[str, ...] = get_args(TargetName)


def one_of(names: Sequence[str]) -> str:
    """The names as a choice in a sentence: `a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
