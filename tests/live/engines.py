"""Real servers for the live tests: llama-server and Prometheus, run from exact command lines.

with LlamaServer(argv, root, binds={"/models": folder}) as server:
    server.wait_healthy()
    assert server.chat("hello").events
"""

from __future__ import annotations

import abc
import contextlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live.sandbox import Sandbox, Server

PROMETHEUS_BINARY = "/.test-tools/prometheus"
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Without proxies: everything here is on this machine."""

WORDS = "root ::= [a-z] root"
"""A grammar for llama-server: letters without end. The tests' model has random weights, and left to
itself it may answer with half characters, which are never sent, or with its end at once."""


def fetch(url: str, body: object = None, headers: Mapping[str, str] | None = None) -> str:
    """GET, or POST of a JSON body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, dict(headers or {}))
    if data is not None:
        request.add_header("Content-Type", "application/json")
    with HTTP.open(request, timeout=30) as response:
        text: str = response.read().decode()
    return text


def status_of(url: str, headers: Mapping[str, str] | None = None) -> int | None:
    """The HTTP status, or None when nobody answers."""
    try:
        with HTTP.open(
            urllib.request.Request(url, headers=dict(headers or {})), timeout=5
        ) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


def option(argv: Sequence[str], *names: str) -> str | None:
    """The value of an option in a command line, given as `--name value` or `--name=value`."""
    found = None
    for index, argument in enumerate(argv):
        name, equals, value = argument.partition("=")
        if name in names:
            found = value if equals else next(iter(argv[index + 1 :]), None)
    return found


@dataclass(frozen=True)
class Chat:
    """A streamed answer: its text and every event as it came."""

    text: str
    events: list[dict[str, Any]]
    finish_reason: str | None


def server_sent_events(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of an event stream."""
    for line in text.splitlines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def read_chat(text: str) -> Chat:
    """Put the pieces of a streamed chat completion together."""
    events = list(server_sent_events(text))
    choices = [choice for event in events for choice in event.get("choices", [])]
    content = "".join(choice.get("delta", {}).get("content") or "" for choice in choices)
    reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    return Chat(content, events, reasons[-1] if reasons else None)


class HttpServer(Server, abc.ABC):
    """A server whose address follows from its command line."""

    _taken = False

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """Where a client reaches the server; ValueError when the command line does not say."""

    def start(self) -> None:
        """Start, remembering whether somebody else's answers could be taken for this server's."""
        with contextlib.suppress(ValueError):
            self._taken = status_of(self.url) is not None
        super().start()

    def wait_status_ok(self, path: str, what: str, timeout: float) -> None:
        """Wait until a path answers 200."""
        if self._taken:
            raise self.failed(f"another server already answers at {self.url}")
        self.wait_until(what, lambda: status_of(self.url + path) == 200, timeout)


class LlamaServer(HttpServer):
    """llama-server, from the command line of a deployment.

    `argv` is taken as it is, but for the program's own path, which differs between images and
    machines: `argv[0]` is replaced, or added where compose's `command:` starts with a flag.
    """

    BINARY = "/usr/bin/llama-server"

    def __init__(
        self,
        argv: Sequence[str],
        root: Path,
        *,
        binds: Mapping[str, Path] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        user: str = "0:0",
        api_key: str | None = None,
    ) -> None:
        arguments = argv if argv and argv[0].startswith("-") else argv[1:]
        sandbox = Sandbox(root, binds or {}, env or {}, cwd, user)
        super().__init__(sandbox, [self.BINARY, *arguments])
        self.headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    @property
    def url(self) -> str:
        """Where the server was told to listen, by flag or by variable, as a client reaches it."""
        env = self.sandbox.env
        port = option(self.argv, "--port") or env.get("LLAMA_ARG_PORT")
        if port is None:
            raise ValueError("no port: llama-server's own default changed between versions")
        host = option(self.argv, "--host") or env.get("LLAMA_ARG_HOST", "127.0.0.1")
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"

    def wait_healthy(self, timeout: float = 60) -> None:
        """Wait until /health answers 200; it is 503 while the model loads."""
        self.wait_status_ok("/health", "healthy", timeout)

    def get(self, path: str) -> str:
        """The body of a GET, with the API key where there is one."""
        return fetch(self.url + path, headers=self.headers)

    def metrics(self) -> str:
        """The metrics page, which the server has only with --metrics."""
        return self.get("/metrics")

    def chat(self, prompt: str, max_tokens: int = 8, **parameters: Any) -> Chat:
        """A streamed chat completion; `parameters` are more fields of the request."""
        messages = [{"role": "user", "content": prompt}]
        body = {
            "messages": messages,
            "max_tokens": max_tokens,
            "stream": True,
            "grammar": WORDS,
            **parameters,
        }
        return read_chat(fetch(f"{self.url}/v1/chat/completions", body, self.headers))


class Prometheus(HttpServer):
    """Prometheus, from the command line of a deployment.

    `argv` holds the flags, as compose's `command:` does; `binds` brings the configuration in. Root
    makes its data folder itself; for another user bind one that it may write.
    """

    def __init__(
        self,
        argv: Sequence[str],
        binary: Path,
        *,
        binds: Mapping[str, Path],
        user: str = "0:0",
    ) -> None:
        arguments = list(argv if argv and argv[0].startswith("-") else argv[1:])
        if option(arguments, "--storage.tsdb.path") is None:
            arguments.append("--storage.tsdb.path=/tmp/prometheus")
        sandbox = Sandbox(Path("/"), {**binds, PROMETHEUS_BINARY: binary}, user=user)
        super().__init__(sandbox, [PROMETHEUS_BINARY, *arguments])

    @property
    def url(self) -> str:
        """Where the server was told to listen, as a client reaches it."""
        listen = option(self.argv, "--web.listen-address") or "0.0.0.0:9090"
        host, _, port = listen.rpartition(":")
        return f"http://{'127.0.0.1' if host in ('', '0.0.0.0', '[::]') else host}:{port}"

    def wait_ready(self, timeout: float = 30) -> None:
        """Wait until queries are answered."""
        self.wait_status_ok("/-/ready", "ready", timeout)

    def api(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of the HTTP API."""
        query = urllib.parse.urlencode(parameters)
        return json.loads(fetch(f"{self.url}/api/v1/{path}?{query}"))["data"]

    def targets(self) -> list[dict[str, Any]]:
        """The scraped targets, each with `labels`, `health` and `lastError`."""
        active: list[dict[str, Any]] = self.api("targets", state="active")["activeTargets"]
        return active

    def rules(self) -> list[dict[str, Any]]:
        """Every loaded rule of every group, each with `name`, `query`, `health` and `state`."""
        return [rule for group in self.api("rules")["groups"] for rule in group["rules"]]

    def wait_targets_up(self, timeout: float = 60) -> list[dict[str, Any]]:
        """Wait until there are targets and all of them are up; returns them."""
        found: list[dict[str, Any]] = []

        def all_up() -> bool:
            found[:] = self.targets()
            return bool(found) and all(target["health"] == "up" for target in found)

        self.wait_ready()
        self.wait_until("scraping all its targets", all_up, timeout)
        return found

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query, each with `metric` and `value`."""
        result: list[dict[str, Any]] = self.api("query", query=expression)["result"]
        return result

    def wait_sample(self, expression: str, timeout: float = 60) -> list[dict[str, Any]]:
        """Wait until a query has a result; returns it."""
        self.wait_until(f"answering {expression}", lambda: bool(self.query(expression)), timeout)
        return self.query(expression)
