"""The rig itself: real tools accept what is right and find what is planted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.live.engines import LlamaServer, Prometheus
from tests.live.sandbox import ProcessFailedError

pytestmark = pytest.mark.live

SCRAPE_CONFIG = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: engine
    static_configs: [{targets: ["engine:8080"]}]
"""
RULES = """
groups:
  - name: rig
    rules:
      - {alert: EngineUp, expr: 'up{job="engine"} == 1'}
"""


def serve_argv(*more: str) -> list[str]:
    return ["llama-server", "--model", "/models/tiny.gguf", "--ctx-size", "512", *more]


@pytest.fixture(scope="module")
def engine(llama_root: Path, tiny_model: Path) -> Iterator[LlamaServer]:
    argv = serve_argv("--host", "0.0.0.0", "--port", "8080", "--metrics")
    with LlamaServer(argv, llama_root, binds={"/models": tiny_model.parent}) as server:
        server.wait_healthy()
        yield server


class TestLlamaServer:
    def test_streams_a_chat_and_counts_it(self, engine: LlamaServer) -> None:
        chat = engine.chat("hello", max_tokens=4)

        assert len(chat.events) >= 3
        assert chat.finish_reason == "length"
        assert "llamacpp:tokens_predicted_total 4" in engine.metrics()

    def test_runs_health_checks_beside_the_server(self, engine: LlamaServer) -> None:
        right = engine.sandbox.run(["curl", "-fsS", "http://engine:8080/health"])
        wrong = engine.sandbox.run(["curl", "-fsS", "http://localhost:8081/health"])

        assert right.returncode == 0, right.stderr
        assert wrong.returncode != 0

    def test_metrics_need_their_flag(self, llama_root: Path, tiny_model: Path) -> None:
        argv = ["--model", "/srv/m.gguf", "--ctx-size", "512"]
        env = {"LLAMA_ARG_PORT": "8090"}
        with LlamaServer(argv, llama_root, binds={"/srv/m.gguf": tiny_model}, env=env) as server:
            server.wait_healthy()
            with pytest.raises(OSError, match="501"):
                server.metrics()

    def test_ends_on_an_unknown_flag(self, llama_root: Path, tiny_model: Path) -> None:
        argv = serve_argv("--no-such-flag")
        with LlamaServer(argv, llama_root, binds={"/models": tiny_model.parent}) as server:
            assert server.wait_exit() != 0
            assert "invalid argument: --no-such-flag" in server.log

    def test_ends_on_a_missing_model(self, llama_root: Path) -> None:
        with LlamaServer(serve_argv(), llama_root) as server:
            assert server.wait_exit() != 0
            assert "/models/tiny.gguf" in server.log

    def test_is_not_taken_for_another_server(self, engine: LlamaServer, llama_root: Path) -> None:
        with (
            LlamaServer(engine.argv, llama_root, binds=engine.sandbox.binds) as second,
            pytest.raises(ProcessFailedError, match="another server already answers"),
        ):
            second.wait_healthy()

    def test_stops_on_sigterm_as_another_user(self, llama_root: Path, tiny_model: Path) -> None:
        argv = serve_argv("--port", "8091")
        binds = {"/models": tiny_model.parent}
        with LlamaServer(argv, llama_root, binds=binds, user="65534:65534", cwd="/tmp") as server:
            server.wait_healthy()
            assert server.sandbox.run(["id", "-u"]).stdout == "65534\n"
            assert server.sandbox.run(["pwd"]).stdout == "/tmp\n"
            assert server.stop() == 0


