"""What git says of a folder, where git is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# A hook's GIT_DIR would lead to another repository than the folder's own.
_OF_ANOTHER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


def installed() -> bool:
    """Whether there is a git to call."""
    return shutil.which("git") is not None


def call(folder: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """`git WORDS` in `folder`, with `given` on its standard input; its messages are English."""
    environment = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    return subprocess.run(  # noqa: S603 - git, with words of our own
        ["git", *words], cwd=folder, env={**environment, "LC_ALL": "C"},  # noqa: S607
        input=given, capture_output=True, encoding="utf-8", errors="replace",
        check=False,
    )  # fmt: skip


def top_of(root: Path) -> Path | None:
    """The work tree that `root` is in, or would be in; None when there is none, or no git."""
    if not installed():
        return None
    folder = next(one for one in (root.absolute(), *root.absolute().parents) if one.is_dir())
    done = call(folder, "rev-parse", "--show-toplevel")
    return Path(done.stdout.rstrip("\n")).resolve() if done.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Paths that git leaves out, and the rule that says so: its file:line and its text."""

    where: str
    rule: str
    paths: tuple[str, ...]


def ignored(root: Path, paths: Iterable[str]) -> tuple[Ignored, ...]:
    """Which files of `root` git leaves out, by rule; none where there is no git or repository."""
    if not installed():
        return ()
    asked = "\0".join(paths)
    # Its answer: file, line, rule and path of each that a rule speaks of, also of those it takes back.
    said = call(root, "check-ignore", "--verbose", "-z", "--stdin", given=asked).stdout.split("\0")
    found: dict[tuple[str, str], list[str]] = {}
    for file, line, rule, path in zip(said[::4], said[1::4], said[2::4], said[3::4], strict=False):
        if not rule.startswith("!"):
            found.setdefault((f"{file}:{line}", rule), []).append(path)
    return tuple(Ignored(where, rule, tuple(hit)) for (where, rule), hit in found.items())
