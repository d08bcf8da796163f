"""The launchd target: property lists, scripts, and the optional monitoring."""

from __future__ import annotations

import plistlib
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.target_stacks import llama_stack, vllm_stack

from infra_gen import api
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.model.filetree import FileTree
from infra_gen.rules.deployment import read_deployment
from infra_gen.targets.launchd import target as launchd
from infra_gen.targets.names import HEADER

ENGINE = "launchd/infra-gen.home.plist"


@pytest.fixture(scope="module")
def tree() -> FileTree:
    return launchd.emit(llama_stack("launchd"))


def parsed(tree: FileTree, path: str) -> dict[str, Any]:
    document: dict[str, Any] = plistlib.loads(tree[path].data)
    return document


def test_promised_files(tree: FileTree) -> None:
    scripts = (
        "install", "start", "stop", "uninstall", "fetch-model", "preflight", "smoke-test",
        "rotate-key", "rotate-logs",
    )  # fmt: skip
    agents = ("", ".awake", ".logs")
    monitoring = ("prometheus.yml", "alerts.yml", "alerts_test.yml", "compose.yaml")
    assert set(tree) == {
        *(f"bin/{name}" for name in scripts),
        *(f"launchd/infra-gen.home{name}.plist" for name in agents),
        *(f"monitoring/{name}" for name in monitoring),
        "README.md", ".gitignore", ".env.example", ".github/workflows/infra-gen.yml",
    }  # fmt: skip


def test_every_file_says_who_wrote_it_and_holds_no_accident(tree: FileTree) -> None:
    for path, file in tree.items():
        assert HEADER in file.text, path
        assert not re.search(
            r"\bNone\b|latest|\{\{ (?!env|vars|\.|json)|%\}|[ \t]$", file.text, re.M
        ), path
        assert file.executable == path.startswith("bin/"), path
        assert "/Users/" not in file.text, path


def test_engine_agent(tree: FileTree) -> None:
    agent = parsed(tree, ENGINE)
    assert list(agent)[:2] == ["Label", "ProgramArguments"]
    assert agent["ProgramArguments"] == [
        "__DEPLOY_DIR__/engine/llama-server",
        "--model", "__DEPLOY_DIR__/models/Qwen3-8B-Q4_K_M.gguf",
        "--alias", "qwen3",
        "--host", "127.0.0.1",
        "--port", "8080",
        "--ctx-size", "16384",
        "--parallel", "4",
        "--metrics",
        "--api-key-file", "__DEPLOY_DIR__/secrets/api-key",
    ]  # fmt: skip
    assert agent["RunAtLoad"] is True
    assert agent["KeepAlive"] is True
    assert agent["ThrottleInterval"] == 10
    assert agent["ExitTimeOut"] == 30
    assert agent["ProcessType"] == "Interactive"
    assert agent["EnvironmentVariables"]["PATH"] == "/usr/bin:/bin:/usr/sbin:/sbin"
    assert agent["EnvironmentVariables"]["LLAMA_ARG_LOG_TIMESTAMPS"] == "1"
    assert agent["StandardErrorPath"] == "__DEPLOY_DIR__/logs/engine.log"


def test_every_argument_has_its_reason_above(tree: FileTree) -> None:
    lines = [line.strip() for line in tree[ENGINE].text.splitlines()]
    for arg in llama_stack("launchd").service("engine").argv:
        above = lines[lines.index(f"<string>{arg.flag}</string>") - 1]
        assert above.startswith("<!-- "), arg
        assert above.endswith(" -->"), arg
        assert arg.because.split()[0] in above, arg


def test_comments_hold_no_double_hyphen(tree: FileTree) -> None:
    for path, file in tree.items():
        if path.endswith(".plist"):
            for comment in re.findall(r"<!--(.*?)-->", file.text, re.S):
                assert "--" not in comment, path


def test_companions(tree: FileTree) -> None:
    awake = parsed(tree, "launchd/infra-gen.home.awake.plist")
    assert awake["ProgramArguments"] == ["/usr/bin/caffeinate", "-is"]
    logs = parsed(tree, "launchd/infra-gen.home.logs.plist")
    assert logs["ProgramArguments"][1] == "__DEPLOY_DIR__/bin/rotate-logs"


def test_bash_accepts_the_scripts(tree: FileTree) -> None:
    for path, file in tree.items():
        if path.startswith("bin/"):
            checked = subprocess.run(
                ["bash", "-n"], input=file.data, capture_output=True, check=False
            )
            assert checked.returncode == 0, (path, checked.stderr)


