"""A stand-in for a container registry on loopback, with its token service: the few answers that
`infra-gen pin` asks for.

It is no registry. What it answers follows the OCI distribution specification and Docker's token
scheme; tests/live runs the same client against a real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LOGIN = base64.b64encode(b"ann:s3cret-word").decode()


def index(*platforms: str, media_type: str = OCI_INDEX, more: str = "") -> bytes:
    """An index with an image for each platform, `linux/amd64` unless told."""
    entries: list[dict[str, Any]] = []
    for name in platforms or ("linux/amd64",):
        system, arch, *variant = name.split("/")
        about = {"os": system, "architecture": arch, **({"variant": variant[0]} if variant else {})}
        digest = "sha256:" + hashlib.sha256(name.encode()).hexdigest()
        entries.append({"mediaType": OCI_MANIFEST, "digest": digest, "size": 9, "platform": about})
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": entries,
            "annotations": {"": more},
        }
    ).encode()


def manifest(media_type: str = DOCKER_MANIFEST) -> bytes:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2}
    return json.dumps(
        {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    ).encode()


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    piece_s: float | None = None  # a byte at a time, so far apart


Behaviour = Callable[[Asked], Reply | None]


class RegistryStandIn:
    """Serves `tags` (`repository:tag` to a manifest) and remembers what was asked.

    `auth`: none, basic or bearer. `login`: what must be known, None: a token for everybody.
    `behave` may answer in its place.
    """

    def __init__(self) -> None:
        self.tags: dict[str, bytes] = {}
        self.auth = "none"
        self.login: str | None = None
        self.realm: str | None = None
        self.refused = ""  # a part of paths that tests let lead nowhere
        self.behave: Behaviour = lambda _: None
        self.asked: list[Asked] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = Asked(self.command, self.path, dict(self.headers.items()))
                stand_in.asked.append(asked)
                stand_in.send(self, stand_in.behave(asked) or stand_in.reply(asked))

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Keep the test output clean."""

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that gives up is part of the tests."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def reply(self, asked: Asked) -> Reply:
        parts = urlsplit(asked.path)
        given = asked.headers.get("Authorization")
        if parts.path == "/token":
            return self.token(given, parse_qs(parts.query))
        if self.auth == "bearer" and given != f"Bearer token-for-{self.repository(parts.path)}":
            realm = self.realm or f"{self.url}/token"
            challenge = (
                f'Bearer realm="{realm}",service="stand-in",scope="repository:all:push,pull"'
            )
            return Reply(401, b"{}", {"WWW-Authenticate": challenge})
        if self.auth == "basic" and given != f"Basic {self.login}":
            return Reply(401, b"{}", {"WWW-Authenticate": 'Basic realm="stand-in"'})
        return self.manifest(parts.path)

    @staticmethod
    def repository(path: str) -> str:
        return path.removeprefix("/v2/").partition("/manifests/")[0]

    def token(self, given: str | None, query: dict[str, list[str]]) -> Reply:
        if self.login and given != f"Basic {self.login}":
            return Reply(401, b"{}")
        scope = query["scope"][0]
        assert scope.startswith("repository:")
        assert scope.endswith(":pull"), scope
        token = f"token-for-{scope.removeprefix('repository:').removesuffix(':pull')}"
        return Reply(200, json.dumps({"token": token, "expires_in": 60}).encode())

    def manifest(self, path: str) -> Reply:
        repository, _, name = path.removeprefix("/v2/").partition("/manifests/")
        content = self.tags.get(f"{repository}:{name}")
        if name.startswith("sha256:"):
            own = [c for t, c in self.tags.items() if t.rpartition(":")[0] == repository]
            content = next((c for c in own if digest(c) == name), None)
        if content is None:
            return Reply(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        try:
            kind = json.loads(content).get("mediaType", OCI_MANIFEST)
        except (ValueError, AttributeError, RecursionError):
            kind = OCI_MANIFEST
        headers = {"Content-Type": kind, "Docker-Content-Digest": digest(content)}
        return Reply(200, content, headers)

    def send(self, request: BaseHTTPRequestHandler, reply: Reply) -> None:
        time.sleep(reply.delay_s)
        request.send_response(reply.status)
        for key, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            request.send_header(key, value)
        request.end_headers()
        if request.command == "HEAD":
            return
        if reply.piece_s is None:
            request.wfile.write(reply.body)
            return
        for byte in reply.body:
            request.wfile.write(bytes([byte]))
            request.wfile.flush()
            time.sleep(reply.piece_s)
