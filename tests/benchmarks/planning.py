"""How long planning takes. usage: planning.py [RUNS] [AICONFIGURATOR]

Medians of RUNS (5). Whole processes take turns with `python -c "import typer"`, so that the ratio
holds on a busy machine; beside the wall clock stands the processor's time, which holds there too.
AICONFIGURATOR is the program of that peer in an environment of its own; it runs once, for one machine.
See README.md beside this file for the targets.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra_gen import api, ranking
from infra_gen.cli.options import Asked, spec_from
from infra_gen.knowledge.offers import Wanted

TYPER = [sys.executable, "-c", "import typer"]
OURS = [sys.executable, "-m", "infra_gen", "plan"]
# What people ask as a rule; the first three are of a named machine.
TYPICAL = (
    "--hardware h100:8 --users 500",
    "--hardware 2x4090 --users 40 --model qwen3-32b",
    "--hardware apple-m3 --users 5",
    "--hardware h100:8 --users 200 --model llama-3.3-70b --tpot-ms 30",
    "--hardware l4 --users 50 --model qwen3-embedding-8b --workload embed",
)
SEARCHES = (
    "--users 200 --model qwen3-32b",
    "--users 200 --model llama-3.1-8b",
    "--users 500 --model gpt-oss-120b --tpot-ms 20",
    "--users 2000 --model qwen3-32b",
    "--users 50 --model deepseek-r1",
)
PEER = (
    "cli default --model-path Qwen/Qwen3-32B --total-gpus 8 --system h200_sxm --backend vllm "
    "--isl 1020 --osl 129 --ttft 1000 --tpot 40"
)
PEER_ASKS = "--hardware h200:8 --users 500 --model qwen3-32b --ttft-ms 1000 --tpot-ms 40"


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds on the clock and of the processor."""

    wall: float
    cpu: float


def process(command: list[str]) -> Took:
    """One whole process; its output is thrown away."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system
    return Took(wall, cpu - before.children_user - before.children_system)


def asked_of(words: str) -> Asked:
    """The flags as the command line reads them."""
    parts = words.split()
    given = dict(zip(parts[::2], parts[1::2], strict=True))
    named = {flag.removeprefix("--").replace("-", "_"): value for flag, value in given.items()}
    users = int(named.pop("users"))
    targets = {key: float(named.pop(key)) for key in ("ttft_ms", "tpot_ms") if key in named}
    return Asked(users=users, **targets, **named)  # type: ignore[arg-type]


def milliseconds(work: Callable[[], object], runs: int) -> float:
    """Median of the processor's time of `work` in this process, after one call that warms it."""
    work()
    times = []
    for _ in range(runs):
        started = time.process_time()
        work()
        times.append((time.process_time() - started) * 1e3)
    return statistics.median(times)


def in_process(runs: int) -> None:
    """Planning and searching after start."""
    print("| after start | ms of the processor | target |\n|---|---:|---|")
    for words in TYPICAL:
        spec = spec_from(asked_of(words))
        took = milliseconds(lambda spec=spec: api.plan(spec, Path()), runs)  # type: ignore[misc]
        print(f"| plan {words} | {took:.1f} | <= 10 |")
    for words in SEARCHES:
        asked = asked_of(f"--hardware any {words}")
        spec = ranking.for_readers(spec_from(asked))
        took = milliseconds(
            lambda spec=spec: ranking.rank(spec, Path(), Wanted(), limit=10),  # type: ignore[misc]
            max(1, runs // 2),
        )
        print(f"| plan {words} | {took:.0f} | < 2000 with the start |")


def whole(runs: int) -> None:
    """Processes from start to exit, in turn with importing typer."""
    print("\n| process | s | s of the processor | ratio to `import typer` | target |")
    print("|---|---:|---:|---:|---|")
    for words in (*TYPICAL[:2], *SEARCHES):
        pairs = [(process([*OURS, *words.split()]), process(TYPER)) for _ in range(runs + 1)][1:]
        wall = statistics.median(ours.wall for ours, _ in pairs)
        cpu = statistics.median(ours.cpu for ours, _ in pairs)
        ratio = statistics.median(ours.wall / theirs.wall for ours, theirs in pairs)
        target = "" if "--hardware" in words else "< 2 s"
        print(f"| plan {words} | {wall:.2f} | {cpu:.2f} | {ratio:.1f} | {target} |")


def against(peer: str) -> None:
    """The peer and infra-gen plan one model on one machine of eight devices."""
    theirs = process([peer, *PEER.split()])
    ours = process([*OURS, *PEER_ASKS.split()])
    print("\n| Qwen3 32B on eight H200 | s | s of the processor |\n|---|---:|---:|")
    print(f"| infra-gen plan | {ours.wall:.2f} | {ours.cpu:.2f} |")
    print(f"| aiconfigurator cli default | {theirs.wall:.2f} | {theirs.cpu:.2f} |")
    print(f"| ratio | {ours.wall / theirs.wall:.3f} | {ours.cpu / theirs.cpu:.3f} |")


def main() -> None:
    """Print the tables."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    in_process(runs)
    whole(runs)
    if len(sys.argv) > 2:
        against(sys.argv[2])


if __name__ == "__main__":
    main()