def test_no_bash_newer_than_the_one_of_macos(tree: FileTree) -> None:
    newer = re.compile(r"mapfile|readarray|declare -A|\$\{\w+(,,|\^\^|@Q)|&>>|\|&|sort -V|grep -P")
    for path, file in tree.items():
        if path.startswith("bin/"):
            assert not newer.search(file.text), path


def test_models_in_a_folder_of_the_host() -> None:
    tree = launchd.emit(replace(llama_stack("launchd"), storage_path="/opt/models"))
    assert "/opt/models/Qwen3-8B-Q4_K_M.gguf" in parsed(tree, ENGINE)["ProgramArguments"]
    assert "folder=/opt/models\n" in tree["bin/fetch-model"].text


def test_monitoring_reaches_the_host(tree: FileTree) -> None:
    job = yaml.safe_load(tree["monitoring/prometheus.yml"].text)["scrape_configs"][0]
    assert job["static_configs"] == [{"targets": ["host.docker.internal:8080"]}]
    document = yaml.safe_load(tree["monitoring/compose.yaml"].text)
    assert list(document["services"]) == ["prometheus"]
    assert document["services"]["prometheus"]["extra_hosts"] == [
        "host.docker.internal:host-gateway"
    ]
    assert ".:/etc/prometheus:ro" in document["services"]["prometheus"]["volumes"]


def test_the_same_twice(tree: FileTree) -> None:
    assert launchd.emit(llama_stack("launchd")) == tree


@pytest.mark.parametrize("folder", ["plain", "with space", "a&b<c>'d|e\\f"])
def test_rendering_the_agents_puts_the_folder_in(
    tree: FileTree, tmp_path: Path, folder: str
) -> None:
    root = tmp_path / folder
    for path, file in tree.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
        place.chmod(0o755 if file.executable else 0o644)
    out = tmp_path / "agents"
    subprocess.run(
        ["bash", str(root / "bin/install"), "--render-only", str(out)],
        check=True,
        capture_output=True,
    )
    agent = plistlib.loads((out / "infra-gen.home.plist").read_bytes())
    assert agent["WorkingDirectory"] == str(root)
    assert agent["ProgramArguments"][0] == f"{root}/engine/llama-server"
    assert "__DEPLOY_DIR__" not in (out / "infra-gen.home.logs.plist").read_text("utf-8")


def test_an_unpinned_archive_is_said_so(tree: FileTree) -> None:
    assert "NOT PINNED" in tree["bin/install"].text
    assert "no hash is known" in tree["README.md"].text
    stack = llama_stack("launchd")
    engine = stack.service("engine")
    assert engine.native is not None
    pinned = replace(engine, native=replace(engine.native, sha256="b" * 64))
    services = tuple(pinned if s.role == "engine" else s for s in stack.services)
    text = launchd.emit(replace(stack, services=services))["bin/install"].text
    assert re.search(rf"^install_archive engine .* {'b' * 64}$", text, re.M)
    assert (
        "no hash is known" not in launchd.emit(replace(stack, services=services))["README.md"].text
    )


def test_where_launchd_is_legal() -> None:
    assert launchd.kind.problem("macos") is None
    assert launchd.kind.problem("linux") is not None


def test_an_engine_without_a_native_build_is_a_bug() -> None:
    with pytest.raises(LookupError, match="without a container"):
        launchd.emit(vllm_stack())


@pytest.fixture(scope="module")
def beyond(tmp_path_factory: pytest.TempPathFactory) -> FileTree:
    """A Mac that serves a network: a proxy runs natively too."""
    folder = tmp_path_factory.mktemp("lan")
    spec = folder / "infra-gen.yaml"
    spec.write_text(
        "version: 1\nname: home\nhardware: apple-m3\ntarget: launchd\n"
        "engine: {name: llama.cpp, version: '11669'}\n"
        "serve: {exposure: lan, host: mac.lan}\n",
        "utf-8",
    )
    built = api.build(read_spec(spec), folder / "out")
    assert not built.errors
    return built.tree


