"""`make test`: every tier this machine can run, then one table that says what ran and what did not.

The portable tiers (style, types, unit, packaging) run as any user. The live tiers set up real
servers and tools in a user cache folder, which needs root on Debian; elsewhere they are reported as
NOT RUN. In CI nothing may be left out: a tier that cannot run fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IN_CI = bool(os.environ.get("CI"))
NOT_PERMITTED = 77  # what tests/live/run returns where namespaces are not allowed
PYTEST = (sys.executable, "-m", "pytest", "-q")


@dataclass(frozen=True)
class Tier:
    """One command. `live` tiers need root, and Debian's packages."""

    name: str
    what: str
    commands: tuple[tuple[str, ...], ...]
    live: bool = False


TIERS = (
    Tier(
        "style",
        "ruff: lint and format",
        ((sys.executable, "-m", "ruff", "check"), (sys.executable, "-m", "ruff", "format", "--check")),
    ),
    Tier(
        "types",
        "mypy --strict on the package, the tools and the live rig",
        (
            (sys.executable, "-m", "mypy"),
            (
                sys.executable, "-m", "mypy", "--explicit-package-bases",
                "generator/tools", "tests/live",
            ),
        ),
    ),
    Tier(
        "generated",
        "index, schemas and docs are what the presets and the code say",
        (
            (sys.executable, "generator/tools/build_index.py", "--check"),
            (sys.executable, "generator/tools/rule_docs.py", "--check"),
            (sys.executable, "generator/tools/docs.py", "--check"),
        ),
    ),
    Tier("unit", "unit, golden, rule and property tests", ((*PYTEST, "-n", "2"),)),
    Tier("packaging", "sdist, wheel, install in an empty venv", ((*PYTEST, "-m", "packaging"),)),
    Tier(
        "setup",
        "real tools into the user cache: llama-server, Prometheus, compose, linters, vLLM's parser",
        (("tests/live/setup/provision",),),
        live=True,
    ),
    Tier("live", "generated files on real servers and tools", (("tests/live/run", "-q"),), live=True),
    Tier(
        "vllm",
        "generated flags through vLLM's own parser",
        ((*PYTEST, "-m", "vllm_parser", "tests/live"),),
        live=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a tier ended."""

    tier: Tier
    result: str
    seconds: float


def why_not(tier: Tier) -> str | None:
    """Why this machine cannot run the tier, or None."""
    if not tier.live:
        return None
    if os.name != "posix" or os.geteuid() != 0:
        return "needs root (sudo -E make test)"
    if not Path("/etc/debian_version").exists():
        return "needs Debian's packages"
    return None


def run(tier: Tier) -> Outcome:
    """Run every command of the tier; the first that fails decides."""
    reason = why_not(tier)
    if reason:
        return Outcome(tier, f"FAILED: {reason}" if IN_CI else f"NOT RUN: {reason}", 0.0)
    print(f"\n=== {tier.name}: {tier.what}", flush=True)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'generator'}", "MYPYPATH": "generator:."}
    started = time.monotonic()
    for command in tier.commands:
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        seconds = time.monotonic() - started
        if done.returncode == NOT_PERMITTED and not IN_CI:
            return Outcome(tier, "NOT RUN: namespaces are not permitted here", seconds)
        if done.returncode:
            return Outcome(tier, f"FAILED: {' '.join(command[-3:])} -> {done.returncode}", seconds)
    return Outcome(tier, "passed", time.monotonic() - started)


def main() -> int:
    """All tiers, or those named on the command line."""
    wanted = sys.argv[1:] or [tier.name for tier in TIERS]
    print("Tiers: " + ", ".join(wanted))
    live = [tier for tier in TIERS if tier.live and tier.name in wanted and not why_not(tier)]
    if live:
        print(
            "The live tiers install Debian packages and put about 6 GB of real tools into\n"
            "${XDG_CACHE_HOME:-~/.cache}/infra-gen/test-tools, once."
        )
    outcomes = [run(tier) for tier in TIERS if tier.name in wanted]
    print("\n=== summary")
    for outcome in outcomes:
        print(f"{outcome.tier.name:10} {outcome.seconds:7.1f} s  {outcome.result}")
    left_out = [o for o in outcomes if o.result.startswith("NOT RUN")]
    if left_out:
        print("!" * 60)
        print(f"NOT RUN: {', '.join(o.tier.name for o in left_out)}. Nothing above says they work.")
        print("!" * 60)
    failed = [o for o in outcomes if o.result.startswith("FAILED")]
    passed = [o for o in outcomes if o.result == "passed"]
    print(f"tiers: {len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
