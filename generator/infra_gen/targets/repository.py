"""What a deployment needs as a folder of a repository: ignored files, secrets by name, CI."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen import __version__
from infra_gen.model.filetree import File
from infra_gen.model.stack import Stack
from infra_gen.render.text import comment_lines
from infra_gen.render.yamldoc import Noted, dump
from infra_gen.targets.names import HEADER, engine_of, secrets_of

PACKAGE = f"infra-gen=={__version__}"
_WORKFLOW = ".github/workflows/infra-gen.yml"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A path that must not be committed, and why."""

    path: str
    because: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of `.env` that is no secret."""

    name: str
    because: str
    required: bool


def device_groups(stack: Stack) -> tuple[Variable, ...]:
    """Numbers of the groups that may open an accelerator, where no driver hook takes care of it."""
    devices = engine_of(stack).devices
    if devices is None or devices.vendor not in ("amd", "intel"):
        return ()
    return tuple(
        Variable(f"{group.upper()}_GID", f"Number of the group {group}: getent group {group}", True)
        for group in ("video", "render")
    )


def ignore_file(ignored: tuple[Ignored, ...]) -> File:
    """The .gitignore of the deployment."""
    lines = [f"# {HEADER}"]
    for entry in ignored:
        lines += ["", f"# {entry.because}", entry.path]
    return File("\n".join(lines) + "\n")


def env_example(stack: Stack, extra: tuple[Variable, ...] = ()) -> File:
    """The .env.example: every variable that is read from .env, without values.

    On a host without containers what scripts make up lies in files of its own, not in .env.
    """
    native = stack.plan.runtime == "native"
    how = "if you need it" if native else "(bin/rotate-key does it and makes a key)"
    lines = [f"# {HEADER}", f"# Copy this to .env {how}. Never commit .env."]
    kept = [one for one in secrets_of(stack) if not (native and one.made)]
    secrets = (Variable(one.name, one.because, one.required) for one in kept)
    for variable in (*secrets, *extra):
        state = "Required." if variable.required else "May stay empty."
        lines += [
            "",
            comment_lines(f"{variable.because.rstrip('.')}. {state}"),
            f"{variable.name}=",
        ]
    return File("\n".join(lines) + "\n")


def workflow() -> dict[str, File]:
    """The workflow that compares the folder with its spec on every pull request."""
    steps: list[object] = [
        {"uses": "actions/checkout@v4", "with": {"persist-credentials": False}},
        {"uses": "actions/setup-python@v5", "with": {"python-version": "3.12"}},
        {"run": 'pip install "${INFRA_GEN:?set the repository variable INFRA_GEN}"'},
        Noted(
            {"run": "infra-gen check .", "working-directory": "${{ env.DEPLOYMENT }}"},
            "Fails on drift (exit 2) and findings (exit 3), and prints the command that fixes it.",
        ),
    ]
    document: dict[str, object] = {
        "name": "infra-gen",
        "on": {"pull_request": None, "push": {"branches": ["main"]}},
        "permissions": {"contents": "read"},
        "env": {
            "INFRA_GEN": Noted(
                "${{ vars.INFRA_GEN }}",
                "What pip installs. Set the repository's variable INFRA_GEN: a wheel's address, "
                f"git+https://...@COMMIT, or {PACKAGE} where your own index has it.",
            ),
            "DEPLOYMENT": Noted(
                "${{ vars.INFRA_GEN_DIR || '.' }}",
                "GitHub reads workflows at the top of a repository only: if this deployment is a "
                "folder in it, copy this file up and set the variable INFRA_GEN_DIR to the folder.",
            ),
        },
        "jobs": {
            "check": {"runs-on": "ubuntu-24.04", "timeout-minutes": 10, "steps": steps},
        },
    }
    return {_WORKFLOW: File(dump(document, HEADER))}
