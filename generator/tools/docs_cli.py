"""Reference pages of the command line: commands with their options, exit codes."""

from __future__ import annotations

import inspect
from typing import Any

import typer
from tools.docs_markdown import page, table

from infra_gen.cli import check, explain, new, plan, update, validate
from infra_gen.cli.main import app
from infra_gen.errors import ExitCode

_MODULES: dict[str, Any] = {
    "new": new,
    "plan": plan,
    "explain": explain,
    "validate": validate,
    "check": check,
    "update": update,
}
_KINDS = {"String": "text", "Int": "whole number", "Float": "number", "Path": "path"}
_CODES: dict[ExitCode, tuple[str, str]] = {
    ExitCode.CLEAN: ("Done, or nothing to complain about.", ""),
    ExitCode.USAGE: (
        "A bad flag value, an unknown name, a folder or file in the way, a full disk.",
        "Read the `hint:` line.",
    ),
    ExitCode.DRIFT: (
        "Files differ from what spec and lock render, or hand edits stop an update.",
        "Run the command on the last line, or move the edit to a place of its own.",
    ),
    ExitCode.FINDINGS: (
        "A rule found an error. `new` and `update` wrote nothing.",
        "Follow `fix:`, or allow the rule with a reason in infra-gen.yaml.",
    ),
    ExitCode.BAD_SPEC: (
        "infra-gen.yaml or infra-gen.lock is wrong, missing, or asks for what is not built.",
        "The message names file, line and key.",
    ),
    ExitCode.DOES_NOT_FIT: (
        "The model does not fit in memory, or no legal way to split it exists. Nothing was written.",
        "The message says how many GiB are missing and names plans that fit.",
    ),
    ExitCode.BUG: ("A bug in infra-gen, with a traceback.", "Report what it prints."),
    ExitCode.INTERRUPTED: ("Stopped by Ctrl-C.", "Nothing half-written is left."),
}


def command_names() -> list[str]:
    """Every registered command, in the order of `infra-gen --help`."""
    return list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def _kind(parameter: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return "switch"
    name = type(parameter.type).__name__
    return next((word for start, word in _KINDS.items() if start in name), "text")


def _default(parameter: Any) -> str:
    value = parameter.default
    plain = value is None or callable(value) or not isinstance(value, str | int | float)
    if plain or isinstance(value, bool):
        return ""
    return f"`{value}`"


def _options(command: Any) -> str:
    rows = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            metavar = parameter.metavar or f"[{parameter.name.upper()}]"
            rows.append((f"`{metavar}`", "argument", parameter.help or ""))
            continue
        names = [*parameter.opts, *parameter.secondary_opts]
        names.sort(key=lambda name: (len(name) == 2, name.startswith("--no-")))
        text = parameter.help or ""
        default = _default(parameter)
        rows.append(
            (", ".join(f"`{name}`" for name in names), _kind(parameter),
             text + (f" Default {default}." if default else ""))
        )  # fmt: skip
    rows.append(("`--help`, `-h`", "switch", "Show the help and exit."))
    return table(["Name", "Takes", "Meaning"], rows)


def cli_page() -> str:
    """docs/reference/cli.md: each command's help text as written, then its options."""
    group: Any = typer.main.get_command(app)
    parts = [
        f"{group.help}",
        "`infra-gen --version` prints the version. Every command takes `--help`. "
        "[Exit codes](exit-codes.md) are the same for all.",
    ]
    for name in command_names():
        text = inspect.cleandoc(_MODULES[name].HELP)
        parts += [f"## infra-gen {name}", f"```text\n{text}\n```", _options(group.commands[name])]
    return page("Commands", *parts)


def exit_codes_page() -> str:
    """docs/reference/exit-codes.md."""
    rows = [(code.value, f"`{code.name}`", *_CODES[code]) for code in ExitCode]
    return page(
        "Exit codes",
        table(["Code", "Name", "Means", "What to do"], rows),
        "A bad flag ends with 1 too, never with 2: code 2 means drift and nothing else, so that a "
        "pull-request check can tell the two apart. `check` with several folders ends with the "
        "gravest outcome: 4, then 5, 3, 2.",
    )
