"""A stand-in for the Hugging Face Hub on loopback: the few answers that infra-gen asks for.

It is not the Hub. What it answers follows the Hub's documented API as huggingface_hub reads it.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repo:
    """Files by name: bytes, or a size for those that nobody may fetch."""

    files: dict[str, bytes | int]
    info: dict[str, Any] = field(default_factory=dict)
    api_status: int = 200
    file_status: int = 200
    error_code: str | None = None
    delay_s: float = 0.0


class StandIn:
    """Serves `repos` and remembers every path that was asked for."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.asked: list[str] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand_in.answer(self)

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Keep the test output clean."""

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that gives up is part of the tests."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.split("?")[0]
        self.asked.append(f"{request.command} {path}")
        api = path.startswith("/api/models/")
        words = path.removeprefix("/api/models").strip("/").split("/")
        repo = self.repos.get("/".join(words[:2]))
        if repo is None:
            self.send(request, 404, b"", {"X-Error-Code": "RepoNotFound"})
            return
        time.sleep(repo.delay_s)
        status = repo.api_status if api else repo.file_status
        if status != 200:
            code = {"X-Error-Code": repo.error_code} if repo.error_code else {}
            self.send(request, status, b"", code)
        elif api and words[2:3] == ["tree"]:
            self.send(request, 200, json.dumps(self.tree(repo)).encode(), {})
        elif api:
            self.send(request, 200, json.dumps(self.info("/".join(words[:2]), repo)).encode(), {})
        else:
            content = repo.files.get("/".join(words[4:]))
            assert isinstance(content, bytes), f"nobody may fetch {path}"
            tag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            self.send(request, 200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{tag}"'})

    def tree(self, repo: Repo) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": file, "oid": "ab" * 20,
             "size": content if isinstance(content, int) else len(content)}
            for file, content in repo.files.items()
        ]  # fmt: skip

    def info(self, name: str, repo: Repo) -> dict[str, Any]:
        siblings = [
            {"rfilename": file, "size": content if isinstance(content, int) else len(content)}
            | ({"lfs": {"size": content, "sha256": "ab" * 32, "pointerSize": 135}}
               if isinstance(content, int) else {})
            for file, content in repo.files.items()
        ]  # fmt: skip
        return {
            "_id": "1", "id": name, "modelId": name, "sha": COMMIT, "private": False,
            "gated": False, "disabled": False, "downloads": 1, "likes": 1, "tags": [],
            "lastModified": "2026-03-04T05:06:07.000Z", "createdAt": "2026-02-03T04:05:06.000Z",
            "siblings": siblings, **repo.info,
        }  # fmt: skip

    def send(
        self, request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        request.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(key, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)