class TestPrometheus:
    def test_scrapes_the_engine_by_its_service_name(
        self, engine: LlamaServer, prometheus_binary: Path, tmp_path: Path
    ) -> None:
        engine.chat("hello")
        (tmp_path / "prometheus.yml").write_text(SCRAPE_CONFIG)
        (tmp_path / "rules.yml").write_text(RULES)
        argv = ["--config.file=/etc/prometheus/prometheus.yml"]
        with Prometheus(argv, prometheus_binary, binds={"/etc/prometheus": tmp_path}) as server:
            targets = server.wait_targets_up()
            (sample,) = server.wait_sample("llamacpp:tokens_predicted_total")

            assert [target["labels"]["instance"] for target in targets] == ["engine:8080"]
            assert float(sample["value"][1]) > 0
            assert server.wait_sample('ALERTS{alertname="EngineUp"}')
            assert [rule["health"] for rule in server.rules()] == ["ok"]
            assert server.stop() == 0

    def test_ends_on_a_bad_configuration(self, prometheus_binary: Path, tmp_path: Path) -> None:
        (tmp_path / "bad.yml").write_text("no_such_key: 1\n")
        argv = ["--config.file=/etc/prometheus/bad.yml"]
        with Prometheus(argv, prometheus_binary, binds={"/etc/prometheus": tmp_path}) as server:
            assert server.wait_exit() != 0
            assert "no_such_key" in server.log

    @pytest.mark.parametrize(("rules", "status"), [(RULES, 0), ("groups: [{nope: 1}]\n", 1)])
    def test_promtool_checks_rules(
        self, promtool: Callable[..., Any], tmp_path: Path, rules: str, status: int
    ) -> None:
        (tmp_path / "rules.yml").write_text(rules)

        assert promtool("check", "rules", tmp_path / "rules.yml").returncode == status


@pytest.mark.parametrize(("key", "accepted"), [("image", True), ("imagge", False)])
class TestCompose:
    def test_docker_compose_config(
        self, docker_compose: Callable[..., Any], tmp_path: Path, key: str, accepted: bool
    ) -> None:
        file = tmp_path / "compose.yaml"
        file.write_text(f"services: {{engine: {{{key}: 'x:1'}}}}\n")

        done = docker_compose("-f", file, "config", "--format", "json")

        assert (done.returncode == 0) is accepted, done.stderr
        if accepted:
            assert json.loads(done.stdout)["services"]["engine"]["image"] == "x:1"

    def test_compose_schema(
        self, linter: Callable[..., Any], tmp_path: Path, key: str, accepted: bool
    ) -> None:
        file = tmp_path / "compose.yaml"
        file.write_text(f"services: {{engine: {{{key}: 'x:1'}}}}\n")

        done = linter("check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)

        assert (done.returncode == 0) is accepted, done.stdout


WORKFLOW = """
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: echo {}
"""


class TestLinters:
    def test_hadolint(self, linter: Callable[..., Any], tmp_path: Path) -> None:
        good, bad = tmp_path / "good", tmp_path / "bad"
        good.write_text("FROM debian:12\n")
        bad.write_text("FROM debian:latest\n")

        assert linter("hadolint", good).returncode == 0
        assert "DL3007" in linter("hadolint", bad).stdout

    def test_shellcheck(self, linter: Callable[..., Any], tmp_path: Path) -> None:
        good, bad = tmp_path / "good.sh", tmp_path / "bad.sh"
        good.write_text('#!/bin/sh\necho "$1"\n')
        bad.write_text("#!/bin/sh\nrm -r $1/x\n")

        assert linter("shellcheck", good).returncode == 0
        assert "SC2086" in linter("shellcheck", bad).stdout

    def test_yamllint(self, linter: Callable[..., Any], tmp_path: Path) -> None:
        bad = tmp_path / "bad.yaml"
        bad.write_text("---\na: 1\na: 2\n")

        assert "duplication of key" in linter("yamllint", bad).stdout

    def test_actionlint(self, actionlint: Callable[..., Any], tmp_path: Path) -> None:
        good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
        good.write_text(WORKFLOW.format("${{ github.sha }}"))
        bad.write_text(WORKFLOW.format("${{ github.nope }}"))

        assert actionlint(good).returncode == 0, actionlint(good).stdout
        assert actionlint(bad).returncode == 1
        assert "nope" in actionlint(bad).stdout
