"""`infra-gen detect`: what this machine is, as a profile that `--hardware` reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from infra_gen.detect.report import Profile

HELP = """Look at this machine and print its hardware profile.

\b
  infra-gen detect
  infra-gen detect --write machine.yaml
  infra-gen plan --hardware machine.yaml --users 5

GPUs of NVIDIA, AMD, Intel and Apple by their own tools, and the processor. Nothing is changed or
sent anywhere. The profile holds no host name, serial number or time.
"""


def detect(
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write the profile to FILE.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --write replace FILE.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The profile as JSON.")] = False,
) -> int:
    """Look, match, print or write."""
    from infra_gen.detect import saving
    from infra_gen.detect.document import to_json, to_yaml
    from infra_gen.detect.here import profile_here
    from infra_gen.errors import ExitCode, UsageError

    if force and write is None:
        raise UsageError("--force needs --write FILE")
    if write is not None:
        saving.check(write, force=force)
    profile = profile_here()
    text = to_json(profile) if as_json else to_yaml(profile)
    if write is None:
        typer.echo(text, nl=False)
    else:
        saving.save(write, text, force=force)
        _said(write, profile)
    return ExitCode.CLEAN


def _said(file: Path, profile: Profile) -> None:
    what = profile.hardware or (profile.device and profile.device.name)
    typer.echo(f"wrote {file}: {what}")
    for note in profile.notes:
        typer.echo(f"  note: {note}")
    typer.echo(f"next: infra-gen plan --hardware {file} --users 5")
