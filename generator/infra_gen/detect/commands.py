"""The real machine. The only module that starts programs and reads files outside the project.

Programs are started from absolute folders of PATH, never through a shell, with LC_ALL=C. Each gets
at most five seconds, all together fifteen, and what they print is cut off at a megabyte.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from infra_gen.detect.probe import Ran

EACH_SECONDS = 5.0
ALL_SECONDS = 15.0
OUTPUT_LIMIT = 1 << 20
FILE_LIMIT = 1 << 20
_LEAST_SECONDS = 0.05
# Where drivers put their tools when PATH does not have them.
_MORE_FOLDERS = ("/usr/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/opt/rocm/bin",
                 "/usr/lib/wsl/lib")  # fmt: skip


class System:
    """This machine, within a time limit that starts now."""

    def __init__(
        self, each_seconds: float = EACH_SECONDS, all_seconds: float = ALL_SECONDS
    ) -> None:
        """Limits in seconds: for one program, and for all of them together."""
        self._each = each_seconds
        self._end = time.monotonic() + all_seconds

    def run(self, *argv: str) -> Ran | None:
        """What the program prints on standard output, in C locale."""
        program = shutil.which(argv[0], path=_search_path())
        seconds = min(self._each, self._end - time.monotonic())
        if program is None or seconds < _LEAST_SECONDS:
            return None
        environment = {**os.environ, "LC_ALL": "C", "LANG": "C", "LANGUAGE": "C"}
        try:
            process = subprocess.Popen(  # noqa: S603 - a fixed list of arguments, no shell
                [program, *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except OSError:
            return None
        return _answer(process, time.monotonic() + seconds)

    def read(self, path: str) -> str | None:
        """The first megabyte of a file as text."""
        try:
            with Path(path).open("rb") as stream:
                data = stream.read(FILE_LIMIT)
        except (OSError, ValueError):
            return None
        return data.replace(b"\0", b"").decode("utf-8", "replace")

    def children(self, folder: str) -> tuple[str, ...]:
        """Sorted names in a folder."""
        try:
            return tuple(sorted(one.name for one in Path(folder).iterdir()))
        except (OSError, ValueError):
            return ()

    def driver_of(self, device: str) -> str | None:
        """The target of the device's `driver` link."""
        try:
            return (Path(device) / "driver").readlink().name
        except (OSError, ValueError):
            return None

    def system(self) -> tuple[str, str]:
        """From uname; empty on systems that have none."""
        if not hasattr(os, "uname"):
            return "", ""
        found = os.uname()
        return found.sysname, found.machine

    def usable_cpus(self) -> int | None:
        """By the CPU set of this process where there is one."""
        if hasattr(os, "sched_getaffinity"):
            with suppress(OSError):
                return len(os.sched_getaffinity(0))
        return os.cpu_count()


def _search_path() -> str:
    """PATH without relative folders, which would let the current folder name our programs."""
    given = os.environ.get("PATH", os.defpath).split(os.pathsep)
    folders = dict.fromkeys([*(one for one in given if one.startswith("/")), *_MORE_FOLDERS])
    return os.pathsep.join(folders)


def _answer(process: subprocess.Popen[bytes], end: float) -> Ran:
    code: int | None = None
    try:
        data, finished = _drain(process, end)
        if finished:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(max(0.0, end - time.monotonic()) + _LEAST_SECONDS)
    finally:
        if code is None:
            _end(process)
    return Ran(data.decode("utf-8", "replace"), code)


def _drain(process: subprocess.Popen[bytes], end: float) -> tuple[bytes, bool]:
    """What came before `end`, and whether the program closed its output by itself.

    Not subprocess.run: after a timeout that waits without limit, and a program that hangs in the
    driver of a lost GPU cannot be killed.
    """
    assert process.stdout is not None  # noqa: S101 - Popen was given a pipe
    parts: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector, process.stdout as stream:
        selector.register(stream, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0 and size <= OUTPUT_LIMIT:
            if not selector.select(left):
                continue
            part = os.read(stream.fileno(), 1 << 16)
            if not part:
                return b"".join(parts), True
            parts.append(part)
            size += len(part)
    return b"".join(parts), False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and what it started; never wait for what cannot be killed."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LEAST_SECONDS * 4)
