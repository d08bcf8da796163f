"""The systemd target: units, their hardening, what bin/install does, and how rules read units."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import yaml

from infra_gen import api
from infra_gen.building import Built
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.model.filetree import FileTree
from infra_gen.model.stack import Devices, Service, Stack
from infra_gen.render.text import render
from infra_gen.rules.deployment import read_deployment
from infra_gen.rules.reading.unit import unit_service
from infra_gen.rules.reading.yaml_text import UnreadableError
from infra_gen.targets.names import HEADER
from infra_gen.targets.placement import Word
from infra_gen.targets.systemd import target as systemd
from infra_gen.targets.systemd.hardening import hardening
from infra_gen.targets.systemd.places import user_name
from infra_gen.targets.unit_file import Line, Section, command, quoted, unit_file, variable

CPU = "hardware: cpu\nmodel: qwen3-4b\nengine: {name: llama.cpp, version: '11669'}\n"
GPU = "hardware: rtx-4090\nmodel: gpt-oss-20b\nengine: {name: vllm, version: 0.33.0}\n"
LAN = "serve: {exposure: lan, host: box.test}\n"


@cache
def _built(text: str, folder: Path) -> Built:
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:8]}.yaml"
    path.write_text(f"version: 1\nname: chat\ntarget: systemd\n{text}", "utf-8")
    return api.build(read_spec(path), folder / "out")


@dataclass(frozen=True)
class Maker:
    """Builds deployments from what a spec adds, each once."""

    folder: Path

    def __call__(self, text: str) -> Built:
        return _built(text, self.folder)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("systemd"))


def unit(tree: FileTree, role: str) -> str:
    return tree[f"systemd/chat-{role}.service"].text


def values(text: str, key: str) -> list[str]:
    """The values of a key, without lines that go on."""
    return re.findall(rf"^{re.escape(key)}=(.*)$", text, re.M)


def with_engine(stack: Stack, **changes: object) -> Stack:
    """The stack with another engine."""
    services = tuple(
        replace(one, **changes) if one.role == "engine" else one  # type: ignore[arg-type]
        for one in stack.services
    )
    return replace(stack, services=services)


def test_promised_files(made: Maker) -> None:
    tree = made(CPU + LAN).tree
    units = {path for path in tree if path.startswith("systemd/")}
    assert units == {f"systemd/chat-{role}.service" for role in ("engine", "proxy", "fetch")}
    scripts = {path for path in tree if path.startswith("bin/")}
    names = ("install", "start", "stop", "uninstall", "preflight", "rotate-key", "smoke-test",
             "fetch-model")  # fmt: skip
    assert scripts == {f"bin/{name}" for name in names}
    assert {"README.md", ".gitignore", ".env.example", "monitoring/compose.yaml"} <= set(tree)


@pytest.mark.parametrize("text", [CPU, CPU + LAN, GPU, GPU + LAN])
def test_nothing_slips_through(made: Maker, text: str) -> None:
    built = made(text)
    assert not built.errors
    for path, file in built.tree.items():
        if path.endswith(".json"):
            continue
        assert HEADER in file.text, path
        assert not re.search(r"\bNone\b|__DEPLOY_DIR__|%\}|[ \t]$", file.text, re.M), path
        assert file.executable == path.startswith("bin/"), path
        if file.executable:
            done = subprocess.run(["sh", "-n"], input=file.data, capture_output=True, check=False)
            assert done.returncode == 0, (path, done.stderr)


def test_every_flag_and_variable_has_its_reason_above(made: Maker) -> None:
    built = made(GPU)
    text = unit(built.tree, "engine")
    lines = [line.strip() for line in text.splitlines()]
    for arg in built.stack.service("engine").argv:
        if not arg.flag:
            continue
        at = next(n for n, line in enumerate(lines) if line.startswith(arg.flag))
        assert lines[at - 1].startswith("# "), arg
    for one in built.stack.service("engine").env:
        at = next(n for n, line in enumerate(lines) if line.startswith(f"Environment={one.name}="))
        assert lines[at - 1].startswith("# "), one


def test_no_secret_and_no_home_in_a_unit(made: Maker) -> None:
    for text in (CPU + LAN, GPU + LAN):
        for path, file in made(text).tree.items():
            if path.startswith("systemd/"):
                assert "API_KEY=" not in file.text
                assert "--api-key " not in file.text
                assert "HF_TOKEN=" not in file.text


def test_keys_come_as_files_or_from_a_file_that_only_root_reads(made: Maker) -> None:
    llama = unit(made(CPU + LAN).tree, "engine")
    assert values(llama, "LoadCredential") == ["api-key:/etc/infra-gen/chat/api-key"]
    assert "--api-key-file /run/credentials/chat-engine.service/api-key" in llama
    vllm = unit(made(GPU + LAN).tree, "engine")
    assert values(vllm, "EnvironmentFile") == ["-/etc/infra-gen/chat/engine.env"]
    install = made(GPU + LAN).tree["bin/install"].text
    assert 'variable VLLM_API_KEY "$(cat secrets/api-key)"' in install
    assert 'put "$made" /etc/infra-gen/chat/engine.env 600' in install
    caddyfile = made(CPU + LAN).tree["proxy/Caddyfile"].text
    assert "{file./run/credentials/chat-proxy.service/api-key}" in caddyfile


def test_order_and_times(made: Maker) -> None:
    built = made(CPU + LAN)
    engine, proxy, fetch = (unit(built.tree, role) for role in ("engine", "proxy", "fetch"))
    assert values(engine, "Requires") == ["chat-fetch.service"]
    assert "chat-fetch.service" in values(engine, "After")
    assert "chat-engine.service" in values(proxy, "After")
    assert values(fetch, "TimeoutStartSec") == ["infinity"]
    assert values(fetch, "WantedBy") == []
    startup = built.plan.startup
    assert values(engine, "TimeoutStartSec") == [str(startup.budget_s)]
    assert int(values(engine, "TimeoutStopSec")[0]) == startup.stop_s > startup.drain_s
    assert values(engine, "Restart") == values(proxy, "Restart") == ["always"]
    assert values(engine, "KillMode") == ["mixed"]


def test_a_cpu_has_no_devices_and_a_gpu_nothing_else(made: Maker) -> None:
    cpu, gpu = unit(made(CPU).tree, "engine"), unit(made(GPU).tree, "engine")
    assert values(cpu, "PrivateDevices") == ["yes"]
    assert values(cpu, "DeviceAllow") == []
    assert values(gpu, "PrivateDevices") == []
    assert values(gpu, "DevicePolicy") == ["closed"]
    assert values(gpu, "DeviceAllow") == ["char-nvidia* rw", "/dev/dxg rw"]
    assert values(gpu, "LimitMEMLOCK") == ["infinity"]
    assert "systemd/chat-gpu.service" in made(GPU).tree
    assert "systemd/chat-gpu.service" not in made(CPU).tree


def lines_of(stack: Stack, service: Service) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in hardening(stack, service):
        found.setdefault(line.key, []).append(line.value)
    return found


@pytest.mark.parametrize(
    ("vendor", "accelerator", "devices", "groups"),
    [
        ("nvidia", "cuda", ["char-nvidia* rw", "/dev/dxg rw"], None),
        ("nvidia", "vulkan", ["char-nvidia* rw", "/dev/dxg rw", "char-drm rw"], None),
        ("amd", "rocm", ["char-kfd rw", "char-drm rw"], ["video render"]),
        ("intel", "vulkan", ["char-drm rw"], ["video render"]),
    ],
)
def test_devices_by_vendor(
    made: Maker, vendor: str, accelerator: str, devices: list[str], groups: list[str] | None
) -> None:
    stack = with_engine(made(CPU).stack, devices=Devices(vendor, 1, accelerator))
    lines = lines_of(stack, stack.service("engine"))
    assert lines["DeviceAllow"] == devices
    assert lines.get("SupplementaryGroups") == groups
    assert ("MemoryDenyWriteExecute" in lines) == (accelerator != "vulkan")


def test_what_is_not_used_is_said(made: Maker) -> None:
    gpu = unit(made(GPU).tree, "engine")
    assert values(gpu, "MemoryDenyWriteExecute") == []
    assert "\n# MemoryDenyWriteExecute=yes\n" in gpu
    assert values(unit(made(CPU).tree, "engine"), "MemoryDenyWriteExecute") == ["yes"]


def test_low_ports_need_a_capability(made: Maker) -> None:
    public = "serve: {exposure: public, host: llm.example.org}\n"
    text = unit(made(CPU + public).tree, "proxy")
    assert values(text, "CapabilityBoundingSet") == ["CAP_NET_BIND_SERVICE"]
    assert values(text, "AmbientCapabilities") == ["CAP_NET_BIND_SERVICE"]
    assert values(text, "PrivateUsers") == []
    assert values(unit(made(CPU + LAN).tree, "proxy"), "CapabilityBoundingSet") == [""]


def test_a_certificate_of_ones_own_is_loaded_by_systemd(made: Maker) -> None:
    own = "serve: {exposure: lan, tls: {certificate: /etc/ssl/a.pem, key: /etc/ssl/a.key}}\n"
    built = made(CPU + own)
    assert values(unit(built.tree, "proxy"), "LoadCredential")[-2:] == [
        "tls.crt:/etc/ssl/a.pem", "tls.key:/etc/ssl/a.key",
    ]  # fmt: skip
    assert 'tls "/run/credentials/chat-proxy.service/tls.crt"' in built.tree["proxy/Caddyfile"].text


@pytest.mark.parametrize(
    ("storage", "engine", "fetch"),
    [
        ("/srv/models", {}, {"ReadWritePaths": ["/srv/models"]}),
        (
            "/home/ann/models",
            {"ProtectHome": ["tmpfs"], "BindReadOnlyPaths": ["/home/ann/models"]},
            {"ProtectHome": ["tmpfs"], "BindPaths": ["/home/ann/models"]},
        ),
    ],
)
def test_models_in_a_folder_of_the_host(
    made: Maker, storage: str, engine: dict[str, list[str]], fetch: dict[str, list[str]]
) -> None:
    built = made(CPU + f"storage: {{path: {storage}}}\n")
    assert f"--model {storage}/" in unit(built.tree, "engine")
    for role, wanted in (("engine", engine), ("fetch", fetch)):
        text = unit(built.tree, role)
        assert values(text, "StateDirectory") == []
        for key, value in wanted.items():
            assert values(text, key) == value, (role, key)


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("chat", "infra-gen-chat"),
        ("a-name-of-forty-characters-that-is-long-x", "infra-gen-a-name-o-"),
    ],
)
def test_user_names_fit_the_limit_of_systemd(made: Maker, name: str, user: str) -> None:
    stack = replace(made(CPU + LAN).stack, name=name)
    for role in ("engine", "proxy"):
        found = user_name(stack, stack.service(role))  # type: ignore[arg-type]
        assert found.startswith(user)
        assert len(found) <= 31


def test_an_own_unit_of_the_engine_gets_a_drop_in(made: Maker) -> None:
    stack = made(CPU).stack
    native = stack.service("engine").native
    assert native is not None
    tree = systemd.emit(with_engine(stack, native=replace(native, service_unit="llama.service")))
    assert "[Service]" in tree["systemd/llama.service.d/infra-gen.conf"].text
    assert "llama.service runs" in tree["bin/preflight"].text
    assert "systemctl is-active --quiet llama.service" in tree["bin/install"].text


def test_what_measures_shares_the_loopback_of_the_host(made: Maker) -> None:
    built = made(CPU + LAN)
    document = yaml.safe_load(built.tree["monitoring/compose.yaml"].text)
    for name, service in document["services"].items():
        assert service["network_mode"] == "host", name
        assert "ports" not in service, name
    assert "--web.listen-address=127.0.0.1:9090" in document["services"]["prometheus"]["command"]
    jobs = yaml.safe_load(built.tree["monitoring/prometheus.yml"].text)["scrape_configs"]
    targets = [target for job in jobs for one in job["static_configs"] for target in one["targets"]]
    assert all(target.startswith("127.0.0.1:") for target in targets)


def test_offline_fetches_nothing(made: Maker) -> None:
    tree = systemd.emit(replace(made(CPU + LAN).stack, offline=True))
    assert "curl" not in tree["bin/install"].text
    assert "downloads/" in tree["README.md"].text
    gpu = systemd.emit(replace(made(GPU).stack, offline=True))
    assert "--no-index --find-links downloads" in gpu["bin/install"].text
    assert "pip download" in gpu["README.md"].text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain-1.5", "plain-1.5"),
        ("100%", "100%%"),
        ("$HOME", "$$HOME"),
        ("two words", '"two words"'),
        ('{"a": "5$"}', '"{\\"a\\": \\"5$$\\"}"'),
        ("back\\slash", '"back\\\\slash"'),
        ("", '""'),
        ("; rm", '"; rm"'),
    ],
)
def test_a_word_stays_one_word(text: str, written: str) -> None:
    assert quoted(text) == written
    service = unit_service(
        f"[Service]\nExecStart=/bin/x {written}\n", "systemd/chat-engine.service"
    )
    assert service.words == (text,)


@pytest.mark.parametrize("value", ["a", "a b", "100%", "$x", 'say "hi"'])
def test_a_variable_keeps_its_value(value: str) -> None:
    text = f"[Service]\nExecStart=/bin/x\nEnvironment={variable('NAME', value)}\n"
    assert unit_service(text, "systemd/chat-engine.service").env == {"NAME": value}


def test_lines_with_comments_between_are_one_command() -> None:
    arguments = [Word("--a", "first"), Word("1"), Word("--b", "second"), Word("last", "third")]
    text = unit_file(
        "x", [Section("Service", (Line("ExecStart", command(["/bin/x"], arguments)),))]
    )
    assert "    # second.\n    --b \\\n" in text
    assert unit_service(text, "systemd/chat-engine.service").words == ("--a", "1", "--b", "last")


def test_rules_read_units_like_other_files(made: Maker) -> None:
    built = made(GPU + LAN)
    files = {path: file.text for path, file in built.tree.items() if path.startswith("systemd/")}
    deployment = read_deployment(files)
    engine = deployment.engine
    assert engine is not None
    assert engine.native
    assert engine.program == ("/opt/infra-gen/chat/engine/bin/vllm", "serve")
    assert engine.words[0] == "openai/gpt-oss-20b"
    assert engine.env["HF_HUB_OFFLINE"] == "1"
    assert engine.stop_s == built.plan.startup.stop_s
    assert engine.restart == "always"
    assert engine.user == "infra-gen-chat"
    assert engine.health is not None
    assert engine.health.start_s == built.plan.startup.budget_s
    assert {one.name for one in deployment.services} == {"engine", "fetch", "proxy", "gpu"}


@pytest.mark.parametrize(
    ("written", "seconds"), [("90", 90), ("1min 30s", 90), ("2h", 7200), ("infinity", float("inf"))]
)
def test_times_of_systemd(written: str, seconds: float) -> None:
    text = f"[Service]\nExecStart=/bin/x\nTimeoutStopSec={written}\n"
    assert unit_service(text, "systemd/chat-engine.service").stop_s == seconds


@pytest.mark.parametrize("text", ["[Service]\nnonsense\n", "Key=before any section\n",
                                  '[Service]\nExecStart=/bin/x "open\n'])  # fmt: skip
def test_a_broken_unit_is_said_so(text: str) -> None:
    with pytest.raises(UnreadableError):
        unit_service(text, "systemd/chat-engine.service")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("--metrics", "--metric", "flag-unknown"),
        ("--host 127.0.0.1", "--host 0.0.0.0", "port-on-all-interfaces"),
        ("Restart=always", "", "restart-missing"),
        ("--parallel 3", "--parallel 9", "concurrency-over-plan"),
    ],
)
def test_rules_judge_a_unit_that_was_edited(
    made: Maker, tmp_path: Path, old: str, new: str, rule: str
) -> None:
    built = made(CPU + "load: {users: 3}\n")
    root = tmp_path / "chat"
    api.write_new(built, root)
    path = root / "systemd" / "chat-engine.service"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    found = api.validate(root).findings
    hits = [one for one in found if one.file == "systemd/chat-engine.service"]
    assert rule in {one.rule for one in hits}, [str(one) for one in found]
    # What is missing has no line.
    assert all(one.line for one in hits) == bool(new)


OLLAMA = (
    "hardware: rtx-3060-12gb\nmodel: qwen3-8b\nengine: {name: ollama, version: 0.32.15}\n"
    "load: {users: 2}\n"
)
OFFLINE = (
    "hardware: cpu-avx512\nmodel: qwen3-4b\nengine: {name: ollama, version: 0.32.15}\n"
    "load: {users: 2}\noffline: {model_path: /srv/models}\n"
)


@pytest.mark.parametrize("text", [CPU, GPU, OLLAMA])
def test_to_download_again_nothing_of_others_is_deleted(made: Maker, text: str) -> None:
    """storage.path may hold other models too."""
    script = made(text + "storage: {path: /srv/models}\n").tree["bin/fetch-model"].text
    again = next(line for line in script.splitlines() if "systemctl restart" in line)
    assert "*" not in again
    assert " rm " in again
    if text == GPU:
        mark = re.search(r"\.infra-gen-complete-\S+", script.partition("set -eu")[2])
        assert mark
        assert f"/srv/models/hub/{mark[0]}" in again.split()


def test_what_ollama_has_is_not_pulled_again(made: Maker) -> None:
    script = made(OLLAMA).tree["bin/fetch-model"].text
    asked, pulled = script.index('"$ollama" show "$source"'), script.index('"$ollama" pull')
    assert asked < pulled < script.index('"$ollama" create')
    assert 'OLLAMA_NOPRUNE=1 "$ollama" serve' in script


def test_start_waits_for_all_that_a_client_needs(made: Maker) -> None:
    start = made(OLLAMA).tree["bin/start"].text
    assert "state_of chat-proxy.service" in start
    assert "systemctl start chat-warmup.service" in start
    assert "chat-proxy" not in made(CPU).tree["bin/start"].text
    assert "chat-warmup" not in made(CPU).tree["bin/start"].text


def test_what_a_broken_off_install_changed_is_restarted_too(made: Maker) -> None:
    install = made(CPU + LAN).tree["bin/install"].text
    assert install.index("trap finish EXIT") < install.index("\nput_files\n")
    assert install.count("/opt/infra-gen/chat/.changed") == 1


def test_uninstall_takes_units_of_earlier_plans_too(made: Maker) -> None:
    removed = re.findall(r"^remove (\S+)$", made(CPU).tree["bin/uninstall"].text, re.M)
    roles = ("engine", "fetch", "gpu", "proxy", "warmup")
    assert sorted(removed) == [f"chat-{role}.service" for role in roles]


def test_preflight_looks_at_every_port_that_is_taken(made: Maker) -> None:
    built = made(CPU + LAN)
    inside = built.stack.service("engine").ports[0].container
    text = built.tree["bin/preflight"].text
    assert f"must_be_free {inside} engine serve.port" in text
    assert len(re.findall(r"^must_be_free ", text, re.M)) == 3


def test_preflight_knows_what_the_engine_compiles_with(made: Maker) -> None:
    text = made(GPU).tree["bin/preflight"].text
    assert "Python.h" in text
    assert 'fail "there is no C compiler' in text
    assert "Python.h" not in made(CPU).tree["bin/preflight"].text


def test_a_model_that_is_here_already_is_looked_for_and_not_downloaded(made: Maker) -> None:
    tree = made(OFFLINE).tree
    preflight = tree["bin/preflight"].text
    assert "must_exist /srv/models/Qwen3-4B-Q8_0.gguf" in preflight
    assert "may_use /srv/models/Qwen3-4B-Q8_0.gguf r" in preflight
    assert "store=/var/lib/infra-gen/chat/store" in preflight
    assert "install -d" not in tree["bin/install"].text
    for path in ("README.md", "systemd/chat-fetch.service", "bin/start"):
        assert not re.search(r"[Dd]ownloads the model|Download of", tree[path].text), path


def test_only_the_engine_and_the_proxy_clean_up_shared_memory(made: Maker) -> None:
    tree = made(OLLAMA).tree
    assert values(unit(tree, "engine"), "RemoveIPC") == ["yes"]
    for role in ("fetch", "warmup"):
        assert values(unit(tree, role), "RemoveIPC") == [], role


# What bin/install does, run for real.


@dataclass(frozen=True)
class Snippet:
    """The names that the shared parts of install scripts use."""

    offline: bool


def run_part(
    part: str, folder: Path, *words: str, offline: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a function of a shared part with these words, in a folder."""
    text = render(f"scripts/{part}.sh.j2", Snippet(offline))
    script = f"set -eu\nprograms=programs\nchanged=\n{text}\n{shlex.join(words)}\necho changed=$changed\n"
    return subprocess.run(
        ["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def archive(folder: Path, name: str, members: dict[str, str]) -> str:
    """An archive in downloads/; returns its hash."""
    place = folder / "downloads" / name
    place.parent.mkdir(exist_ok=True)
    if name.endswith(".zip"):
        with zipfile.ZipFile(place, "w") as packed:
            for path, text in members.items():
                packed.writestr(path, text)
    else:
        with tarfile.open(place, "w:gz") as packed_tar:
            for path, text in members.items():
                member = tarfile.TarInfo(path)
                member.size, member.mode = len(text), 0o755
                packed_tar.addfile(member, io.BytesIO(text.encode()))
    return hashlib.sha256(place.read_bytes()).hexdigest()


LAYOUTS = [
    ("a.tar.gz", "llama-b1/llama-server", "llama-server", "llama-b1/libllama.so", "libllama.so"),
    ("a.tgz", "bin/ollama", "bin/ollama", "lib/ollama/x.so", "lib/ollama/x.so"),
    ("a.tar.gz", "./caddy", "caddy", "./LICENSE", "LICENSE"),
]


@pytest.mark.parametrize(("name", "member", "program", "beside", "found"), LAYOUTS)
def test_archives_keep_what_lies_around_the_program(
    tmp_path: Path, name: str, member: str, program: str, beside: str, found: str
) -> None:
    sha256 = archive(tmp_path, name, {member: "program", beside: "library"})
    words = ("install_archive", "engine", "b1", program, name, "https://example.org/a", sha256)
    done = run_part("_install_program", tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "programs/engine" / program).read_text() == "program"
    assert (tmp_path / "programs/engine" / found).read_text() == "library"
    assert "changed=yes" in done.stdout
    again = run_part("_install_program", tmp_path, *words)
    assert "is there already: b1" in again.stdout
    assert "changed=yes" not in again.stdout


def test_another_version_replaces_the_folder(tmp_path: Path) -> None:
    archive(tmp_path, "1.tar.gz", {"x/p": "one", "x/old": "old"})
    archive(tmp_path, "2.tar.gz", {"x/p": "two"})
    for version in ("1", "2"):
        words = ("install_archive", "engine", version, "p", f"{version}.tar.gz", "u", "")
        assert run_part("_install_program", tmp_path, *words).returncode == 0
    assert (tmp_path / "programs/engine/p").read_text() == "two"
    assert sorted(path.name for path in (tmp_path / "programs/engine").iterdir()) == [
        "VERSION",
        "p",
    ]


@pytest.mark.parametrize("known", [True, False])
def test_another_archive_of_that_name_is_refused(tmp_path: Path, known: bool) -> None:
    sha256 = archive(tmp_path, "a.tar.gz", {"x/p": "right"})
    words = ("install_archive", "engine", "1", "p", "a.tar.gz", "u", sha256 if known else "")
    done = run_part("_install_program", tmp_path, *words)
    assert done.returncode == 0
    assert ("NOT PINNED" in done.stdout) == (not known)
    archive(tmp_path, "a.tar.gz", {"x/p": "wrong"})
    (tmp_path / "programs/engine/VERSION").write_text("0\n")
    done = run_part("_install_program", tmp_path, *words)
    assert done.returncode != 0
    assert "has sha256" in done.stderr
    assert (tmp_path / "programs/engine/p").read_text() == "right"


def test_one_version_comes_in_several_archives(tmp_path: Path) -> None:
    """The processor's build stays in place of the GPU's otherwise, when the hardware changes."""
    archive(tmp_path, "cpu.tar.gz", {"x/p": "cpu"})
    archive(tmp_path, "gpu.tar.gz", {"x/p": "gpu"})
    for name in ("cpu", "gpu"):
        words = ("install_archive", "engine", "b1", "p", f"{name}.tar.gz", "u", "")
        assert run_part("_install_program", tmp_path, *words).returncode == 0
        assert (tmp_path / "programs/engine/p").read_text() == name


def test_what_is_unpacked_belongs_to_who_installs_and_all_may_read_it(tmp_path: Path) -> None:
    place = tmp_path / "downloads" / "a.tar.gz"
    place.parent.mkdir()
    with tarfile.open(place, "w:gz") as packed:
        top = tarfile.TarInfo(".")
        top.type, top.mode, top.uid, top.gid = tarfile.DIRTYPE, 0o700, 1001, 1001
        packed.addfile(top)
        for path in ("p", "lib.so"):
            member = tarfile.TarInfo(f"./{path}")
            member.mode, member.uid, member.gid, member.size = 0o720, 1001, 1001, 1
            packed.addfile(member, io.BytesIO(b"x"))
    words = ("install_archive", "engine", "b1", "p", "a.tar.gz", "u", "")
    done = run_part("_install_program", tmp_path, *words)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "programs/engine"
    for found in (folder, folder / "p", folder / "lib.so"):
        status = found.stat()
        assert status.st_uid == tmp_path.stat().st_uid, found
        assert status.st_mode & 0o077 == 0o055, found


def test_a_python_in_a_home_is_passed_over(tmp_path: Path) -> None:
    for prefix, usable in (("/root/x", False), ("/home/ann/x", False), ("/opt/x", True)):
        python = tmp_path / "python"
        # Runs the question with another prefix.
        python.write_text(
            f"#!/bin/sh\nshift\nquestion=$1\nshift\n"
            f"exec python3 -c \"import sys; sys.base_prefix = '{prefix}'; sys.version_info = (3, 12)"
            f'$question" "$@"\n'
        )
        python.chmod(0o755)
        text = render("scripts/_find_python.sh.j2", Snippet(True))
        script = f"set -eu\nhides_homes=yes\n{text}\nPYTHON={python}\nfind_python && echo found\n"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert (done.stdout == "found\n") == usable, (prefix, done.stderr)


def test_without_a_network_a_missing_archive_is_named(tmp_path: Path) -> None:
    words = ("install_archive", "engine", "1", "p", "a.tar.gz", "https://example.org/a.tar.gz", "")
    done = run_part("_install_program", tmp_path, *words)
    assert done.returncode != 0
    assert "https://example.org/a.tar.gz" in done.stderr


def test_render_only_needs_neither_root_nor_systemd(made: Maker, tmp_path: Path) -> None:
    built = made(CPU + LAN)
    root = tmp_path / "a folder"
    for path, file in built.tree.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
        place.chmod(0o755 if file.executable else 0o644)
    out = tmp_path / "out"
    subprocess.run([root / "bin/install", "--render-only", out], check=True, capture_output=True)
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert found == [
        "etc/infra-gen/chat/proxy/Caddyfile",
        "etc/systemd/system/chat-engine.service",
        "etc/systemd/system/chat-fetch.service",
        "etc/systemd/system/chat-proxy.service",
        "opt/infra-gen/chat/bin/fetch-model",
    ]
