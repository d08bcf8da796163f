"""What the handler of an option does with its value: words it knows, limits, the field it sets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tools.tables.llama.arg_cpp import Handler
from tools.tables.llama.cpp_tokens import (
    Token,
    Tokens,
    find_all,
    is_mark,
    number,
    split,
    text_of,
)
from tools.tables.llama.statements import Branch, Setting, added, chains, settings

_INTEGERS = ("stoi", "stol", "stoll", "stoul", "stoull")
_FLOATS = ("stof", "stod")
_LIMITS = {
    "<": "minimum",
    ">": "maximum",
    "<=": "exclusive_minimum",
    ">=": "exclusive_maximum",
}


@dataclass(slots=True)
class Effect:
    """What a handler does, as far as it is understood."""

    names: set[str]  # the value, and what is made of it alone
    helpers: Mapping[str, Sequence[str]]  # functions of arg.cpp that know words: is_truthy
    reads: str | None = None  # int, float, json or path: what the value is read as
    words: dict[str, Tokens | None] = field(default_factory=dict)  # word -> what it sets
    also: list[str] = field(default_factory=list)  # other spellings of those words
    closed: bool = False  # any other word is refused
    ignores: bool = False  # any other word is taken and has no effect
    calls: list[str] = field(default_factory=list)  # the functions that the value is given to
    limits: dict[str, int | float | str] = field(default_factory=dict)  # or a constant's name
    refused: list[int | float | str] = field(default_factory=list)  # single values
    settings: list[Setting] = field(default_factory=list)
    added: list[tuple[str, ...]] = field(default_factory=list)  # lists that a use adds to
    removed: str | None = None  # why it is no option any more

    @property
    def adds(self) -> bool:
        """Whether a second use adds to the first."""
        return bool(self.added)


def effect_of(handler: Handler, helpers: Mapping[str, Sequence[str]]) -> Effect:
    """Read a handler's body."""
    body = handler.body
    effect = Effect({handler.value} - {""}, helpers)
    effect.removed = _removed(body)
    _follow(body, effect)
    effect.reads = _reads(body, effect.names)
    effect.calls = _calls(body)
    for chain in chains(body):
        _read_chain(chain, effect)
    effect.settings = list(settings(body))
    effect.added = list(added(body))
    return effect


def _removed(body: Tokens) -> str | None:
    at = next(find_all(body, "arg_removed ("), None)
    return body[at + 2].text if at is not None else None


def _follow(body: Tokens, effect: Effect) -> None:
    """Names that stand for the value: copies of it, stripped or read as a number."""
    for statement in split(body, ";"):
        equals = next((i for i in range(len(statement)) if is_mark(statement, i, "=")), 0)
        if equals < 2 or statement[0].text == "params":
            continue
        calls = {"string_strip", *_INTEGERS, *_FLOATS}
        made = [t for t in statement[equals + 1 :] if t.kind == "name" and t.text != "std"]
        rest = [token for token in made if token.text not in calls]
        if rest and rest[0].text in effect.names and _plain(statement[equals + 1 :]):
            effect.names.add(statement[equals - 1].text)


def _plain(row: Tokens) -> bool:
    """The value, or one call that begins with it: `value`, `std::stod(text, &pos)`."""
    return (
        re.fullmatch(r"(?:(?:std :: )?\w+ \( )?\w+(?: , & \w+)?(?: \))?", text_of(row)) is not None
    )


def _reads(body: Tokens, names: set[str]) -> str | None:
    for index in range(len(body) - 2):
        if not (is_mark(body, index + 1, "(") and body[index + 2].text in names):
            continue
        called = body[index].text
        if called in _FLOATS and is_mark(body, index + 3, ")", ","):
            return "float"
        if called in _INTEGERS and is_mark(body, index + 3, ")", ","):
            return "int"
        if called == "parse" and body[index - 2].text == "json":
            return "json"
        if called in ("read_file", "fs_is_directory", "create_directories"):
            return "path"
        if body[index - 1].text == "ifstream":
            return "path"
    return None


def _calls(body: Tokens) -> list[str]:
    called = range(len(body) - 1)
    return [body[i].text for i in called if body[i].kind == "name" and is_mark(body, i + 1, "(")]


def _read_chain(chain: Sequence[Branch], effect: Effect) -> None:
    words = [_words(branch.condition, effect) for branch in chain]
    if not chain or not words[0]:
        if len(chain) == 1 and chain[0].condition and chain[0].throws:
            _read_limits(chain[0].condition, effect)
        return
    last = chain[-1]
    for branch, known in zip(chain, words, strict=True):
        if branch.condition is None:
            continue
        if not known:
            return
        effect.words[known[0]] = _set_to(branch.block)
        effect.also += known[1:]
    used = any(token.text in effect.names for token in last.block)
    effect.closed = last.condition is None and last.throws
    effect.ignores = last.condition is None and not effect.closed and not used


def _words(condition: Tokens | None, effect: Effect) -> list[str]:
    """The words that a condition compares the value with; none where it does more than that."""
    found: list[str] = []
    for part in _alternatives(condition or ()):
        match [token.text for token in part]:
            case [name, "==", word] if name in effect.names and part[2].kind == "string":
                found += [word] if word else []
            case [helper, "(", name, ")"] if helper in effect.helpers and name in effect.names:
                found += effect.helpers[helper]
            case _:
                return []
    return found


def _alternatives(condition: Tokens) -> list[list[Token]]:
    return split(condition, "||")


def _set_to(block: Tokens) -> Tokens | None:
    """What the one setting of a block sets its field to."""
    found = next(iter(settings(block)), None)
    return found.value if found else None


def _read_limits(condition: Tokens, effect: Effect) -> None:
    for part in _alternatives(condition):
        match [token.text for token in part]:
            case [name, ("<" | ">" | "<=" | ">=" | "==") as mark, *rest] if name in effect.names:
                bound = _bound(rest)
            case _:
                continue
        if bound is not None and mark == "==":
            effect.refused.append(bound)
        elif bound is not None:
            effect.limits[_LIMITS[mark]] = bound


def _bound(words: Sequence[str]) -> int | float | str | None:
    match words:
        case [word] if word[:1].isdigit():
            return number(word)
        case ["-", word] if word[:1].isdigit():
            return -number(word)
        case [word] if word.isupper():
            return word
    return None
