"""What a README tells an operator, and the generated scripts that it sends them to."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.target_stacks import llama_stack, vllm_stack

from infra_gen.model.spec import Offline
from infra_gen.model.stack import (
    ConfigMount,
    Devices,
    EnvVar,
    Gate,
    GateRoute,
    GpuProof,
    Image,
    Mount,
    Port,
    Secret,
    Service,
    Stack,
    Tls,
    VolumePath,
)
from infra_gen.stack.offline import mirrored
from infra_gen.targets.capacity import capacity
from infra_gen.targets.compose import target as compose
from infra_gen.targets.launchd import target as launchd

PASSWORD = Secret("GRAFANA_ADMIN_PASSWORD", "GF_SECURITY_ADMIN_PASSWORD", "Grafana's.", made=True)
GRAFANA = Service(
    role="dashboard",
    name="grafana",
    program=("/run.sh",),
    argv=(),
    image=Image("docker.io/grafana/grafana", "13.2.3", None, "never", "472:0", "docs"),
    ports=(Port("http", 3000, 3000),),
    mounts=(Mount("grafana", "/var/lib/grafana", False, "accounts"),),
    configs=(ConfigMount("monitoring/grafana/dashboards", "/etc/grafana/dashboards", "shown"),),
    secrets=(PASSWORD,),
)


def with_engine(stack: Stack, **changes: Any) -> Stack:
    return with_role(stack, "engine", **changes)


def with_role(stack: Stack, role: str, **changes: Any) -> Stack:
    services = [replace(s, **changes) if s.role == role else s for s in stack.services]
    return replace(stack, services=tuple(services))


def with_plan(stack: Stack, **changes: Any) -> Stack:
    return replace(stack, plan=replace(stack.plan, **changes))


def behind_proxy(tls: Tls, host: str = "gpu.lan") -> Stack:
    """A stack whose engine is reached through a proxy that keeps the key."""
    stack = vllm_stack()
    routes = (GateRoute("/v1/models", ("GET",), streams=False, because="Which there is."),)
    gate = Gate(
        upstream="engine", upstream_port=8000, upstream_host_header=None, routes=routes,
        health_path="/health", key="API_KEY", forward_key=False, max_body_mib=1, max_requests=4,
        idle_timeout_s=60, grace_s=20, tls=tls, host=host, certificate="/tls/cert.pem",
        certificate_key="/tls/key.pem", port=8443, metrics_port=9180, tells_upstream=False,
    )  # fmt: skip
    challenge = (Port("challenge", 8080, 80, exposed=True),) if tls == "acme" else ()
    proxy = Service(
        role="proxy",
        name="proxy",
        program=("caddy", "run"),
        argv=(),
        image=Image("docker.io/library/caddy", "2.11.7", None, "never", "65534:65534", "docs"),
        ports=(Port("api", 8443, 443, exposed=True), *challenge),
        configs=(ConfigMount("proxy/Caddyfile", "/etc/caddy/Caddyfile", "what passes"),),
        secrets=stack.service("engine").secrets,
        gate=gate,
    )
    closed = with_engine(stack, ports=(Port("http", 8000, None),), secrets=())
    return replace(closed, services=(*closed.services, proxy))


def offline(stack: Stack, mirror: str | None) -> Stack:
    """The stack on a machine without a network, its model in a folder."""
    spec = Offline(mirror=mirror, model_path="/srv/models/qwen3")
    weights = replace(stack.plan.weights, local_path=spec.model_path, revision="a" * 40)
    services = tuple(mirrored(s, spec) for s in stack.services if s.role != "fetch")
    stack = with_engine(replace(stack, services=services), needs=())
    return replace(
        with_plan(stack, weights=weights), offline=True, storage_path="/srv/models/qwen3"
    )


def readme_of(stack: Stack) -> str:
    tree = launchd.emit(stack) if stack.plan.target == "launchd" else compose.emit(stack)
    return tree["README.md"].text


def rows(text: str) -> list[str]:
    return (
        text.split("## When something is wrong")[1]
        .split("\n## ", maxsplit=1)[0]
        .strip()
        .splitlines()
    )


class TestOffline:
    def test_each_image_is_copied_to_the_mirror(self) -> None:
        text = readme_of(offline(vllm_stack(), "registry.lan:5000/ai"))
        pairs = re.search(r"<< END\n(.*?)\nEND", text, re.S)
        assert pairs
        assert pairs[1].splitlines() == [
            "vllm/vllm-openai:v0.33.0 registry.lan:5000/ai/vllm/vllm-openai:v0.33.0",
            "prom/prometheus:v3.5.3 registry.lan:5000/ai/prom/prometheus:v3.5.3",
        ]
        assert 'docker pull --platform linux/amd64 "$from"' in text

    def test_images_travel_in_a_file_without_one(self) -> None:
        text = readme_of(offline(vllm_stack(), None))
        assert "docker save --output images.tar" in text
        assert "docker load --input images.tar" in text
        block = re.search(r"set -- (.*?)\nfor ", text, re.S)
        assert block
        assert shlex.split(block[1].replace("\\\n", "")) == [
            "vllm/vllm-openai:v0.33.0",
            "prom/prometheus:v3.5.3",
        ]

    def test_a_digest_survives_only_a_whole_copy(self) -> None:
        stack = vllm_stack()
        image = stack.service("engine").image
        assert image is not None
        pinned = with_engine(stack, image=replace(image, digest="sha256:" + "1" * 64))
        text = readme_of(offline(pinned, "registry.lan/ai"))
        assert 'docker buildx imagetools create --tag "$to" "$from"' in text
        digest = "@sha256:" + "1" * 64
        copied = "vllm/vllm-openai:v0.33.0"
        assert f"{copied}{digest} registry.lan/ai/{copied}\n" in text

    @pytest.mark.parametrize(
        ("files", "chosen"),
        [
            ((), "--exclude 'original/*'"),
            (("a.gguf",), " a.gguf --revision"),
            (("a.bin", "*.json"), "--include a.bin --include '*.json'"),
        ],
    )
    def test_the_model_is_downloaded_elsewhere(self, files: tuple[str, ...], chosen: str) -> None:
        stack = vllm_stack()
        stack = with_plan(stack, weights=replace(stack.plan.weights, files=files))
        text = readme_of(offline(stack, None))
        line = next(line for line in text.splitlines() if line.startswith("hf download"))
        assert line.startswith("hf download Qwen/Qwen3-32B-AWQ ")
        assert chosen in line
        assert line.endswith(f" --revision {'a' * 40} --local-dir qwen3")
        assert "chmod -R o+rX /srv/models/qwen3" in text

    def test_files_that_nobody_knows_are_not_invented(self) -> None:
        stack = vllm_stack()
        stack = with_plan(stack, weights=replace(stack.plan.weights, repo=None))
        text = readme_of(offline(stack, None))
        assert "hf download" not in text
        assert "belongs into `/srv/models/qwen3`" in text

    def test_nothing_of_it_where_there_is_a_network(self) -> None:
        assert "hf download" not in readme_of(vllm_stack())


class TestTrouble:
    @pytest.mark.parametrize(("vendor", "files"), [
        ("amd", "/dev/kfd /dev/dri/renderD*"), ("intel", "/dev/dri/renderD*"),
    ])  # fmt: skip
    def test_other_gpus_than_nvidias(self, vendor: str, files: str) -> None:
        stack = with_engine(vllm_stack(), devices=Devices(vendor, 2, "rocm"))
        found = "\n".join(rows(readme_of(stack)))
        assert "`VIDEO_GID is not set`" in found
        assert f"sudo fuser -v {files}" in found
        assert ("/dev/kfd" in found) is (vendor == "amd")
        assert "nvidia-smi" not in found
        assert "VIDEO_GID" not in "\n".join(rows(readme_of(vllm_stack())))

    @pytest.mark.parametrize(("tls", "expected"), [
        ("acme", ["challenge failed", "ports 80 and 443", "Could not resolve host", "404 for"]),
        ("internal", ["local issuer", "root.crt", "Could not resolve host", "404 for"]),
        ("files", ["certificate has expired", "intermediate", "Could not resolve host"]),
    ])  # fmt: skip
    def test_certificates(self, tls: Tls, expected: list[str]) -> None:
        found = rows(readme_of(behind_proxy(tls)))
        assert all(
            (row.startswith("| ") and row.endswith(" |")) or row == "|---|---|" for row in found
        )
        for words in expected:
            assert any(words in row for row in found), words

    def test_an_address_is_looked_up_nowhere(self) -> None:
        text = readme_of(behind_proxy("internal", "192.0.2.7"))
        assert "Could not resolve" not in text
        assert "hosts file" not in text
        assert "than `192.0.2.7`" in text

    def test_both_ports_of_acme_stand_under_use(self) -> None:
        text = " ".join(readme_of(behind_proxy("acme")).split())
        assert "internet must reach its ports 80, where the authority asks, and 443." in text

    def test_none_without_a_certificate(self) -> None:
        assert "Could not resolve" not in readme_of(vllm_stack())


def test_a_new_key_costs_a_load_only_where_the_engine_holds_it() -> None:
    text = readme_of(vllm_stack())
    assert "it loads the model again (about 60 s)" in text
    assert "loads the model again" not in readme_of(behind_proxy("off"))


def test_what_measures_is_reached_through_a_tunnel() -> None:
    stack = vllm_stack()
    text = readme_of(replace(stack, services=(*stack.services, GRAFANA)))
    assert "`ssh -N -L 9090:127.0.0.1:9090 -L 3000:127.0.0.1:3000 THIS-HOST`" in text
    assert "`ssh -N -L 9090:127.0.0.1:9090 THIS-HOST`" in readme_of(stack)


class TestGrafanasPassword:
    def test_in_env(self) -> None:
        stack = vllm_stack()
        text = readme_of(replace(stack, services=(*stack.services, GRAFANA)))
        assert "password from `GRAFANA_ADMIN_PASSWORD` in `.env`" in text
        assert '\ndocker compose exec grafana sh -c \'echo "$GF_SECURITY_ADMIN_PASSWORD" |' in text

    def test_in_a_file(self) -> None:
        stack = llama_stack("launchd")
        text = readme_of(replace(stack, services=(*stack.services, GRAFANA)))
        assert "password from `secrets/grafana-admin-password`" in text
        # Compose would refuse every command on its file without the variables that it names.
        secrets = (
            "API_KEY=$(cat secrets/api-key) "
            "GRAFANA_ADMIN_PASSWORD=$(cat secrets/grafana-admin-password) "
        )
        inside = "docker compose --file monitoring/compose.yaml exec "
        assert f"\n{secrets}{inside}grafana sh -c '" in text
        assert f"`{secrets}{inside}prometheus promtool test rules" in text

    def test_the_command_is_one_word_for_the_shell_inside(self) -> None:
        stack = vllm_stack()
        text = readme_of(replace(stack, services=(*stack.services, GRAFANA)))
        line = next(row for row in text.splitlines() if "reset-admin-password" in row)
        assert len(shlex.split(line)) == 7
        assert shlex.split(line)[-1].endswith(" --password-from-stdin")


class TestCapacity:
    def test_a_model_without_a_cache(self) -> None:
        plan = vllm_stack().plan
        memory = replace(plan.memory, kv_bytes_per_token=0)
        view = capacity(replace(plan, task="embed", memory=memory))
        names = [row.name for row in view.memory]
        assert "left for the engine" in names
        assert "key-value cache" not in names
        assert view.request == "One input may have 4,096 tokens."
        assert "pair" in capacity(replace(plan, task="rerank")).request
        assert "answer together" in capacity(plan).request

    @pytest.mark.parametrize("lumped", [True, False])
    def test_a_share_of_a_card(self, lumped: bool) -> None:
        """Engines count what others have as kept, or as left: the table tells it apart."""
        plan = vllm_stack().plan
        machine = replace(
            plan.machine, visible_gib=40.0, reserved_gib=1.0, usable_gib=20.0, share=0.5
        )
        kept, free = (20.0, 2.0) if lumped else (1.0, 21.0)
        memory = replace(plan.memory, reserved_gib=kept, headroom_gib=free)
        view = capacity(replace(plan, machine=machine, memory=memory))
        found = {row.name: row.value for row in view.memory}
        assert found["kept for the system"] == "1.00"
        assert found["for other deployments"] == "19.00"
        assert found["left free"] == "2.00"

    def test_a_whole_card_has_no_row_for_others(self) -> None:
        names = [row.name for row in capacity(vllm_stack().plan).memory]
        assert "for other deployments" not in names


class TestOldModels:
    def test_the_volume(self) -> None:
        text = readme_of(vllm_stack())
        assert "docker volume rm chat_models" in text
        assert "`docker compose up --detach --remove-orphans`" in text.split("## Change it")[1]

    def test_a_folder_of_the_host(self) -> None:
        text = readme_of(replace(vllm_stack(), storage_path="/srv/m"))
        assert "docker volume rm" not in text.split("## When something")[0]
        assert "stays in `/srv/m`" in text

    def test_files_that_you_brought_are_yours(self) -> None:
        assert "Remove an old model" not in readme_of(offline(vllm_stack(), None))


def deploy(stack: Stack, root: Path, edit: Callable[[str], str] = lambda text: text) -> Path:
    for path, file in compose.emit(stack).items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(edit(file.text), "utf-8")
        place.chmod(0o755 if file.executable else 0o644)
    return root


def run(root: Path, script: str, docker: str = "exit 1") -> str:
    """What the script prints, with a `docker` that runs these lines."""
    tools = root / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "docker").write_text(f"#!/bin/sh\n{docker}\n")
    (tools / "docker").chmod(0o755)
    done = subprocess.run(
        [str(root / "bin" / script)],
        env={"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(root), "API_KEY": "k"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def cards(root: Path, *sizes: tuple[int, int]) -> Callable[[str], str]:
    """Cards of this many MiB, in all and used, and what makes scripts look at them."""
    for number, (total, used) in enumerate(sizes):
        device = root / "sys" / f"card{number}" / "device"
        device.mkdir(parents=True)
        (device / "mem_info_vram_total").write_text(f"{total * 2**20}\n")
        (device / "mem_info_vram_used").write_text(f"{used * 2**20}\n")
    return lambda text: text.replace("/sys/class/drm", str(root / "sys"))


AMD = with_engine(vllm_stack(), devices=Devices("amd", 2, "rocm"))
MIB = int(AMD.plan.memory.planned_gib * 1024)


class TestAmdMemory:
    @pytest.mark.parametrize(("sizes", "said"), [
        ([(512, 99), (MIB, 0), (MIB + 9, 0)], f"ok    {MIB} MiB free on the fullest GPU"),
        ([(MIB, 0), (MIB, 5)], f"FAIL  {MIB - 5} MiB free on the fullest GPU"),
        ([(512, 99), (MIB, 0)], f"FAIL  1 GPUs with {MIB} MiB or more, 2 planned"),
        ([], f"FAIL  0 GPUs with {MIB} MiB or more, 2 planned"),
    ])  # fmt: skip
    def test_preflight_reads_what_is_free(
        self, tmp_path: Path, sizes: list[tuple[int, int]], said: str
    ) -> None:
        root = deploy(AMD, tmp_path, cards(tmp_path, *sizes))
        assert said in run(root, "preflight")

    @pytest.mark.parametrize(("sizes", "said"), [
        ([(MIB, 9523), (MIB, 9523), (MIB, 0)], "ok    the planned GPUs (2) hold 19046 MiB"),
        ([(MIB, 0), (MIB, 0), (MIB, 19046)], "FAIL  the planned GPUs (2) hold 0 MiB"),
    ])  # fmt: skip
    def test_a_neighbours_model_proves_nothing(
        self, tmp_path: Path, sizes: list[tuple[int, int]], said: str
    ) -> None:
        root = deploy(AMD, tmp_path, cards(tmp_path, *sizes))
        script = root / "bin" / "smoke-test"
        # Only what follows the questions to the server, which is not there.
        text = script.read_text("utf-8")
        script.write_text(text.replace("\n    verdict\nfi", "\nfi").replace("-lt 20", "-lt 0"))
        assert said in run(root, "smoke-test")

    def test_memory_of_the_host_is_not_asked_of_the_card(self, tmp_path: Path) -> None:
        machine = replace(AMD.plan.machine, memory_kind="unified")
        root = deploy(
            with_plan(AMD, machine=machine), tmp_path, cards(tmp_path, (512, 1), (512, 1))
        )
        assert "ok    2 GPUs, 2 planned; their memory is the host's" in run(root, "preflight")


def test_intels_cards_are_looked_for(tmp_path: Path) -> None:
    stack = with_engine(vllm_stack(), devices=Devices("intel", 1, "sycl"))
    node = tmp_path / "sys" / "renderD128" / "device"
    node.mkdir(parents=True)
    (node / "vendor").write_text("0x8086\n")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "renderD128").touch()

    def here(text: str) -> str:
        text = text.replace("/sys/class/drm", str(tmp_path / "sys"))
        return text.replace("/dev/dri/", f"{tmp_path}/dev/")

    said = run(deploy(stack, tmp_path, here), "preflight")
    assert "ok    1 GPUs of Intel" in said
    assert "free is not checked" in said


HUB = with_role(
    vllm_stack(), "fetch", env=(EnvVar("HF_HUB_CACHE", VolumePath("models", "hub"), "the hub"),)
)
# The disk has room for nothing, the volume for what `du` says.
_DOCKER = """case "$*" in
    "info --format"*) echo / ;;
    "volume inspect chat_models") ;;
    run*du*) {du} ;;
    *) exit 1 ;;
