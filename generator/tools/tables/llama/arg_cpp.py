"""What `common/arg.cpp` adds to the parser of llama-server: one `Option` for each `add_opt`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.tables.llama.cpp_tokens import (
    Token,
    Tokens,
    closing,
    constant_names,
    find_all,
    function_text,
    inside,
    is_mark,
    literal_strings,
    split,
    text_of,
    tokens,
)
from tools.tables.records import TableError

PARSERS = ("common_params_parser_init", "gpt_params_parser_init")
_SERVER, _COMMON = "LLAMA_EXAMPLE_SERVER", "LLAMA_EXAMPLE_COMMON"
_OPTION_TYPES = ("common_arg", "llama_arg")
# Conditions around an option: whether it is there in a server with every optional part built in.
_CONDITIONS = {
    f"ex == {_SERVER}": True,
    "llama_supports_rpc ( )": True,
    "params . is_gen_docs || llama_supports_rpc ( )": True,
}
_OTHER_PROGRAM = re.compile(r"ex == LLAMA_EXAMPLE_(?!SERVER\b)\w+")
_MARKERS = ("set_sparam", "set_sampling", "set_spec")


@dataclass(frozen=True, slots=True)
class Handler:
    """The lambda that takes an option's value: what kind it is, its value's name, its body.

    The kinds: void, bool, int, string, pair (two strings).
    """

    kind: str
    value: str
    body: Tokens


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the server as written."""

    names: Sequence[str]
    negatives: Sequence[str]
    hints: Sequence[Tokens]
    help: Tokens
    handler: Handler
    env: str | None

    @property
    def name(self) -> str:
        """The first long spelling, or the only one."""
        return next((name for name in self.names if name.startswith("--")), self.names[0])

    @property
    def hint(self) -> str:
        """The placeholder of the value, empty where it is made by code."""
        return " ".join(hint[0].text for hint in self.hints if hint[0].kind == "string")


@dataclass(frozen=True, slots=True)
class Parser:
    """The options of the server and what is set for it before they are read."""

    name: str
    options: Sequence[Option]
    overrides: Mapping[tuple[str, ...], Tokens]


def parser_of(source: str) -> Parser:
    """Read `common/arg.cpp`."""
    name = next((name for name in PARSERS if f" {name}(" in source), None)
    if name is None:
        raise TableError(f"neither {' nor '.join(PARSERS)}")
    row = tokens(function_text(source, name))
    body = row[next(i for i in range(len(row)) if is_mark(row, i, "{")) :]
    lists = _example_lists(source)
    options: list[Option] = []
    overrides: dict[tuple[str, ...], Tokens] = {}
    for statement in _statements(inside(body)):
        if is_mark(statement, 1, "(") and statement[0].text == "add_opt":
            option = _option(inside(statement[1:]), lists)
            options += [option] if option else []
        elif (path := _field_set(statement)) is not None:
            overrides[path] = statement[len(path) * 2 + 2 :]
        elif next(find_all(statement, "add_opt ("), None) is not None:
            raise TableError(f"an option inside of {text_of(statement)[:80]}")
    return Parser(name, options, overrides)


def _example_lists(source: str) -> dict[str, list[str]]:
    """The named lists of programs: `static std::initializer_list<...> mmproj_examples = {...};`."""
    found: dict[str, list[str]] = {}
    pattern = r"^(?:static\s+)?std::initializer_list<[^\n]*>\s*(\w+)\s*=\s*(\{.*?\});"
    for match in re.finditer(pattern, source, re.MULTILINE | re.DOTALL):
        found[match.group(1)] = constant_names(inside(tokens(match.group(2))))
    return found


def _statements(row: Tokens) -> Iterator[list[Token]]:
    """The statements that hold for the server; blocks of other programs fall away."""
    index = 0
    while index < len(row):
        if row[index].text == "if" and row[index].kind == "name":
            end = closing(row, index + 1)
            condition = text_of(row[index + 2 : end])
            holds = _condition_holds(condition, row[end + 1 :])
            index = end + 1
            while True:
                stop = closing(row, index)
                if holds:
                    yield from _statements(row[index + 1 : stop])
                index = stop + 1
                if not _is_else(row, index):
                    break
                holds, index = _else_branch(row, index, taken=holds)
            continue
        end = _end_of_statement(row, index)
        yield list(row[index:end])
        index = end + 1


def _is_else(row: Tokens, index: int) -> bool:
    return index < len(row) and row[index] == Token("name", "else")


