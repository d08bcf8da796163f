"""Python sources of an engine as trees: its modules, and where the names in them come from."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.tables.records import TableError


class UnclearError(TableError):
    """What an expression is worth cannot be told from the sources."""


@dataclass(frozen=True, eq=False, slots=True)
class Module:
    """One file: its dotted name, and what is bound at its top, each name with all its statements."""

    name: str
    is_package: bool
    tree: ast.Module
    bound: dict[str, list[ast.stmt]] = field(default_factory=dict)


class Package:
    """The modules of one package, read when they are asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root  # the folder that holds the package
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module:
        """Return a module by its dotted name; TableError where it is not there."""
        found = self.find(name)
        if found is None:
            raise TableError(f"no module {name}")
        return found

    def find(self, name: str) -> Module | None:
        """Return a module by its dotted name, None where it is not one of the package."""
        if name not in self._modules:
            self._modules[name] = self._load(name)
        return self._modules[name]

    def _load(self, name: str) -> Module | None:
        path = self.root.joinpath(*name.removesuffix(".__init__").split("."))
        for file, is_package in ((path / "__init__.py", True), (path.with_suffix(".py"), False)):
            if file.is_file():
                module = Module(name, is_package, ast.parse(file.read_text(encoding="utf-8")))
                bind(module.tree.body, module.bound)
                return module
        return None

    def below(
        self, name: str, wanted: Callable[[str], object], without: tuple[str, ...] = ()
    ) -> list[Module]:
        """Return the modules below a package whose texts are `wanted`, sorted by name.

        Left out is what begins, directly below it, with one of `without`.
        """
        folder = self.root.joinpath(*name.split("."))
        found: list[str] = []
        for path in folder.rglob("*.py"):
            parts = path.relative_to(self.root).with_suffix("").parts
            below = path.relative_to(folder).parts[0]
            if not below.startswith(without) and wanted(path.read_text(encoding="utf-8")):
                found.append(".".join(parts))
        return [self.module(one) for one in sorted(found)]

    def origin(self, module: Module, name: str) -> tuple[Module, ast.stmt | None]:
        """Follow a name to the one statement that binds it; None where it is itself a module.

        UnclearError where there is none, more than one, or it is outside of the package.
        """
        bound = module.bound.get(name, [])
        if not bound:
            return self._star(module, name)
        if len(bound) != 1:
            raise UnclearError(f"{module.name}: {name} is bound {len(bound)} times")
        if not isinstance(bound[0], ast.ImportFrom):
            return module, bound[0]
        return self.imported(module, bound[0], name)

    def _star(self, module: Module, name: str) -> tuple[Module, ast.stmt | None]:
        """Find a name in what a module takes whole: `from x import *`."""
        for statement in module.bound.get("*", []):
            found = self.find(self._source(module, statement))
            if found is not None and name in found.bound:
                return self.origin(found, name)
        raise UnclearError(f"{module.name}: {name} is not bound")

    @staticmethod
    def _source(module: Module, statement: ast.stmt) -> str:
        """Return the dotted name of the module that is imported from."""
        if not isinstance(statement, ast.ImportFrom):
            raise UnclearError(f"{module.name}: {ast.unparse(statement)[:80]}")
        source = statement.module or ""
        if statement.level:
            parts = module.name.split(".")
            kept = parts[: len(parts) - statement.level + (1 if module.is_package else 0)]
            source = ".".join([*kept, source]).rstrip(".")
        return source

    def imported(
        self, module: Module, statement: ast.ImportFrom, name: str
    ) -> tuple[Module, ast.stmt | None]:
        """Follow a name through the import that binds it."""
        source = self._source(module, statement)
        original = next(a.name for a in statement.names if (a.asname or a.name) == name)
        found = self.find(source)
        if found is None:
            raise UnclearError(f"{source}.{original} is outside")
        inner = self.find(f"{source}.{original}") if original not in found.bound else None
        return (inner, None) if inner is not None else self.origin(found, original)


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` as it is written; `lambda` for a lambda; nothing for other expressions."""
    if isinstance(node, ast.Lambda):
        return "lambda"
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def class_values(node: ast.ClassDef) -> dict[str, ast.expr]:
    """Return what is assigned in the body of a class, in its order."""
    found: dict[str, ast.expr] = {}
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            found[dotted(statement.target)] = statement.value
        elif isinstance(statement, ast.Assign):
            found[dotted(statement.targets[0])] = statement.value
    return found


def bind(body: Iterable[ast.stmt], bound: dict[str, list[ast.stmt]]) -> None:
    """Note every name that the statements at a module's top bind, in whatever branch."""
    for statement in body:
        for name in _names(statement):
            bound.setdefault(name, []).append(statement)
        if isinstance(statement, ast.If | ast.Try):
            bind(statement.body, bound)
            bind(statement.orelse, bound)
            for handler in getattr(statement, "handlers", []):
                bind(handler.body, bound)


def _names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            yield alias.asname or alias.name.split(".")[0]
    elif isinstance(statement, ast.Assign):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        yield dotted(statement.target)
