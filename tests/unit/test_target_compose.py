"""The compose target, on stacks made by hand."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import yaml
from ruamel.yaml import YAML
from tests.unit.target_stacks import llama_stack, vllm_stack

from infra_gen.model.filetree import FileTree
from infra_gen.model.stack import Arg, Devices, SecretFile, Stack
from infra_gen.resources import data_dir
from infra_gen.targets.compose import target as compose
from infra_gen.targets.names import HEADER


def with_engine(stack: Stack, **changes: Any) -> Stack:
    services = [
        replace(service, **changes) if service.role == "engine" else service
        for service in stack.services
    ]
    return replace(stack, services=tuple(services))


STACKS = {
    "vllm": vllm_stack(),
    "vllm-official": replace(vllm_stack(), build_image=False),
    "llama": llama_stack("compose"),
    "llama-official": replace(llama_stack("compose"), build_image=False, storage_path="/srv/m"),
    "amd": with_engine(vllm_stack(), devices=Devices("amd", 2, "rocm")),
    "open": with_engine(vllm_stack(), secrets=()),
    "no-monitoring": replace(vllm_stack(), services=vllm_stack().services[:2]),
}


@pytest.fixture(scope="module", params=STACKS)
def case(request: pytest.FixtureRequest) -> tuple[Stack, FileTree]:
    stack = STACKS[request.param]
    return stack, compose.emit(stack)


def services(tree: FileTree) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(tree["compose.yaml"].text)
    found: dict[str, Any] = document["services"]
    return found


def test_yaml_reads_the_same_in_both_versions(case: tuple[Stack, FileTree]) -> None:
    for path, file in case[1].items():
        if path.endswith((".yaml", ".yml")):
            new = YAML(typ="safe", pure=True).load(io.StringIO(file.text))
            assert yaml.safe_load(file.text) == new, path


def test_compose_file_follows_the_specification(case: tuple[Stack, FileTree]) -> None:
    schema = json.loads((data_dir("presets") / "schemas" / "compose-spec.json").read_text("utf-8"))
    document = yaml.safe_load(case[1]["compose.yaml"].text)
    errors = [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(document)]
    assert errors == []
    assert "version" not in document


def test_every_file_says_who_wrote_it_and_holds_no_accident(case: tuple[Stack, FileTree]) -> None:
    for path, file in case[1].items():
        assert HEADER in file.text, path
        assert not re.search(
            r"\bNone\b|latest|\{\{ (?!env|vars|\.|json)|%\}|[ \t]$", file.text, re.M
        ), path
        assert file.text.endswith("\n"), path
        assert not file.text.endswith("\n\n"), path
        assert file.executable == path.startswith("bin/"), path


def test_shells_accept_the_scripts(case: tuple[Stack, FileTree]) -> None:
    for path, file in case[1].items():
        if path.startswith("bin/"):
            for shell in ("sh", "bash"):
                checked = subprocess.run(
                    [shell, "-n"], input=file.data, capture_output=True, check=False
                )
                assert checked.returncode == 0, (path, shell, checked.stderr)


def test_the_same_twice(case: tuple[Stack, FileTree]) -> None:
    assert compose.emit(case[0]) == case[1]


def test_every_flag_has_its_reason_above(case: tuple[Stack, FileTree]) -> None:
    stack, tree = case
    lines = tree["compose.yaml"].text.splitlines()
    for arg in stack.service("engine").argv:
        start = arg.flag or str(arg.value)
        at = next(
            i for i, line in enumerate(lines) if re.match(rf" +- '?{re.escape(start)}\b", line)
        )
        assert arg.because.split()[0] in lines[at - 1], arg
        assert lines[at - 1].lstrip().startswith("#"), arg


def test_nothing_listens_beyond_loopback(case: tuple[Stack, FileTree]) -> None:
    for service in services(case[1]).values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_every_service_is_confined(case: tuple[Stack, FileTree]) -> None:
    for name, service in services(case[1]).items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
        assert "privileged" not in service, name


def test_promised_files(case: tuple[Stack, FileTree]) -> None:
    stack, tree = case
    expected = {
        "compose.yaml", ".env.example", ".gitignore", "README.md", "bin/preflight",
        "bin/smoke-test", "bin/fetch-model", ".github/workflows/infra-gen.yml",
    }  # fmt: skip
    if stack.service("engine").secrets:
        expected.add("bin/rotate-key")
    if stack.build_image:
        expected.add("image/Dockerfile")
    if stack.has("metrics"):
        expected |= {f"monitoring/{n}.yml" for n in ("prometheus", "alerts", "alerts_test")}
    assert set(tree) == expected


def test_every_variable_of_the_compose_file_is_in_the_example(case: tuple[Stack, FileTree]) -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", case[1]["compose.yaml"].text))
    listed = set(re.findall(r"^(\w+)=$", case[1][".env.example"].text, re.M))
    assert used == listed


def test_vllm_dialect_devices_and_memory() -> None:
    engine = services(compose.emit(STACKS["vllm"]))["engine"]
    assert engine["entrypoint"] == ["vllm", "serve"]
    assert engine["command"] == [
        "Qwen/Qwen3-32B-AWQ",
        "--host=0.0.0.0",
        "--port=8000",
        "--tensor-parallel-size=2",
        "--enable-prefix-caching",
        '--default-chat-template-kwargs={"price": "5$$"}',
    ]
    assert engine["environment"]["HF_HOME"] == "/models"
    assert engine["environment"]["VLLM_CACHE_ROOT"] == "/cache/vllm"
    assert engine["environment"]["VLLM_API_KEY"].startswith("${API_KEY:?")
    devices = engine["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}]
    assert engine["shm_size"] == "4096m"
    assert engine["mem_limit"] == "65536m"
    assert engine["ulimits"] == {"memlock": {"soft": -1, "hard": -1}}
    assert engine["stop_grace_period"] == "45s"
    assert engine["depends_on"] == {"fetch": {"condition": "service_completed_successfully"}}
    assert engine["read_only"] is True
    assert engine["restart"] == "unless-stopped"
    assert engine["init"] is True


def test_what_the_user_wrote_is_marked() -> None:
    assert (
        "# Yours, from engine_args: no thinking"
        in compose.emit(STACKS["vllm"])["compose.yaml"].text
    )


def test_health_check_is_on_the_real_port_with_time_to_start() -> None:
    for name, port in (("vllm", 8000), ("llama", 8080)):
        tree = compose.emit(STACKS[name])
        check = services(tree)["engine"]["healthcheck"]
        assert f"http://127.0.0.1:{port}/health" in " ".join(check["test"])
        assert check["start_period"] == ("1800s" if name == "vllm" else "600s")
        assert f":{port}/health" in tree["image/Dockerfile"].text


def test_a_lost_gpu_is_unhealthy() -> None:
    check = services(compose.emit(STACKS["vllm"]))["engine"]["healthcheck"]["test"]
    assert check[0] == "CMD-SHELL"
    assert "nvidia-smi -L" in check[1]


def test_llama_dialect_and_no_gpu() -> None:
    engine = services(compose.emit(STACKS["llama"]))["engine"]
    assert engine["command"][:2] == ["--model", "/models/Qwen3-8B-Q4_K_M.gguf"]
    assert engine["command"][-1] == "--metrics"
    assert not {"deploy", "devices", "ulimits", "shm_size"} & set(engine)


def test_amd_devices() -> None:
    tree = compose.emit(STACKS["amd"])
    engine = services(tree)["engine"]
    assert engine["devices"] == ["/dev/kfd:/dev/kfd", "/dev/dri:/dev/dri"]
    assert [group[:13] for group in engine["group_add"]] == ["${VIDEO_GID:?", "${RENDER_GID:"]
    assert "deploy" not in engine
    assert "mem_info_vram_used" in tree["bin/smoke-test"].text


def test_the_built_image_is_never_pulled_and_its_tag_is_its_content() -> None:
    tree = compose.emit(STACKS["vllm"])
    found = services(tree)
    content = hashlib.sha256(tree["image/Dockerfile"].data).hexdigest()[:12]
    assert found["engine"]["image"] == f"infra-gen/chat-engine:0.33.0-{content}"
    assert found["engine"]["build"] == {"context": "./image"}
    assert found["fetch"]["image"] == found["engine"]["image"]
    assert "build" not in found["fetch"]
    assert found["engine"]["pull_policy"] == found["fetch"]["pull_policy"] == "never"


def test_dockerfile_owns_what_it_writes_to() -> None:
    text = compose.emit(STACKS["vllm"])["image/Dockerfile"].text
    assert "FROM vllm/vllm-openai:v0.33.0\n" in text
    assert "# syntax" not in text
    assert "mkdir -p /models /cache /cache/home /cache/xdg" in text
    assert "chown -R 2000:0 /models /cache \\" in text
    assert "ENV HOME=/cache/home" in text
    assert text.index("USER 0\n") < text.index("RUN ") < text.index("USER 2000:0\n")
    assert text.endswith('ENTRYPOINT ["vllm", "serve"]\n')


def test_a_user_nobody_knows_means_root_without_powers() -> None:
    stack = STACKS["vllm"]
    engine = stack.service("engine")
    assert engine.image is not None
    image = replace(engine.image, user=None)
    changed = [replace(s, image=image) if s.role != "metrics" else s for s in stack.services]
    tree = compose.emit(replace(stack, services=tuple(changed)))
    assert "USER" not in re.findall(r"^\w+", tree["image/Dockerfile"].text, re.M)
    assert "read_only" not in services(tree)["engine"]
    assert "without capabilities" in tree["compose.yaml"].text


def test_official_image_gives_up_root_where_it_writes_nothing() -> None:
    llama = services(compose.emit(STACKS["llama-official"]))
    assert llama["engine"]["image"] == "ghcr.io/ggml-org/llama.cpp:server-b10900"
    assert llama["engine"]["user"] == "10001:10001"
    assert llama["engine"]["environment"]["HOME"] == "/tmp"
    assert "user" not in llama["fetch"]
    vllm = services(compose.emit(STACKS["vllm-official"]))
    assert "user" not in vllm["engine"]
    assert "build" not in vllm["engine"]


def test_models_in_a_folder_of_the_host() -> None:
    tree = compose.emit(STACKS["llama-official"])
    mount = services(tree)["engine"]["volumes"][0]
    assert mount["type"] == "bind"
    assert mount["source"] == "/srv/m"
    assert mount["read_only"] is True
    assert mount["bind"] == {"create_host_path": False}
    assert "models" not in yaml.safe_load(tree["compose.yaml"].text)["volumes"]


def test_prometheus_gets_the_key_only_where_metrics_need_it() -> None:
    plain = services(compose.emit(STACKS["vllm"]))["prometheus"]
    assert plain["entrypoint"] == ["/bin/prometheus"]
    assert "environment" not in plain
    tree = compose.emit(STACKS["llama"])
    keyed = services(tree)["prometheus"]
    assert keyed["environment"]["METRICS_TOKEN"].startswith("${API_KEY:?")
    assert "$$METRICS_TOKEN" in keyed["entrypoint"][2]
    assert "/tmp" in keyed["tmpfs"]
    job = yaml.safe_load(tree["monitoring/prometheus.yml"].text)["scrape_configs"][0]
    assert job["authorization"] == {"type": "Bearer", "credentials_file": "/tmp/metrics-token"}
    assert job["static_configs"] == [{"targets": ["engine:8080"]}]


def test_changed_alerts_restart_prometheus() -> None:
    one = services(compose.emit(STACKS["vllm"]))["prometheus"]["labels"]
    fewer = with_engine(STACKS["vllm"], alerts=STACKS["vllm"].service("engine").alerts[:1])
    assert services(compose.emit(fewer))["prometheus"]["labels"] != one


def test_no_key_literal_and_no_key_in_arguments(case: tuple[Stack, FileTree]) -> None:
    for service in services(case[1]).values():
        assert not any("api-key" in word for word in service.get("command", []))


def test_the_address_outside_may_differ_from_the_one_inside() -> None:
    stack = STACKS["vllm"]
    port = replace(stack.service("engine").ports[0], host=18000)
    tree = compose.emit(with_engine(stack, ports=(port,)))
    assert services(tree)["engine"]["ports"] == ["127.0.0.1:18000:8000"]
    assert "base=http://127.0.0.1:18000\n" in tree["bin/smoke-test"].text
    assert "engine:8000" in tree["monitoring/prometheus.yml"].text
    assert ":18000/v1" in tree["README.md"].text


def test_a_secret_file_is_refused_not_invented() -> None:
    arg = Arg("--api-key-file", SecretFile("API_KEY"), "x")
    with pytest.raises(LookupError):
        compose.emit(with_engine(STACKS["llama"], argv=(arg,)))


def test_where_compose_is_legal() -> None:
    assert compose.kind.problem("linux") is None
    reason = compose.kind.problem("macos")
    assert reason is not None
    assert "Metal" in reason


def test_readme_answers_the_operator() -> None:
    text = compose.emit(STACKS["vllm"])["README.md"].text
    for heading in (
        "Start",
        "Stop",
        "Rotate the key",
        "Capacity",
        "Metrics and alerts",
        "EngineDown",
    ):
        assert re.search(rf"^##+ {heading}$", text, re.M), heading
    assert "roofline" in text
    assert "within 50%" in text
    assert "the workload \\| needs it" in text
    assert "vllm/vllm-openai:v0.33.0`: its digest is not known" in text
    assert "One warning." in text
