"""The argument parser of `vllm serve`, put together by evaluating the code that builds it."""

from __future__ import annotations

import ast
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tools.tables.records import TableError
from tools.tables.vllm.sources import Sources
from tools.tables.vllm.values import (
    Instance,
    Scope,
    SourceClass,
    UnclearError,
    Unknown,
    is_source_class,
)
from tools.tables.vllm.world import World

_SERVE = "vllm.entrypoints.cli.serve"


@dataclass(frozen=True, slots=True)
class Action:
    """One `add_argument`: its spellings and everything else it was given."""

    spellings: tuple[str, ...]
    options: dict[str, Any]
    group: str


@dataclass(slots=True)
class Recorder:
    """Stands in for the parser, and for its groups, which share one list."""

    actions: list[Action] = field(default_factory=list)
    title: str = ""
    keeps_unknown: bool = True

    def add_argument(self, *names: Any, **options: Any) -> None:
        """Remember an argument."""
        if not all(isinstance(name, str) for name in names) or not names:
            raise UnclearError(f"an argument without a known name: {names}")
        self.actions.append(Action(names, options, self.title))

    def add_argument_group(self, title: Any = "", **_rest: Any) -> Recorder:
        """Return a group whose arguments are those of the parser."""
        return Recorder(self.actions, title if isinstance(title, str) else "")

    def add_mutually_exclusive_group(self, **_rest: Any) -> Recorder:
        """Return a group of arguments that exclude each other."""
        return self

    def add_parser(self, *_names: Any, **_rest: Any) -> Recorder:
        """Return the parser of a subcommand, the only one that is asked for."""
        return self


def world_of(
    sources: Sources, registries: dict[str, list[str]], *, checking: bool = False
) -> World:
    """Return the evaluator of a release; `registries` are parsers that register as vLLM starts."""
    known: dict[str, Any] = {
        "load_general_plugins": lambda: None,  # of packages beside vLLM: none are there
        "init_logger": lambda *_: Unknown("a logger"),
        "logger": Unknown("a logger"),
        "NEEDS_HELP": True,
    }
    for manager, names in registries.items():
        table = dict.fromkeys(names)
        known[f"{manager}.reasoning_parsers"] = known[f"{manager}.tool_parsers"] = table
        known[f"{manager}.list_registered"] = lambda table=table: sorted(table)
    world = World(sources, known, checking=checking)
    world.known["get_attr_docs"] = world.docs
    world.known["fields"] = world.fields
    world.known["LazyLoader"] = lambda _name, _globals, module: world.module_value(module)
    world.known["get_type"] = _get_type
    world.known["get_kwargs"] = _with_origins(world)
    platform = world.from_module("vllm.platforms.cuda", "CudaPlatformBase")
    if not is_source_class(platform):
        raise TableError("there is no CUDA platform")
    world.known["current_platform"] = Instance(platform)
    return world


def _get_type(hints: Iterable[Any], kind: Any) -> Any:
    """Stand in for vLLM's `get_type`.

    That takes the first of a set, which of two Literals is chance (`--guided-decoding-backend` of
    0.8.5 has two); here they are one.
    """
    found = [hint for hint in hints if hint is kind or typing.get_origin(hint) is kind]
    if kind is typing.Literal and len(found) > 1:
        values = sorted({value for hint in found for value in typing.get_args(hint)})
        return typing.Literal[tuple(values)]
    return found[0] if found else None


def _with_origins(world: World) -> Callable[[Any], Any]:
    """Return vLLM's `get_kwargs`, whose result also says which field each entry comes from."""

    def get_kwargs(cls: Any) -> Any:
        module = world.sources.need("vllm.engine.arg_utils")
        definition = module.bindings["get_kwargs"]
        if not isinstance(definition, ast.FunctionDef):
            raise TableError("get_kwargs is no function")
        found = world.run(world.function(definition, Scope(module)), [cls], {})
        fields = {field.name: field for field in world.fields(cls)}
        return {name: {**options, "origin": fields[name]} for name, options in found.items()}

    return get_kwargs


def actions_of(world: World) -> list[Action]:
    """Return the arguments of `vllm serve`, in the order they are added."""
    command = world.from_module(_SERVE, "ServeSubcommand")
    if not is_source_class(command):
        raise TableError("there is no serve subcommand")
    subparsers = Recorder()
    world.invoke(world.attribute(_subcommand(command), "subparser_init"), [subparsers], {})
    return subparsers.actions


def _subcommand(command: type[SourceClass]) -> Instance:
    # Older releases set the name in __init__.
    return Instance(command, {"name": "serve"})


def inverses(world: World) -> dict[str, str]:
    """Return the prefixes that stand for each other's negation: since 0.33.0 enable and disable."""
    module = world.sources.module("vllm.utils.argparse_utils")
    if module is None or "EnableDisableAction" not in module.bindings:
        return {}
    action = world.from_module(module.name, "EnableDisableAction")
    found = world.attribute(action, "_inverse_prefixes")
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise TableError("the prefixes of EnableDisableAction are not understood")
    return found


def negatives(spellings: tuple[str, ...], prefixes: dict[str, str]) -> Iterator[str]:
    """Yield the spellings that switch a pair off."""
    for spelling in spellings:
        if spelling.startswith("--"):
            yield f"--no-{spelling[2:]}"
        for prefix, inverse in prefixes.items():
            if spelling.startswith(prefix):
                yield inverse + spelling.removeprefix(prefix)
