"""What infra-gen wrote, run: the command lines of the property list and of compose.yaml, the
generated smoke test against them, the generated Prometheus configuration on top."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.deployments import (
    DEPLOY_DIR,
    KEY,
    MODELS,
    Deployment,
    compose_command,
    compose_environment,
    golden_words,
    launchd_command,
    put_model,
    write_case,
)
from tests.live.engines import LlamaServer, Prometheus, option, status_of
from tests.live.sandbox import Sandbox

from infra_gen.catalogue.engine_records import snapshot
from infra_gen.knowledge.engines import engine_info

pytestmark = pytest.mark.live

COMPOSE_USER = "10001:10001"  # what image/Dockerfile runs the engine as


@pytest.fixture(scope="module")
def mac(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Deployment:
    deployment = write_case("apple-m3-5-users", tmp_path_factory.mktemp("mac") / "chat")
    (deployment.root / "secrets").mkdir()
    (deployment.root / "secrets" / "api-key").write_text(f"{KEY}\n")
    (deployment.root / "logs").mkdir()
    model = option(launchd_command(deployment), "--model") or ""
    put_model(deployment, tiny_model, model.removeprefix(f"{DEPLOY_DIR}/"))
    return deployment


@pytest.fixture(scope="module")
def linux(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Deployment:
    deployment = write_case("cpu-1-user", tmp_path_factory.mktemp("linux") / "chat")
    (deployment.root / ".env").write_text(f"API_KEY={KEY}\n")
    model = option(compose_command(deployment), "--model") or ""
    put_model(deployment, tiny_model, f"volume/{model.removeprefix(f'{MODELS}/')}")
    for path in (deployment.root / "volume", *(deployment.root / "volume").iterdir()):
        path.chmod(0o755)
    return deployment


def mac_server(mac: Deployment, llama_root: Path, argv: list[str]) -> LlamaServer:
    return LlamaServer(argv, llama_root, binds={DEPLOY_DIR: mac.root}, cwd=DEPLOY_DIR, api_key=KEY)


def linux_server(linux: Deployment, llama_root: Path, argv: list[str]) -> LlamaServer:
    return LlamaServer(
        argv, llama_root, binds={MODELS: linux.root / "volume"}, user=COMPOSE_USER,
        env={**compose_environment(linux), "HOME": "/tmp"}, api_key=KEY,
    )  # fmt: skip


@pytest.fixture(params=["mac", "linux"])
def running(
    request: pytest.FixtureRequest, llama_root: Path
) -> Iterator[tuple[Deployment, LlamaServer]]:
    """One server at a time: all listen on the engine's port, and two would share it."""
    deployment: Deployment = request.getfixturevalue(request.param)
    if request.param == "mac":
        server = mac_server(deployment, llama_root, launchd_command(deployment))
    else:
        server = linux_server(deployment, llama_root, compose_command(deployment))
    with server:
        server.wait_healthy()
        yield deployment, server


@pytest.fixture
def server(running: tuple[Deployment, LlamaServer]) -> LlamaServer:
    return running[1]


def test_answers_in_pieces(server: LlamaServer) -> None:
    chat = server.chat("Count to ten.", max_tokens=16)
    assert len(chat.events) >= 3
    assert chat.finish_reason in ("length", "stop")


def test_metrics_are_on_and_need_the_key(server: LlamaServer) -> None:
    assert "llamacpp:requests_processing" in server.metrics()
    assert status_of(f"{server.url}/metrics") == 401


def test_the_table_names_what_the_server_exports(server: LlamaServer) -> None:
    shown = dict(re.findall(r"^# TYPE (llamacpp:\w+) (\w+)$", server.metrics(), re.MULTILINE))
    metrics = snapshot("llama.cpp", engine_info("llama.cpp").version)["metrics"]
    known = {row["name"]: row["type"] for row in metrics}
    assert shown.items() <= known.items()
    always = {row["name"] for row in metrics if not row.get("conditional")}
    assert always <= set(shown)


