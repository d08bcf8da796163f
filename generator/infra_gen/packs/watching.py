"""Runs a program that is not trusted with time or disk: its whole group ends at a bound."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infra_gen.errors import UsageError
from infra_gen.packs.limits import Limits

_POLL_S = 0.05
_TOLD = 2_000
_LAST_BREATH_S = 1.0  # where nobody collects a dead process, it is waited for in vain


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended: exit status, what it reported on its standard output, the end of its log."""

    code: int
    report: str
    log: str


def run_watched(
    command: Sequence[str],
    *,
    folder: Path,
    given: str,
    environment: Mapping[str, str],
    limits: Limits,
    where: str,
) -> Done:
    """Run `command`, which writes below `folder` only, until its end or a bound (UsageError)."""
    with (
        tempfile.TemporaryFile(dir=folder.parent) as log,
        tempfile.TemporaryFile(dir=folder.parent) as report,
        tempfile.TemporaryFile(dir=folder.parent) as handed,
    ):
        handed.write(given.encode())
        handed.seek(0)
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, or git
            command, stdin=handed, stdout=report, stderr=log, cwd=folder,
            env=dict(environment), start_new_session=True,
        )  # fmt: skip
        try:
            _wait(process, folder, limits, where)
        finally:
            _end_group(process)
        log.seek(max(0, log.seek(0, os.SEEK_END) - _TOLD))
        report.seek(0)
        said = _plain(log.read(_TOLD).decode("utf-8", errors="replace"))
        return Done(process.returncode, report.read(_TOLD).decode("utf-8", "replace"), said)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill it and what it left running, and wait until none of them writes any more."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    end = time.monotonic() + _LAST_BREATH_S
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < end:
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def _plain(text: str) -> str:
    """Without what would steer a terminal."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n").strip()


def _wait(process: subprocess.Popen[bytes], folder: Path, limits: Limits, where: str) -> None:
    end = time.monotonic() + limits.seconds
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
        over = _over(folder, limits)
        if over:
            raise UsageError(f"stopped: it wrote more than {over}", where=where)
        if process.returncode is not None:
            return
        if time.monotonic() > end:
            raise UsageError(f"stopped: it took longer than {limits.seconds:g} s", where=where)


def _over(folder: Path, limits: Limits) -> str | None:
    """Which bound the folder breaks by now; counting stops there."""
    files = total = 0
    waiting = [str(folder)]
    while waiting:
        with suppress(FileNotFoundError, PermissionError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                files += 1
                if files > 2 * limits.files:  # folders count too, and the pack itself
                    return f"{limits.files} files"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                total += entry.stat(follow_symlinks=False).st_size
                if total > 3 * limits.total_bytes:  # the pack, its output, what a hook sets aside
                    return f"{limits.total_bytes} bytes"
    return None
