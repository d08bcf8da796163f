"""What expressions in an engine's Python sources are worth, found without running them.

Names are followed through the imports of one package; lists, dictionaries, class attributes and
the few calls that build such tables are understood. All else is unclear, and says so.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.tables.python.modules import Module, Package, UnclearError, class_values, dotted
from tools.tables.records import TableError


@dataclass(frozen=True, slots=True)
class Definition:
    """A class or function, and the module whose names it sees."""

    module: Module
    node: ast.ClassDef | ast.FunctionDef


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an enumeration."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression stands: its module, the class around it, and known local names."""

    module: Module
    local: Mapping[str, Any] = field(default_factory=dict)
    holder: ast.ClassDef | None = None


UNCLEAR = object()  # stands in a dictionary for a value that only a running engine knows

_ENUMS = {"Enum", "IntEnum", "StrEnum"}
_BUILTINS: dict[str, Callable[..., Any]] = {
    "dict": dict,
    "float": float,
    "frozenset": frozenset,
    "int": int,
    "list": list,
    "set": set,
    "sorted": sorted,
    "str": str,
    "tuple": tuple,
}
_METHODS = {"copy", "items", "keys", "lower", "upper", "values"}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.BitOr: operator.or_,
    ast.LShift: operator.lshift,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
    ast.Sub: operator.sub,
}


