"""A stand-in for an engine: answers as the request says, and remembers what reached it.

A POST's JSON says how it is answered (see `Wish`); a GET is answered at once with its own path.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self, cast


@dataclass(frozen=True)
class Wish:
    """How a request is to be answered: `pieces`, each but the first after `gap` seconds.

    `whole` has a length, `sse` and `ndjson` are streams, `drop` closes without an answer. `wait`
    seconds pass before the first byte.
    """

    kind: Literal["whole", "sse", "ndjson", "drop"] = "whole"
    pieces: int = 3
    gap: float = 0.0
    wait: float = 0.0

    def body(self) -> bytes:
        """The request body that asks for this."""
        return json.dumps({"wish": vars(self)}).encode()


@dataclass
class Asked:
    """One request as it arrived. `gone` is set when its client left before the end."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    answered: bool = False
    gone: threading.Event = field(default_factory=threading.Event)


class Upstream:
    """The server, in threads of this process; use it in a `with` statement."""

    def __init__(self, port: int) -> None:
        self.asked: list[Asked] = []
        self._server = _Server(port, self.asked)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def find(self, mark: str) -> list[Asked]:
        """The requests with this mark in their target, so that tests can run side by side."""
        return [asked for asked in list(self.asked) if mark in asked.target]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, asked: list[Asked]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.asked = asked

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Silence: `asked` has it all."""

    def remember(self) -> Asked:
        headers = {name.lower(): value for name, value in self.headers.items()}
        one = Asked(self.command, self.path, headers)
        cast("_Server", self.server).asked.append(one)
        one.body = self.read_body(headers)
        return one

    def read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def do_GET(self) -> None:
        one = self.remember()
        self.whole(one, json.dumps({"path": self.path}).encode())

    do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def do_POST(self) -> None:
        one = self.remember()
        wish = Wish(**json.loads(one.body or b"{}").get("wish", {}))
        if wish.kind == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.pause(one, wish.wait):
            if wish.kind == "whole":
                self.whole(one, b"x" * wish.pieces)
            else:
                self.stream(one, wish)

    def whole(self, one: Asked, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        one.answered = True

    def stream(self, one: Asked, wish: Wish) -> None:
        kind = "text/event-stream" if wish.kind == "sse" else "application/x-ndjson"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(wish.pieces):
            if number and not self.pause(one, wish.gap):
                return
            text = json.dumps({"piece": number})
            self.chunk(f"data: {text}\n\n" if wish.kind == "sse" else f"{text}\n")
        self.wfile.write(b"0\r\n\r\n")
        one.answered = True

    def chunk(self, text: str) -> None:
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())
        self.wfile.flush()

    def pause(self, one: Asked, seconds: float) -> bool:
        """Wait; False when the client leaves meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], min(left, 0.1))
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                one.gone.set()
                self.close_connection = True
                return False
        return True
