"""The fields of vLLM's dataclasses and pydantic models."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from tools.tables.vllm import natives
from tools.tables.vllm.classes import Classes
from tools.tables.vllm.sources import docstrings
from tools.tables.vllm.values import Bounded, FieldOf, Scope, SourceClass, UnclearError, Unknown


class Dataclasses(Classes):
    """Reads the fields of classes."""

    def fields(self, cls: type[SourceClass]) -> list[FieldOf]:
        """Return the fields of a dataclass, inherited ones first."""
        cache = cls.info.cache
        if "fields" not in cache:
            found: dict[str, FieldOf] = {}
            for one in reversed(list(self.line(cls))):
                if natives.is_dataclass(one) or natives.is_model(one):
                    found |= {field.name: field for field in self._own_fields(one)}
            cache["fields"] = list(found.values())
        fields: list[FieldOf] = cache["fields"]
        return fields

    def _own_fields(self, cls: type[SourceClass]) -> Iterator[FieldOf]:
        scope = Scope(cls.info.module, None, self._inside(cls), cls)
        docs = docstrings(cls.info.node.body)
        for stmt in cls.info.node.body:
            if not (isinstance(stmt, ast.AnnAssign) and isinstance(stmt.target, ast.Name)):
                continue
            name, annotation = stmt.target.id, _unquoted(stmt.annotation)
            if _is_no_field(annotation) or _is_private(stmt.value):
                continue
            default: Any = natives.MISSING
            factory: Any = natives.MISSING
            if stmt.value is not None:
                default = self._lenient(stmt.value, scope)
            init = not isinstance(default, Bounded) or default.init
            if isinstance(default, Bounded) and not default.pydantic:
                default, factory = default.default, default.default_factory
            yield FieldOf(
                name,
                self._lenient(annotation, scope),
                default,
                factory,
                annotation,
                cls.info.module,
                docs.get(name, ""),
                init,
            )

    def _inside(self, cls: type[SourceClass]) -> dict[str, Any]:
        """Return the classes that are defined inside of a class."""
        nested = cls.info.cache.setdefault("nested", {})
        for stmt in cls.info.node.body:
            if isinstance(stmt, ast.ClassDef) and stmt.name not in nested:
                nested[stmt.name] = self.make_class(stmt, cls.info.module)
        return dict(nested)

    def _lenient(self, node: ast.expr, scope: Scope) -> Any:
        try:
            return self.evaluate(node, scope)
        except UnclearError as error:
            return Unknown(str(error))

    def docs(self, cls: type[SourceClass]) -> dict[str, str]:
        """Return the documentation of each field, as `get_attr_docs` does."""
        every: dict[str, str] = {}
        for one in reversed(list(self.line(cls))):
            every |= docstrings(one.info.node.body)
        return every


def _unquoted(annotation: ast.expr) -> ast.expr:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def _is_private(value: ast.expr | None) -> bool:
    """Whether a pydantic model keeps it to itself.

    Only where PrivateAttr is called: 0.8.5 writes the bare name, which makes an ordinary field.
    """
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "PrivateAttr"


def _is_no_field(annotation: ast.expr) -> bool:
    held = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    name = getattr(held, "attr", getattr(held, "id", ""))
    return name in ("ClassVar", "InitVar")
