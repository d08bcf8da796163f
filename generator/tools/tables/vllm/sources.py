"""The modules of one vLLM release, parsed when asked for; nothing of them is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tools.tables.records import TableError

# A statement that gives a name its meaning in a module.
Binding = ast.stmt | ast.alias


@dataclass(slots=True)
class Module:
    """One parsed module: its dotted name and what its names are bound to."""

    name: str
    package: str  # what relative imports start from
    tree: ast.Module
    bindings: dict[str, Binding] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    # What names are bound to where a type checker reads the module.
    checker: dict[str, Binding] = field(default_factory=dict)


class Sources:
    """A tree of Python sources with the package `vllm` at its root."""

    def __init__(self, root: Path) -> None:
        if not (root / "vllm" / "__init__.py").is_file():
            raise TableError(f"{root.name}: no vllm package inside")
        self.root = root
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        """Return a module by its dotted name; None where this release does not have it."""
        if name not in self._modules:
            # Other packages may lie beside it, where it is installed; they are none of its own.
            own = name.partition(".")[0] == "vllm"
            self._modules[name] = self._load(name) if own else None
        return self._modules[name]

    def need(self, name: str) -> Module:
        """Return a module that every release must have."""
        module = self.module(name)
        if module is None:
            raise TableError(f"there is no module {name}")
        return module

    def _load(self, name: str) -> Module | None:
        base = self.root.joinpath(*name.split("."))
        if (base / "__init__.py").is_file():
            return _parsed(name, name, base / "__init__.py")
        path = base.with_suffix(".py")
        return _parsed(name, name.rpartition(".")[0], path) if path.is_file() else None

    def files(self, sign: re.Pattern[bytes], *parts: bytes) -> Iterator[tuple[str, str]]:
        """Yield the path and text of those modules whose text has the sign.

        `parts` of the sign, one of which is always there, spare most files the slower search.
        """
        for path in sorted((self.root / "vllm").rglob("*.py")):
            content = path.read_bytes()
            if any(part in content for part in parts) and sign.search(content):
                yield path.relative_to(self.root).as_posix(), content.decode("utf-8")


def _parsed(name: str, package: str, path: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    module = Module(name, package, tree)
    _bind(module, tree.body, module.bindings, checking=False)
    return module


def checker_bindings(module: Module) -> dict[str, Binding]:
    """Return a module's bindings as a type checker sees them, found once."""
    if not module.checker:
        _bind(module, module.tree.body, module.checker, checking=True)
    return module.checker


def _bind(
    module: Module, body: Sequence[ast.stmt], into: dict[str, Binding], *, checking: bool
) -> None:
    for stmt in body:
        if isinstance(stmt, ast.Import | ast.ImportFrom):
            _bind_import(module, stmt, into)
        elif isinstance(stmt, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            into[stmt.name] = stmt
        elif isinstance(stmt, ast.If):
            _bind_if(module, stmt, into, checking=checking)
        elif isinstance(stmt, ast.Try):
            for handler in stmt.handlers:  # the body overrides: as if nothing were missing
                _bind(module, handler.body, into, checking=checking)
            _bind(module, stmt.body, into, checking=checking)
        else:
            for name in _assigned(stmt):
                into[name] = stmt


def _bind_if(module: Module, stmt: ast.If, into: dict[str, Binding], *, checking: bool) -> None:
    if isinstance(stmt.test, ast.Name) and stmt.test.id == "TYPE_CHECKING":
        _bind(module, stmt.body if checking else stmt.orelse, into, checking=checking)
        return
    _bind(module, stmt.orelse, into, checking=checking)
    _bind(module, stmt.body, into, checking=checking)


def _bind_import(
    module: Module, stmt: ast.Import | ast.ImportFrom, into: dict[str, Binding]
) -> None:
    for alias in stmt.names:
        if alias.name == "*" and isinstance(stmt, ast.ImportFrom):
            module.stars.append(absolute(module, stmt))
        elif isinstance(stmt, ast.Import):
            into[alias.asname or alias.name.partition(".")[0]] = ast.Import([alias])
        else:
            into[alias.asname or alias.name] = ast.ImportFrom(stmt.module, [alias], stmt.level)


def _assigned(stmt: ast.stmt) -> list[str]:
    if isinstance(stmt, ast.Assign):
        return [target.id for target in stmt.targets if isinstance(target, ast.Name)]
    if isinstance(stmt, ast.AnnAssign) and stmt.value and isinstance(stmt.target, ast.Name):
        return [stmt.target.id]
    return []


def absolute(module: Module, stmt: ast.ImportFrom) -> str:
    """Return the dotted name of the module that a `from ... import` names."""
    if not stmt.level:
        return stmt.module or ""
    parts = module.package.split(".")
    base = parts[: len(parts) - stmt.level + 1]
    return ".".join([*base, stmt.module] if stmt.module else base)


def docstrings(body: Sequence[ast.stmt]) -> dict[str, str]:
    """Return the string that follows each annotated field of a class body."""
    found: dict[str, str] = {}
    for stmt, after in pairwise(body):
        if not (isinstance(stmt, ast.AnnAssign) and isinstance(stmt.target, ast.Name)):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[stmt.target.id] = str(after.value.value)
    return found
