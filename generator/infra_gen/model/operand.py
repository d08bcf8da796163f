"""What a constraint speaks of: settings, facts, products of them, and tests of one.

- `--flag`, and `--flag.key` inside a JSON value; a flag that is left out counts with its default;
- `VARIABLE`, in capitals; a number;
- `model.x`, `plan.x`, `weights.x`, `machine.x`, `launch.x`, `engine.x`: a fact of `FACTS`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from infra_gen.model.sourced import Record

# Name -> what it is. How each is found: `infra_gen.rules.facts`.
FACTS: dict[str, str] = {
    "engine.max_num_seqs": "the engine's own default of requests at once on this machine",
    "launch.model": "whether a word without a flag names the model",
    "launch.model_flag": "whether a word of the command is exactly --model",
    "launch.serve": "whether the program is run with the command serve",
    "machine.accelerator": "how programs reach its devices: cuda, rocm, cpu and others",
    "machine.capability": "compute capability of an NVIDIA GPU",
    "machine.devices": "devices of one node",
    "model.class": "the class in its config.json",
    "model.context": "tokens that its config.json allows",
    "model.group": "query heads for each head of keys and values",
    "model.head_dim": "elements of one head",
    "model.heads": "attention heads",
    "model.kv_heads": "heads of keys and values",
    "model.mla": "whether it has multi-head latent attention",
    "model.moe": "whether it is a mixture of experts",
    "model.states": "whether layers keep a state in place of keys and values",
    "model.task": "generate, embed or rerank",
    "model.window": "whether layers have a sliding window",
    "plan.context": "tokens of one request that were planned",
    "plan.state_blocks": "states of its linear or mamba layers that the planned cache has room for",
    "weights.quantization": "of the checkpoint",
}
_OPERAND = re.compile(
    r"(?P<flag>--?[a-zA-Z][a-zA-Z0-9-]*(?:\.[a-z0-9_.]+)?)$|(?P<env>[A-Z][A-Z0-9_]+)$"
    r"|(?P<number>-?\d+(?:\.\d+)?)$|(?P<fact>[a-z]+\.[a-z_]+)$"
)
_FACTOR = re.compile(r"(?P<of>\S+)(?: \+ (?P<plus>\d+))?$")
_COMPARED = re.compile(r"(?P<test>>=|<=|!=|>|<) (?P<value>\S.*)$")
_ORDERS = (">", ">=", "<", "<=")
_WORDS = ("on", "off", "set", "unset", "empty")

Kind = Literal["flag", "env", "number", "fact"]
_KINDS: tuple[Kind, ...] = ("flag", "env", "number", "fact")
Test = Literal[
    "on", "off", "set", "unset", "empty", "contains", "in", "!=", ">", ">=", "<", "<="
]  # fmt: skip


def kind_of(operand: str) -> Kind | None:
    """What kind of thing an operand names, None where it names nothing."""
    found = _OPERAND.match(operand)
    return next((kind for kind in _KINDS if found and found[kind] is not None), None)


def known_operand(text: str) -> str:
    """The operand as it is; ValueError for what names nothing."""
    kind = kind_of(text)
    if kind is None or (kind == "fact" and text not in FACTS):
        raise ValueError(f"{text!r} is no flag, variable, number or known fact")
    return text


Operand = Annotated[str, BeforeValidator(str), AfterValidator(known_operand)]


class Factor(Record):
    """An operand, and a number that is added to it: `--max-num-seqs`, `--tokens + 1`."""

    of: Operand
    plus: int = 0

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return given
        found = _FACTOR.match(str(given))
        if found is None:
            raise ValueError(f"{given!r} is not written as NAME or NAME + 1")
        return {"of": found["of"], "plus": int(found["plus"] or 0)}


def _listed(given: Any) -> Any:
    return given if isinstance(given, list | tuple) else [given]


# One factor, or several that are multiplied.
Product = Annotated[tuple[Factor, ...], BeforeValidator(_listed), Field(min_length=1)]


class Condition(Record):
    """What one operand must be. Written `operand: test`.

    `on`, `off`; `set`, `unset`: written down or not; `empty`; `> 1` and the like, `!= x`;
    `contains x`; one value, or a list of which it is one.
    """

    of: Operand
    test: Test
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _compares_a_number(self) -> Condition:
        if self.test in _ORDERS:
            float(self.values[0])
        return self


def _test(given: Any) -> dict[str, Any]:
    """How a condition is written, taken apart."""
    if isinstance(given, list):
        return {"test": "in", "values": [str(value) for value in given]}
    text = str(given)
    if text in _WORDS:
        return {"test": text}
    compared = _COMPARED.match(text)
    if compared:
        return {"test": compared["test"], "values": [compared["value"]]}
    if text.startswith("contains "):
        return {"test": "contains", "values": [text.removeprefix("contains ")]}
    return {"test": "in", "values": [text]}


def _conditions(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    return [{"of": operand, **_test(test)} for operand, test in given.items()]


Conditions = Annotated[tuple[Condition, ...], BeforeValidator(_conditions)]