esac"""


class TestDisk:
    @pytest.mark.parametrize(("du", "said"), [
        ("echo '99999999 total'", "ok    the model is on the disk already"),
        ("echo '0 total'", "FAIL  0 GiB free at /, the model needs 19 GiB more"),
        ("exit 1", "note  0 GiB free at /: enough only if most of the model (18.6 GiB) is there"),
    ])  # fmt: skip
    def test_only_what_is_missing_counts(self, tmp_path: Path, du: str, said: str) -> None:
        root = deploy(HUB, tmp_path)
        tools = root / "tools"
        tools.mkdir()
        (tools / "df").write_text("#!/bin/sh\nprintf 'a\\n/dev/x 9 9 0 9%% /\\n'\n")
        (tools / "df").chmod(0o755)
        du = du.replace(" total", "\ttotal")
        assert said in run(root, "preflight", _DOCKER.format(du=du))

    def test_it_looks_at_the_planned_model(self) -> None:
        text = compose.emit(HUB)["bin/preflight"].text
        assert "-skc hub/models--Qwen--Qwen3-32B-AWQ" in text
        text = compose.emit(llama_stack("compose"))["bin/preflight"].text
        assert "-skc Qwen3-8B-Q4_K_M.gguf Qwen3-8B-Q4_K_M.gguf.part" in text

    def test_a_folder_of_the_host(self, tmp_path: Path) -> None:
        store = tmp_path / "store"
        store.mkdir()
        (store / "Qwen3-8B-Q4_K_M.gguf").write_bytes(b"x" * 2**20)
        stack = llama_stack("compose")
        weights = replace(stack.plan.weights, bytes=2**20)
        stack = replace(with_plan(stack, weights=weights), storage_path=str(store))
        said = run(deploy(stack, tmp_path), "preflight")
        assert f"ok    the model is on the disk already, at {store}" in said

    def test_none_where_nothing_is_written(self) -> None:
        text = compose.emit(offline(vllm_stack(), None))["bin/preflight"].text
        assert "have_kib" not in text


class TestImagesWithoutANetwork:
    def test_a_mirror_that_is_not_asked_rightly_is_no_failure(self, tmp_path: Path) -> None:
        root = deploy(offline(vllm_stack(), "registry.lan:5000/ai"), tmp_path)
        said = run(root, "preflight")
        assert "note  image registry.lan:5000/ai/prom/prometheus:v3.5.3 is not here" in said

    def test_without_a_mirror_it_is(self, tmp_path: Path) -> None:
        said = run(deploy(offline(vllm_stack(), None), tmp_path), "preflight")
        assert "FAIL  image prom/prometheus:v3.5.3 is not here" in said
        assert "README.md, Start" in said


class TestSmokeTest:
    def test_each_step_is_named_once(self) -> None:
        stack = with_engine(vllm_stack(), gpu_proof=GpuProof(("ollama", "ps"), "100% GPU"))
        text = compose.emit(stack)["bin/smoke-test"].text
        steps = [line for line in text.splitlines() if line.startswith("# ") and "?" in line]
        assert len(steps) == len(set(steps))
        assert not re.search(r"^# \d\.", text, re.M)

    @pytest.mark.parametrize(("changes", "claimed"), [
        ({}, True),
        ({"devices": None}, False),
        ({"devices": Devices("intel", 1, "sycl"), "gpu_proof": None}, False),
        ({"devices": Devices("intel", 1, "sycl"), "gpu_proof": GpuProof((), "x")}, True),
    ])  # fmt: skip
    def test_its_head_claims_what_it_does(self, changes: dict[str, Any], claimed: bool) -> None:
        text = compose.emit(with_engine(vllm_stack(), **changes))["bin/smoke-test"].text
        assert ("whether the accelerator does the work" in text) is claimed

    def test_neighbours_on_the_card_are_mentioned(self) -> None:
        machine = replace(AMD.plan.machine, share=0.5)
        text = compose.emit(with_plan(AMD, machine=machine))["bin/smoke-test"].text
        assert "other deployments keep on these GPUs is counted too" in text
