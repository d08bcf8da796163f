"""Renders a pack in a temporary folder, in a process of its own, and reads the result back."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra_gen.errors import UsageError
from infra_gen.model.filetree import File
from infra_gen.packs import guard
from infra_gen.packs.limits import TRUSTED, WITHOUT_TRUST, Limits
from infra_gen.packs.reading import read_folder
from infra_gen.packs.template import Template
from infra_gen.packs.watching import run_watched

_ROOM = Path(__file__).with_name("room.py")


def render(
    template: Template,
    variables: Mapping[str, Any],
    where: str,
    *,
    trust: bool = False,
    limits: Limits | None = None,
) -> dict[str, File]:
    """The files that the pack makes. UsageError for whatever it may not do."""
    if template.needs_trust and not trust:
        raise UsageError(
            f"the pack runs code of its own: {', '.join(template.needs_trust)}", where=where,
            hint="read it, then say --trust if you trust its author",
        )  # fmt: skip
    limits = limits or (TRUSTED if trust else WITHOUT_TRUST)
    with tempfile.TemporaryDirectory(
        prefix="infra-gen-pack-", ignore_cleanup_errors=True
    ) as scratch:
        room = Path(scratch).resolve() / "room"
        for folder in ("template", "out", "tmp", "home"):
            (room / folder).mkdir(parents=True)
        for path, file in template.files.items():
            _write(room / "template" / path, file)
        job = json.dumps(
            {
                "template": str(room / "template"),
                "out": str(room / "out"),
                "below": str(room),
                "variables": variables,
                "trusted": trust,
                "path": [entry for entry in sys.path if entry],
                "memory": limits.memory,
                "seconds": limits.seconds,
                "file_bytes": limits.file_bytes,
            }
        )
        done = run_watched(
            [sys.executable, "-I", "-B", str(_ROOM)],
            folder=room, given=job, environment=_environment(room), limits=limits, where=where,
        )  # fmt: skip
        if done.code:
            told = done.log.replace(str(room), "").replace(str(scratch), "")
            raise UsageError(
                f"cannot be rendered: {told or f'its process ended with {done.code}'}", where=where
            )
        return _made(room / "out", Path(done.report), where, limits)


def _write(place: Path, file: File) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as stream:
        stream.write(file.data)
    place.chmod(0o755 if file.executable else 0o644)


def _environment(room: Path) -> dict[str, str]:
    """All that the process is told of ours: no token, no home, no configuration of cookiecutter."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "TMPDIR": str(room / "tmp"),
        "HOME": str(room / "home"),
    }


def _made(out: Path, project: Path, where: str, limits: Limits) -> dict[str, File]:
    """The files below the project's folder; nothing may lie beside it."""
    if out not in project.parents:
        raise UsageError("its folder's name leads out of the output", where=where)
    prefix = project.relative_to(out).as_posix() + "/"
    read = read_folder(out, where, limits=limits)
    beside = sorted(path for path in read if not path.startswith(prefix))
    if beside:
        raise UsageError(f"it writes outside of its folder: {beside[0]!a}", where=where)
    files = {path.removeprefix(prefix): file for path, file in read.items()}
    for path in files:
        complaint = guard.complaint(path)
        if complaint:
            raise UsageError(f"it may not write {path!a}: {complaint}", where=where)
    same = guard.twice(files)
    if same:
        raise UsageError(f"{same[0]!a}: two of its files differ in letter case only", where=where)
    return files
