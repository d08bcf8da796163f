"""The statements that the small evaluator understands: it runs a function of vLLM step by step."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from tools.tables.vllm.expressions import Expressions, combine
from tools.tables.vllm.values import Function, RaisesError, Scope, UnclearError

_MOST_DEEP = 40  # calls inside calls: far more than building a parser needs


class _Return(Exception):  # noqa: N818 - how a return statement leaves the loops around it
    def __init__(self, value: Any) -> None:
        self.value = value


class _Continue(Exception):  # noqa: N818
    pass


class _Break(Exception):  # noqa: N818
    pass


class Statements(Expressions):
    """Runs the body of a function."""

    def __init__(self) -> None:
        self._depth = 0

    @abstractmethod
    def imported(self, stmt: ast.Import | ast.ImportFrom, scope: Scope) -> dict[str, Any]:
        """Return what the names of an import statement stand for."""

    def function(self, node: ast.FunctionDef | ast.Lambda, scope: Scope) -> Function:
        """Make a function of its definition, its defaults evaluated now as Python does."""
        arguments = node.args
        names = [*arguments.posonlyargs, *arguments.args]
        pairs = list(zip(reversed(names), reversed(arguments.defaults), strict=False))
        pairs += [
            (a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d
        ]
        defaults = {argument.arg: self.evaluate(value, scope) for argument, value in pairs}
        return Function(node, scope, self.run, [], defaults, scope.owner)

    def run(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run a function with these arguments."""
        scope = Scope(function.scope.module, function.scope, {}, function.owner)
        scope.names |= _bound(function, [*function.first, *args], kwargs)
        if self._depth > _MOST_DEEP:
            raise UnclearError(f"{function.name} calls itself too deeply")
        self._depth += 1
        try:
            if isinstance(function.node, ast.Lambda):
                return self.evaluate(function.node.body, scope)
            self.execute(function.node.body, scope)
        except _Return as returned:
            return returned.value
        finally:
            self._depth -= 1
        return None

    def execute(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        """Run statements one after the other."""
        for stmt in body:
            method = getattr(self, f"_do_{type(stmt).__name__.lower()}", None)
            if method is None:
                raise UnclearError(f"a statement of no known form: {type(stmt).__name__}")
            method(stmt, scope)

    def _do_expr(self, stmt: ast.Expr, scope: Scope) -> None:
        if not isinstance(stmt.value, ast.Constant):
            self.evaluate(stmt.value, scope)

    def _do_assign(self, stmt: ast.Assign, scope: Scope) -> None:
        value = self.evaluate(stmt.value, scope)
        for target in stmt.targets:
            self.assign(target, value, scope)

    def _do_annassign(self, stmt: ast.AnnAssign, scope: Scope) -> None:
        if stmt.value is not None:
            self.assign(stmt.target, self.evaluate(stmt.value, scope), scope)

    def _do_augassign(self, stmt: ast.AugAssign, scope: Scope) -> None:
        value = combine(
            stmt.op, self.evaluate(stmt.target, scope), self.evaluate(stmt.value, scope)
        )
        self.assign(stmt.target, value, scope)

    def _do_delete(self, stmt: ast.Delete, scope: Scope) -> None:
        for target in stmt.targets:
            if not isinstance(target, ast.Subscript):
                raise UnclearError(ast.unparse(stmt))
            self.evaluate(target.value, scope).pop(self.evaluate(target.slice, scope))

    def _do_if(self, stmt: ast.If, scope: Scope) -> None:
        self.execute(stmt.body if self.evaluate(stmt.test, scope) else stmt.orelse, scope)

    def _do_for(self, stmt: ast.For, scope: Scope) -> None:
        for item in list(self.items(self.evaluate(stmt.iter, scope))):
            self.assign(stmt.target, item, scope)
            try:
                self.execute(stmt.body, scope)
            except _Continue:
                continue
            except _Break:
                return
        self.execute(stmt.orelse, scope)

    def _do_continue(self, _stmt: ast.Continue, _scope: Scope) -> None:
        raise _Continue

    def _do_break(self, _stmt: ast.Break, _scope: Scope) -> None:
        raise _Break

    def _do_return(self, stmt: ast.Return, scope: Scope) -> None:
        raise _Return(stmt.value and self.evaluate(stmt.value, scope))

    def _do_raise(self, stmt: ast.Raise, _scope: Scope) -> None:
        raise RaisesError(f"vLLM itself stops here: {ast.unparse(stmt)}")

    def _do_with(self, stmt: ast.With, scope: Scope) -> None:
        self.execute(stmt.body, scope)

    def _do_try(self, stmt: ast.Try, scope: Scope) -> None:
        self.execute([*stmt.body, *stmt.orelse, *stmt.finalbody], scope)

    def _do_functiondef(self, stmt: ast.FunctionDef, scope: Scope) -> None:
        scope.names[stmt.name] = self.function(stmt, scope)

    def _do_import(self, stmt: ast.Import, scope: Scope) -> None:
        scope.names |= self.imported(stmt, scope)

    def _do_importfrom(self, stmt: ast.ImportFrom, scope: Scope) -> None:
        scope.names |= self.imported(stmt, scope)

    def _do_pass(self, _stmt: ast.Pass, _scope: Scope) -> None:
        pass

    _do_assert = _do_pass  # what vLLM asserts holds, or its parser would not exist
    _do_global = _do_pass


def _bound(function: Function, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    arguments = function.node.args
    names = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    given = dict(zip(names, args, strict=False))
    every = {*names, *(argument.arg for argument in arguments.kwonlyargs)}
    rest = {key: value for key, value in kwargs.items() if key not in every}
    given |= {key: value for key, value in kwargs.items() if key in every}
    if arguments.vararg:
        given[arguments.vararg.arg] = tuple(args[len(names) :])
    if arguments.kwarg:
        given[arguments.kwarg.arg] = rest
    missing = every - given.keys() - function.defaults.keys()
    unexpected = (rest and not arguments.kwarg) or (len(args) > len(names) and not arguments.vararg)
    if missing or unexpected:
        raise UnclearError(f"{function.name} is not called the way it is defined")
    return function.defaults | given
