"""One command as a whole: seconds on the clock and of the processor, and memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Took:
    """`mib` is the sum of the largest resident size of each process, shared pages counted in each."""

    wall_s: float
    cpu_s: float
    mib: float
    code: int


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from _tree(int(child))


def _peak_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def _watch(pid: int, peaks: dict[int, int], over: threading.Event) -> None:
    while not over.wait(_EVERY_S):
        try:
            for one in _tree(pid):
                peaks[one] = max(peaks.get(one, 0), _peak_kib(one))
        except OSError:  # ended between two looks
            continue


def measured(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> Took:
    """Run `command` in `folder`; its output is thrown away."""
    peaks: dict[int, int] = {}
    over = threading.Event()
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    watcher = threading.Thread(target=_watch, args=(process.pid, peaks, over))
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    over.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return Took(wall, cpu, sum(peaks.values()) / 1024, process.returncode)
