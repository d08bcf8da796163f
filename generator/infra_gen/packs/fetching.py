"""Brings a pack here: from a folder, or from a repository at one commit, with git."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from infra_gen.errors import UsageError
from infra_gen.packs.limits import CLONE
from infra_gen.packs.reading import read_folder
from infra_gen.packs.source import Repository, repository_of
from infra_gen.packs.template import Template, is_part, template_of
from infra_gen.packs.watching import Done, run_watched

# A clone of somebody's repository runs nothing of it: no hooks, no filters, no other protocols.
_SETTINGS = (
    "core.hooksPath=/dev/null", "core.symlinks=true", "core.autocrlf=false", "core.fsmonitor=false",
    "protocol.allow=never", "protocol.https.allow=always", "submodule.recurse=false",
    "filter.lfs.smudge=", "filter.lfs.process=", "filter.lfs.required=false", "gc.auto=0",
)  # fmt: skip


def fetch(source: str, base: Path) -> tuple[Template, str | None]:
    """The pack and its commit, None where there is none; a relative folder is taken from `base`."""
    repository = repository_of(source)
    if repository:
        return _cloned(repository, source)
    folder = (base / source).resolve()  # `base` may not exist yet, so its .. is worked out here
    if not folder.is_dir():
        raise UsageError(f"no such folder: {folder}", where=f"pack {source}")
    return _read(folder, f"pack {source}"), None


def _read(folder: Path, where: str) -> Template:
    try:
        return template_of(read_folder(folder, where, is_part), where)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=where) from error
    except ValueError as error:
        raise UsageError(str(error), where=where) from error


def _cloned(repository: Repository, source: str) -> tuple[Template, str]:
    where = f"pack {source}"
    git = shutil.which("git")
    if git is None:
        raise UsageError("needs git, which is not installed", where=where)
    with (
        tempfile.TemporaryDirectory(
            prefix="infra-gen-pack-", ignore_cleanup_errors=True
        ) as scratch,
        tempfile.TemporaryDirectory(dir=scratch) as clone,
    ):
        folder = Path(clone).resolve()
        settings = [word for one in _SETTINGS for word in ("-c", one)]

        def run(*words: str) -> Done:
            done = run_watched(
                [git, *settings, *words], folder=folder, given="", limits=CLONE, where=where,
                environment={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"},
            )  # fmt: skip
            if done.code:
                raise UsageError(f"git: {done.log or done.code}", where=where, hint=_HINT)
            return done

        run("init", "--quiet", ".")
        run(
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            repository.address,
            repository.ref or "HEAD",
        )
        run("checkout", "--quiet", "--detach", "FETCH_HEAD")
        commit = run("rev-parse", "HEAD").report.strip()
        return _read(folder, where), commit


_HINT = "gh:OWNER/REPOSITORY@REF, where REF is a branch, a tag or a whole commit id"
