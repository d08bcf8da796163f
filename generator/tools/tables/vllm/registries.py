"""What registers under a name in vLLM: parsers of tool calls and reasoning, quantization methods."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from tools.tables.records import Record, TableError, by_name, compact
from tools.tables.vllm.sources import Module, Sources
from tools.tables.vllm.values import RaisesError, is_source_class
from tools.tables.vllm.world import World

TOOLS = "ToolParserManager"
REASONING = "ReasoningParserManager"
# Where each manager's parsers have lived: the first package that registers any is the one.
_HOMES = {
    TOOLS: ("vllm.tool_parsers", "vllm.entrypoints.openai.tool_parsers"),
    REASONING: ("vllm.reasoning",),
}
_LAZY = {TOOLS: "_TOOL_PARSERS_TO_REGISTER", REASONING: "_REASONING_PARSERS_TO_REGISTER"}

_QUANTIZATION = "vllm.model_executor.layers.quantization"
# Platforms that name the methods they support; where they name none, vLLM allows all of them.
_PLATFORMS = {
    "rocm": "RocmPlatform",
    "xpu": "XPUPlatform",
    "tpu": "TpuPlatform",
    "neuron": "NeuronPlatform",
    "hpu": "HpuPlatform",
}


def parser_names(sources: Sources) -> dict[str, list[str]]:
    """Return the names of the parsers that each manager knows once vLLM is imported."""
    return {manager: _names(sources, manager) for manager in _HOMES}


def _names(sources: Sources, manager: str) -> list[str]:
    for home in _HOMES[manager]:
        package = sources.module(home)
        if package is not None and (found := _registered(sources, package, manager)):
            return sorted(found)
    raise TableError(f"{manager}: no parser registers with it")


def _registered(sources: Sources, package: Module, manager: str) -> set[str]:
    lazy = package.bindings.get(_LAZY[manager])
    if isinstance(lazy, ast.Assign | ast.AnnAssign) and isinstance(lazy.value, ast.Dict):
        return {str(ast.literal_eval(key)) for key in lazy.value.keys if key is not None}
    found: set[str] = set()
    for name in _imported(package):
        module = sources.module(f"{package.name}.{name}")
        for node in ast.walk(module.tree) if module else ():
            if isinstance(node, ast.ClassDef):
                found.update(_decorated(node, manager))
    return found


def _imported(package: Module) -> Iterator[str]:
    """Yield the modules of its own that a package imports: only those get to register."""
    for stmt in package.tree.body:
        if isinstance(stmt, ast.ImportFrom) and stmt.level == 1 and stmt.module:
            yield stmt.module
        elif isinstance(stmt, ast.ImportFrom) and (stmt.module or "").startswith(package.name):
            yield (stmt.module or "").removeprefix(package.name).lstrip(".")


def _decorated(node: ast.ClassDef, manager: str) -> Iterator[str]:
    for decorator in node.decorator_list:
        if not isinstance(decorator, ast.Call):
            continue
        if ast.unparse(decorator.func) != f"{manager}.register_module":
            continue
        given = decorator.args or [k.value for k in decorator.keywords if k.arg == "name"]
        names = ast.literal_eval(given[0])
        yield from [names] if isinstance(names, str) else names


def quantization(world: World) -> list[Record]:
    """Return the quantization methods, each with what it needs at least."""
    module = world.sources.need(_QUANTIZATION)
    methods = world.member(module, "QUANTIZATION_METHODS")
    find = world.member(module, "get_quantization_config")
    if not isinstance(methods, list) or not methods:
        raise TableError("the quantization methods are not understood")
    deprecated = _listed(world.member(module, "DEPRECATED_QUANTIZATION_METHODS"))
    allowed = {platform: _allowed(world, platform) for platform in _PLATFORMS}
    records = []
    for name in methods:
        least = _least(world, find, name)
        platforms = [platform for platform, names in allowed.items() if name in names]
        record = {
            "name": name,
            "min_compute_capability": least,
            "deprecated": name in deprecated,
            "platforms": ["cuda", *platforms] if least is not None else platforms,
        }
        records.append(compact(record))
    return by_name(records)


def _least(world: World, find: Any, name: str) -> float | None:
    """Return the smallest compute capability; None for a method that is not for CUDA."""
    cls = world.invoke(find, [name], {})
    if not is_source_class(cls):
        raise TableError(f"the class of the quantization method {name} is not found")
    try:
        found = world.invoke(world.attribute(cls, "get_min_capability"), [], {})
    except RaisesError:  # a method for a platform without such a number
        return None
    if not isinstance(found, int):
        raise TableError(f"{name}: its compute capability is not understood")
    return found / 10 if found > 0 else None


def _allowed(world: World, platform: str) -> list[str]:
    module = world.sources.module(f"vllm.platforms.{platform}")
    if module is None:
        return []
    # The class as it stands here, which another package may replace where it is installed.
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and node.name == _PLATFORMS[platform]:
            cls = world.make_class(node, module)
            return _listed(world.attribute(cls, "supported_quantization"))
    return []


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else []
