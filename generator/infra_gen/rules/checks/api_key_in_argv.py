"""A key on the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.command_line import Used
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_flag
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="api-key-in-argv",
    severity="error",
    confidence="high",
    what="Reports keys and tokens given to the engine as an argument, `${API_KEY}` included.",
    why="Every user of the machine reads arguments in the process list, and `docker inspect` and "
    "logs repeat them. An empty variable before another flag also breaks vLLM's parser.",
    bad="command:\n  - --api-key=${API_KEY}",
    good="environment:\n  VLLM_API_KEY: ${API_KEY:?is not set, README.md says how}",
    fix="Give it in the environment (VLLM_API_KEY, LLAMA_API_KEY, TGI's API_KEY), or in a file.",
    sources=(
        "https://github.com/vllm-project/vllm/blob/main/vllm/envs.py",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "https://github.com/huggingface/text-generation-inference",
    ),
)
_SECRET = re.compile(r"-(?:api-key|token|authtoken|password|secret)$")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such flag."""
    command = subject.command
    if command is None:
        return
    for spelling in dict.fromkeys(used.spelling for used in command.used if _is_secret(used)):
        message = f"{spelling} shows its value in the process list"
        yield at_flag(RULE, subject, spelling, message)


def _is_secret(used: Used) -> bool:
    spec = used.spec
    return spec is not None and spec.takes_value and bool(_SECRET.search(spec.name))
