"""Set up the real tools that the live tests run, in a cache outside of the repository.

A tool that is done is left alone until its script changes. One that fails does not stop the
others. What came of each is written to tools.json in the cache, where the tests look.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

from tests.live.setup.catalogue import RECIPES, Recipe  # noqa: E402
from tests.live.tools import Tool, cache_dir  # noqa: E402

STAMP = "provisioned.json"
LOG = "provision.log"


class SetupError(Exception):
    """A set-up that did not work, with the reason that the tests are to give."""


def fingerprint(recipe: Recipe) -> str:
    """Hash of all that the set-up does, so that a changed script counts as not done."""
    digest = hashlib.sha256(repr((recipe.paths, recipe.check)).encode())
    for source in recipe.sources(HERE):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def finished(recipe: Recipe, folder: Path) -> Tool | None:
    """The tool as an earlier run left it, or nothing if that is missing, broken or outdated."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return None
    if stamp["fingerprint"] != fingerprint(recipe):
        return None
    paths = {name: str(folder / path) for name, path in recipe.paths.items()}
    if not all(Path(path).exists() for path in paths.values()):
        return None
    return Tool(recipe.name, ok=True, version=stamp["version"], reason="", paths=paths)


def end_session(session: int) -> None:
    """Kill all that a command started; groups would not do, for `timeout` opens one of its own."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()  # state, parent, group, session
            if int(fields[3]) == session:
                os.kill(int(stat.parent.name), signal.SIGKILL)


def run_bounded(command: Sequence[str], folder: Path, seconds: int, log: Path) -> str:
    """Run a command, ending all that it started when it runs past its time; returns its output."""
    env = {**os.environ, "PYTHON": sys.executable}
    with log.open("a+") as output:
        start = output.tell()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(seconds)
        except BaseException as error:  # Ctrl-C too: leave nothing behind
            end_session(process.pid)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise SetupError(f"ran past {seconds} s") from error
            raise
        output.seek(start)
        text = output.read().strip()
    if status:
        raise SetupError(reason_in(text) or f"{command[0]} ended with {status}")
    return text


def version_in(text: str) -> str:
    """The telling line of a check's output."""
    lines = [line.strip() for line in text.splitlines() if any(map(str.isdigit, line))]
    return lines[0][:120] if lines else "unknown"


def reason_in(text: str) -> str:
    """The end of a failed set-up's output, without the commands that it echoes."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join([line[:200] for line in lines if not line.startswith("+ ")][-3:])


def set_up(recipe: Recipe, folder: Path) -> Tool:
    """Build the tool in a folder emptied first, and stamp it only when its check has passed."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    started_from = fingerprint(recipe)
    log = folder / LOG
    run_bounded([str(HERE / f"{recipe.name}.sh")], folder, recipe.seconds, log)
    version = version_in(run_bounded(recipe.check, folder, 180, log))
    stamp = {"fingerprint": started_from, "version": version}
    partial = folder / f"{STAMP}.partial"
    partial.write_text(json.dumps(stamp))
    partial.rename(folder / STAMP)
    tool = finished(recipe, folder)
    if tool is None:
        raise SetupError(f"the set-up left out one of: {', '.join(recipe.paths.values())}")
    return tool


def provision(recipe: Recipe, folder: Path) -> Tool:
    """Set up one tool, reporting how it went and how long it took."""
    print(f"== {recipe.name}: {recipe.installs}", flush=True)
    start = time.monotonic()
    try:
        tool = set_up(recipe, folder)
    except (SetupError, OSError) as error:
        tool = Tool(recipe.name, ok=False, version="", reason=str(error), paths={})
    outcome = f"ok, {tool.version}" if tool.ok else f"FAILED: {tool.reason}"
    print(f"   {time.monotonic() - start:.0f} s: {outcome}", flush=True)
    return tool


def write_report(tools: dict[str, Tool], path: Path) -> None:
    """Replace tools.json in one step, for tests may be reading it."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({n: asdict(t) for n, t in tools.items()}, indent=2) + "\n")
    partial.rename(path)


def summarise(tools: list[Tool], cache: Path) -> int:
    """Say loudly what is missing; returns the exit status."""
    failed = [tool for tool in tools if not tool.ok]
    if not failed:
        print(f"\nAll {len(tools)} tools are ready in {cache}")
        return 0
    print(f"\n{'!' * 78}\n{len(failed)} of {len(tools)} TOOLS COULD NOT BE SET UP", file=sys.stderr)
    for tool in failed:
        print(f"  {tool.name}: {tool.reason}\n    log: {cache / tool.name / LOG}", file=sys.stderr)
    print("!" * 78, file=sys.stderr)
    return 1


def parse_arguments() -> argparse.Namespace:
    """The command line, with the choice of tools and of the cache in its help."""
    width = max(len(recipe.name) for recipe in RECIPES)
    listing = "\n".join(f"  {recipe.name:{width}}  {recipe.installs}" for recipe in RECIPES)
    parser = argparse.ArgumentParser(
        prog="provision",
        description=__doc__,
        epilog=f"tools:\n{listing}\n\ncache: {cache_dir()} (set INFRA_GEN_TEST_CACHE to move it)\n"
        "Debian mirror: apt's own, or INFRA_GEN_DEBIAN_MIRROR",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [recipe.name for recipe in RECIPES]
    parser.add_argument("tool", nargs="*", help="only these tools (all by default)")
    parser.add_argument("--skip", action="append", default=[], choices=names, metavar="TOOL")
    parser.add_argument("--force", action="store_true", help="set up again what is already done")
    arguments = parser.parse_args()
    if unknown := set(arguments.tool) - set(names):
        parser.error(f"no such tool: {', '.join(sorted(unknown))} (have {', '.join(names)})")
    return arguments


def main() -> int:
    """Set up what is asked for and record the state of all tools."""
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cache = cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    wanted = set(arguments.tool or [r.name for r in RECIPES]) - set(arguments.skip)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tools = {}
        for recipe in RECIPES:
            tool = finished(recipe, cache / recipe.name)
            tools[recipe.name] = tool or Tool.missing(recipe.name, "not set up")
        outdated = {name for name, tool in tools.items() if arguments.force or not tool.ok}
        todo = [recipe for recipe in RECIPES if recipe.name in wanted & outdated]
        print(f"Cache: {cache}\nTo set up: {', '.join(r.name for r in todo) or 'nothing'}")
        for recipe in todo:
            tools[recipe.name] = provision(recipe, cache / recipe.name)
            write_report(tools, cache / "tools.json")
        write_report(tools, cache / "tools.json")
    return summarise([tool for name, tool in tools.items() if name in wanted], cache)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("provision: interrupted; what was not finished will be set up again")
