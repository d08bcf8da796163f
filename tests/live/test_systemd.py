"""The systemd target on a real systemd: what bin/install puts there, run as its units say.

Stand-ins, and nothing else: Debian sid's llama-server and Caddy in archives of the names that
upstream publishes; a model of half a megabyte with random weights, from a server on loopback that
breaks off once, in place of the planned one. There is no GPU, so the units of GPU machines are only
read by systemd's own tools, with empty programs where theirs belong.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.live.conftest import require, run_program
from tests.live.deployments import GOLDEN, Deployment, write_case
from tests.live.engines import WORDS, read_chat
from tests.live.machine import Machine

from infra_gen import api
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.render.text import render
from infra_gen.stack.proxy import VERSION as CADDY_VERSION

pytestmark = pytest.mark.live

ENGINE, PROXY, FETCH = "chat-engine.service", "chat-proxy.service", "chat-fetch.service"
MOST_EXPOSED = 2.0  # of 10, by systemd-analyze security; a unit without any hardening has 9.6
DEPLOYMENT = "/srv/chat"
STATE = "/var/lib/infra-gen/chat"
SPEC = """\
version: 1
name: chat
hardware: cpu
engine: {name: llama.cpp, version: "11669"}
target: systemd
load: {users: 3}
serve: {exposure: lan, host: box.test}
"""
CASES = sorted(
    path.parent.name
    for path in GOLDEN.glob("*/infra-gen.yaml")
    if "target: systemd" in path.read_text("utf-8")
)


@pytest.fixture(scope="module")
def root(private_network: None) -> Path:
    return require("systemd").path("root")


@dataclass(frozen=True)
class Judged:
    """What systemd says of units: complaints of verify, exposure by unit."""

    status: int
    complaints: str
    exposure: dict[str, float]


def judge(machine: Machine, folder: str) -> Judged:
    """Read all units of a deployment as installed below a folder of their own."""
    place = "/tmp/judged"
    machine.run("rm", "-rf", place)
    machine.run("bin/install", "--render-only", place, cwd=folder)
    units = f"{place}/etc/systemd/system"
    text = machine.run("sh", "-c", f"cat {units}/*.service").stdout
    # verify wants the programs to be there.
    for program in set(re.findall(r"^Exec\w+=[-@:+!]*(/\S+)", text, re.M)):
        if machine.run("test", "-e", program, check=False).returncode:
            machine.run("install", "-D", "/usr/bin/true", program)
    names = machine.run("ls", units).stdout.split()
    paths = [f"{units}/{name}" for name in names if name.endswith(".service")]
    verified = machine.run(
        "systemd-analyze", "verify", *paths, check=False, SYSTEMD_UNIT_PATH=f"{units}:"
    )
    exposure = {}
    for path in paths:
        said = machine.run("systemd-analyze", "security", "--offline=true", "--no-pager", path)
        found = re.search(r"Overall exposure level for (\S+): ([\d.]+)", said.stdout)
        assert found, said.stdout
        exposure[found[1]] = float(found[2])
    return Judged(verified.returncode, verified.stdout + verified.stderr, exposure)


@pytest.fixture(scope="module", params=CASES)
def case(
    request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, Deployment]]:
    deployment = write_case(request.param, tmp_path_factory.mktemp("units") / "chat")
    with Machine(root, binds={DEPLOYMENT: deployment.root}) as machine:
        yield machine, deployment


def test_systemd_finds_nothing_wrong_with_the_units(case: tuple[Machine, Deployment]) -> None:
    judged = judge(case[0], DEPLOYMENT)
    assert judged.status == 0, judged.complaints
    # An unknown key is a warning only.
    assert judged.complaints.strip() == ""


def test_units_are_closed_in(case: tuple[Machine, Deployment]) -> None:
    exposure = judge(case[0], DEPLOYMENT).exposure
    # What makes device files is root, does that once, and is no service to anybody.
    closed = {unit: level for unit, level in exposure.items() if not unit.endswith("-gpu.service")}
    assert any(unit.endswith("-engine.service") for unit in closed)
    assert {unit: level for unit, level in closed.items() if level >= MOST_EXPOSED} == {}


def test_a_spoiled_unit_is_seen(case: tuple[Machine, Deployment]) -> None:
    machine, deployment = case
    unit = next((deployment.root / "systemd").glob("*-engine.service"))
    text = unit.read_text("utf-8")
    try:
        unit.write_text(text.replace("ProtectSystem=", "ProtectSytem="))
        judged = judge(machine, DEPLOYMENT)
        assert "ProtectSytem" in judged.complaints
        unit.write_text(re.sub(r"^(?!#|\[|Exec|    |Type|User|Group).*=.*$", "", text, flags=re.M))
        assert judge(machine, DEPLOYMENT).exposure[unit.name] > 2 * MOST_EXPOSED
    finally:
        unit.write_text(text)


class Hub(ThreadingHTTPServer):
    """A model hub with one file. The first answer breaks off half-way; ranges go on from there."""

    daemon_threads = True

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _HubHandler)
        self.body = body
        self.asked: list[tuple[str, str | None]] = []


class _HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        body = self.server.body
        start = int(re.sub(r"\D", "", wanted)) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        broken = len(self.server.asked) == 1
        self.wfile.write(body[start : len(body) // 2] if broken else body[start:])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class calls it
        """Quiet."""


@pytest.fixture(scope="module")
def hub(tiny_model: Path) -> Iterator[Hub]:
    with Hub(tiny_model.read_bytes()) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def archive(source: Path, name: str, place: Path) -> None:
    """An archive with one program in it, as upstream packs it."""
    place.parent.mkdir(exist_ok=True)
    with tarfile.open(place, "w:gz") as packed:
        packed.add(source, name)


def patched(path: Path, pattern: str, new: str) -> None:
    """Replace what must be there once."""
    text, count = re.subn(pattern, new, path.read_text("utf-8"), flags=re.M)
    assert count == 1, (path, pattern, count)
    path.write_text(text)


@pytest.fixture(scope="module")
def deployment(
    root: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """Written as a user would, then the stand-ins put in."""
    folder = tmp_path_factory.mktemp("systemd") / "chat"
    spec = folder.with_suffix(".yaml")
    spec.write_text(SPEC)
    api.write_new(api.build(read_spec(spec), folder), folder)
    install = (folder / "bin" / "install").read_text("utf-8")
    programs = re.findall(r"^install_archive (\S+) (\S+) (\S+) (\S+)", install, re.M)
    assert [name for name, *_ in programs] == ["engine", "caddy"]
    for name, version, program, packed in programs:
        top = f"llama-{version}/" if name == "engine" else ""
        archive(root / "usr/bin" / program, f"{top}{program}", folder / "downloads" / packed)
        if name == "caddy":  # its hash is pinned, and this is Debian's build
            sha256 = hashlib.sha256((folder / "downloads" / packed).read_bytes()).hexdigest()
            patched(
                folder / "bin" / "install", rf"^(install_archive {name} .*) \S+$", rf"\1 {sha256}"
            )
    fetch = folder / "bin" / "fetch-model"
    patched(fetch, r"^bytes=\d+", f"bytes={tiny_model.stat().st_size}")
    sha256 = hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    if "\nsha256=" in fetch.read_text("utf-8"):
        patched(fetch, r"^sha256=.*", f"sha256={sha256}")
    return Deployment(folder)


@pytest.fixture(scope="module")
def machine(root: Path, deployment: Deployment, hub: Hub) -> Iterator[Machine]:
    """Booted, installed and started, the way README.md says."""
    with Machine(root, binds={DEPLOYMENT: deployment.root}) as machine:
        before = machine.run("bin/preflight", check=False, cwd=DEPLOYMENT).stdout
        # This host may be smaller than the one that is planned for.
        failures = [line for line in before.splitlines() if line.startswith("FAIL  ")]
        assert [line for line in failures if "host memory" not in line] == [], before
        machine.run("bin/install", cwd=DEPLOYMENT)
        own = f"/etc/systemd/system/{FETCH}.d"
        setting = f"[Service]\nEnvironment=HF_ENDPOINT=http://127.0.0.1:{hub.server_port}\n"
        machine.run("sh", "-c", f"mkdir {own} && printf '{setting}' > {own}/test.conf")
        machine.run("systemctl", "daemon-reload")
        started = machine.run("bin/start", cwd=DEPLOYMENT, timeout=180)
        assert "up: https://box.test:8443/v1" in started.stdout
        yield machine


def ask(
    machine: Machine,
    path: str,
    key: str | None = None,
    *more: str,
    base: str = "https://box.test:8443",
) -> tuple[str, str]:
    """(status, body) of a request from the machine itself."""
    header = ["--header", f"Authorization: Bearer {key}"] if key else []
    done = machine.run(
        "curl", "--silent", "--insecure", "--noproxy", "*", "--resolve", "box.test:8443:127.0.0.1",
        "--max-time", "60", "--write-out", "\n%{http_code}", *header, *more, f"{base}{path}",
        check=False,
    )  # fmt: skip
    body, _, status = done.stdout.rpartition("\n")
    return status, body


def key_of(deployment: Deployment) -> str:
    return (deployment.root / "secrets" / "api-key").read_text().strip()


CHAT = (
    "--header",
    "Content-Type: application/json",
    "--data",
    json.dumps(
        {
            "model": "x",
            "stream": True,
            "max_tokens": 16,
            "messages": [{"role": "user", "content": "Count."}],
            "grammar": WORDS,
        }
    ),
)


def engine_port(deployment: Deployment) -> int:
    text = (deployment.root / "systemd" / ENGINE).read_text("utf-8")
    found = re.search(r"--port (\d+)", text)
    assert found
    return int(found[1])


def test_the_model_was_fetched_once_and_resumed(machine: Machine, hub: Hub) -> None:
    assert [wanted is None for _, wanted in hub.asked] == [True, False]
    assert machine.show(FETCH, "ActiveState") == "active"
    assert machine.show(FETCH, "NRestarts") == "0", machine.journal(FETCH)
    owner = machine.run("sh", "-c", f"stat -c '%U %a' {STATE}/models/*.gguf").stdout.split()
    assert owner == ["infra-gen-chat", "600"]


def test_units_run_as_their_users_without_rights(machine: Machine) -> None:
    for unit, user in ((ENGINE, "infra-gen-chat"), (PROXY, "infra-gen-chat-proxy")):
        pid = machine.show(unit, "MainPID")
        status = machine.run("cat", f"/proc/{pid}/status").stdout
        uid = machine.run("id", "-u", user).stdout.strip()
        assert re.search(rf"^Uid:\t{uid}\t{uid}\t", status, re.M), status
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status
        assert "CapEff:\t0000000000000000" in status
        assert "CapBnd:\t0000000000000000" in status
        # What it sees of the machine: no homes, nothing to write to but its own.
        seen = machine.run("ls", "-A", f"/proc/{pid}/root/root", check=False).stdout
        assert seen == ""
        mounts = machine.run("cat", f"/proc/{pid}/mounts").stdout
        assert re.search(r"^\S+ / \S+ ro", mounts, re.M), mounts


def test_only_root_and_the_unit_read_the_key(machine: Machine, deployment: Deployment) -> None:
    assert machine.run("stat", "-c", "%U %a", "/etc/infra-gen/chat/api-key").stdout == "root 600\n"
    key = key_of(deployment)
    for unit in (ENGINE, PROXY):
        pid = machine.show(unit, "MainPID")
        given = f"/proc/{pid}/root/run/credentials/{unit}/api-key"
        assert machine.run("cat", given).stdout.strip() == key
        for place in ("cmdline", "environ"):
            assert key not in machine.run("cat", f"/proc/{pid}/{place}").stdout
        as_other = machine.run("runuser", "-u", "nobody", "--", "cat", given, check=False)
        assert as_other.returncode != 0
    written = machine.run(
        "sh", "-c", "cat /etc/systemd/system/chat-*.service /etc/infra-gen/chat/proxy/*"
    )
    assert key not in written.stdout


def test_answers_with_the_key_in_pieces(machine: Machine, deployment: Deployment) -> None:
    status, body = ask(machine, "/v1/chat/completions", key_of(deployment), *CHAT)
    assert status == "200"
    chat = read_chat(body)
    assert len(chat.events) >= 3
    assert chat.finish_reason in ("length", "stop")


def test_strangers_are_refused(machine: Machine, deployment: Deployment) -> None:
    assert ask(machine, "/v1/models")[0] == "401"
    assert ask(machine, "/v1/models", "wrong")[0] == "401"
    assert ask(machine, "/metrics", key_of(deployment))[0] == "404"
    base = f"http://127.0.0.1:{engine_port(deployment)}"
    assert ask(machine, "/v1/models", base=base)[0] == "401"
    assert ask(machine, "/v1/models", key_of(deployment), base=base)[0] == "200"


def test_its_own_smoke_test_and_preflight(machine: Machine) -> None:
    done = machine.run("bin/smoke-test", "--wait", cwd=DEPLOYMENT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("PASS: ")
    done = machine.run("bin/preflight", cwd=DEPLOYMENT, check=False)
    assert "the program says the same" in done.stdout
    # Debian's Caddy is not the pinned one, and that is all that is wrong.
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAIL  ")]
    assert [line.split(":")[0] for line in failures] == [
        f"FAIL  caddy/caddy --version does not say {CADDY_VERSION}, but"
    ], done.stdout + done.stderr


def test_installing_again_changes_nothing(machine: Machine) -> None:
    pid = machine.show(ENGINE, "MainPID")
    said = machine.run("bin/install", cwd=DEPLOYMENT).stdout
    assert "wrote" not in said
    machine.run("bin/start", cwd=DEPLOYMENT)
    assert machine.show(ENGINE, "MainPID") == pid


def test_killed_it_comes_back(machine: Machine, deployment: Deployment) -> None:
    before = machine.show(ENGINE, "MainPID")
    machine.run("sh", "-c", f"kill -9 {before}")
    deadline = time.monotonic() + 60
    while machine.show(ENGINE, "MainPID") in (before, "0"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    machine.wait_until(ENGINE, "active")
    assert machine.show(ENGINE, "NRestarts") == "1"
    # The proxy stayed, and finds it again.
    assert ask(machine, "/v1/models", key_of(deployment))[0] == "200"


def test_active_means_that_it_answers(machine: Machine, deployment: Deployment) -> None:
    machine.run("systemctl", "restart", ENGINE)
    base = f"http://127.0.0.1:{engine_port(deployment)}"
    assert ask(machine, "/health", base=base)[0] == "200"


def test_a_start_that_fails_is_seen_at_once(machine: Machine, deployment: Deployment) -> None:
    """Not after TimeoutStartSec: what waits for an answer also watches the process."""
    own = f"/etc/systemd/system/{ENGINE}.d"
    wrong = "/opt/infra-gen/chat/engine/llama-server --no-such-flag"
    setting = f"[Service]\\nExecStart=\\nExecStart={wrong}\\n"
    machine.run("sh", "-c", f"mkdir {own} && printf '{setting}' > {own}/x.conf")
    try:
        machine.run("systemctl", "daemon-reload")
        started = time.monotonic()
        assert machine.run("systemctl", "restart", ENGINE, check=False).returncode != 0
        assert time.monotonic() - started < 15
        assert "no-such-flag" in machine.journal(ENGINE)
    finally:
        machine.run("rm", "-r", own)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", ENGINE)


def test_a_new_key_after_install_and_start(machine: Machine, deployment: Deployment) -> None:
    old = key_of(deployment)
    machine.run("bin/rotate-key", cwd=DEPLOYMENT)
    machine.run("sh", "-c", "bin/install && bin/start", cwd=DEPLOYMENT)
    assert key_of(deployment) != old
    assert ask(machine, "/v1/models", old)[0] == "401"
    assert ask(machine, "/v1/models", key_of(deployment))[0] == "200"


def test_the_next_start_of_the_machine_brings_it_up(machine: Machine) -> None:
    for unit in (ENGINE, PROXY):
        assert machine.run("systemctl", "is-enabled", unit).stdout.strip() == "enabled"


def test_stops_in_time_and_leaves_nothing_but_the_model(machine: Machine) -> None:
    allowed = float(machine.show(ENGINE, "TimeoutStopUSec").removesuffix("s"))
    started = time.monotonic()
    machine.run("bin/stop", cwd=DEPLOYMENT)
    assert time.monotonic() - started < allowed
    assert machine.show(ENGINE, "Result") == "success"
    machine.run("bin/uninstall", cwd=DEPLOYMENT)
    left = machine.run(
        "sh",
        "-c",
        "ls -d /etc/systemd/system/chat-*.service /opt/infra-gen/chat /etc/infra-gen/chat",
        check=False,
    )
    assert left.stdout == ""
    assert "gguf" in machine.run("ls", f"{STATE}/models").stdout
    machine.run("bin/uninstall", "--all", cwd=DEPLOYMENT)
    assert machine.run("ls", STATE, check=False).returncode != 0
    assert machine.run("id", "infra-gen-chat", check=False).returncode != 0


def test_an_archive_that_was_changed_is_refused(
    root: Path, deployment: Deployment, tmp_path: Path
) -> None:
    """After the first install, the hash that it saw is the right one."""
    other = tmp_path / "chat"
    shutil.copytree(deployment.root, other)
    with Machine(root, binds={DEPLOYMENT: other}) as machine:
        machine.run("bin/install", cwd=DEPLOYMENT)
        packed = next((other / "downloads").glob("llama-*.tar.gz"))
        packed.write_bytes(packed.read_bytes() + b"x")
        machine.run("rm", "-r", "/opt/infra-gen/chat/engine")
        done = machine.run("bin/install", cwd=DEPLOYMENT, check=False)
        assert done.returncode != 0
        assert "has sha256" in done.stderr
        assert machine.run("ls", "/opt/infra-gen/chat/engine", check=False).returncode != 0


@dataclass(frozen=True)
class Offline:
    """The name that the shared part of install scripts uses."""

    offline: bool = True


def wheel(folder: Path, version: str) -> None:
    """A package with one program, as a wheel."""
    base = f"engine_stand_in-{version}"
    place = folder / "downloads" / f"{base}-py3-none-any.whl"
    place.parent.mkdir(exist_ok=True)
    members = {
        "engine_stand_in.py": f"def main():\n    print('version {version}')\n",
        f"{base}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: engine-stand-in\nVersion: {version}\n",
        f"{base}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{base}.dist-info/entry_points.txt": "[console_scripts]\nengine = engine_stand_in:main\n",
    }
    record = f"{base}.dist-info/RECORD"
    lines = "".join(f"{path},,\n" for path in (*members, record))
    with zipfile.ZipFile(place, "w") as packed:
        for path, text in {**members, record: lines}.items():
            packed.writestr(path, text)


def test_python_programs_get_an_environment_of_their_own(tmp_path: Path) -> None:
    """bin/install's part for engines that are Python packages, with a real pip and tiny packages."""
    part = render("scripts/_install_python.sh.j2", Offline())

    def install(version: str) -> subprocess.CompletedProcess[str]:
        words = (
            "install_python",
            "engine",
            version,
            "bin/engine",
            f"engine-stand-in=={version}",
            "x",
        )
        script = f"set -eu\nprograms=programs\n{part}\n{shlex.join(words)}\n"
        return run_program(["sh", "-c", script], cwd=tmp_path, timeout=300)

    def says() -> str:
        return run_program([tmp_path / "programs/engine/bin/engine"]).stdout

    wheel(tmp_path, "1.0")
    wheel(tmp_path, "2.0")
    assert install("1.0").returncode == 0
    assert says() == "version 1.0\n"
    assert "engine-stand-in==1.0" in (tmp_path / "downloads/engine-1.0.txt").read_text()
    assert "is there already: 1.0" in install("1.0").stdout
    failed = install("9.0")  # which is not in downloads/
    assert failed.returncode != 0
    assert "still does" in failed.stderr
    assert says() == "version 1.0\n"
    assert install("2.0").returncode == 0
    assert says() == "version 2.0\n"