def test_strangers_are_refused(server: LlamaServer) -> None:
    assert status_of(f"{server.url}/v1/models") == 401
    assert status_of(f"{server.url}/props") == 401
    assert status_of(f"{server.url}/slots", server.headers) in (404, 501)


def test_the_planned_slots_and_context_are_the_servers(server: LlamaServer) -> None:
    total = int(option(server.argv, "--ctx-size") or 0)
    slots = int(option(server.argv, "--parallel") or 0)
    assert f"n_slots = {slots}" in server.log or f"n_slots: {slots}" in server.log
    assert f"n_ctx_slot = {total // slots}" in server.log or str(total // slots) in server.log


def test_prometheus_and_the_smoke_test(
    running: tuple[Deployment, LlamaServer], prometheus_binary: Path, tmp_path: Path
) -> None:
    """The written configuration scrapes the server, then bin/smoke-test judges the whole.

    On the Mac's deployment all but the GPU is real here, so it must fail for that reason alone.
    """
    deployment, server = running
    token = tmp_path / "metrics-token"
    token.write_text(KEY)
    config = deployment.root / "monitoring"
    argv = ["--config.file=/etc/prometheus/prometheus.yml", "--web.listen-address=127.0.0.1:9090"]
    binds = {"/etc/prometheus": config, "/tmp/metrics-token": token}
    with Prometheus(argv, prometheus_binary, binds=binds) as prometheus:
        targets = prometheus.wait_targets_up()
        assert {target["labels"]["job"] for target in targets} == {"engine"}
        assert prometheus.wait_sample("llamacpp:requests_processing")
        rules = prometheus.rules()
        assert {rule["name"] for rule in rules} >= {"EngineDown", "RequestsDeferred"}
        assert all(rule["health"] in ("ok", "unknown") for rule in rules)
        if (deployment.root / "logs").is_dir():
            (deployment.root / "logs" / "engine.log").write_text(server.log)
        done = deployment.run("sh", "bin/smoke-test", "--wait")
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAIL  ")]
    if (deployment.root / "launchd").is_dir():
        assert done.returncode == 1
        assert len(failures) == 1, done.stdout
        assert "GPU" in failures[0]
    else:
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1].startswith("PASS: ")


def test_the_macs_log_holds_what_its_smoke_test_looks_for(
    mac: Deployment, llama_root: Path
) -> None:
    """Builds without a GPU print no layer counts, but the loader's other lines of that level."""
    argv = launchd_command(mac)
    for level, shown in (("4", True), ("3", False)):
        with mac_server(mac, llama_root, [level if w == "4" else w for w in argv]) as server:
            server.wait_healthy()
            server.chat("my secret question")
        assert ("llama_model_loader: loaded meta data" in server.log) == shown
        assert "secret question" not in server.log


@pytest.mark.parametrize(
    ("old", "new"),
    [("--metrics", "--metric"), ("--ctx-size", "--ctx-sizes"), ("--fit", "--no-mmap")],
)
def test_a_spoiled_flag_stops_the_start(
    mac: Deployment, llama_root: Path, old: str, new: str
) -> None:
    argv = [new if word == old else word for word in launchd_command(mac)]
    assert new in argv
    with mac_server(mac, llama_root, argv) as server:
        assert server.wait_exit() != 0
        assert new in server.log


def test_stops_within_the_planned_time(mac: Deployment, llama_root: Path) -> None:
    with mac_server(mac, llama_root, launchd_command(mac)) as server:
        server.wait_healthy()
        server.chat("hello")
        assert server.stop(timeout=15) == 0


def test_every_golden_command_line_is_parsed(llama_root: Path, tmp_path: Path) -> None:
    """`--version` at the end: the server reads what stands before it, then says what it is."""
    lines = list(golden_words("llama.cpp"))
    assert len(lines) >= 6
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    for words in lines:
        shown = [
            "/key" if before == "--api-key-file" else word
            for before, word in zip(["", *words], words, strict=False)
        ]
        done = Sandbox(llama_root, {"/key": key}).run(
            ["/usr/bin/llama-server", *shown, "--version"]
        )
        assert done.returncode == 0, (words, done.stderr[-500:])
        assert "build 11669" in done.stdout + done.stderr