def test_the_proxy_is_an_agent_of_its_own(beyond: FileTree) -> None:
    proxy = parsed(beyond, "launchd/infra-gen.home.proxy.plist")
    assert proxy["ProgramArguments"] == [
        "__DEPLOY_DIR__/caddy/caddy", "run",
        "--config", "__DEPLOY_DIR__/proxy/Caddyfile",
        "--adapter", "caddyfile",
    ]  # fmt: skip
    # The key's path in the Caddyfile is relative to it.
    assert proxy["WorkingDirectory"] == "__DEPLOY_DIR__"
    assert "{file.secrets/api-key}" in beyond["proxy/Caddyfile"].text
    assert proxy["KeepAlive"] is True
    engine = parsed(beyond, ENGINE)
    arguments = engine["ProgramArguments"]
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1"


def test_every_script_knows_the_proxy(beyond: FileTree) -> None:
    install = beyond["bin/install"].text
    assert re.findall(r"^install_archive (\S+) ", install, re.M) == ["engine", "caddy"]
    for name in ("start", "stop", "uninstall"):
        lines = beyond[f"bin/{name}"].text.splitlines()
        loop = next(line for line in lines if line.startswith("for label"))
        # It stops before the engine: running answers end well.
        assert loop.index("home.proxy") < loop.index("home infra-gen.home.logs")
    ignored = beyond[".gitignore"].text.splitlines()
    assert {"/engine/", "/caddy/", "/caddy.new/", "/proxy/caddy/"} <= set(ignored)
    assert "must_be_pinned caddy " in beyond["bin/preflight"].text


def test_rules_tell_agents_apart(beyond: FileTree) -> None:
    files = {path: file.text for path, file in beyond.items() if path.endswith(".plist")}
    names = sorted(service.name for service in read_deployment(files).services)
    assert names == ["awake", "engine", "logs", "proxy"]


@pytest.fixture(scope="module", params=["", "offline: {model_path: /Users/ann/models}\n"])
def ollama(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FileTree:
    """A Mac with Ollama, which pulls a model or copies one that is there."""
    folder = tmp_path_factory.mktemp("ollama")
    spec = folder / "infra-gen.yaml"
    spec.write_text(
        "version: 1\nname: home\nhardware: apple-m4-24gb\nmodel: qwen3-8b\ntarget: launchd\n"
        f"engine: {{name: ollama, version: 0.32.15}}\nload: {{users: 3}}\n{request.param}",
        "utf-8",
    )
    return api.build(read_spec(spec), folder / "out").tree


def test_install_gives_ollama_its_model_where_the_engine_looks(ollama: FileTree) -> None:
    assert "\nbin/fetch-model\n" in ollama["bin/install"].text
    fetch = ollama["bin/fetch-model"].text
    assert "ollama=$PWD/engine/ollama\n" in fetch
    store = parsed(ollama, ENGINE)["EnvironmentVariables"]["OLLAMA_MODELS"]
    folder = store.removeprefix("__DEPLOY_DIR__/")
    assert f'export OLLAMA_MODELS="$PWD"/{folder}\n' in fetch
    assert (
        f"must_exist {folder}/manifests/registry.ollama.ai/library/qwen3-8b/q8_0\n"
        in ollama["bin/preflight"].text
    )
    assert f"/{folder}/" in ollama[".gitignore"].text.splitlines()


def test_no_agent_shares_a_home_with_everybody(ollama: FileTree) -> None:
    warmup = parsed(ollama, "launchd/infra-gen.home.warmup.plist")
    engine = parsed(ollama, ENGINE)["EnvironmentVariables"]
    assert warmup["EnvironmentVariables"]["HOME"] == engine["HOME"] == engine["OLLAMA_MODELS"]
    assert 'export HOME="$OLLAMA_MODELS"' in ollama["bin/fetch-model"].text
    assert "only place that it can write" not in ollama["launchd/infra-gen.home.warmup.plist"].text


def test_agents_of_another_plan_go(tree: FileTree, ollama: FileTree) -> None:
    gone = re.findall(r"^remove_agent (\S+)$", tree["bin/install"].text, re.M)
    assert gone == ["infra-gen.home.proxy", "infra-gen.home.warmup"]
    assert "remove_agent" not in ollama["bin/install"].text


def test_up_means_that_the_proxy_answers_too(beyond: FileTree, tree: FileTree) -> None:
    assert "&& answers 8445/healthz" in beyond["bin/start"].text
    assert "healthz" not in tree["bin/start"].text


def test_when_a_new_key_counts_is_said(beyond: FileTree, tree: FileTree) -> None:
    assert "The proxy refuses the old key as soon" in beyond["README.md"].text
    assert "The old one is refused already" in beyond["bin/rotate-key"].text
    assert "The old key stops working at that restart" in tree["README.md"].text
