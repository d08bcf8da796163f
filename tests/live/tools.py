"""Where `setup/provision` left the real tools, as it recorded them in the cache."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


def cache_dir() -> Path:
    """The folder of the tools; outside of the repository, for it is large and machine-bound."""
    if own := os.environ.get("INFRA_GEN_TEST_CACHE"):
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "infra-gen" / "test-tools"


@dataclass(frozen=True)
class Tool:
    """One record of tools.json."""

    name: str
    ok: bool
    version: str
    reason: str
    paths: dict[str, str]

    @classmethod
    def missing(cls, name: str, reason: str) -> Self:
        """The record of a tool that cannot be used."""
        return cls(name, ok=False, version="", reason=reason, paths={})

    def path(self, name: str) -> Path:
        """One of the tool's files, which must still be there."""
        path = Path(self.paths[name])
        if not path.exists():
            raise FileNotFoundError(f"{self.name}: {path} is gone; run tests/live/setup/provision")
        return path


def load_tool(name: str) -> Tool:
    """The named tool; a missing one comes with the reason why it is missing."""
    try:
        records = json.loads((cache_dir() / "tools.json").read_text())
    except FileNotFoundError:
        return Tool.missing(name, "tests/live/setup/provision was not run")
    if name not in records:
        return Tool.missing(name, "not in tools.json; run tests/live/setup/provision again")
    return Tool(**records[name])
