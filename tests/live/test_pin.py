"""`infra-gen pin` against a real registry with a login; and what Docker Compose reads in the result."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.live.conftest import Run, require
from tests.unit.registry_stand_in import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    LOGIN,
    OCI_INDEX,
    OCI_MANIFEST,
    digest,
)

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.cli.options import Asked, spec_from
from infra_gen.knowledge.registry import digest_of
from infra_gen.knowledge.registry_answers import Reference, RegistryError

pytestmark = pytest.mark.live

# `ann:s3cret-word`, as htpasswd -B -C 5 writes it: every question is hashed.
_HTPASSWD = "ann:$2b$05$yhX0DshBm1IWHbfztM/DK.yLQogoBNOMtRObEHehMvDeEauY6fsjK\n"
_CONFIG = """
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: DATA}}
http: {addr: "ADDRESS"}
auth: {htpasswd: {realm: test, path: HTPASSWD}}
"""
_CONFIG_TYPES = {
    OCI_MANIFEST: "application/vnd.oci.image.config.v1+json",
    DOCKER_MANIFEST: "application/vnd.docker.container.image.v1+json",
}
_INDEXED = {OCI_INDEX: OCI_MANIFEST, DOCKER_LIST: DOCKER_MANIFEST}


@dataclass
class Registry:
    host: str

    def put(self, path: str, body: bytes, kind: str = "application/octet-stream") -> None:
        self.send("PUT", f"http://{self.host}{path}", body, kind)

    def send(self, method: str, url: str, body: bytes, kind: str) -> dict[str, str]:
        headers = {"Authorization": f"Basic {LOGIN}", "Content-Type": kind}
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(answer.headers.items())

    def push_blob(self, repository: str, content: bytes) -> None:
        start = f"http://{self.host}/v2/{repository}/blobs/uploads/"
        place = self.send("POST", start, b"", "application/octet-stream")["Location"]
        there = f"{place}{'&' if '?' in place else '?'}digest={digest(content)}"
        self.send("PUT", there, content, "application/octet-stream")

    def push(self, repository: str, tag: str, kind: str) -> str:
        """A small image of that kind under the tag; its digest."""
        image_kind = _INDEXED.get(kind, kind)
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}}).encode()
        self.push_blob(repository, config)
        about = {
            "mediaType": _CONFIG_TYPES[image_kind],
            "size": len(config),
            "digest": digest(config),
        }
        image = {"schemaVersion": 2, "mediaType": image_kind, "config": about, "layers": []}
        content = json.dumps(image).encode()
        path = f"/v2/{repository}/manifests"
        if kind in _INDEXED:
            self.put(f"{path}/{digest(content)}", content, image_kind)
            entry = {
                "mediaType": image_kind, "size": len(content), "digest": digest(content),
                "platform": {"os": "linux", "architecture": "amd64"},
            }  # fmt: skip
            index = {"schemaVersion": 2, "mediaType": kind, "manifests": [entry]}
            content = json.dumps(index).encode()
        self.put(f"{path}/{tag}", content, kind)
        return digest(content)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def registry(private_network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    binary = require("docker-registry").path("registry")
    folder = tmp_path_factory.mktemp("registry")
    (folder / "htpasswd").write_text(_HTPASSWD)
    host = f"127.0.0.1:{free_port()}"
    text = _CONFIG.replace("DATA", str(folder / "data")).replace("ADDRESS", host)
    (folder / "config.yml").write_text(text.replace("HTPASSWD", str(folder / "htpasswd")))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [binary, "serve", folder / "config.yml"], stdout=log, stderr=log, env={"HOME": "/tmp"}
        )
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", int(host.rpartition(":")[2]))) == 0:
                        break
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
            yield Registry(host)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


@pytest.mark.parametrize("kind", [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST])
def test_the_digest_of_every_kind(registry: Registry, kind: str) -> None:
    tag = kind.rpartition(".")[2].replace("+", "-") + ("-oci" if "oci" in kind else "")
    pushed = registry.push("team/app", tag, kind)
    reference = Reference(registry.host, "team/app", tag)
    assert digest_of(reference, "linux/amd64", None, lambda _: LOGIN) == pushed
    assert digest_of(reference, "linux/amd64", pushed, lambda _: LOGIN) == pushed


def test_what_it_refuses(registry: Registry) -> None:
    registry.push("team/app", "v1", OCI_INDEX)
    there = Reference(registry.host, "team/app", "v1")
    with pytest.raises(RegistryError, match="wants a login"):
        digest_of(there, "linux/amd64", None, lambda _: None)
    wrong = base64.b64encode(b"ann:wrong").decode()
    with pytest.raises(RegistryError, match="wants a login"):
        digest_of(there, "linux/amd64", None, lambda _: wrong)
    with pytest.raises(RegistryError, match="has no such tag"):
        digest_of(Reference(registry.host, "team/app", "v2"), "linux/amd64", None, lambda _: LOGIN)
    with pytest.raises(RegistryError, match="has no image for linux/arm64"):
        digest_of(there, "linux/arm64", None, lambda _: LOGIN)


def test_a_deployment_from_a_mirror(
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    docker_compose: Run,
) -> None:
    logins = tmp_path / "docker"
    logins.mkdir()
    (logins / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": LOGIN}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(logins))
    spec = spec_from(Asked(hardware="rtx-3090", users=2, model="qwen3-8b", name="chat"))
    root = tmp_path / "chat"
    api.write_new(api.build(spec, root), root)
    with (root / "infra-gen.yaml").open("a") as stream:
        stream.write(f"offline: {{mirror: {registry.host}, model_path: /models/qwen3-8b}}\n")
    assert run(["update", str(root)]) == 0
    names = [image["ref"] for image in json.loads((root / "infra-gen.lock").read_text())["images"]]
    pushed = {}
    for name in names:
        repository, _, tag = name.removeprefix(f"{registry.host}/").rpartition(":")
        pushed[name] = registry.push(repository, tag, OCI_INDEX)
    assert run(["pin", str(root), "--date", "2026-11-23"]) == 0
    assert run(["check", str(root)]) == 0
    base = next(name for name in names if "vllm" in name)
    assert f"FROM {base}@{pushed[base]}\n" in (root / "image/Dockerfile").read_text()
    secrets = {"API_KEY": "x", "GRAFANA_ADMIN_PASSWORD": "x"}
    done = docker_compose("config", "--images", cwd=root, env=secrets)
    assert done.returncode == 0, done.stderr
    for name, found in pushed.items():
        if name != base:
            assert f"{name}@{found}" in done.stdout
