"""Podman's real Quadlet generator reads what is written, in its oldest supported release and in the
newest: no complaint, and the services do what the stack says. No container is started.

The scripts run under a real systemd, with that generator and a stand-in for podman itself that says
to be ready, or fails where it is told to.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.live.conftest import give_up, require, run_program
from tests.live.deployments import GOLDEN
from tests.live.machine import Machine
from tests.live.quadlet_units import Generator, PodmanRun, podman_run, values, write
from tests.unit.target_stacks import vllm_stack

from infra_gen import api
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Arg, EnvVar, Service, Stack
from infra_gen.targets.health import health_command
from infra_gen.targets.placement import container_placement, words
from infra_gen.targets.quadlet import target as quadlet
from infra_gen.targets.quadlet.names import secret_name

pytestmark = pytest.mark.live

CASES = sorted(path.parent.name for path in GOLDEN.glob("*quadlet*/infra-gen.yaml"))
MACHINES: dict[str, dict[str, Any]] = {
    "2x4090": {"engine": "vllm", "model": "qwen3-32b"},
    "mi300x": {"engine": "vllm", "model": "qwen3-14b"},
    "rtx-3090": {"engine": "llama.cpp", "model": "qwen3-14b"},
    "rx-7900-xtx": {"engine": "llama.cpp", "model": "qwen3-8b"},
    "arc-b580": {"engine": "llama.cpp", "model": "qwen3-8b"},
    "cpu-avx512": {"engine": "llama.cpp", "model": "qwen3-8b"},
    "rtx-4090": {"engine": "ollama", "model": "qwen3-8b"},
    "h100": {"engine": "tgi", "model": "qwen3-8b"},
}
SERVES: dict[str, dict[str, Any]] = {
    "loopback": {},
    "lan": {"exposure": "lan", "host": "llm.lan"},
    "public": {"exposure": "public", "host": "llm.example.com"},
    "files": {
        "exposure": "lan",
        "tls": {"certificate": "/etc/ssl/my cert.pem", "key": "/etc/ssl/my:key.pem"},
    },
}
STORES: dict[str, dict[str, Any]] = {
    "volume": {},
    "folder": {"storage": {"path": "/srv/models, 50% of $HOME"}},
    "offline": {"offline": {"mirror": "registry.lan:5000/copies", "model_path": "/srv/models"}},
}


@pytest.fixture(scope="module", params=["oldest", "newest"])
def generator(request: pytest.FixtureRequest) -> Generator:
    return Generator(require("quadlet").path(request.param))


def spec_of(machine: str, serve: str, store: str, image: str) -> Spec:
    asked = {
        "version": 1, "name": "chat", "hardware": machine, "target": "quadlet", "image": image,
        "serve": SERVES[serve], **MACHINES[machine], **STORES[store],
    }  # fmt: skip
    return Spec.model_validate(asked)


def combinations() -> Iterator[tuple[str, str, str]]:
    yield from itertools.product(SERVES, STORES, ("build", "official"))


@pytest.mark.parametrize("case", CASES)
def test_golden_deployments(case: str, generator: Generator, tmp_path: Path) -> None:
    built = api.build(read_spec(GOLDEN / case / "infra-gen.yaml"), tmp_path)
    root = write(built.tree, tmp_path)
    for user in (True, False):
        check(built.stack, generator.services(root / "quadlet", user=user), root)


@pytest.mark.parametrize("machine", MACHINES)
def test_machines(machine: str, generator: Generator, tmp_path: Path) -> None:
    for number, (serve, store, image) in enumerate(combinations()):
        built = api.build(spec_of(machine, serve, store, image), tmp_path)
        root = write(built.tree, tmp_path / str(number))
        services = generator.services(root / "quadlet")
        check(built.stack, services, root)
        if store == "offline":
            assert not any(s.download and s.download.pull for s in built.stack.services)
            check_offline(built.stack, services)


def check_offline(stack: Stack, services: dict[str, str]) -> None:
    """Nothing is pulled, and what registries have comes from the mirror."""
    for service in stack.services:
        run = podman_run(services[f"{stack.name}-{service.name}.service"])
        assert run.one("--pull") == "never"
        assert run.image.startswith(("registry.lan:5000/copies/", "localhost/infra-gen/"))
    for build in (text for name, text in services.items() if name.endswith("-build.service")):
        assert " --pull=never " in values(build, "ExecStart")[0]


def check(stack: Stack, services: dict[str, str], root: Path) -> None:
    """Every service of the stack is there, with everything that was asked for."""
    for service in stack.services:
        unit = services[f"{stack.name}-{service.name}.service"]
        run = podman_run(unit)
        placement = container_placement(service)
        command = (*json.loads(str(run.one("--entrypoint"))), *run.words)
        assert command == (*service.program, *(word.text for word in words(service, placement)))
        for variable in service.env:
            assert run.env[variable.name] == placement.text(variable.value)
        check_reach(service, run)
        check_secrets(stack, service, run)
        check_hardware(service, run)
        check_rights(run)
        check_times(service, unit, run)
        check_files(run, root)
        for name in service.needs:
            assert f"{stack.name}-{name}.service" in " ".join(values(unit, "After"))
            assert f"{stack.name}-{name}.service" in " ".join(values(unit, "Requires"))
            assert values(services[f"{stack.name}-{name}.service"], "RestartMode") == ["direct"]


def check_reach(service: Service, run: PodmanRun) -> None:
    wanted = {
        f"{port.host}:{port.container}"
        if port.exposed
        else f"127.0.0.1:{port.host}:{port.container}"
        for port in service.ports
        if port.host is not None
    }
    assert set(run.options.get("--publish", ())) == wanted
    assert run.one("--network-alias") == service.name


def check_secrets(stack: Stack, service: Service, run: PodmanRun) -> None:
    given = set(run.options.get("--secret", ()))
    for secret in service.secrets:
        line = f"{secret_name(stack, secret)},type=env,target={secret.env}"
        assert (line in given) == secret.required
    assert not any(secret.env in run.env for secret in service.secrets)


def check_hardware(service: Service, run: PodmanRun) -> None:
    devices, given = service.devices, run.options.get("--device", ())
    vendor = devices.vendor if devices else "cpu"
    count = devices.count if devices else 0
    assert (
        given
        == {
            "nvidia": tuple(f"nvidia.com/gpu={index}" for index in range(count)),
            "amd": ("/dev/kfd", "/dev/dri"),
            "intel": ("/dev/dri",),
            "cpu": (),
        }[vendor]
    )
    assert run.one("--group-add") == ("keep-groups" if vendor in ("amd", "intel") else None)
    shm = service.resources.shm_mib
    assert run.one("--shm-size") == (f"{shm}m" if shm else None)


def check_rights(run: PodmanRun) -> None:
    assert run.one("--cap-drop") == "all"
    assert run.options["--security-opt"] == ("no-new-privileges",)
    registry = run.image.split("/")[0]
    assert "." in registry or ":" in registry or registry == "localhost", run.image
    assert ":" in run.image.split("/")[-1]


def check_times(service: Service, unit: str, run: PodmanRun) -> None:
    (stop,) = values(unit, "TimeoutStopSec")
    assert int(str(run.one("--stop-timeout"))) == service.stop_seconds < int(stop)
    start = (values(unit, "TimeoutStartSec") or ["90"])[0]
    if service.probe:
        assert run.one("--sdnotify") == "healthy"
        assert run.one("--health-start-period") == f"{service.probe.start_s}s"
        command = shlex.join(health_command(service.probe))
        assert str(run.one("--health-cmd")).startswith(command)
        assert int(start) > service.probe.start_s
    assert values(unit, "Type") == (["notify"] if service.restart else ["oneshot"])
    assert values(unit, "Restart") == (["always"] if service.restart else ["on-failure"])


def check_files(run: PodmanRun, root: Path) -> None:
    """What is mounted from beside the units is there."""
    for volume in run.options.get("-v", ()):
        source = volume.split(":")[0]
        if source.startswith("/"):
            assert Path(source).is_relative_to(root)
            assert Path(source).exists(), volume


def test_awkward_values_arrive(generator: Generator, tmp_path: Path) -> None:
    nasty = (
        "50% of $HOME",
        "${PATH}",
        "a 'b' \"c\" \\d",
        "%n",
        "tab\there",
        "größe",
        "#x",
        "a;b",
    )
    stack = vllm_stack()
    services = tuple(
        replace(
            service,
            argv=(*service.argv, *(Arg("", text, "") for text in nasty)),
            env=tuple(EnvVar(f"N{place}", text, "why") for place, text in enumerate(nasty)),
        )
        if service.role == "engine"
        else service
        for service in stack.services
    )
    root = write(quadlet.emit(replace(stack, services=services)), tmp_path)
    run = podman_run(generator.services(root / "quadlet")["chat-engine.service"])
    assert run.words[-len(nasty) :] == nasty
    assert [run.env[f"N{place}"] for place in range(len(nasty))] == list(nasty)


def test_an_empty_word_arrives(generator: Generator, tmp_path: Path) -> None:
    stack = vllm_stack()
    services = tuple(
        replace(service, argv=(Arg("", "run", ""), Arg("", "", ""), Arg("", "50%", "")))
        if service.role == "engine"
        else service
        for service in stack.services
    )
    root = write(quadlet.emit(replace(stack, services=services)), tmp_path)
    run = podman_run(generator.services(root / "quadlet")["chat-engine.service"])
    assert json.loads(str(run.one("--entrypoint"))) == ["vllm", "serve", "run", "", "50%"]
    assert run.words == ()


@pytest.mark.parametrize("spoiled", ["ShmSize", "AddDevice", "Notify", "NetworkAlias", "Image"])
def test_a_spoiled_key_is_seen(spoiled: str, generator: Generator, tmp_path: Path) -> None:
    built = api.build(spec_of("2x4090", "loopback", "volume", "build"), tmp_path)
    root = write(built.tree, tmp_path)
    unit = root / "quadlet" / "chat-engine.container"
    unit.write_text(
        re.sub(rf"^{spoiled}=", f"{spoiled}s=", unit.read_text("utf-8"), flags=re.MULTILINE)
    )
    done = generator.run(root / "quadlet")
    assert f"{spoiled}s" in done.stderr
    assert "---chat-engine.service---" not in done.stdout


def test_what_bin_install_copies(generator: Generator, tmp_path: Path) -> None:
    built = api.build(spec_of("2x4090", "public", "volume", "build"), tmp_path)
    root = write(built.tree, tmp_path / "deploy")
    (root / "secrets").mkdir()
    (root / "secrets/hf-token").write_text("not a real one\n")
    mine = root / "quadlet/chat-engine.container.d"
    mine.mkdir()
    (mine / "10-mine.conf").write_text("[Container]\nSecurityLabelDisable=true\n")
    copied = tmp_path / "copied"
    done = run_program(["sh", root / "bin/install", "--render-only", copied])
    assert done.returncode == 0, done.stderr
    services = generator.services(copied)
    check_files(podman_run(services["chat-proxy.service"]), copied)
    secret = "chat-hf-token,type=env,target=HF_TOKEN"
    assert secret in podman_run(services["chat-fetch.service"]).options["--secret"]
    assert "label=disable" in podman_run(services["chat-engine.service"]).options["--security-opt"]


@pytest.mark.parametrize("case", CASES)
def test_systemd_reads_the_services(case: str, generator: Generator, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        give_up("systemd-analyze", "it is not on PATH")
    built = api.build(read_spec(GOLDEN / case / "infra-gen.yaml"), tmp_path)
    root = write(built.tree, tmp_path)
    folder = tmp_path / "services"
    folder.mkdir()
    for name, text in generator.services(root / "quadlet").items():
        (folder / name).write_text(text)
    waiting = generator.root / "usr/lib/systemd/user/podman-user-wait-network-online.service"
    shutil.copyfile(waiting, folder / waiting.name)

    def verify() -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "XDG_RUNTIME_DIR": str(tmp_path)}
        units = [path.name for path in folder.iterdir()]
        command = [str(analyze), "verify", "--user", "--man=no", *units]
        return run_program(command, env=env, cwd=folder)

    def ours(text: str) -> list[str]:
        known = "RestartMode"  # since systemd 254; the units say what older ones do
        found = [line for line in text.splitlines() if known not in line]
        return [line for line in found if any(path.name in line for path in folder.iterdir())]

    assert ours(verify().stderr) == []
    engine = folder / f"{built.stack.name}-engine.service"
    engine.write_text(engine.read_text().replace("TimeoutStartSec=", "TimeoutStartSec=soon "))
    assert ours(verify().stderr)


PODMAN = """\
#!/bin/sh
for word in $(cat /run/fails 2> /dev/null); do
    case " $* " in *" $word "*) echo "no $word today" >&2; exit 1 ;; esac
