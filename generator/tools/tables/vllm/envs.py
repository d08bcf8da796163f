"""The environment variables of vLLM: types from its declarations, defaults from its own readers."""

from __future__ import annotations

import ast
from typing import Any

from tools.tables.records import Record, TableError, by_name, compact
from tools.tables.vllm.hints import Hint, default_of, ordered, taken_apart, values
from tools.tables.vllm.sources import Module
from tools.tables.vllm.values import Function, Scope, UnclearError, Unknown
from tools.tables.vllm.world import World

_ENVS = "vllm.envs"
_READERS = ("_get_validated_env", "_get_validated_env_list", "_get_validated_env_set")


def environment(world: World) -> list[Record]:
    """Return a record for each variable in vLLM's table of them.

    Each entry of that table is a function that reads the variable; it is evaluated as on a machine
    where none is set, which gives the default.
    """
    module = world.sources.need(_ENVS)
    readers = world.member(module, "environment_variables")
    if not isinstance(readers, dict):
        raise TableError("the table of environment variables is not understood")
    declared = _declared(module)
    return by_name(
        _variable(world, module, str(name), reader, declared) for name, reader in readers.items()
    )


def _declared(module: Module) -> dict[str, ast.AnnAssign]:
    """Return the declarations that vLLM writes for type checkers."""
    found: dict[str, ast.AnnAssign] = {}
    for stmt in module.tree.body:
        if isinstance(stmt, ast.If) and ast.unparse(stmt.test) == "TYPE_CHECKING":
            for one in stmt.body:
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                    found[one.target.id] = one
    return found


def _variable(
    world: World, module: Module, name: str, reader: Any, declared: dict[str, ast.AnnAssign]
) -> Record:
    default = _default(world, reader)
    record: Record = {"name": name}
    declaration = declared.get(name)
    if declaration is None:
        record["type"] = _type_of(default)
    else:
        hint = taken_apart(world.evaluate(declaration.annotation, Scope(module)))
        record |= {"type": _type(hint), "nullable": hint.nullable}
        record["choices"] = ordered(values(world, hint)) or None
    record["choices"] = _choices(reader) or record.get("choices")
    return compact(record | _told(default))


def _default(world: World, reader: Any) -> Any:
    try:
        return world.invoke(reader, [], {})
    except UnclearError as error:
        return Unknown(str(error))


def _told(default: Any) -> Record:
    # An empty set is written as the empty list that it is on a command line.
    return default_of(sorted(default) if isinstance(default, set) else default)


def _type(hint: Hint) -> str:
    if hint.mapping:
        return "json"
    if hint.sequences:
        return "list"
    named = {kind.__name__ for kind in hint.plain} or {type(one).__name__ for one in hint.literals}
    if named <= {"int", "float"} and named:
        return "float" if "float" in named else "int"
    return named.pop() if len(named) == 1 else "str"


def _type_of(default: Any) -> str:
    if isinstance(default, list | set | tuple):
        return "list"
    return type(default).__name__ if isinstance(default, bool | int | float) else "str"


def _choices(reader: Any) -> list[Any] | None:
    """Return the closed list of values that a reader checks against."""
    if not (isinstance(reader, Function) and reader.name in _READERS):
        return None
    holder = reader.scope.find("choices")
    found = holder.names["choices"] if holder else None
    if isinstance(found, Function):  # a list that vLLM makes late
        try:
            found = found()
        except UnclearError:
            return None
    return ordered(list(found)) if isinstance(found, list | tuple) else None
