"""Packs for tests: a folder with a cookiecutter template, good or evil."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra_gen.model.filetree import File
from infra_gen.packs import fetching, running
from infra_gen.packs.limits import Limits
from infra_gen.packs.template import Template, context_of

PROJECT = "{{cookiecutter.folder}}"
CONTEXT = {"schema": 1, "name": "chat", "plan": {"engine": {"name": "vllm"}}}


def write_pack(
    folder: Path,
    files: Mapping[str, str | bytes],
    settings: Mapping[str, Any] | None = None,
    beside: Mapping[str, str] | None = None,
) -> Path:
    """A pack whose project holds `files`; `beside` are files of the repository around it."""
    (folder / PROJECT).mkdir(parents=True)
    (folder / "cookiecutter.json").write_text(
        json.dumps({"folder": "made", **(settings or {})}), "utf-8"
    )
    every = {f"{PROJECT}/{path}": content for path, content in files.items()} | dict(beside or {})
    for path, content in every.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def template_at(folder: Path) -> Template:
    return fetching.fetch(str(folder), Path())[0]


def made_by(
    folder: Path,
    answers: Mapping[str, str] | None = None,
    *,
    trust: bool = False,
    limits: Limits | None = None,
) -> dict[str, File]:
    """What the pack makes of a small context."""
    template = template_at(folder)
    variables = context_of(template, answers or {}, CONTEXT, "pack")
    return running.render(template, variables, "pack", trust=trust, limits=limits)