def _else_branch(row: Tokens, index: int, *, taken: bool) -> tuple[bool, int]:
    """Whether the next branch of a chain holds, and where its block opens."""
    if is_mark(row, index + 1, "{"):
        return not taken, index + 1
    end = closing(row, index + 2)
    condition = text_of(row[index + 3 : end])
    return not taken and _condition_holds(condition, row[end + 1 :]), end + 1


def _condition_holds(condition: str, block: Tokens) -> bool:
    if condition in _CONDITIONS:
        return _CONDITIONS[condition]
    if _OTHER_PROGRAM.fullmatch(condition):
        return False
    if next(find_all(block[: closing(block, 0)], "add_opt ("), None) is not None:
        raise TableError(f"options under a condition that is not understood: {condition}")
    return False


def _end_of_statement(row: Tokens, start: int) -> int:
    """Where a statement's semicolon stands, or the brace that ends a block."""
    index = start
    while index < len(row) and not is_mark(row, index, ";"):
        if is_mark(row, index, "(", "[", "{"):
            block = is_mark(row, index, "{") and row[start].text in ("for", "while")
            index = closing(row, index)
            if block:
                return index
        index += 1
    return index


def _field_set(statement: Tokens) -> tuple[str, ...] | None:
    """The path of `params.a.b = ...`."""
    if not statement or statement[0].text != "params":
        return None
    path: list[str] = []
    index = 1
    while is_mark(statement, index, "."):
        path.append(statement[index + 1].text)
        index += 2
    return tuple(path) if path and is_mark(statement, index, "=") else None


def _option(row: Tokens, lists: Mapping[str, list[str]]) -> Option | None:
    """An option of the server, None where it is another program's."""
    if len(row) < 2 or row[0].text not in _OPTION_TYPES:
        raise TableError(f"add_opt of something else: {text_of(row)[:80]}")
    end = closing(row, 1)
    parts = split(row[2:end])
    groups = [literal_strings(inside(part)) for part in parts if is_mark(part, 0, "{")]
    rest = parts[len(groups) :]
    if not groups or len(groups) > 2 or len(rest) < 2:
        raise TableError(f"an option of another shape: {text_of(row)[:80]}")
    calls = dict(_calls(row[end + 1 :], groups[0][0]))
    examples = _programs(calls.get("set_examples"), lists) or [_COMMON]
    excluded = _programs(calls.get("set_excludes"), lists)
    if _SERVER in excluded or not {_SERVER, _COMMON} & set(examples):
        return None
    env = literal_strings(calls["set_env"]) if "set_env" in calls else [None]
    handler = _handler(rest[-1], groups[0][0])
    return Option(groups[0], (groups[1:] or [[]])[0], rest[:-2], rest[-2], handler, env[0])


def _calls(row: Tokens, name: str) -> Iterator[tuple[str, Tokens]]:
    """The calls chained to an option: `.set_examples({...}).set_env("...")`."""
    index = 0
    while index < len(row):
        if not (is_mark(row, index, ".") and is_mark(row, index + 2, "(")):
            raise TableError(f"{name}: no chained call: {text_of(row[index:])[:80]}")
        called, end = row[index + 1].text, closing(row, index + 2)
        if called not in ("set_examples", "set_excludes", "set_env", *_MARKERS):
            raise TableError(f"{name}: {called} is not known")
        yield called, row[index + 3 : end]
        index = end + 1


def _programs(row: Tokens | None, lists: Mapping[str, list[str]]) -> list[str]:
    if not row:
        return []
    if is_mark(row, 0, "{"):
        return constant_names(inside(row))
    if len(row) != 1 or row[0].text not in lists:
        raise TableError(f"a list of programs that is not known: {text_of(row)}")
    return lists[row[0].text]


def _handler(row: Tokens, name: str) -> Handler:
    if not (is_mark(row, 0, "[") and is_mark(row, closing(row, 0) + 1, "(")):
        raise TableError(f"{name}: its last argument is no lambda")
    opening = closing(row, 0) + 1
    end = closing(row, opening)
    body = inside(row[end + 1 :])
    values = split(row[opening + 1 : end])[1:]
    words = [{token.text for token in value} for value in values]
    named = [value[-1].text for value in values]
    if not values:
        return Handler("void", "", body)
    if len(values) == 2 and all("string" in value for value in words):
        return Handler("pair", named[0], body)
    kinds = [kind for kind in ("bool", "int", "string") if kind in words[0]]
    if len(values) > 1 or len(kinds) != 1:
        raise TableError(f"{name}: a handler of another kind: {text_of(row)[:80]}")
    return Handler(kinds[0], named[0], body)
