"""Generated scripts, run for real against a small server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.unit.target_stacks import llama_stack, vllm_stack

from infra_gen.model.stack import Download, Stack
from infra_gen.targets.compose import target as compose
from infra_gen.targets.launchd import target as launchd

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None and "CI" not in os.environ, reason="NOT RUN: curl is missing"
)
PAYLOAD = bytes(range(256)) * 64
KEY = "k" * 64


@dataclass
class Fake:
    """What the server does wrong, and what it was asked."""

    open_to_all: bool = False
    pieces: int = 6
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0


def handler(fake: Fake) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one small class
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def answer_from(self, start: int) -> None:
            self.send_response(206 if start else 200)
            if start:
                size = len(PAYLOAD)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Length", str(len(PAYLOAD) - start))
            self.end_headers()
            self.wfile.write(PAYLOAD[start:])

        def allowed(self) -> bool:
            fake.asked.append((self.path, dict(self.headers.items())))
            right = self.headers.get("Authorization") == f"Bearer {KEY}"
            if not right and not fake.open_to_all:
                self.answer(401, b"{}")
            return right or fake.open_to_all

        def do_GET(self) -> None:
            if self.path == "/health":
                self.answer(200, b"{}")
            elif "/resolve/" in self.path:
                fake.asked.append((self.path, dict(self.headers.items())))
                self.answer_from(int((self.headers.get("Range") or "bytes=0-")[6:-1]))
            elif self.allowed():
                models = {"object": "list", "data": [{"id": "qwen3"}]}
                body = json.dumps(models) if self.path == "/v1/models" else "# HELP a\na_total 1\n"
                self.answer(200, body.encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.allowed():
                parts = [json.dumps({"choices": []})] * fake.pieces + ["[DONE]"]
                self.answer(200, "".join(f"data: {part}\n\n" for part in parts).encode())

    return Handler


@pytest.fixture
def fake() -> Iterator[Fake]:
    state = Fake()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(state))
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def deploy(stack: Stack, root: Path) -> Path:
    target = launchd if stack.plan.target == "launchd" else compose
    for path, file in target.emit(stack).items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
        place.chmod(0o755 if file.executable else 0o644)
    return root


def run(root: Path, script: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "HOME": str(root), "http_proxy": "http://127.0.0.1:9"}
    command = [str(root / "bin" / script), *args]
    return subprocess.run(command, env=kept | env, capture_output=True, text=True, check=False)


def on_port(stack: Stack, port: int) -> Stack:
    """The stack without monitoring, its engine reached at that port."""
    services = [
        replace(service, ports=(replace(service.ports[0], host=port, container=port),))
        if service.role == "engine"
        else service
        for service in stack.services
        if service.role != "metrics"
    ]
    return replace(stack, services=tuple(services))


@needs_curl
def test_smoke_test_passes_and_hides_the_key(fake: Fake, tmp_path: Path) -> None:
    root = deploy(on_port(llama_stack("compose"), fake.port), tmp_path)
    (root / ".env").write_text(f"HF_TOKEN=\nAPI_KEY={KEY}\n")
    done = run(root, "smoke-test", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "PASS: 5 checks"
    assert KEY not in done.stdout + done.stderr


@needs_curl
def test_smoke_test_sees_an_open_server(fake: Fake, tmp_path: Path) -> None:
    fake.open_to_all = True
    root = deploy(on_port(llama_stack("compose"), fake.port), tmp_path)
    done = run(root, "smoke-test", API_KEY=KEY)
    assert done.returncode == 1
    assert "got status 200, not 401" in done.stdout
    assert done.stdout.splitlines()[-1] == "FAIL: 1 of 5 checks failed"


@needs_curl
def test_smoke_test_sees_an_answer_in_one_piece(fake: Fake, tmp_path: Path) -> None:
    fake.pieces = 1
    root = deploy(on_port(llama_stack("compose"), fake.port), tmp_path)
    done = run(root, "smoke-test", API_KEY=KEY)
    assert "did not stream (1 pieces)" in done.stdout


@needs_curl
def test_smoke_test_without_a_server_says_what_to_do(tmp_path: Path) -> None:
    root = deploy(on_port(llama_stack("compose"), 1), tmp_path)
    done = run(root, "smoke-test", API_KEY=KEY)
    assert done.returncode == 1
    assert "docker compose logs engine" in done.stdout
    assert run(root, "smoke-test").returncode == 1


@needs_curl
@pytest.mark.parametrize(("line", "passes"), [("offloaded 29/29 layers to GPU", True),
                                              ("offloaded 3/29 layers to GPU", False)])  # fmt: skip
def test_smoke_test_on_a_mac_wants_all_layers_on_the_gpu(
    fake: Fake, tmp_path: Path, line: str, passes: bool
) -> None:
    root = deploy(on_port(llama_stack("launchd"), fake.port), tmp_path)
    (root / "logs").mkdir()
    (root / "logs" / "engine.log").write_text(f"load_tensors: {line}\n")
    (root / "secrets").mkdir()
    (root / "secrets" / "api-key").write_text(f"{KEY}\n")
    done = run(root, "smoke-test")
    assert (done.returncode == 0) is passes, done.stdout + done.stderr
    assert ("PASS: 6 checks" in done.stdout) is passes


def curl_stack(**changes: object) -> Stack:
    stack = llama_stack("launchd")
    right = hashlib.sha256(PAYLOAD).hexdigest()
    download = Download("org/model", "main", ("sub/m.gguf",), len(PAYLOAD), right, "curl")
    services = [
        replace(s, download=replace(download, **changes)) if s.role == "fetch" else s  # type: ignore[arg-type]
        for s in stack.services
    ]
    return replace(stack, services=tuple(services))


@needs_curl
def test_download_once_and_with_the_token(fake: Fake, tmp_path: Path) -> None:
    root = deploy(curl_stack(), tmp_path)
    hub = f"http://127.0.0.1:{fake.port}"
    done = run(root, "fetch-model", HF_ENDPOINT=hub, HF_TOKEN="t0ken", http_proxy="")
    assert done.returncode == 0, done.stderr
    assert (root / "models/sub/m.gguf").read_bytes() == PAYLOAD
    path, headers = fake.asked[0]
    assert path == "/org/model/resolve/main/sub/m.gguf"
    assert headers["Authorization"] == "Bearer t0ken"
    again = run(root, "fetch-model", HF_ENDPOINT=hub, http_proxy="")
    assert again.returncode == 0
    assert len(fake.asked) == 1
    assert run(root, "fetch-model", "--force", HF_ENDPOINT=hub, http_proxy="").returncode == 0
    assert len(fake.asked) == 2


@needs_curl
@pytest.mark.parametrize("had", [1000, len(PAYLOAD)])
def test_download_resumes(fake: Fake, tmp_path: Path, had: int) -> None:
    root = deploy(curl_stack(), tmp_path)
    part = root / "models/sub/m.gguf.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(PAYLOAD[:had])
    done = run(root, "fetch-model", HF_ENDPOINT=f"http://127.0.0.1:{fake.port}", http_proxy="")
    assert done.returncode == 0, done.stderr
    assert (root / "models/sub/m.gguf").read_bytes() == PAYLOAD
    ranges = [headers.get("Range") for _, headers in fake.asked]
    assert ranges == ([f"bytes={had}-"] if had < len(PAYLOAD) else [])


@needs_curl
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"sha256": "0" * 64}, "it was deleted"),
        ({"bytes": len(PAYLOAD) + 1}, "bytes, not"),
        ({"bytes": 2**60}, "not enough disk"),
    ],
)
def test_a_wrong_download_is_not_used(
    fake: Fake, tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    root = deploy(curl_stack(**changes), tmp_path)
    done = run(root, "fetch-model", HF_ENDPOINT=f"http://127.0.0.1:{fake.port}", http_proxy="")
    assert done.returncode == 1
    assert complaint in done.stderr
    assert not (root / "models/sub/m.gguf").exists()


@needs_curl
def test_several_files_are_counted_together(fake: Fake, tmp_path: Path) -> None:
    two = curl_stack(files=("a.gguf", "b.gguf"), bytes=2 * len(PAYLOAD), sha256=None)
    root = deploy(two, tmp_path)
    done = run(root, "fetch-model", HF_ENDPOINT=f"http://127.0.0.1:{fake.port}", http_proxy="")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (root / "models").iterdir()) == ["a.gguf", "b.gguf"]


def test_compose_key_is_new_each_time_and_private(tmp_path: Path) -> None:
    root = deploy(vllm_stack(), tmp_path)
    (root / ".env").write_text("HF_TOKEN=mine\nAPI_KEY=old\n")
    keys = []
    for _ in range(2):
        done = run(root, "rotate-key")
        assert done.returncode == 0, done.stderr
        text = (root / ".env").read_text()
        keys += re.findall(r"^API_KEY=([0-9a-f]{64})$", text, re.M)
        assert "HF_TOKEN=mine\n" in text
        assert keys[-1] not in done.stdout + done.stderr
    assert len(set(keys)) == 2
    assert (root / ".env").stat().st_mode & 0o777 == 0o600
    assert not (root / ".env.new").exists()


def test_compose_key_starts_from_the_example(tmp_path: Path) -> None:
    root = deploy(vllm_stack(), tmp_path)
    assert run(root, "rotate-key").returncode == 0
    text = (root / ".env").read_text()
    assert text.count("API_KEY=") == 1
    assert "HF_TOKEN=" in text


def test_mac_key(tmp_path: Path) -> None:
    root = deploy(llama_stack("launchd"), tmp_path)
    assert run(root, "rotate-key").returncode == 0
    key = root / "secrets/api-key"
    assert re.fullmatch(r"[0-9a-f]{64}\n", key.read_text())
    assert key.stat().st_mode & 0o777 == 0o600


def test_logs_are_emptied_in_place(tmp_path: Path) -> None:
    root = deploy(llama_stack("launchd"), tmp_path)
    log = root / "logs/engine.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * (51 * 2**20))
    inode = log.stat().st_ino
    assert run(root, "rotate-logs").returncode == 0
    assert log.stat().st_size == 0
    assert log.stat().st_ino == inode
    assert (root / "logs/engine.log.1").stat().st_size == 51 * 2**20


def test_preflight_of_the_wrong_machine_says_so(tmp_path: Path) -> None:
    root = deploy(llama_stack("launchd"), tmp_path)
    done = run(root, "preflight")
    if os.uname().sysname != "Darwin":
        assert done.returncode == 1
        assert "the plan is for macOS" in done.stdout
        assert done.stdout.splitlines()[-1].startswith("FAIL: ")


@needs_curl
def test_compose_preflight_reports_and_ends_with_a_verdict(tmp_path: Path) -> None:
    root = deploy(vllm_stack(), tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tools / "docker").chmod(0o755)
    done = run(root, "preflight", PATH=f"{tools}:{os.environ['PATH']}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the Docker daemon does not answer" in done.stdout
    assert "API_KEY is not set in .env" in done.stdout
    assert "HF_TOKEN is not set" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("FAIL: ")
    assert done.stderr == ""
