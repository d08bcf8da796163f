"""The classes of vLLM: attributes through their bases, enumerations, fields of dataclasses."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from tools.tables.vllm import natives
from tools.tables.vllm.expressions import Expressions
from tools.tables.vllm.sources import Module
from tools.tables.vllm.values import (
    Bounded,
    ClassInfo,
    Function,
    Instance,
    Member,
    Scope,
    SourceClass,
    UnclearError,
    Unknown,
    Volatile,
    is_source_class,
)

_KINDS = {"staticmethod", "classmethod", "property"}


class Classes(Expressions):
    """Makes stand-ins for classes and reads their attributes."""

    known: dict[str, Any]

    @abstractmethod
    def run(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run a function of vLLM."""

    def make_class(self, node: ast.ClassDef, module: Module) -> type[SourceClass]:
        """Return the stand-in of a class definition."""
        scope = Scope(module)
        bases = [self.evaluate(base, scope) for base in node.bases]
        info = ClassInfo(node.name, node, module, bases)
        return type(node.name, (SourceClass,), {"info": info, "__module__": module.name})

    def line(self, cls: type[SourceClass]) -> Iterator[type[SourceClass]]:
        """Walk through a class and those it inherits from, nearest first."""
        yield cls
        for base in cls.info.bases:
            if is_source_class(base):
                yield from self.line(base)

    def items(self, value: Any) -> Iterator[Any]:
        """Iterate over a value; an enumeration gives its members."""
        if is_source_class(value):
            yield from self.members(value)
        else:
            yield from super().items(value)

    def members(self, cls: type[SourceClass]) -> list[Member]:
        """Return the members of an enumeration."""
        if not natives.is_enum(cls):
            raise UnclearError(f"{cls.__name__} is no enumeration")
        cache = cls.info.cache
        if "members" not in cache:
            cache["members"] = list(self._members(cls))
        found: list[Member] = cache["members"]
        return found

    def _members(self, cls: type[SourceClass]) -> Iterator[Member]:
        scope = Scope(cls.info.module)
        last = 0
        for stmt in cls.info.node.body:
            if isinstance(stmt, ast.Assign) and isinstance(stmt.targets[0], ast.Name):
                name = stmt.targets[0].id
                if name.startswith("_"):
                    continue
                value = self.evaluate(stmt.value, scope)
                if isinstance(stmt.value, ast.Call) and ast.unparse(stmt.value).endswith("auto()"):
                    value = last + 1
                last = value if isinstance(value, int) else last
                scope.names[name] = value
                yield Member(cls, name, value)

    def class_attribute(self, value: Any, name: str) -> Any:
        """Return an attribute of a stand-in, or of an object of one."""
        cls: type[SourceClass] = value.cls if isinstance(value, Instance) else value
        if isinstance(value, Instance) and name in value.values:
            return value.values[name]
        special: dict[str, Any] = {
            "__name__": cls.__name__,
            "__doc__": "",
            "__module__": cls.__module__,
        }
        special |= {"__class__": cls}
        if name in special:
            return special[name]
        if natives.is_enum(cls):
            for member in self.members(cls):
                if member.name == name:
                    return member
            if name == "__members__":
                return {member.name: member for member in self.members(cls)}
        return self._along(list(self.line(cls)), value, name)

    def inherited(self, owner: type[SourceClass], first: Any, name: str) -> Any:
        """Return what `super().name` means in a method of `owner`."""
        return self._along(list(self.line(owner))[1:], first, name)

    def _along(self, line: list[type[SourceClass]], holder: Any, name: str) -> Any:
        for cls in line:
            known = self.known.get(f"{cls.__name__}.{name}", natives.ABSENT)
            if known is not natives.ABSENT:
                return known
            stmt = _defined(cls.info.node, name)
            if stmt is not None:
                return self._class_member(cls, holder, stmt)
        title = f"{line[0].__name__ if line else 'super()'}.{name}"
        if all(is_source_class(base) for cls in line for base in cls.info.bases):
            raise UnclearError(f"there is no {title}")
        return Unknown(title)  # a class of another package may have it

    def _class_member(self, cls: type[SourceClass], holder: Any, stmt: ast.stmt) -> Any:
        scope = Scope(cls.info.module, None, {}, cls)
        if isinstance(stmt, ast.FunctionDef):
            return self._method(cls, holder, self.function(stmt, scope))
        if not isinstance(stmt, ast.Assign | ast.AnnAssign) or stmt.value is None:
            return Unknown(f"{cls.__name__}")
        value = self.evaluate(stmt.value, scope)
        if isinstance(value, Bounded):
            return self.default(value)
        if isinstance(holder, Instance) and holder is self.known.get("current_platform"):
            return Volatile(value) if isinstance(value, str) else value
        return value

    def _method(self, cls: type[SourceClass], holder: Any, function: Function) -> Any:
        decorators = getattr(function.node, "decorator_list", [])
        kinds = {ast.unparse(node) for node in decorators} & _KINDS
        function.owner = cls
        if "staticmethod" in kinds:
            return function
        if "classmethod" in kinds:
            function.first = [holder.cls if isinstance(holder, Instance) else holder]
        elif isinstance(holder, Instance):
            function.first = [holder]
        if "property" in kinds:
            if isinstance(holder, Instance):
                return self.run(function, [], {})
            return Unknown(f"{cls.__name__}.{function.name}")
        return function

    def instantiate(self, cls: type[SourceClass], args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Make an object of a class, or return the member of an enumeration."""
        if natives.is_enum(cls) and len(args) == 1:
            for member in self.members(cls):
                if member.value == args[0]:
                    return member
        if natives.subclass(cls, dict):
            return dict(*args, **kwargs)
        return Instance(cls, dict(kwargs))

    def default(self, bounded: Bounded) -> Any:
        """Return the default that a field describes."""
        if bounded.default is not natives.MISSING:
            return bounded.default
        if bounded.default_factory in (None, natives.MISSING):
            return natives.MISSING
        return self.invoke(bounded.default_factory, [], {})


def _defined(node: ast.ClassDef, name: str) -> ast.stmt | None:
    for stmt in reversed(node.body):
        if isinstance(stmt, ast.FunctionDef) and stmt.name == name:
            return stmt
        if isinstance(stmt, ast.AnnAssign):
            if isinstance(stmt.target, ast.Name) and stmt.target.id == name and stmt.value:
                return stmt
        elif isinstance(stmt, ast.Assign) and name in map(ast.unparse, stmt.targets):
            return stmt
    return None