class Values:
    """Evaluates expressions of one package."""

    def __init__(self, package: Package) -> None:
        self.package = package

    def definition(self, module: Module, name: str) -> Definition:
        """Return the class or function that a name stands for."""
        found = self.lookup(module, name)
        if not isinstance(found, Definition):
            raise TableError(f"{module.name}: {name} is no class or function")
        return found

    def lookup(self, module: Module, name: str) -> Any:
        """Return what a name at the top of a module is worth."""
        return self._bound(*self.package.origin(module, name))

    def _bound(self, module: Module, statement: ast.stmt | None) -> Any:
        if statement is None:
            return module
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            return Definition(module, statement)
        value = getattr(statement, "value", None)
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or value is None:
            raise UnclearError(f"{module.name}: {ast.unparse(statement)[:80]}")
        return self.value(value, Scope(module))

    def value(self, node: ast.expr, scope: Scope) -> Any:
        """Return what an expression is worth; UnclearError where that cannot be told."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise UnclearError(ast.unparse(node)[:80])
        return method(node, scope)

    def walk(self, value: Any) -> list[Any]:
        """Return the items of a value; those of an enumeration are its members."""
        if not isinstance(value, Definition):
            return list(value)
        if not isinstance(value.node, ast.ClassDef) or not _is_enum(value.node):
            raise UnclearError(f"cannot walk through {value.node.name}")
        return [self._of_class(value, name) for name in class_values(value.node)]

    def _constant(self, node: ast.Constant, _scope: Scope) -> Any:
        return node.value

    def _name(self, node: ast.Name, scope: Scope) -> Any:
        if node.id in scope.local:
            return scope.local[node.id]
        if scope.holder is not None and node.id in class_values(scope.holder):
            return self.value(class_values(scope.holder)[node.id], scope)
        return self.lookup(scope.module, node.id)

    def _list(self, node: ast.List, scope: Scope) -> list[Any]:
        return self._elements(node.elts, scope)

    def _tuple(self, node: ast.Tuple, scope: Scope) -> tuple[Any, ...]:
        return tuple(self._elements(node.elts, scope))

    def _set(self, node: ast.Set, scope: Scope) -> set[Any]:
        return set(self._elements(node.elts, scope))

    def _elements(self, nodes: Iterable[ast.expr], scope: Scope) -> list[Any]:
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found.extend(self.walk(self.value(node.value, scope)))
            else:
                found.append(self.value(node, scope))
        return found

    def _dict(self, node: ast.Dict, scope: Scope) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found.update(self.value(value, scope))
                continue
            try:
                found[self.value(key, scope)] = self.value(value, scope)
            except UnclearError:
                found[self.value(key, scope)] = UNCLEAR
        return found

    def _unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        if not isinstance(node.op, ast.USub):
            raise UnclearError(ast.unparse(node))
        return -self.value(node.operand, scope)

    def _binop(self, node: ast.BinOp, scope: Scope) -> Any:
        found = _OPERATORS.get(type(node.op))
        if found is None:
            raise UnclearError(ast.unparse(node))
        return found(self.value(node.left, scope), self.value(node.right, scope))

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        return self.value(node.value, scope)[self.value(node.slice, scope)]

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        holder = self.value(node.value, scope)
        if isinstance(holder, Module):
            return self.lookup(holder, node.attr)
        if isinstance(holder, Member) and node.attr in ("name", "value"):
            return getattr(holder, node.attr)
        if isinstance(holder, Definition):
            return self._of_class(holder, node.attr)
        raise UnclearError(ast.unparse(node))

    def _of_class(self, holder: Definition, name: str) -> Any:
        if not isinstance(holder.node, ast.ClassDef) or name not in class_values(holder.node):
            raise UnclearError(f"{holder.node.name}.{name}")
        scope = Scope(holder.module, holder=holder.node)
        found = self.value(class_values(holder.node)[name], scope)
        return Member(name, found) if _is_enum(holder.node) else found

    def _listcomp(self, node: ast.ListComp, scope: Scope) -> list[Any]:
        loop = node.generators[0]
        if len(node.generators) != 1 or loop.ifs or not isinstance(loop.target, ast.Name):
            raise UnclearError(ast.unparse(node))
        found: list[Any] = []
        for item in self.walk(self.value(loop.iter, scope)):
            inner = Scope(scope.module, {**scope.local, loop.target.id: item}, scope.holder)
            found.append(self.value(node.elt, inner))
        return found

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        name = dotted(node.func)
        if name in _BUILTINS and name not in scope.module.bound and not node.keywords:
            values = [self.value(arg, scope) for arg in node.args]
            if values and isinstance(values[0], Definition):
                values[0] = self.walk(values[0])
            return _BUILTINS[name](*values)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS and not node.args:
            holder = self.value(node.func.value, scope)
            if isinstance(holder, dict | list | set | str):
                return getattr(holder, node.func.attr)()
        if name.rpartition(".")[2] == "field":
            return self._default_of_field(node, scope)
        return self._result(node, scope)

    def _default_of_field(self, node: ast.Call, scope: Scope) -> Any:
        words = {word.arg: word.value for word in node.keywords}
        if "default" in words:
            return self.value(words["default"], scope)
        factory = words.get("default_factory")
        if isinstance(factory, ast.Lambda):
            return self.value(factory.body, scope)
        if factory is not None and dotted(factory) in ("dict", "list", "set"):
            return _BUILTINS[dotted(factory)]()
        raise UnclearError(ast.unparse(node))

    def _result(self, node: ast.Call, scope: Scope) -> Any:
        """Return what a function without arguments ends with, its own imports seen."""
        function = self.value(node.func, scope)
        if not isinstance(function, Definition) or node.args or node.keywords:
            raise UnclearError(ast.unparse(node))
        last = function.node.body[-1]
        if not isinstance(last, ast.Return) or last.value is None:
            raise UnclearError(ast.unparse(node))
        local: dict[str, Any] = {}
        for statement in function.node.body:
            if isinstance(statement, ast.ImportFrom):
                for name in (alias.asname or alias.name for alias in statement.names):
                    origin = self.package.imported(function.module, statement, name)
                    local[name] = self._bound(*origin)
        return self.value(last.value, Scope(function.module, local))


def _is_enum(node: ast.ClassDef) -> bool:
    return any(dotted(base).rpartition(".")[2] in _ENUMS for base in node.bases)
