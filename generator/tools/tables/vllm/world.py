"""The names of one vLLM release, looked up through its imports, its classes and their fields."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from tools.tables.vllm import natives
from tools.tables.vllm.dataclass_fields import Dataclasses
from tools.tables.vllm.sources import Module, Sources, absolute, checker_bindings
from tools.tables.vllm.statements import Statements
from tools.tables.vllm.values import (
    Function,
    Instance,
    Named,
    Scope,
    UnclearError,
    Unknown,
    is_source_class,
)

_EXTERNALS = natives.externals()
_BUILTINS = natives.builtins()
_PENDING = object()


class World(Statements, Dataclasses):
    """Evaluates names, attributes and calls of one release.

    `known` gives values to what only a running engine has: `Class.attribute`, or the name of a
    function or a module's variable. `checking` reads the modules as a type checker does, which
    sees names that are lazy or `Any` at run time.
    """

    def __init__(
        self, sources: Sources, known: Mapping[str, Any], *, checking: bool = False
    ) -> None:
        super().__init__()
        self.sources = sources
        self.known = dict(known)
        self.checking = checking
        self._globals: dict[tuple[str, str], Any] = {}

    def lookup(self, name: str, scope: Scope) -> Any:
        """Return what a name stands for in a scope, its module or the builtins."""
        local = scope.find(name)
        if local is not None:
            return local.names[name]
        if name == "super":
            return _Super(self, scope)
        found = self.member(scope.module, name)
        if found is not natives.ABSENT:
            return found
        return self.builtin(name)

    def builtin(self, name: str) -> Any:
        """Return a builtin."""
        if name == "getattr":
            return self._getattr
        if name == "hasattr":
            return lambda value, attribute: (
                self._getattr(value, attribute, _PENDING) is not _PENDING
            )
        if name == "issubclass":
            return natives.subclass
        return _BUILTINS.get(name, Unknown(name))

    def member(self, module: Module, name: str) -> Any:
        """Return a global of a module; ABSENT where it has no such name."""
        if name in self.known:
            return self.known[name]
        key = (module.name, name)
        if self._globals.get(key) is _PENDING:
            return Unknown(f"{module.name}.{name}, which needs itself")
        if key not in self._globals:
            self._globals[key] = _PENDING
            self._globals[key] = self._find(module, name)
        return self._globals[key]

    def _find(self, module: Module, name: str) -> Any:
        bindings = checker_bindings(module) if self.checking else module.bindings
        binding = bindings.get(name)
        if binding is not None:
            return self._bound(module, name, binding)
        for star in module.stars:
            source = self.sources.module(star)
            found = self.member(source, name) if source else natives.ABSENT
            if found is not natives.ABSENT:
                return found
        return natives.ABSENT

    def _bound(self, module: Module, name: str, binding: ast.AST) -> Any:
        scope = Scope(module)
        if isinstance(binding, ast.Import | ast.ImportFrom):
            return self.imported(binding, scope)[name]
        if isinstance(binding, ast.ClassDef):
            return self.make_class(binding, module)
        if isinstance(binding, ast.FunctionDef):
            return self.function(binding, scope)
        if isinstance(binding, ast.Assign | ast.AnnAssign) and binding.value is not None:
            return self.evaluate(binding.value, scope)
        return Unknown(f"{module.name}.{name}")

    def imported(self, stmt: ast.Import | ast.ImportFrom, scope: Scope) -> dict[str, Any]:
        """Return what the names of an import statement stand for."""
        found: dict[str, Any] = {}
        for alias in stmt.names:
            if isinstance(stmt, ast.Import):
                full = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or full] = self.module_value(full)
            else:
                source = absolute(scope.module, stmt)
                found[alias.asname or alias.name] = self.from_module(source, alias.name)
        return found

    def module_value(self, name: str) -> Any:
        """Return a module: one of vLLM's, or the name of another package's."""
        return self.sources.module(name) or Named(name)

    def from_module(self, source: str, name: str) -> Any:
        """Return what `from source import name` gives."""
        if name in self.known:
            return self.known[name]
        module = self.sources.module(source)
        if module is None:
            return _external(f"{source}.{name}")
        found = self.member(module, name)
        if found is not natives.ABSENT:
            return found
        return self.sources.module(f"{source}.{name}") or Unknown(f"{source}.{name}")

    def attribute(self, value: Any, name: str) -> Any:
        """Return an attribute."""
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Named):
            return _external(f"{value.name}.{name}")
        if isinstance(value, Module):
            return self._of_module(value, name)
        if isinstance(value, _Super):
            return value.attribute(name)
        if is_source_class(value) or isinstance(value, Instance):
            return self.class_attribute(value, name)
        return self._plain_attribute(value, name)

    def _of_module(self, module: Module, name: str) -> Any:
        found = self.from_module(module.name, name)
        if not isinstance(found, Unknown) or self.member(module, name) is not natives.ABSENT:
            return found
        lazy = self.member(module, "__getattr__")
        if not isinstance(lazy, Function):
            raise UnclearError(f"{module.name} has no {name}")
        return self.run(lazy, [name], {})

    def _plain_attribute(self, value: Any, name: str) -> Any:
        if isinstance(value, Function):
            if name == "__doc__":
                node = value.node
                return ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
            return value.name if name == "__name__" else Unknown(f"{value.name}.{name}")
        if name.startswith("_") and name not in ("__name__", "__module__"):
            # Nothing of Python itself may be reached from what is evaluated.
            raise UnclearError(f"the attribute {name} of {type(value).__name__}")
        try:
            return getattr(value, name)
        except AttributeError as error:
            raise UnclearError(str(error)) from error

    def _getattr(self, value: Any, name: str, default: Any = natives.ABSENT) -> Any:
        try:
            found = self.attribute(value, name)
        except UnclearError:
            found = natives.ABSENT
        if found is not natives.ABSENT:
            return found
        if default is natives.ABSENT:
            raise UnclearError(f"{value} has no {name}")
        return default

    def invoke(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a function of vLLM, a class, or something native."""
        if isinstance(function, Function):
            return self.run(function, args, kwargs)
        if is_source_class(function):
            return self.instantiate(function, args, kwargs)
        if isinstance(function, Unknown):
            if any(hasattr(value, "add_argument") for value in args):
                raise UnclearError(f"the parser is handed to {function.why}")
            return function
        if isinstance(function, _Super):
            return function
        return natives.call_native(function, args, kwargs)


class _Super:
    """What `super()` gives inside a method."""

    def __init__(self, world: World, scope: Scope) -> None:
        self.world = world
        self.owner = scope.owner
        found = (scope.find("cls") or scope.find("self"), "cls" if scope.find("cls") else "self")
        self.first = found[0].names[found[1]] if found[0] else None

    def attribute(self, name: str) -> Any:
        """Return the attribute of the next class in line."""
        if self.owner is None or self.first is None:
            raise UnclearError("super() outside of a method")
        return self.world.inherited(self.owner, self.first, name)


def _external(name: str) -> Any:
    return _EXTERNALS.get(name, Named(name))
