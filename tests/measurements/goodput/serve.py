"""Start a real `vllm serve` with one command line after another, load it, keep every number.

usage: serve.py RUNS.json OUT
RUNS: {"runs": [{"name", "model", "argv": [...], "load": {...} or null, "limit_s", "early", "env"}]}

`model` is a folder with a config.json; weights are random (`--load-format=dummy`). OUT/<name>.log is the
server's log, OUT/<name>-start.json how long it took until /health answered, OUT/<name>-*.csv what
load.py wrote. The server is killed when its load has ended. With "early" a server imports its modules
while the one before it is under load, and goes on when that is gone: its start is then no cold one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
_PORT = 8000


def healthy() -> bool:
    """Whether the server answers that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{_PORT}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait(server: subprocess.Popen[bytes], began: float, limit_s: float) -> float | None:
    """Seconds until it is ready; None when it ended or took too long."""
    while time.monotonic() - began < limit_s:
        if server.poll() is not None:
            return None
        if healthy():
            return time.monotonic() - began
        time.sleep(0.25)
    return None


def end(server: subprocess.Popen[bytes]) -> None:
    """Kill the server and all it started, and wait until its port is free."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    while healthy():
        time.sleep(0.2)
    time.sleep(2)  # the driver gives the memory back


_EARLY = """import os, sys, time
import vllm.entrypoints.cli.main, vllm.entrypoints.openai.api_server
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
sys.argv = ["vllm", *sys.argv[2:]]
vllm.entrypoints.cli.main.main()
"""


def started(run: dict[str, Any], out: Path) -> subprocess.Popen[bytes]:
    """The server's process; an early one waits for its gate."""
    words = ["serve", run["model"], "--load-format=dummy", *run["argv"]]
    if run.get("early"):
        script = out / "early.py"
        script.write_text(f"if __name__ == '__main__':\n    exec({_EARLY!r})\n", "utf-8")
        argv = [sys.executable, str(script), str(out / f"{run['name']}.gate"), *words]
    else:
        argv = [sys.executable, "-m", "vllm.entrypoints.cli.main", *words]
    env = {**os.environ, **run.get("env", {})}
    with (out / f"{run['name']}.log").open("wb") as log:
        return subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True, env=env)


def one(run: dict[str, Any], server: subprocess.Popen[bytes], out: Path) -> None:
    """One command line: start or let go on, load, write down."""
    name, load = run["name"], run.get("load")
    began = time.monotonic()
    (out / f"{name}.gate").touch()
    ready_s = wait(server, began, run.get("limit_s", 300))
    found = {"name": name, "argv": run["argv"], "ready_s": ready_s, "early": bool(run.get("early"))}
    (out / f"{name}-start.json").write_text(json.dumps(found), "utf-8")
    print(f"== {name} ready {ready_s} at {time.strftime('%T')}", flush=True)
    if ready_s is not None and load:
        asked = out / f"{name}-load.json"
        asked.write_text(json.dumps(load), "utf-8")
        url = f"http://127.0.0.1:{_PORT}"
        asking = [sys.executable, str(_HERE / "load.py"), url, str(asked), str(out / name)]
        done = subprocess.run(asking, check=False)
        print(f"== {name} load rc={done.returncode} at {time.strftime('%T')}", flush=True)


def main() -> None:
    """All command lines, in their order."""
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    runs = json.loads(Path(sys.argv[1]).read_text("utf-8"))["runs"]
    server = started(runs[0], out)
    for run, following in zip(runs, [*runs[1:], None], strict=True):
        early = started(following, out) if following and following.get("early") else None
        try:
            one(run, server, out)
        finally:
            end(server)
        if following:
            server = early or started(following, out)
    (out / "done").touch()


if __name__ == "__main__":
    main()
