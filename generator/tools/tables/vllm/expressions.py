"""The expressions that the small evaluator understands."""

from __future__ import annotations

import ast
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from tools.tables.vllm.natives import MISSING
from tools.tables.vllm.values import Function, Named, Scope, UnclearError, Unknown

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.LShift: operator.lshift,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda item, holder: item in holder,
    ast.NotIn: lambda item, holder: item not in holder,
}


class Expressions(ABC):
    """Evaluates an expression; what it cannot know becomes `Unknown`."""

    @abstractmethod
    def lookup(self, name: str, scope: Scope) -> Any:
        """Return what a name stands for."""

    @abstractmethod
    def attribute(self, value: Any, name: str) -> Any:
        """Return an attribute of a value."""

    @abstractmethod
    def invoke(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call something."""

    @abstractmethod
    def function(self, node: ast.FunctionDef | ast.Lambda, scope: Scope) -> Function:
        """Make a function of its definition."""

    def evaluate(self, node: ast.expr, scope: Scope) -> Any:
        """Return the value of an expression."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            return Unknown(ast.unparse(node))
        return method(node, scope)

    def items(self, value: Any) -> Iterator[Any]:
        """Iterate over a value; an enumeration gives its members."""
        if isinstance(value, Unknown | Named):
            raise UnclearError(f"cannot walk through {value}")
        yield from value

    def _constant(self, node: ast.Constant, _scope: Scope) -> Any:
        return node.value

    def _name(self, node: ast.Name, scope: Scope) -> Any:
        return self.lookup(node.id, scope)

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        return self.attribute(self.evaluate(node.value, scope), node.attr)

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        value, key = self.evaluate(node.value, scope), self.evaluate(node.slice, scope)
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Named):
            return value  # a generic of another package: `torch.Tensor[...]`
        try:
            return value[key]
        except (TypeError, KeyError, IndexError) as error:
            raise UnclearError(f"{ast.unparse(node)}: {type(error).__name__}") from error

    def _slice(self, node: ast.Slice, scope: Scope) -> slice:
        parts = (node.lower, node.upper, node.step)
        return slice(*(part and self.evaluate(part, scope) for part in parts))

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        function = self.evaluate(node.func, scope)
        args = self._sequence(node.args, scope)
        kwargs: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.evaluate(keyword.value, scope)
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
            elif isinstance(value, dict):
                kwargs |= value
            else:
                raise UnclearError(f"{ast.unparse(keyword.value)} is not known")
        return self.invoke(function, args, kwargs)

    def _sequence(self, nodes: list[ast.expr], scope: Scope) -> list[Any]:
        values: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                values += self.items(self.evaluate(node.value, scope))
            else:
                values.append(self.evaluate(node, scope))
        return values

    def _list(self, node: ast.List, scope: Scope) -> list[Any]:
        return self._sequence(node.elts, scope)

    def _tuple(self, node: ast.Tuple, scope: Scope) -> tuple[Any, ...]:
        return tuple(self._sequence(node.elts, scope))

    def _set(self, node: ast.Set, scope: Scope) -> set[Any]:
        return set(self._sequence(node.elts, scope))

    def _dict(self, node: ast.Dict, scope: Scope) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            held = self.evaluate(value, scope)
            if key is not None:
                result[self.evaluate(key, scope)] = held
            elif isinstance(held, dict):
                result |= held
            else:
                raise UnclearError(f"{ast.unparse(value)} is not known")
        return result

    def _binop(self, node: ast.BinOp, scope: Scope) -> Any:
        left, right = self.evaluate(node.left, scope), self.evaluate(node.right, scope)
        return combine(node.op, left, right)

    def _unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        value = self.evaluate(node.operand, scope)
        if isinstance(value, Unknown):
            return value
        if isinstance(node.op, ast.Not):
            return not value
        return -value if isinstance(node.op, ast.USub) else value

    def _boolop(self, node: ast.BoolOp, scope: Scope) -> Any:
        wanted = isinstance(node.op, ast.Or)
        value: Any = None
        for part in node.values:
            value = self.evaluate(part, scope)
            if isinstance(value, Unknown) or bool(value) == wanted:
                return value
        return value

    def _compare(self, node: ast.Compare, scope: Scope) -> Any:
        left = self.evaluate(node.left, scope)
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self.evaluate(part, scope)
            if right is not MISSING and Unknown in (type(left), type(right)):
                return Unknown(ast.unparse(node))
            try:
                holds = _COMPARISONS[type(op)](left, right)
            except TypeError as error:
                raise UnclearError(f"{ast.unparse(node)}: {error}") from error
            if not holds:
                return False
            left = right
        return True

    def _ifexp(self, node: ast.IfExp, scope: Scope) -> Any:
        test = self.evaluate(node.test, scope)
        if isinstance(test, Unknown):
            return test
        return self.evaluate(node.body if test else node.orelse, scope)

    def _joinedstr(self, node: ast.JoinedStr, scope: Scope) -> Any:
        texts: list[str] = []
        for part in node.values:
            held = part.value if isinstance(part, ast.FormattedValue) else part
            value = self.evaluate(held, scope)
            if isinstance(value, Unknown):
                return value
            texts.append(str(value))
        return "".join(texts)

    def _namedexpr(self, node: ast.NamedExpr, scope: Scope) -> Any:
        scope.names[node.target.id] = value = self.evaluate(node.value, scope)
        return value

    def _lambda(self, node: ast.Lambda, scope: Scope) -> Function:
        return self.function(node, scope)

    def _listcomp(self, node: ast.ListComp, scope: Scope) -> list[Any]:
        return [self.evaluate(node.elt, inner) for inner in self._rounds(node.generators, scope)]

    def _setcomp(self, node: ast.SetComp, scope: Scope) -> set[Any]:
        return {self.evaluate(node.elt, inner) for inner in self._rounds(node.generators, scope)}

    def _generatorexp(self, node: ast.GeneratorExp, scope: Scope) -> Iterator[Any]:
        return (self.evaluate(node.elt, inner) for inner in self._rounds(node.generators, scope))

    def _dictcomp(self, node: ast.DictComp, scope: Scope) -> dict[Any, Any]:
        rounds = self._rounds(node.generators, scope)
        return {self.evaluate(node.key, i): self.evaluate(node.value, i) for i in rounds}

    def _rounds(self, loops: list[ast.comprehension], scope: Scope) -> Iterator[Scope]:
        if not loops:
            yield scope
            return
        for item in self.items(self.evaluate(loops[0].iter, scope)):
            inner = Scope(scope.module, scope, {}, scope.owner)
            self.assign(loops[0].target, item, inner)
            if all(self.evaluate(test, inner) for test in loops[0].ifs):
                yield from self._rounds(loops[1:], inner)

    def assign(self, target: ast.expr, value: Any, scope: Scope) -> None:
        """Bind a name, several at once, or an item of a container."""
        if isinstance(target, ast.Name):
            scope.names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            for part, item in zip(target.elts, self.items(value), strict=True):
                self.assign(part, item, scope)
        elif isinstance(target, ast.Subscript):
            self.evaluate(target.value, scope)[self.evaluate(target.slice, scope)] = value
        elif not isinstance(target, ast.Attribute):
            raise UnclearError(f"cannot assign to {ast.unparse(target)}")


def combine(op: ast.operator, left: Any, right: Any) -> Any:
    """Apply a binary operator."""
    for value in (left, right):
        if isinstance(value, Unknown):
            return value
    if MISSING in (left, right) or type(op) not in _OPERATORS:
        return Unknown(type(op).__name__)
    try:
        return _OPERATORS[type(op)](left, right)
    except TypeError:
        return Unknown(f"{left} {type(op).__name__} {right}")
