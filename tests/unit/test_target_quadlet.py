"""Quadlet units as values, what rules read from them, and the scripts with stand-ins for programs."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.unit.target_stacks import llama_stack, vllm_stack

from infra_gen import api
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Devices, Port, Service, Stack
from infra_gen.rules.deployment import Deployment, read_deployment
from infra_gen.targets.quadlet import target as quadlet
from infra_gen.targets.quadlet.container import plain

VLLM = replace(vllm_stack(), plan=replace(vllm_stack().plan, target="quadlet"))
LLAMA = replace(llama_stack("compose"), plan=replace(llama_stack("compose").plan, target="quadlet"))
UP = "Job=|ActiveState=active|SubState=running"
SERVES: dict[str, dict[str, Any]] = {
    "internal": {"exposure": "lan", "host": "llm.lan"},
    "acme": {"exposure": "public", "host": "llm.example.com"},
    "files": {"exposure": "lan", "tls": {"certificate": "/etc/a.pem", "key": "/etc/a.key"}},
}


@cache
def proxied(tls: str) -> Stack:
    """Behind a proxy whose certificate comes from there."""
    asked = {
        "version": 1, "name": "chat", "hardware": "2x4090", "engine": "vllm",
        "model": "qwen3-32b", "target": "quadlet", "serve": SERVES[tls],
    }  # fmt: skip
    return api.build(Spec.model_validate(asked), Path()).stack


def files(stack: Stack) -> dict[str, str]:
    return {path: file.text for path, file in quadlet.emit(stack).items()}


def unit(stack: Stack, name: str = "engine") -> str:
    return files(stack)[f"quadlet/{stack.name}-{name}.container"]


def lines(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def read(stack: Stack) -> Deployment:
    deployment = read_deployment(files(stack))
    assert not deployment.unreadable
    return deployment


def with_engine(stack: Stack, **changes: object) -> Stack:
    services = tuple(
        replace(service, **changes) if service.role == "engine" else service  # type: ignore[arg-type]
        for service in stack.services
    )
    return replace(stack, services=services)


class TestUnits:
    def test_every_service_volume_and_network_has_a_unit(self) -> None:
        names = {path for path in files(VLLM) if path.startswith("quadlet/")}
        assert names == {
            "quadlet/chat.network", "quadlet/chat-engine.build", "quadlet/chat-engine.container",
            "quadlet/chat-fetch.container", "quadlet/chat-prometheus.container",
            "quadlet/chat-models.volume", "quadlet/chat-cache.volume",
            "quadlet/chat-metrics.volume",
        }  # fmt: skip

    def test_nothing_of_another_container_tool_is_left(self) -> None:
        for stack in (VLLM, LLAMA, replace(VLLM, build_image=False, offline=True)):
            for path, text in files(stack).items():
                rest = re.sub(r"docker\.io|dockerfile", "", text.lower())
                assert "docker" not in rest, path
                assert "--gpus" not in rest, path

    def test_cards_are_given_by_their_cdi_names(self) -> None:
        assert lines(unit(VLLM), "AddDevice") == ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]

    @pytest.mark.parametrize(
        ("vendor", "nodes"), [("amd", ["/dev/kfd", "/dev/dri"]), ("intel", ["/dev/dri"])]
    )
    def test_device_files_come_with_groups(self, vendor: str, nodes: list[str]) -> None:
        text = unit(with_engine(VLLM, devices=Devices(vendor, 1, "rocm")))
        assert lines(text, "AddDevice") == nodes
        assert lines(text, "GroupAdd") == ["keep-groups"]

    def test_a_plain_cpu_gets_no_device(self) -> None:
        text = unit(LLAMA)
        assert not lines(text, "AddDevice") + lines(text, "Ulimit") + lines(text, "LimitMEMLOCK")

    def test_ports_are_on_loopback_unless_exposed(self) -> None:
        assert lines(unit(VLLM), "PublishPort") == ["127.0.0.1:8000:8000"]
        open_port = with_engine(VLLM, ports=(Port("api", 8000, 443, exposed=True),))
        assert lines(unit(open_port), "PublishPort") == ["443:8000"]

    def test_secrets_are_references(self) -> None:
        assert lines(unit(VLLM), "Secret") == ["chat-api-key,type=env,target=VLLM_API_KEY"]
        assert lines(unit(VLLM, "fetch"), "Secret") == []  # optional: bin/install adds it
        assert lines(unit(LLAMA, "prometheus"), "Secret") == [
            "home-api-key,type=mount,target=/tmp/metrics-token"
        ]

    def test_systemd_waits_longer_than_podman(self) -> None:
        for stack in (VLLM, LLAMA):
            for service in stack.services:
                text = unit(stack, service.name)
                (inner,), (outer,) = lines(text, "StopTimeout"), lines(text, "TimeoutStopSec")
                assert service.stop_seconds == int(inner) < int(outer)

    def test_a_start_may_take_its_budget(self) -> None:
        text = unit(VLLM)
        assert lines(text, "HealthStartPeriod") == ["1800s"]
        assert int(lines(text, "TimeoutStartSec")[0]) > 1800
        assert lines(text, "Notify") == ["healthy"]
        assert lines(unit(VLLM, "fetch"), "TimeoutStartSec") == ["infinity"]

    def test_who_waits_goes_on_waiting(self) -> None:
        assert lines(unit(VLLM), "Requires") == ["chat-fetch.service"]
        assert lines(unit(VLLM, "fetch"), "RestartMode") == ["direct"]
        assert lines(unit(VLLM, "prometheus"), "RestartMode") == []

    def test_offline_pulls_nothing(self) -> None:
        for build in (True, False):
            found = files(replace(VLLM, offline=True, build_image=build))
            for path, text in found.items():
                if path.endswith((".container", ".build")):
                    assert lines(text, "Pull") == ["never"], path
            assert "podman pull" not in found["bin/install"]

    def test_images_name_their_registry(self) -> None:
        text = unit(replace(VLLM, build_image=False))
        assert lines(text, "Image") == ["docker.io/vllm/vllm-openai:v0.33.0"]

    def test_a_folder_of_the_user_keeps_its_owner(self) -> None:
        text = unit(replace(VLLM, storage_path="/srv/models"), "fetch")
        assert lines(text, "Mount") == ["type=bind,source=/srv/models,destination=/models"]
        assert not [line for line in lines(text, "Volume") if ":U" in line or "/srv" in line]
        assert "quadlet/chat-models.volume" not in files(replace(VLLM, storage_path="/srv/models"))

    @pytest.mark.parametrize("text", ["two\nlines", '"quoted', "end ", 'end"'])
    def test_what_a_key_cannot_hold_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="cannot be the value"):
            plain(text)


class TestReading:
    """Rules see in a unit what the stack put there."""

    def test_an_engine(self) -> None:
        deployment = read(VLLM)
        engine = deployment.engine
        assert engine is not None
        assert engine.form == "quadlet"
        assert engine.words[0] == "Qwen/Qwen3-32B-AWQ"
        assert engine.words[-1] == '--default-chat-template-kwargs={"price": "5$"}'
        assert engine.program == ("vllm", "serve")
        assert engine.env["HF_HUB_OFFLINE"] == "1"
        assert engine.env["VLLM_API_KEY"] == "${chat-api-key}"
        assert engine.build == "image/Dockerfile"
        assert deployment.is_built_here(engine)
        assert engine.gpus == 2
        assert engine.shm_mib == 4096
        assert (engine.stop_s, engine.supervisor_stop_s) == (45, 60)
        assert engine.start_timeout_s == 1820
        assert engine.restart == "always"
        assert engine.at_boot
        assert engine.waits_for == {"fetch": "service_completed_successfully"}
        assert engine.health is not None
        assert engine.health.start_s == 1800
        assert engine.read_only
        assert engine.cap_drop == ("ALL",)
        assert [(port.address, port.host, port.container) for port in engine.ports] == [
            ("127.0.0.1", 8000, 8000)
        ]
        models = engine.mount_of("/models/hub")
        assert models is not None
        assert (models.source, models.kind, models.read_only) == ("chat-models", "volume", True)

    def test_an_engine_in_the_official_image(self) -> None:
        deployment = read(replace(LLAMA, build_image=False))
        engine = deployment.engine
        assert engine is not None
        assert (engine.image, engine.build) == (
            "ghcr.io/ggml-org/llama.cpp:server-b10900", None,
        )  # fmt: skip
        assert engine.user == "10001:10001"
        tmp = engine.mount_of("/tmp/x")
        assert tmp is not None
        assert tmp.kind == "tmpfs"

    def test_files_of_the_user_are_merged_in(self) -> None:
        mine = "[Container]\nSecurityLabelDisable=true\nPublishPort=\nPublishPort=9000:8000\n"
        path = "quadlet/chat-engine.container.d/10-mine.conf"
        engine = read_deployment({**files(VLLM), path: mine}).engine
        assert engine is not None
        assert "label=disable" in engine.security_opt
        assert engine.ports[-1].address is None

    def test_what_makes_no_sense_is_said(self) -> None:
        text = files(VLLM)["quadlet/chat-engine.container"]
        broken = {"quadlet/chat-engine.container": text.replace("[Unit]", "Unit]", 1)}
        found = read_deployment(broken).unreadable
        assert [(one.file, one.line) for one in found] == [("quadlet/chat-engine.container", 5)]
        quoted = {"quadlet/chat-engine.container": '[Container]\nExec="open\n'}
        assert "Exec" in read_deployment(quoted).unreadable[0].problem


PODMAN = """#!/bin/sh
echo "podman $*" >> "$LOG"
case "$1 $2" in
    "secret create") printf '%s is [%s]\\n' "$4" "$(cat)" >> "$LOG" ;;
    "image exists") [ -n "${HAVE_IMAGES:-}" ] ;;
    "secret exists") [ -n "${HAVE_SECRETS:-}" ] ;;
    "version --format") echo "${PODMAN_VERSION:-5.4.2}" ;;
    "info --format") case $3 in *Cgroups*) echo v2 ;; *) echo crun ;; esac ;;
