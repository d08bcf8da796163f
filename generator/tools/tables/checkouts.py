"""Sources of engines that no package index carries: a git repository with tags, or a plain folder.

Nothing is checked out: of a tag, only the wanted files are written to a folder of their own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from packaging.version import Version

from tools.tables.records import Artefact, TableError

_FINAL = re.compile(r"v(\d+\.\d+\.\d+)")
# Archives of a release unpack to such a folder: ollama-0.32.15, text-generation-inference-3.3.7.
_NAMED = re.compile(r"(?:.*-)?v?(\d+\.\d+\.\d+)")
_FILE_MODES = ("100644", "100755")
_CLEAN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0"}


def is_repository(path: Path) -> bool:
    """Whether the folder is a git repository itself, not merely inside one."""
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


def releases(given: Path | None, repository: str, since: str) -> list[str]:
    """Versions from `since` on, oldest first: of the final tags, or of the one plain folder."""
    if given is None:
        raise TableError(f"no package index has {repository}: name a checkout of it with --from")
    if not is_repository(given):
        return [_folder_version(given)]
    tags = (_FINAL.fullmatch(tag) for tag in _git(given, "tag", "--list", "v*").split())
    found = {match[1] for match in tags if match and Version(match[1]) >= Version(since)}
    if not found:
        raise TableError(f"{given}: no tag of a final release from {since} on")
    return sorted(found, key=Version)


def _folder_version(folder: Path) -> str:
    match = _NAMED.fullmatch(folder.resolve().name)
    if match is None or not folder.is_dir():
        raise TableError(f"{folder}: neither a git repository nor a folder named after a version")
    return match[1]


def fetch(
    repository: str, version: str, given: Path | None, scratch: Path, wanted: Callable[[str], bool]
) -> Artefact:
    """Find the sources of a version: a plain folder as it is, of a tag the `wanted` files.

    A commit says what its files are; a plain folder has no digest, so its name ends in the tag.
    """
    if version not in releases(given, repository, version) or given is None:
        raise TableError(f"{given}: not {repository} {version}")
    if not is_repository(given):
        return Artefact(version, f"{repository}@v{version}", None, given, "source folder")
    commit = _git(given, "rev-parse", "--verify", f"refs/tags/v{version}^{{commit}}").strip()
    folder = scratch / version
    if folder.exists():
        shutil.rmtree(folder)
    for name, content in _files(given, commit, wanted):
        path = folder / PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Artefact(version, f"{repository}@{commit}", None, folder, "files of a git tag")


def _files(
    repository: Path, commit: str, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    names: list[tuple[str, str]] = []
    for row in _git(repository, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0"):
        head, _, name = row.partition("\t")
        if head.split(" ")[0] in _FILE_MODES and wanted(name):
            names.append((name, head.split(" ")[2]))
    if not names:
        raise TableError(f"{repository}: {commit} has none of the files that are read")
    asked = "".join(f"{blob}\n" for _, blob in names).encode()
    answer = _run(repository, asked, "cat-file", "--batch")
    start = 0
    for name, blob in names:
        end = answer.index(b"\n", start)
        kind, _, size = answer[start:end].decode().removeprefix(f"{blob} ").partition(" ")
        if kind != "blob":
            raise TableError(f"{repository}: {name} of {commit} is not there (a partial clone?)")
        yield name, answer[end + 1 : end + 1 + int(size)]
        start = end + 2 + int(size)


def _git(repository: Path, *words: str) -> str:
    return _run(repository, b"", *words).decode()


def _run(repository: Path, asked: bytes, *words: str) -> bytes:
    # No pager, no hooks, no lazy download of objects: only what is there is read.
    command = ["git", "--no-pager", "-C", str(repository), *words]
    environment = {**_CLEAN, "GIT_NO_LAZY_FETCH": "1"}
    done = subprocess.run(command, input=asked, capture_output=True, check=False, env=environment)
    if done.returncode:
        raise TableError(f"{repository}: git {words[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def texts(root: Path, folders: tuple[str, ...], suffix: str) -> dict[str, str]:
    """Return the files below some folders whose names end so: path from the root -> text."""
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted((root / folder).rglob(f"*{suffix}")):
            found[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8")
    return found


def text(root: Path, name: str) -> str:
    """Return one file; TableError where it is not there."""
    try:
        return (root / name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TableError(f"{name} is not there") from error
