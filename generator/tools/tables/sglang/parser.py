"""SGLang's command line: the calls of `add_argument`, and the fields that need none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tools.tables.python.argparse_calls import (
    TYPES,
    UNSET,
    Argument,
    argument_of,
    calls,
    keywords,
    record,
)
from tools.tables.python.modules import Module, Package, UnclearError, dotted
from tools.tables.python.values import Definition, Scope, Values
from tools.tables.records import Record, TableError, by_name
from tools.tables.sglang.fields import Field, argument, fields

_SERVER_ARGS = "sglang.srt.server_args"
_TYPES = {
    **TYPES,
    "human_readable_int": "size",
    "json_list_type": "json",
    "nullable_str": "str",
    "parse_cuda_graph_backend_arg": "str",  # refuses a value that is gone, as the choices do
    "parse_cuda_graph_config_arg": "json",
}
_NULLABLE = {"nullable_str"}  # the text None is no value
# Actions of SGLang's own, and what they do with a command line.
_AS_SWITCH = {"DeprecatedAction", "DeprecatedStoreTrueAction"}
_AS_VALUE = {"DeprecatedAliasStoreAction", "LoRAPathAction"}
_CONST = "DeprecatedStoreConstAction"  # a switch, unless it is told to take a value
_OWN = _AS_SWITCH | _AS_VALUE | {_CONST}
_DEPRECATED = re.compile(r"\W*deprecated\b", re.IGNORECASE)
_DECLARED = "_declared_default"
_FROM_FIELDS = "add_cli_args_from_dataclass"


@dataclass(slots=True)
class CommandLine:
    """What `sglang.launch_server` reads, and the spellings that are known but refused."""

    flags: list[Record] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class _Reader:
    def __init__(self, package: Package) -> None:
        self.package = package
        self.values = Values(package)
        self.home = package.module(_SERVER_ARGS)
        self.declared = {row.name: row for row in fields(package)}
        self.found = CommandLine()

    def read(self) -> CommandLine:
        """Read `ServerArgs.add_cli_args`."""
        method = _method(self.home, "ServerArgs", "add_cli_args")
        for row in self.declared.values():
            made = argument(row, self.values)
            if made is not None and row.words is not None:
                self._add(made, row.words.get("help"))
        if bool(list(_calls_of(method, _FROM_FIELDS))) != bool(self.found.flags):
            raise TableError(
                "fields that are arguments, or the call that makes them such, are lost"
            )
        scope = Scope(self.home, self._locals(method))
        for call in calls(method.body):
            self._from_call(call, scope)
        self.found.flags = by_name(self.found.flags)
        return self.found

    def _locals(self, method: ast.FunctionDef) -> dict[str, Any]:
        """Evaluate what the method assigns before it uses it.

        What a variable adds to a list under a condition is left out: it is off by default.
        """
        local: dict[str, Any] = {}
        for statement in method.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                try:
                    scope = Scope(self.home, local)
                    local[statement.targets[0].id] = self.values.value(statement.value, scope)
                except UnclearError:
                    continue
        return local

    def _from_call(self, call: ast.Call, scope: Scope) -> None:
        words = keywords(call)
        default = words.get("default")
        if isinstance(default, ast.Call) and dotted(default.func) == _DECLARED:
            row = self._declared(default)
            inner = [word for word in call.keywords if word.arg != "default"]
            made = argument_of(ast.Call(call.func, call.args, inner), self.values, scope)
            known = Scope(row.module)
            value = self.values.value(row.default, known) if row.default is not None else None
            made = replace(made, default=value)
        else:
            made = argument_of(call, self.values, scope)
        if self._is_refused(made, words):
            self.found.refused += made.names
        else:
            self._add(made, words.get("help"))

    def _declared(self, call: ast.Call) -> Field:
        name = call.args[0]
        if not isinstance(name, ast.Constant) or name.value not in self.declared:
            raise TableError(f"{ast.unparse(call)}: no such field")
        return self.declared[name.value]

    def _is_refused(self, made: Argument, words: dict[str, ast.expr]) -> bool:
        """Whether the action stops the launch, as it does in versions whose action raises."""
        if made.action != "DeprecatedAction":
            return False
        action = self.values.definition(self.home, "DeprecatedAction")
        body = _method_of(action, "__call__").body
        return isinstance(body[0], ast.Raise) or "error_message" in words

    def _add(self, made: Argument, help_: ast.expr | None) -> None:
        row = record(self._plain(made, help_), _TYPES)
        if made.type in _NULLABLE:
            row["nullable"] = True
        self.found.flags.append(row)

    def _plain(self, made: Argument, help_: ast.expr | None) -> Argument:
        """Translate an action of SGLang's own to one of argparse's."""
        action = made.action
        if action is not None and action.startswith("Deprecated") and action not in _OWN:
            raise TableError(f"{made.names[0]}: unknown action {action}")
        deprecated = (action or "").startswith("Deprecated") or _says_deprecated(help_)
        if action in ("DeprecatedAction", _CONST) and made.default is UNSET:
            made = replace(made, default=None)  # actions of argparse's base, no switches to it
        if action in _AS_SWITCH or (action == _CONST and made.choices is None):
            action = "store_true"
        elif action in _AS_VALUE or action == _CONST:
            action = None
        return replace(made, action=action, deprecated=deprecated)


def _says_deprecated(help_: ast.expr | None) -> bool:
    if isinstance(help_, ast.JoinedStr):
        help_ = help_.values[0]
    text = help_.value if isinstance(help_, ast.Constant) else None
    return isinstance(text, str) and _DEPRECATED.match(text) is not None


def _calls_of(method: ast.FunctionDef, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and dotted(node.func) == name:
            yield node


def _method(module: Module, class_: str, name: str) -> ast.FunctionDef:
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and node.name == class_:
            return _method_of(Definition(module, node), name)
    raise TableError(f"{module.name}: no class {class_}")


def _method_of(holder: Definition, name: str) -> ast.FunctionDef:
    for node in holder.node.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise TableError(f"{holder.node.name}: no method {name}")


def command_line(package: Package) -> CommandLine:
    """Read the command line of one version."""
    return _Reader(package).read()
