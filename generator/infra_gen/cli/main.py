"""Entry point: registers the commands, maps every outcome to an exit code.

Only typer and the standard library are imported here; a command imports what it needs when it runs.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from infra_gen import __version__
from infra_gen.cli import (
    check,
    completion,
    detect,
    diff,
    eject,
    explain,
    list_,
    new,
    pin,
    plan,
    schema,
    show,
    update,
    validate,
)
from infra_gen.errors import ExitCode, InfraGenError

app = typer.Typer(
    name="infra-gen",
    help="Deployments of LLM inference servers from hardware and users: sized, checked, "
    "regenerable.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        # Neither typer nor click reads it.
        "color": False if os.environ.get("NO_COLOR") else None,
    },
)

app.command("new", help=new.HELP)(new.new)
app.command("plan", help=plan.HELP)(plan.plan)
app.command("explain", help=explain.HELP)(explain.explain)
app.command("validate", help=validate.HELP)(validate.validate)
app.command("check", help=check.HELP)(check.check)
app.command("update", help=update.HELP)(update.update)
app.command("diff", help=diff.HELP)(diff.diff)
app.command("pin", help=pin.HELP)(pin.pin)
app.command("eject", help=eject.HELP)(eject.eject)
app.command("list", help=list_.HELP)(list_.list_)
app.command("show", help=show.HELP)(show.show)
app.add_typer(schema.schema)
app.command("detect", help=detect.HELP)(detect.detect)
app.command("completion", help=completion.HELP)(completion.completion)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"infra-gen {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


def _say(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line, err=True)


def _report_bug() -> int:
    import platform
    import traceback

    traceback.print_exc()
    _say(
        [
            "",
            "This is a bug in infra-gen. Please report the lines above with the command you ran.",
            f"infra-gen {__version__}, Python {platform.python_version()}, {platform.platform()}",
        ]
    )
    return ExitCode.BUG


# Typer ships its own copy of click or uses the installed one, by version: ask it for the class.
_CLICK_ERROR: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


def _outcome(error: BaseException) -> int:
    """Say what happened; the exit code."""
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        _say(["interrupted; the next command finishes or undoes what was begun"])
        return ExitCode.INTERRUPTED
    if isinstance(error, InfraGenError):
        _say(error.lines())
        return error.exit_code
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        _say([f"error: {place}{error.strerror or error}"])
        return ExitCode.USAGE
    if isinstance(error, _CLICK_ERROR):
        error.show()  # type: ignore[attr-defined]
        return ExitCode.USAGE
    return _report_bug()


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    try:
        result = app(args=arguments, standalone_mode=False)
    except typer.Exit as stop:
        result = int(stop.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        return ExitCode.CLEAN
    except (Exception, KeyboardInterrupt) as error:
        return _outcome(error)
    if result == ExitCode.INTERRUPTED:  # how typer passes Ctrl-C on
        return _outcome(KeyboardInterrupt())
    return result if isinstance(result, int) else ExitCode.CLEAN


def main() -> None:
    """Console script."""
    import gc

    gc.set_threshold(50_000, 20, 20)  # a short process: collecting while importing costs a tenth
    completion.answer_shells()
    sys.exit(run())
