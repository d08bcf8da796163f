"""A full or read-only disk: a clear message, exit 1, and the tree as it was.

As root, nothing is read-only; so the command runs in a child that gives root up first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.kill_driver import snapshot

import infra_gen

PACKAGE = str(Path(infra_gen.__file__).parents[1])
QWEN = ["--hardware", "rtx-3090", "--users", "2", "--model", "qwen3-8b"]

# Everything is imported and read once before the trouble begins.
CHILD = """
import contextlib, io, os, resource, sys, tempfile
from infra_gen.cli.main import run
limit, arguments = int(sys.argv[1]), sys.argv[2:]
with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as warm:
    assert run(["new", warm + "/chat", "-H", "rtx-3090", "-m", "qwen3-8b"]) == 0
    os.unlink(warm + "/chat/README.md")
    assert run(["check", warm + "/chat"]) == 2
    assert run(["update", warm + "/chat"]) == 0
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
elif os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(run(arguments))
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users can reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


def in_child(arguments: list[str], *, limit: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(limit), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGE},
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_new_below_a_read_only_folder(place: Path) -> None:
    place.chmod(0o555)
    refused(in_child(["new", str(place / "chat"), *QWEN]), "cannot write", "ermission denied")
    assert snapshot(place) == {}


def test_new_into_a_read_only_folder(place: Path) -> None:
    (place / "chat").mkdir(mode=0o555)
    before = snapshot(place)
    refused(in_child(["new", str(place / "chat"), *QWEN]), "cannot write", "nothing was changed")
    assert snapshot(place) == before


def test_update_of_a_read_only_deployment(place: Path, pristine_chat: Path) -> None:
    root = Path(shutil.copytree(pristine_chat, place / "chat"))
    (root / "README.md").unlink()
    for folder in (root, *(p for p in root.rglob("*") if p.is_dir())):
        folder.chmod(0o555)
    before = snapshot(place)
    refused(in_child(["update", str(root)]), "cannot write", "nothing was changed")
    assert snapshot(place) == before


def test_update_where_one_folder_is_read_only(place: Path, pristine_chat: Path) -> None:
    root = Path(shutil.copytree(pristine_chat, place / "chat"))
    for path in (root / "README.md", root / "bin" / "smoke-test"):
        path.unlink()
    if os.getuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, 65534, 65534)
    (root / "bin").chmod(0o555)
    before = snapshot(place)
    refused(in_child(["update", str(root)]), "cannot write", "bin", "nothing was changed")
    assert snapshot(place) == before


def test_check_needs_no_writable_folder(place: Path, pristine_chat: Path) -> None:
    root = Path(shutil.copytree(pristine_chat, place / "chat"))
    for folder in (root, *(p for p in root.rglob("*") if p.is_dir())):
        folder.chmod(0o555)
    done = in_child(["check", str(root)])
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_of_an_unreadable_file(place: Path, pristine_chat: Path) -> None:
    root = Path(shutil.copytree(pristine_chat, place / "chat"))
    (root / "README.md").chmod(0)
    refused(in_child(["check", str(root)]), "README.md", "ermission denied")


@pytest.mark.parametrize("kind", ["new", "existing"])
def test_no_room_for_a_file(kind: str, place: Path) -> None:
    """Each file may take 3 kB: some are written before one fails, as on a disk that fills up."""
    if kind == "existing":
        (place / "chat" / "bin").mkdir(parents=True)
        (place / "chat" / "bin" / "mine").write_text("mine", "utf-8")
    before = snapshot(place)
    done = in_child(["new", str(place / "chat"), *QWEN], limit=3000)
    refused(done, "cannot write", "nothing was changed")
    assert snapshot(place) == before


def test_no_room_to_update(place: Path, pristine_chat: Path) -> None:
    root = Path(shutil.copytree(pristine_chat, place / "chat"))
    for path in ("README.md", "compose.yaml", "bin/preflight"):
        (root / path).unlink()
    before = snapshot(place)
    refused(in_child(["update", str(root)], limit=3000), "cannot write", "nothing was changed")
    assert snapshot(place) == before


def may_mount() -> bool:
    """Whether this user can mount a small disk that no other process sees."""
    if not shutil.which("unshare"):
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


def test_a_full_disk(place: Path) -> None:
    """A real one of 64 kB where that can be had, else files limited to 5 kB."""
    command = ["new", str(place / "chat"), *QWEN]
    if not may_mount():
        refused(in_child(command, limit=5000), "cannot write")
        assert snapshot(place) == {}
        return
    script = (
        'mount -t tmpfs -o size=64k none "$0" && "$@"; code=$?; find "$0" -mindepth 1; exit $code'
    )
    infra_gen_command = [sys.executable, "-m", "infra_gen", *command]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(place), *infra_gen_command],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGE},
    )
    refused(done, "cannot write", "No space left on device", "free space")
    assert done.stdout == ""
