"""Reference pages of the command line: commands with their options, exit codes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typer.models import CommandInfo, OptionInfo

from infra_gen.cli.main import app
from infra_gen.errors import ExitCode
from tools.docs_markdown import page, table

_KINDS = {str: "text", int: "whole number", float: "number", Path: "path", bool: "switch"}
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


def commands() -> Iterator[tuple[str, CommandInfo]]:
    """Every registered command with its name, those of a group (`schema show`) after the others."""
    for command in app.registered_commands:
        yield command.name or "", command
    for group in app.registered_groups:
        assert group.typer_instance is not None  # noqa: S101 - typer registers instances
        inner = group.typer_instance
        for command in inner.registered_commands:
            yield f"{inner.info.name} {command.name}", command


def command_names() -> list[str]:
    """Their names."""
    return [name for name, _ in commands()]


def _kind(annotation: Any) -> str:
    inner = [one for one in get_args(annotation) if one is not type(None)]
    if inner:
        return _kind(inner[0])
    return _KINDS.get(annotation, "text")


def _spellings(name: str, info: OptionInfo, kind: str) -> list[str]:
    # Inside Annotated, typer keeps the first spelling where a default would be.
    first = [info.default] if isinstance(info.default, str) else []
    written = [part for one in [*first, *(info.param_decls or ())] for part in one.split("/")]
    if written:
        return sorted(written, key=lambda one: len(one) == 2)
    plain = f"--{name.replace('_', '-')}"
    return [plain, f"--no-{plain[2:]}"] if kind == "switch" else [plain]


def _option(name: str, parameter: inspect.Parameter, annotation: Any) -> tuple[str, str, str]:
    plain, info = get_args(annotation)[:2]
    kind = _kind(plain)
    default = parameter.default
    if not isinstance(info, OptionInfo):
        needed = "argument" if default is inspect.Parameter.empty else "argument, may be left out"
        return f"`{info.metavar or name.upper()}`", needed, info.help or ""
    said = "" if default is None or isinstance(default, bool) else f" Default `{default}`."
    names = ", ".join(f"`{one}`" for one in _spellings(name, info, kind))
    return names, kind, f"{info.help or ''}{said}"


def _options(command: Callable[..., object]) -> str:
    """The parameters as the function declares them: typer's own output differs by version."""
    hints = get_type_hints(command, include_extras=True)
    rows = [
        _option(name, parameter, hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
    ]
    rows.append(("`--help`, `-h`", "switch", "Show the help and exit."))
    return table(["Name", "Takes", "Meaning"], rows)


def cli_page() -> str:
    """docs/reference/cli.md: each command's help text as written, then its options."""
    parts = [
        str(app.info.help),
        "`infra-gen --version` prints the version. Every command takes `--help`. "
        "[Exit codes](exit-codes.md) are the same for all.",
    ]
    for name, command in commands():
        # A backspace tells click to keep the lines below as they are; nobody is to see it.
        text = inspect.cleandoc((command.help or "").replace("\b\n", ""))
        assert command.callback is not None, command.name  # noqa: S101 - typer registers functions
        parts += [f"## infra-gen {name}", f"```text\n{text}\n```"]
        parts.append(_options(command.callback))
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