done
if [ "$1" = run ] && [ -n "${NOTIFY_SOCKET:-}" ]; then
    systemd-notify --ready
    exec sleep infinity
fi
"""
DEPLOYMENT = "/srv/chat"
GENERATOR = "/usr/lib/systemd/system-generators/podman-system-generator"
INSTALLED = "/etc/containers/systemd/infra-gen-chat"


@dataclass(frozen=True)
class Operated:
    """A machine with a deployment, as its operator sees it."""

    machine: Machine
    root: Path

    def write(self, *, monitoring: bool) -> None:
        """What `infra-gen update` does, also to files that are no longer part of it."""
        spec = spec_of("2x4090", "public", "volume", "build")
        built = api.build(spec.model_copy(update={"monitoring": monitoring}), self.root)
        for old in self.root.glob("quadlet/*"):
            old.unlink()
        write(built.tree, self.root)

    def fails(self, *words: str) -> None:
        """From now on podman fails where one of them is among its arguments."""
        self.machine.run("sh", "-c", 'echo "$*" > /run/fails', "sh", *words)

    def sh(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.machine.run("sh", "-c", command, check=check, cwd=DEPLOYMENT)

    def running(self) -> set[str]:
        """Services of it that are not off."""
        listed = self.machine.run(
            "systemctl", "list-units", "--all", "--plain", "--no-legend", "chat-*.service"
        ).stdout
        rows = [line.split() for line in listed.splitlines()]
        return {row[0] for row in rows if row[2] != "inactive"}


@pytest.fixture(scope="module")
def operated(private_network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    folder = tmp_path_factory.mktemp("operated")
    podman = folder / "podman"
    podman.write_text(PODMAN)
    podman.chmod(0o755)
    (folder / "chat").mkdir()
    binds = {
        DEPLOYMENT: folder / "chat",
        "/usr/bin/podman": podman,
        GENERATOR: require("quadlet").path("newest") / "usr/libexec/podman/quadlet",
    }
    with Machine(require("systemd").path("root"), binds=binds) as machine:
        yield Operated(machine, folder / "chat")


@pytest.fixture
def installed(operated: Operated) -> Iterator[Operated]:
    operated.write(monitoring=True)
    operated.sh("bin/install")
    yield operated
    operated.fails()
    operated.sh("bin/uninstall")
    assert operated.running() == set()


BASE = {
    "chat-engine.service", "chat-fetch.service", "chat-proxy.service", "chat-network.service",
    "chat-models-volume.service", "chat-cache-volume.service", "chat-proxy-volume.service",
}  # fmt: skip
MEASURING = {
    "chat-prometheus.service", "chat-grafana.service", "chat-gpu-exporter.service",
    "chat-metrics-volume.service", "chat-grafana-volume.service",
}  # fmt: skip


def test_services_come_and_go(installed: Operated) -> None:
    change = "bin/stop && bin/install && bin/start"
    assert "up (now" in installed.sh("bin/start").stdout
    assert installed.running() >= BASE
    installed.machine.wait_until("chat-grafana.service", "active")
    assert installed.running() == BASE | MEASURING
    installed.write(monitoring=False)
    installed.sh(change)
    assert installed.running() == BASE
    installed.write(monitoring=True)
    installed.sh(change)
    installed.machine.wait_until("chat-grafana.service", "active")
    assert installed.running() == BASE | MEASURING
    installed.sh("bin/stop")
    assert installed.running() == set()


def test_install_alone_ends_what_is_no_longer_there(installed: Operated) -> None:
    installed.sh("bin/start")
    installed.write(monitoring=False)
    installed.sh("bin/install")
    assert installed.running() == BASE


def test_uninstall_after_an_update(installed: Operated) -> None:
    installed.write(monitoring=False)
    installed.sh("bin/install && bin/start")
    installed.write(monitoring=True)
    installed.sh("bin/uninstall")
    assert installed.running() == set()
    assert installed.sh(f"test -e {INSTALLED}", check=False).returncode == 1


@pytest.mark.parametrize(
    ("fails", "said", "failed"),
    [
        ("build", "chat-fetch was not started", "chat-engine-build"),
        ("network", "chat-fetch was not started", "chat-network"),
        ("chat-cache", "chat-engine was not started", "chat-cache-volume"),
        ("chat-proxy", "chat-proxy was not started", "chat-proxy-volume"),
        ("chat-fetch", "chat-fetch failed; systemd tries again", ""),
    ],
)
def test_a_start_that_fails_ends(fails: str, said: str, failed: str, installed: Operated) -> None:
    installed.fails(fails)
    done = installed.sh("bin/start", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stderr
    assert f"no {fails} today" in done.stderr
    if failed:
        assert f"failed: {failed}.service\n" in done.stderr
    installed.fails()
    if failed:
        assert "up (now" in installed.sh("bin/start").stdout
