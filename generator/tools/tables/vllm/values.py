"""The values of the small evaluator: what a name or call of vLLM's sources can stand for."""

from __future__ import annotations

import ast
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tools.tables.records import TableError
from tools.tables.vllm.sources import Module


class UnclearError(TableError):
    """What the sources do depends on something that only a running vLLM knows."""


class RaisesError(UnclearError):
    """The code of vLLM itself raises an error here."""


class Named:
    """Something outside of vLLM (`torch.dtype`): known by its name alone, one object a name."""

    _known: typing.ClassVar[dict[str, Named]] = {}

    def __new__(cls, name: str) -> Named:
        """Return the one object of that name."""
        known = cls._known.get(name)
        if known is None:
            known = cls._known[name] = super().__new__(cls)
            known.name = name
        return known

    name: str

    @property
    def __module__(self) -> str:  # type: ignore[override]
        return self.name.rpartition(".")[0]

    def __call__(self, *_args: Any, **_kwargs: Any) -> Unknown:
        """Allow it in `typing.Union`, and let nothing be known of what it returns."""
        return Unknown(f"{self.name}()")

    def __or__(self, other: Any) -> Any:
        return typing.Union[self, other]  # noqa: UP007 - the operator is what this is

    def __ror__(self, other: Any) -> Any:
        return typing.Union[other, self]  # noqa: UP007

    def __bool__(self) -> bool:
        raise UnclearError(f"a decision depends on {self.name}")

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only running the code would tell."""

    why: str

    def __bool__(self) -> bool:
        raise UnclearError(f"a decision depends on {self.why}")


class Volatile(str):
    """A text that differs from machine to machine; this is the one of a CUDA machine."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an enumeration."""

    cls: type
    name: str
    value: Any


@dataclass(eq=False, slots=True)
class Bounded:
    """A pydantic `Field(...)` or a dataclass `field(...)`."""

    default: Any
    default_factory: Any
    limits: dict[str, Any] = field(default_factory=dict)
    pydantic: bool = True
    init: bool = True


@dataclass(frozen=True, slots=True)
class FieldOf:
    """One field of a dataclass, as `dataclasses.fields` would give it."""

    name: str
    type: Any
    default: Any
    default_factory: Any
    annotation: ast.expr
    module: Module
    doc: str
    init: bool = True


@dataclass(eq=False)
class Instance:
    """An object of a class of vLLM: a configuration with its defaults, or the platform."""

    cls: type
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Scope:
    """Local names, the scope around them, and the module whose globals they see."""

    module: Module
    outer: Scope | None = None
    names: dict[str, Any] = field(default_factory=dict)
    owner: type | None = None  # the class whose method this is

    def find(self, name: str) -> Scope | None:
        """Return the innermost scope that has the name."""
        scope: Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.outer
        return scope


@dataclass(eq=False)
class Function:
    """A function of vLLM, a lambda or a method; called through the evaluator that made it."""

    node: ast.FunctionDef | ast.Lambda
    scope: Scope
    call: Callable[[Function, list[Any], dict[str, Any]], Any]
    first: list[Any] = field(default_factory=list)  # self or cls
    defaults: dict[str, Any] = field(default_factory=dict)
    owner: type | None = None

    @property
    def name(self) -> str:
        """The name of its definition."""
        return "<lambda>" if isinstance(self.node, ast.Lambda) else self.node.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it."""
        return self.call(self, list(args), kwargs)


@dataclass(eq=False, slots=True)
class ClassInfo:
    """What is known of a class of vLLM: its definition and those it inherits from."""

    name: str
    node: ast.ClassDef
    module: Module
    bases: list[Any]
    cache: dict[str, Any] = field(default_factory=dict)


class SourceClass:
    """The base of the stand-ins for vLLM's classes: real types, so that `typing` takes them."""

    info: typing.ClassVar[ClassInfo]


def is_source_class(value: Any) -> typing.TypeGuard[type[SourceClass]]:
    """Tell whether it stands for a class of vLLM."""
    return isinstance(value, type) and issubclass(value, SourceClass)
