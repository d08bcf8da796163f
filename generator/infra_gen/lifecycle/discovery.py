"""Every deployment below a folder, by its spec, as version control would see it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from infra_gen.model.names import LOCK_FILE, SPEC_FILE

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_IGNORE = ".gitignore"
# Nobody keeps deployments there, and they can be huge.
_NEVER = frozenset({".git", ".infra-gen", ".venv", "node_modules"})
_Rules = tuple[tuple[str, "GitIgnoreSpec"], ...]


def _rules_in(folder: str | Path) -> GitIgnoreSpec | None:
    try:
        return _compiled(Path(folder, _IGNORE).read_bytes())
    except OSError:
        return None


@lru_cache(maxsize=64)
def _compiled(text: bytes) -> GitIgnoreSpec:
    """The rules of a file. Every deployment has one, and most have the same."""
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - only where there is a file to read

    return GitIgnoreSpec.from_lines(text.decode("utf-8", errors="replace").splitlines())


def _above(top: Path) -> _Rules:
    """Rules of the folders above `top` in the same repository, outermost first."""
    found = []
    for folder in (top, *top.parents):
        if folder != top:
            rules = _rules_in(folder)
            if rules:
                found.append((str(folder), rules))
        if (folder / ".git").exists():
            return tuple(reversed(found))
    return ()


def _ignored(path: str, rules: _Rules, *, folder: bool) -> bool:
    """The innermost rule that speaks of the path decides; a trailing slash marks folders."""
    for base, spec in reversed(rules):
        inside = path.removeprefix(base).lstrip(os.sep)
        said = spec.check_file(inside + ("/" if folder else "")).include
        if said is not None:
            return bool(said)
    return False


def repository_top(folder: Path) -> Path:
    """The nearest folder at or above that git keeps; `folder` itself where there is none."""
    start = folder.absolute()
    return next((one for one in (start, *start.parents) if (one / ".git").exists()), start)


def find_deployments(top: Path) -> Iterator[Path]:
    """Folders at or below `top` with a spec, sorted; what .gitignore excludes is not entered.

    Links to folders are not followed. Raises OSError when `top` cannot be read.
    """
    root = top.absolute()
    os.scandir(root).close()
    yield from _below(str(root), top, _above(root))


def deployments_in(folder: Path) -> list[Path]:
    """`folder` itself where it is a deployment, or has none below; else those below it.

    One that has lost its spec is one still: its error says so. A spec's path, as a shell's pattern
    gives it, stands for its folder.
    """
    if folder.name == SPEC_FILE and folder.is_file():
        return [folder.parent]
    if (folder / SPEC_FILE).exists() or (folder / LOCK_FILE).exists():
        return [folder]
    try:
        return list(find_deployments(folder)) or [folder]
    except OSError:  # vanished, or closed to us: whoever reads it says that
        return [folder]


def _below(folder: str, shown: Path, rules: _Rules) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError:  # vanished, or closed to us: no deployment of ours
        return
    if any(entry.name == _IGNORE for entry in inside):
        own = _rules_in(folder)
        rules = (*rules, (folder, own)) if own else rules
    names = {entry.name for entry in inside}
    if SPEC_FILE in names and not _ignored(f"{folder}/{SPEC_FILE}", rules, folder=False):
        yield shown
    for entry in inside:
        if entry.name in _NEVER or not entry.is_dir(follow_symlinks=False):
            continue
        if not _ignored(entry.path, rules, folder=True):
            yield from _below(entry.path, shown / entry.name, rules)