esac
"""
SYSTEMCTL = r"""#!/bin/sh
# UNKNOWN: services that systemd does not know. SHOWN: a file with what `show` says, a line a time,
# | between properties; the last line stays.
echo "systemctl $*" >> "$LOG"
for word; do unit=$word; done
case " $* " in
    *" is-active "*) exit 3 ;;
    *" is-failed "*) [ "$unit" = "${FAILED:-}" ] ;;
    *" cat "* | *" stop "*)
        for unknown in ${UNKNOWN:-}; do
            case " $* " in *" $unknown "*) exit 5 ;; esac
        done ;;
    *" show "*LoadState*)
        case " ${UNKNOWN:-} " in
            *" $unit "*) printf 'LoadState=not-found\nActiveState=inactive\n' ;;
            *) printf 'LoadState=%s\nActiveState=active\n' "${LOAD:-loaded}" ;;
        esac ;;
    *" show "*)
        if [ -z "${SHOWN:-}" ]; then
            printf 'Job=\nActiveState=active\nSubState=running\n'
        else
            head -n 1 "$SHOWN" | tr '|' '\n'
            if [ "$(wc -l < "$SHOWN")" -gt 1 ]; then sed -i 1d "$SHOWN"; fi
        fi ;;
esac
"""


class Host:
    """A deployment on disk, and programs of its own in front of the machine's."""

    def __init__(self, stack: Stack, root: Path) -> None:
        self.root, self.home = root / "deploy", root / "home"
        for path, file in quadlet.emit(stack).items():
            place = self.root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(file.text)
            place.chmod(0o755 if file.executable else 0o644)
        self.log = root / "log"
        self.log.touch()
        programs = {
            "podman": PODMAN, "systemctl": SYSTEMCTL,
            "id": '#!/bin/sh\ncase $1 in -u) echo 1000 ;; *) echo somebody ;; esac\n',
            "journalctl": '#!/bin/sh\necho "journalctl $*"\n',
            "loginctl": "#!/bin/sh\necho yes\n",
            "sleep": "#!/bin/sh\n",
        }  # fmt: skip
        self.shown = root / "shown"
        (root / "programs").mkdir()
        for name, text in programs.items():
            (root / "programs" / name).write_text(text)
            (root / "programs" / name).chmod(0o755)
        self.path = f"{root / 'programs'}:{os.environ['PATH']}"

    def run(
        self, script: str, *words: str, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        own = {"PATH": self.path, "HOME": str(self.home), "LOG": str(self.log), **env}
        return subprocess.run(
            ["sh", str(self.root / "bin" / script), *words],
            env=own, text=True, capture_output=True, timeout=60, check=False, cwd=cwd,
        )  # fmt: skip

    def start(self, *shown: str, failed: str = "") -> subprocess.CompletedProcess[str]:
        """bin/start where `systemctl show` says this, one after the other."""
        self.shown.write_text("".join(f"{line}\n" for line in shown))
        return self.run("start", SHOWN=str(self.shown), FAILED=failed)

    def said(self, word: str) -> list[list[str]]:
        """The words of every `systemctl --user WORD`."""
        asked = [line.split() for line in self.log.read_text().splitlines()]
        return [line[3:] for line in asked if line[:3] == ["systemctl", "--user", word]]

    @property
    def units(self) -> Path:
        return self.home / ".config/containers/systemd/infra-gen-chat"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(VLLM, tmp_path)


class TestScripts:
    def test_install(self, host: Host) -> None:
        done = host.run("install")
        assert done.returncode == 0, done.stderr
        said = host.log.read_text()
        assert "podman pull vllm" not in said
        assert "podman pull docker.io/vllm/vllm-openai:v0.33.0" in said
        key = (host.root / "secrets/api-key").read_text()
        assert re.fullmatch(r"[0-9a-f]{64}\n", key)
        assert f"chat-api-key is [{key.strip()}]" in said
        assert (host.root / "secrets/api-key").stat().st_mode & 0o777 == 0o600
        assert "systemctl --user daemon-reload" in said
        assert (host.units / "quadlet/chat-engine.container").is_file()
        assert (host.units / "quadlet/../image/Dockerfile").is_file()
        assert (host.units / "quadlet/../bin/fetch-model").is_file()
        assert (host.units / "monitoring/prometheus.yml").stat().st_mode & 0o044 == 0o044
        assert not (host.units / "secrets").exists()

    def test_install_again_keeps_the_key(self, host: Host) -> None:
        host.run("install")
        key = (host.root / "secrets/api-key").read_text()
        (host.units / "quadlet/gone.container").write_text("old")
        assert host.run("install").returncode == 0
        assert (host.root / "secrets/api-key").read_text() == key
        assert not (host.units / "quadlet/gone.container").exists()

    def test_the_token_comes_and_goes(self, host: Host) -> None:
        drop_in = host.units / "quadlet/chat-fetch.container.d/50-chat-hf-token.conf"
        host.run("install")
        assert not drop_in.exists()
        (host.root / "secrets/hf-token").write_text("hf_x\n")
        host.run("install")
        assert "chat-hf-token is [hf_x]" in host.log.read_text()
        assert drop_in.read_text() == (
            "[Container]\nSecret=chat-hf-token,type=env,target=HF_TOKEN\n"
        )
        (host.root / "secrets/hf-token").unlink()
        host.run("install", HAVE_SECRETS="yes")
        assert "podman secret rm chat-hf-token" in host.log.read_text()
        assert not drop_in.exists()

    def test_a_new_key(self, host: Host) -> None:
        host.run("rotate-key")
        old = (host.root / "secrets/api-key").read_text()
        done = host.run("rotate-key")
        new = (host.root / "secrets/api-key").read_text()
        assert old != new
        assert f"chat-api-key is [{new.strip()}]" in host.log.read_text()
        assert new.strip() not in done.stdout + done.stderr

    def test_preflight(self, host: Host) -> None:
        assert "nothing is installed yet" in host.run("preflight").stdout
        host.run("install")
        said = host.run("preflight", HAVE_SECRETS="yes").stdout
        assert "ok    podman 5.4.2\n" in said
        assert "ok    what is installed is what is here\n" in said
        assert "ok    podman keeps the secret chat-api-key\n" in said
        assert "ok    your services outlive your login\n" in said
        (host.root / "monitoring/alerts.yml").write_text("changed")
        said = host.run("preflight", PODMAN_VERSION="5.3.9").stdout
        assert "FAIL  podman is 5.3.9, 5.4 is needed" in said
        assert "FAIL  what is installed differs from what is here" in said

    def test_start_waits(self, host: Host) -> None:
        queued = "Job=7|ActiveState=inactive|SubState=dead"
        again = "Job=7|ActiveState=failed|SubState=failed"  # an old failure, and a new start waits
        starting = "Job=7|ActiveState=activating|SubState=start"
        done = host.start(queued, again, starting, UP)
        assert done.returncode == 0, done.stderr
        assert "waiting for the model's files (bin/logs fetch shows it) ...\n" in done.stdout
        assert "up (now bin/smoke-test --wait)" in done.stdout
        assert host.said("start")[0][:2] == ["--no-block", "chat-fetch.service"]

    def test_start_waits_for_the_proxy(self, tmp_path: Path) -> None:
        host = Host(proxied("internal"), tmp_path)
        starting = "Job=7|ActiveState=activating|SubState=start"
        done = host.start(UP, UP, starting, UP)
        assert done.returncode == 0, done.stderr
        assert "waiting for the proxy (bin/logs proxy shows it) .\n" in done.stdout

    @pytest.mark.parametrize(
        ("shown", "words"),
        [
            ("Job=|ActiveState=failed|SubState=failed", "chat-fetch failed."),
            ("ActiveState=activating|SubState=auto-restart", "chat-fetch failed; systemd tries"),
            ("Job=9|ActiveState=activating|SubState=auto-restart-queued", "chat-fetch failed; "),
            ("Job=|ActiveState=inactive|SubState=dead", "chat-fetch was not started"),
            ("Job=0|ActiveState=inactive|SubState=dead", "chat-fetch was not started"),
            ("ActiveState=inactive|SubState=dead", "chat-fetch was not started"),
            ("", "systemd does not answer"),
        ],
    )
    def test_start_says_what_failed(self, shown: str, words: str, host: Host) -> None:
        host.run("install")
        done = host.start(shown, failed="chat-engine-build.service")
        assert done.returncode == 1
        assert words in done.stderr
        assert "failed: chat-engine-build.service\n" in done.stderr
        assert "--unit=chat-engine.service --unit=chat-fetch.service" in done.stderr
        assert "--unit=chat-engine-build.service --unit=chat-network.service" in done.stderr

    def test_start_needs_an_install(self, host: Host) -> None:
        done = host.run("start", UNKNOWN="chat-prometheus.service")
        assert done.returncode == 1
        assert "chat-prometheus.service is not known to systemd: run bin/install" in done.stderr
        assert host.said("start") == []

    def test_stop_and_uninstall(self, host: Host) -> None:
        host.run("install")
        done = host.run("uninstall")
        assert done.returncode == 0, done.stderr
        assert not host.units.exists()
        assert set(host.said("stop")[0]) == {
            "chat-engine.service", "chat-fetch.service", "chat-prometheus.service",
            "chat-engine-build.service", "chat-network.service", "chat-models-volume.service",
            "chat-cache-volume.service", "chat-metrics-volume.service",
        }  # fmt: skip
        assert "podman volume rm chat-models   (The weights)\n" in done.stdout
        assert "volume rm" not in host.log.read_text()

    @pytest.mark.parametrize(
        ("tls", "holds"),
        [("internal", "the authority"), ("acme", "the account"), ("files", "cert")],
    )
    def test_the_volume_of_the_proxy_is_named_apart(
        self, tls: str, holds: str, tmp_path: Path
    ) -> None:
        done = Host(proxied(tls), tmp_path).run("uninstall")
        (line,) = [one for one in done.stdout.splitlines() if "chat-proxy" in one]
        assert line.startswith(f"  podman volume rm chat-proxy   ({holds}")

    def test_stop_without_an_install(self, host: Host) -> None:
        done = host.run("stop")
        assert done.returncode == 0
        assert "nothing is installed" in done.stderr
        assert host.said("stop") == []

    def test_stop_knows_what_is_installed(self, host: Host) -> None:
        """Not what `infra-gen update` has written here since."""
        host.run("install")
        (host.units / "quadlet/chat-gone.container").write_text("[Container]\n")
        (host.root / "quadlet/chat-new.container").write_text("[Container]\n")
        done = host.run("stop", UNKNOWN="chat-network.service")
        assert done.returncode == 0, done.stderr
        (stopped,) = host.said("stop")
        assert "chat-gone.service" in stopped
        assert not {"chat-new.service", "chat-network.service"} & set(stopped)

    def test_stop_what_runs_without_its_unit(self, host: Host) -> None:
        host.run("install")
        assert host.run("stop", LOAD="not-found").returncode == 0
        assert "chat-engine.service" in host.said("stop")[0]

    def test_install_stops_what_is_no_longer_part_of_it(self, host: Host) -> None:
        host.run("install")
        assert host.said("stop") == []
        (host.units / "quadlet/chat-gone.container").write_text("[Container]\n")
        (host.units / "quadlet/chat-gone.volume").write_text("[Volume]\n")
        assert host.run("install").returncode == 0
        assert host.said("stop") == [["chat-gone.service", "chat-gone-volume.service"]]

    def test_render_opens_nothing_but_copies(self, host: Host, tmp_path: Path) -> None:
        """A folder of the caller's: what is in it is not ours to open."""
        mine = tmp_path / "mine"
        mine.mkdir(mode=0o700)
        (mine / "key").write_text("secret")
        (mine / "key").chmod(0o600)
        done = host.run("install", "--render-only", str(mine))
        assert done.returncode == 1
        assert "is not empty" in done.stderr
        assert (mine / "key").stat().st_mode & 0o777 == 0o600
        assert [path.name for path in mine.iterdir()] == ["key"]
        (mine / "key").unlink()
        own = host.root / "quadlet/chat-engine.container.d/10-mine.conf"
        own.parent.mkdir()
        own.write_text("[Container]\nEnvironment=TOKEN=x\n")
        own.chmod(0o600)
        assert host.run("install", "--render-only", str(mine)).returncode == 0
        assert mine.stat().st_mode & 0o777 == 0o700
        copied = mine / own.relative_to(host.root)
        assert copied.stat().st_mode & 0o777 == 0o600
        assert (mine / "bin/fetch-model").stat().st_mode & 0o777 == 0o755

    def test_render_is_relative_to_the_caller(self, host: Host, tmp_path: Path) -> None:
        done = host.run("install", "--render-only", "look here", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "look here/quadlet/chat-engine.container").is_file()
        assert not (host.root / "look here").exists()

    def test_readme(self) -> None:
        text = files(proxied("internal"))["README.md"]
        assert "waits until engine and proxy are healthy" in text
        assert "bin/smoke-test --wait" in text
        assert "`systemctl --user cat chat-engine` (as root without `--user`)" in text
        assert "podman volume export chat-proxy --output ../chat-proxy.tar" in text
        assert "| `chat-engine-build` fails" in text
        assert "chat-proxy.tar" not in files(proxied("files"))["README.md"]
        official = files(replace(VLLM, build_image=False))["README.md"]
        assert "-build` fails" not in official
        offline = files(replace(VLLM, offline=True))["README.md"]
        assert "podman load" in offline
        assert "bin/install            # key, units" in offline
        assert "podman load" not in official

    def test_how_to_get_new_groups(self) -> None:
        text = files(with_engine(VLLM, devices=Devices("amd", 1, "rocm")))["bin/preflight"]
        (line,) = [line for line in text.splitlines() if "terminate-user" in line]
        assert "log out everywhere and in again" in line
        assert "ends all that you run, this login too" in line

    @pytest.mark.parametrize("groups", ["44\n109\n", ""])
    def test_root_gets_the_groups_of_the_devices(self, groups: str, tmp_path: Path) -> None:
        host = Host(with_engine(VLLM, devices=Devices("amd", 1, "rocm")), tmp_path)
        for name, text in {"id": "echo 0", "stat": f"printf '{groups}'"}.items():
            (tmp_path / "programs" / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / "programs" / name).chmod(0o755)
        done = host.run("install", "--render-only", str(tmp_path / "rendered"))
        assert done.returncode == 0, done.stderr
        text = (tmp_path / "rendered/quadlet/chat-engine.container").read_text()
        assert lines(text, "GroupAdd") == (groups.split() or ["keep-groups"])
        assert ("devices are missing" in done.stderr) == (not groups)

    def test_logs(self, host: Host) -> None:
        said = "journalctl --user --unit=chat-engine.service --lines=200 --follow\n"
        assert host.run("logs").stdout == said
        said = "journalctl --user --unit=chat-fetch.service --since=today\n"
        assert host.run("logs", "fetch", "--since=today").stdout == said


def test_services_named_alike_in_units_and_stack() -> None:
    for stack in (VLLM, LLAMA):
        services: tuple[Service, ...] = stack.services
        assert {one.name for one in services} == {one.name for one in read(stack).services}
