"""The Caddyfile in a real Caddy, in front of a server that remembers what reached it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.live.conftest import require, run_program
from tests.live.engines import WORDS, LlamaServer, Prometheus, fetch, read_chat, status_of
from tests.live.sandbox import Sandbox, Server
from tests.live.sse_upstream import Upstream, Wish

from infra_gen.model.stack import Gate, GateRoute
from infra_gen.targets.proxy import Place, caddyfile, key_in_env, key_in_file

pytestmark = pytest.mark.live

BINARY = "/.test-tools/caddy"
CONFIG = "/etc/caddy/Caddyfile"
KEY = "key-" + "k3y0" * 15
NOBODY = "65534:65534"
UPSTREAM_PORT = 18000
SILENCE_S = 70
CHAT = "/v1/chat/completions"
GATE = Gate(
    upstream="engine",
    upstream_port=UPSTREAM_PORT,
    upstream_host_header="engine.internal",
    routes=(
        GateRoute(CHAT, ("POST",), streams=True, because="Chat."),
        GateRoute("/v1/models", ("GET",), streams=False, because="The models."),
        GateRoute("/v1/models/*", ("GET", "HEAD"), streams=False, because="One model."),
    ),
    health_path="/health",
    key="API_KEY",
    forward_key=False,
    max_body_mib=1,
    max_requests=4,
    idle_timeout_s=600,
    grace_s=20,
    tls="off",
    host=None,
    certificate=None,
    certificate_key=None,
    port=18080,
    metrics_port=18090,
    tells_upstream=False,
)
PLACE = Place("127.0.0.1", key_in_env("API_KEY"))


class Caddy(Server):
    """Caddy as its container runs it: another user, nothing to write but /data and /tmp."""

    def __init__(self, gate: Gate, folder: Path, place: Place = PLACE, **binds: Path) -> None:
        self.gate, self.folder = gate, folder
        file, data = folder / "Caddyfile", folder / "data"
        file.write_text(caddyfile(gate, place))
        data.mkdir()
        data.chmod(0o777)
        tool = require("caddy").path("caddy")
        env = {"API_KEY": KEY, "XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/tmp", "HOME": "/tmp"}
        more = {f"/run/{name}": path for name, path in binds.items()}
        sandbox = Sandbox(
            Path("/"), {BINARY: tool, CONFIG: file, "/data": data, **more}, env, user=NOBODY
        )
        run = [BINARY, "run", "--adapter", "caddyfile", "--config", CONFIG]
        super().__init__(sandbox, run)

    def caddy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another Caddy command on the same file."""
        return self.sandbox.run([BINARY, *arguments])

    @property
    def inside(self) -> str:
        """The listener that is not for clients."""
        return f"http://127.0.0.1:{self.gate.metrics_port}"

    def wait_ready(self) -> None:
        """Wait until it serves."""
        self.wait_until("healthy", lambda: status_of(f"{self.inside}/healthz") == 200, 20)

    @property
    def ca(self) -> Path:
        """The root certificate of its own CA."""
        return self.folder / "data/caddy/pki/authorities/local/root.crt"

    def wait_certificate(self) -> None:
        """Wait until its own CA has certified its name, which is shortly after the start."""
        self.wait_ready()
        self.wait_until("certified", self._has_certificate, 20)

    def _has_certificate(self) -> bool:
        if not self.ca.exists():
            return False
        context = ssl.create_default_context(cafile=self.ca)
        try:
            with (
                socket.create_connection(("127.0.0.1", self.gate.port), timeout=5) as raw,
                context.wrap_socket(raw, server_hostname=self.gate.host),
            ):
                return True
        except ssl.SSLError:
            return False

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """Its log lines of one logger."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in lines if str(line.get("logger", "")).startswith(kind)]


@dataclass(frozen=True)
class Answer:
    """What came back; `first_s` and `all_s` are the seconds to the first byte and to the last."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    first_s: float
    all_s: float

    @property
    def code(self) -> str:
        """The code in an error of OpenAI's shape."""
        error = json.loads(self.body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return str(error["code"])


def send(port: int, method: str, target: str, body: bytes = b"", **headers: str) -> socket.socket:
    """A request exactly as written; no client library tidies the path up."""
    given = {"Host": "x", "Authorization": f"Bearer {KEY}", "Content-Length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in given.items() if value != "-"]
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "Connection: close", "", ""])
    client = socket.create_connection(("127.0.0.1", port), timeout=120)
    client.sendall(head.encode() + body)
    return client


def receive(client: socket.socket, method: str = "GET") -> Answer:
    """Read the whole answer."""
    start = time.monotonic()
    with client:
        response = http.client.HTTPResponse(client, method=method)
        response.begin()
        body = response.read(1)
        first = time.monotonic() - start
        body += response.read()
        return Answer(response.status, response.headers, body, first, time.monotonic() - start)


def ask(port: int, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
    return receive(send(port, method, target, body, **headers), method)


def chat(wish: Wish, mark: str, port: int = GATE.port, **headers: str) -> Answer:
    return ask(port, "POST", f"{CHAT}?{mark}", wish.body(), **headers)


@pytest.fixture(scope="module")
def upstream(private_network: None) -> Iterator[Upstream]:
    with Upstream(UPSTREAM_PORT) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caddy]:
    with Caddy(GATE, tmp_path_factory.mktemp("proxy")) as server:
        server.wait_ready()
        yield server


@pytest.fixture(scope="module")
def tls_proxy(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caddy]:
    gate = replace(GATE, tls="internal", host="llm.test", port=18443, metrics_port=18091)
    with Caddy(gate, tmp_path_factory.mktemp("tls")) as server:
        server.wait_certificate()
        yield server


@pytest.fixture(scope="module")
def curl() -> Path:
    return require("curl").path("curl")


def curl_tls(curl: Path, proxy: Caddy, *arguments: str) -> list[str]:
    """A curl command that trusts the proxy's CA and finds its name."""
    to = ("--resolve", f"{proxy.gate.host}:{proxy.gate.port}:127.0.0.1")
    return [str(curl), "-sS", "--noproxy", "*", "--cacert", str(proxy.ca), *to, *arguments]


@dataclass(frozen=True)
class Silences:
    """Streams with a long silence, running while the other tests do."""

    http1: Future[Answer]
    http2: Future[subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", autouse=True)
def silences(proxy: Caddy, tls_proxy: Caddy, curl: Path) -> Iterator[Silences]:
    wish = Wish("sse", pieces=2, gap=SILENCE_S)
    url = f"https://llm.test:{tls_proxy.gate.port}{CHAT}?silence-h2"
    command = curl_tls(
        curl, tls_proxy, "--http2", "-N", "-w", "\n%{http_version} %{time_starttransfer}",
        "-H", f"Authorization: Bearer {KEY}", "-d", wish.body().decode(), url,
    )  # fmt: skip
    pool = ThreadPoolExecutor(2)
    yield Silences(
        pool.submit(chat, wish, "silence-h1"),
        pool.submit(run_program, command, timeout=SILENCE_S + 30),
    )
    pool.shutdown(wait=False)


def reached(upstream: Upstream) -> int:
    """How many requests reached the upstream, but for those that run beside all tests."""
    return len([asked for asked in list(upstream.asked) if "silence" not in asked.target])


class TestRoutes:
    def test_a_listed_route_passes_with_its_query(self, upstream: Upstream) -> None:
        answer = ask(GATE.port, "GET", "/v1/models?listed=1", X_Forwarded_For="6.6.6.6")

        (asked,) = upstream.find("listed=1")
        assert answer.status == 200
        assert asked.target == "/v1/models?listed=1"
        assert asked.headers["host"] == "engine.internal"
        assert asked.headers["x-forwarded-for"] == "127.0.0.1"
        assert "access-control-allow-origin" not in answer.headers

    @pytest.mark.parametrize("name", ["Qwen3-8B", "Qwen/Qwen3-8B", "llama3.1:8b"])
    def test_a_prefix_takes_names(self, name: str) -> None:
        answer = ask(GATE.port, "GET", f"/v1/models/{name}")

        assert json.loads(answer.body) == {"path": f"/v1/models/{name}"}

    @pytest.mark.parametrize(
        ("method", "target"),
        [
            ("GET", "/"),
            ("GET", "/metrics"),
            ("GET", "/health"),
            ("GET", "/docs"),
            ("POST", "/tokenize"),
            ("POST", "/invocations"),
            ("POST", "/api/pull"),
            ("GET", "/v1"),
            ("GET", "/v1/"),
            ("GET", "/v1/models/"),
            ("POST", f"{CHAT}/"),
            ("POST", f"{CHAT}x"),
            ("POST", f"/x{CHAT}"),
            # another method
            ("GET", CHAT),
            ("POST", "/v1/models"),
            ("DELETE", "/v1/models/x"),
            ("HEAD", "/v1/models"),
            ("OPTIONS", CHAT),
            ("post", CHAT),
            ("CONNECT", "/v1/models"),
            # another spelling
            ("POST", CHAT.upper()),
            ("GET", "/V1/models"),
            ("GET", "//v1/models"),
            ("GET", "/v1//models"),
            ("GET", "/./v1/models"),
            ("GET", "/v1/../metrics"),
            ("GET", "//v1/../metrics"),
            ("GET", "/v1/models/../../metrics"),
            ("GET", "/v1/models/x/../../../metrics"),
            ("GET", "/metrics/../v1/models"),
            ("GET", "/v1/%6dodels"),
            ("GET", "/v1/models/%2e%2e/%2e%2e/metrics"),
            ("GET", "/v1/models/%2E%2E%2F%2E%2E%2Fmetrics"),
            ("GET", "/v1/models/..%2f..%2fmetrics"),
            ("GET", "/v1%2fmodels"),
            ("GET", "/v1/models/Qwen%2FQwen3"),
            ("GET", "/v1/models/%252e%252e/metrics"),
            ("GET", "/v1/models%00"),
            ("GET", "/v1/models%3Fa"),
            ("GET", "/v1/models;/metrics"),
            ("GET", "/v1/models\\..\\metrics"),
            ("GET", "/v1/models/\\..\\..\\metrics"),
            ("GET", "/v1/models#/metrics"),
            ("GET", "/v1/models/{env.API_KEY}"),
            ("GET", "http://engine.internal/metrics"),
        ],
    )
    def test_everything_else_is_404_and_goes_nowhere(
        self, upstream: Upstream, method: str, target: str
    ) -> None:
        before = reached(upstream)

        answer = ask(GATE.port, method, target)

        assert answer.status in {400, 404}  # 400: Go's own parser would not have it
        if answer.status == 404 and method != "HEAD":
            assert answer.code == "not_found"
        assert reached(upstream) == before

    def test_options_of_the_server_say_nothing(self, upstream: Upstream) -> None:
        before = reached(upstream)

        answer = ask(GATE.port, "OPTIONS", "*")  # Go answers this one itself

        assert (answer.status, answer.body) == (200, b"")
        assert "allow" not in str(answer.headers).lower()
        assert reached(upstream) == before

    def test_the_upstream_saw_listed_routes_alone(self, upstream: Upstream) -> None:
        listed = re.compile(rf"POST {CHAT}(\?.*)?|(GET|HEAD) /v1/models(/[\w.:-]+)*(\?.*)?")
        seen = {f"{a.method} {a.target}" for a in upstream.find("")} - {"GET /health"}

        assert [one for one in seen if not listed.fullmatch(one)] == []

    def test_an_absolute_target_is_its_path(self, upstream: Upstream) -> None:
        answer = ask(GATE.port, "GET", "http://evil.test/v1/models?absolute")

        (asked,) = upstream.find("absolute")
        assert answer.status == 200
        assert (asked.target, asked.headers["host"]) == ("/v1/models?absolute", "engine.internal")


class TestKey:
    @pytest.mark.parametrize(
        "header",
        [
            "-",
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            f"Bearer {KEY}x",
            f"Bearer {KEY[:-1]}",
            f"Bearer {KEY[:-1]}*",
            "Bearer *",
            f"bearer {KEY}",
            f"Bearer  {KEY}",
            f"Basic {KEY}",
            KEY,
            "Bearer {env.API_KEY}",
            "Bearer {$API_KEY}",
        ],
    )
    def test_a_wrong_key_is_401(self, upstream: Upstream, header: str) -> None:
        mark = f"wrong-{header.encode().hex()}-"

        answer = chat(Wish(), mark, Authorization=header)

        assert (answer.status, answer.code) == (401, "invalid_api_key")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Content-Type"] == "application/json"
        assert upstream.find(mark) == []

    def test_two_keys_are_none(self) -> None:
        answer = chat(Wish(), "two", Authorization=f"Bearer {KEY}\r\nAuthorization: Bearer {KEY}")

        assert answer.status == 401

    @pytest.mark.parametrize(
        ("header", "status"),
        [(KEY, 200), ("", 401), ("wrong", 401), (f"Bearer {KEY}", 401), (f"{KEY}x", 401)],
    )
    def test_the_header_of_anthropics_clients(
        self, upstream: Upstream, header: str, status: int
    ) -> None:
        mark = f"anthropic-{header.encode().hex()}-"

        answer = chat(Wish(), mark, Authorization="-", X_Api_Key=header)

        assert answer.status == status
        assert [KEY in str(asked.headers) for asked in upstream.find(mark)] == [False] * (
            status == 200
        )

    def test_the_upstream_never_sees_the_key(self, upstream: Upstream) -> None:
        assert chat(Wish(), "dropped", X_Api_Key=KEY).status == 200

        (asked,) = upstream.find("dropped")
        assert KEY not in str(asked.headers)

    def test_a_key_in_a_file_is_forwarded_where_the_engine_checks_it_too(
        self, upstream: Upstream, tmp_path: Path
    ) -> None:
        key = tmp_path / "api key"
        key.write_text("from-a-file\n")
        gate = replace(GATE, forward_key=True, port=18082, metrics_port=18092)
        place = replace(PLACE, key=key_in_file("/run/the key"))
        with Caddy(gate, tmp_path, place, **{"the key": key}) as server:
            server.wait_ready()
            right = chat(Wish(), "filed", gate.port, Authorization="Bearer from-a-file")
            wrong = chat(Wish(), "unfiled", gate.port)
            other = chat(Wish(), "otherwise", gate.port, X_Api_Key="from-a-file")

        found = [*upstream.find("filed"), *upstream.find("otherwise")]
        assert (right.status, wrong.status, other.status) == (200, 401, 200)
        assert [one.headers["authorization"] for one in found] == ["Bearer from-a-file"] * 2
        assert not any("x-api-key" in one.headers for one in found)

    def test_no_key_at_all_lets_nobody_in(
        self, upstream: Upstream, tmp_path: Path, curl: Path
    ) -> None:
        gate = replace(GATE, tls="internal", host="llm.test", port=18445, metrics_port=18095)
        place = replace(PLACE, key=key_in_env("NOT_SET"))
        with Caddy(gate, tmp_path, place) as server:
            server.wait_certificate()
            url = f"https://llm.test:{gate.port}/v1/models?keyless"
            # Over HTTP/2 a space at the end of a header stays, so this is what is compared.
            options = ("--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}")
            empty = (("-H", "Authorization: Bearer "), ("-H", "X-Api-Key;"))
            done = [run_program(curl_tls(curl, server, *options, *one, url)) for one in empty]

        assert [one.stdout for one in done] == ["2 401", "2 401"], done
        assert upstream.find("keyless") == []


class TestStreams:
    @pytest.mark.parametrize("kind", ["sse", "ndjson"])
    def test_pieces_arrive_as_they_are_made(self, kind: Any) -> None:
        answer = chat(Wish(kind, pieces=3, gap=1.0), f"pieces-{kind}")

        assert answer.status == 200
        assert answer.first_s < 0.9
        assert answer.all_s > 1.9
        assert answer.body.count(b"piece") == 3

    @pytest.mark.parametrize(
        ("wish", "read"),
        [
            (Wish("whole", wait=20), 0),
            (Wish("sse", wait=20), 0),
            (Wish("sse", gap=20), 1),
            (Wish("ndjson", gap=20), 1),
        ],
        ids=["whole answer", "before the first byte", "silent stream", "silent ndjson"],
    )
    def test_the_upstream_learns_that_a_client_left(
        self, proxy: Caddy, upstream: Upstream, wish: Wish, read: int
    ) -> None:
        mark = f"left-{wish.kind}-{wish.wait}"
        client = send(GATE.port, "POST", f"{CHAT}?{mark}", wish.body())
        proxy.wait_until("asking", lambda: bool(upstream.find(mark)), 5)
        if read:
            assert client.recv(1)
        client.close()

        (asked,) = upstream.find(mark)
        assert asked.gone.wait(3)

    def test_a_post_runs_once_whatever_happens(self, upstream: Upstream) -> None:
        answer = chat(Wish("drop"), "once")

        assert len(upstream.find("once")) == 1
        assert (answer.status, answer.code) == (502, "upstream_unavailable")
        assert answer.headers["Retry-After"]

    def test_a_silent_server_is_given_up_after_its_time(self, tmp_path: Path) -> None:
        gate = replace(GATE, idle_timeout_s=2, port=18083, metrics_port=18093)
        with Caddy(gate, tmp_path) as server:
            server.wait_ready()
            silent = chat(Wish(wait=20), "given-up", gate.port)
            with pytest.raises(http.client.IncompleteRead):
                chat(Wish("sse", gap=20), "cut", gate.port)
            lively = chat(Wish("sse", pieces=4, gap=1), "lively", gate.port)

        assert (silent.status, silent.code) == (504, "upstream_unavailable")
        assert lively.body.count(b"piece") == 4

    def test_no_server_behind_it(self, tmp_path: Path) -> None:
        gate = replace(GATE, upstream_port=18999, port=18084, metrics_port=18094)
        with Caddy(gate, tmp_path) as server:
            server.wait_ready()
            answer = chat(Wish(), "nobody", gate.port)
            again = chat(Wish(), "nobody", gate.port)
            health = status_of(f"{server.inside}/readyz")

        assert (answer.status, answer.code) == (502, "upstream_unavailable")
        assert again.status == 502  # a failure does not close the door for the next
        assert health == 502
        assert b"18999" not in answer.body


def one_of_many(number: int, port: int) -> Answer:
    """Shortly after the one before: Caddy counts and lets in in two steps."""
    time.sleep(number * 0.05)
    return chat(Wish("sse", pieces=2, gap=2), f"crowd-{number}", port)


class TestLimits:
    def test_a_body_that_says_it_is_too_large(self, upstream: Upstream) -> None:
        answer = ask(GATE.port, "POST", f"{CHAT}?large", Content_Length=str(2**20 + 1))

        assert (answer.status, answer.code) == (413, "request_too_large")
        assert upstream.find("large") == []

    def test_a_body_that_does_not_say(self, upstream: Upstream) -> None:
        chunk = b"10000\r\n" + b"x" * 2**16 + b"\r\n"
        headers = {"Content_Length": "-", "Transfer_Encoding": "chunked"}

        answer = ask(GATE.port, "POST", f"{CHAT}?endless", chunk * 17 + b"0\r\n\r\n", **headers)

        assert (answer.status, answer.code) == (413, "request_too_large")
        assert [asked.answered for asked in upstream.find("endless")] in ([], [False])

    def test_a_body_of_just_that_size(self, upstream: Upstream) -> None:
        body = Wish().body()

        answer = ask(GATE.port, "POST", f"{CHAT}?fits", body.ljust(2**20))

        assert answer.status == 200
        assert len(upstream.find("fits")[0].body) == 2**20

    def test_more_requests_than_allowed_are_503(self, upstream: Upstream, tmp_path: Path) -> None:
        # A server of its own: requests are counted per upstream, and others are running.
        gate = replace(GATE, port=18086, metrics_port=18096)
        with Caddy(gate, tmp_path) as server, ThreadPoolExecutor(10) as pool:
            server.wait_ready()
            answers = list(pool.map(lambda n: one_of_many(n, gate.port), range(10)))
            after = chat(Wish(), "crowd-after", gate.port)

        refused = [answer for answer in answers if answer.status == 503]
        assert len(upstream.find("crowd-")) == gate.max_requests + 1
        assert len(refused) == 10 - gate.max_requests
        assert {answer.code for answer in refused} == {"overloaded"}
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        assert max(answer.all_s for answer in refused) < 1.5
        assert after.status == 200

    def test_headers_that_never_end(self) -> None:
        with socket.create_connection(("127.0.0.1", GATE.port), timeout=20) as client:
            client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n")
            start = time.monotonic()
            client.recv(1000)

        assert 8 < time.monotonic() - start < 15

    def test_headers_that_are_too_large(self) -> None:
        with send(GATE.port, "GET", "/v1/models", X_Large="x" * 100_000) as client:
            # No more than that: what is left unread resets the connection.
            assert client.recv(12) == b"HTTP/1.1 431"


class TestInside:
    def test_metrics_and_health_are_not_for_clients(self, proxy: Caddy) -> None:
        for path in ("/metrics", "/healthz", "/readyz", "/config/", "/debug/pprof/"):
            assert ask(GATE.port, "GET", path).status == 404
        assert "caddy_http_requests_total" in fetch(f"{proxy.inside}/metrics")
        assert fetch(f"{proxy.inside}/readyz") == '{"path": "/health"}'
        assert status_of(f"{proxy.inside}/v1/models") == 404
        assert status_of("http://127.0.0.1:2019/config/") is None

    def test_an_engine_without_metrics_is_told_of(
        self, prometheus_binary: Path, tmp_path: Path
    ) -> None:
        """As for Ollama: the job is called after the engine and asks the proxy."""
        gate = replace(
            GATE, upstream_port=18011, port=18086, metrics_port=18096, tells_upstream=True
        )
        target = f"127.0.0.1:{gate.metrics_port}"
        job = {"job_name": "engine", "metrics_path": "/upstream"}
        jobs = [{**job, "static_configs": [{"targets": [target]}]}]
        config = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}
        (tmp_path / "prometheus.yml").write_text(json.dumps(config))
        argv = ["--config.file=/etc/prometheus/prometheus.yml"]
        (tmp_path / "proxy").mkdir()
        with (
            Caddy(gate, tmp_path / "proxy") as caddy,
            Prometheus(argv, prometheus_binary, binds={"/etc/prometheus": tmp_path}) as server,
        ):
            caddy.wait_ready()
            server.wait_ready()
            server.wait_sample('up{job="engine"} == 0')
            assert status_of(f"{caddy.inside}/upstream") == 502
            with Upstream(gate.upstream_port):
                server.wait_sample('up{job="engine"} == 1')
                sample = server.wait_sample("infra_gen_upstream_answers")
            server.wait_sample('up{job="engine"} == 0')

        assert sample[0]["value"][1] == "1"

    def test_prometheus_has_the_histograms(self, prometheus_binary: Path, tmp_path: Path) -> None:
        chat(Wish("sse", pieces=2, gap=0.5), "measured")
        target = f"127.0.0.1:{GATE.metrics_port}"
        jobs = [{"job_name": "proxy", "static_configs": [{"targets": [target]}]}]
        config = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}
        (tmp_path / "prometheus.yml").write_text(json.dumps(config))
        argv = ["--config.file=/etc/prometheus/prometheus.yml"]
        with Prometheus(argv, prometheus_binary, binds={"/etc/prometheus": tmp_path}) as server:
            server.wait_targets_up()
            only = '{job="proxy",server="clients",code="200",method="POST"}'
            first = server.wait_sample(f"caddy_http_response_duration_seconds_count{only}")
            whole = server.wait_sample(f"caddy_http_request_duration_seconds_bucket{only}")
            flying = server.wait_sample('caddy_http_requests_in_flight{server="clients"}')
            refused = server.query(
                'caddy_http_request_duration_seconds_count{server="clients",code="404"}'
            )

        assert float(first[0]["value"][1]) >= 1
        assert {float(sample["metric"]["le"]) for sample in whole} >= {0.005, 10.0}
        assert max(float(s["metric"]["le"]) for s in whole if s["metric"]["le"] != "+Inf") == 10
        assert [set(sample["metric"]) - {"instance", "job"} for sample in first] == [
            {"__name__", "server", "handler", "code", "method"}
        ]
        assert [sample["metric"]["handler"] for sample in flying] == ["subroute"]
        assert refused

    def test_logs_have_neither_key_nor_query_nor_prompt(self, proxy: Caddy) -> None:
        secret = Wish().body()[:-1] + b', "prompt": "a-private-prompt"}'
        ask(GATE.port, "POST", f"{CHAT}?token=in-the-query", secret, X_Api_Key="other-key")
        chat(Wish("drop"), "failing=in-the-query", Cookie="a=cookie-value")
        ask(GATE.port, "GET", "/nowhere?token=in-the-query")
        proxy.wait_until("logging", lambda: "/nowhere" in proxy.log, 5)

        lines = proxy.logged("http.log.access")
        for word in (KEY, "a-private-prompt", "in-the-query", "other-key", "cookie-value"):
            assert word not in proxy.log
        assert {"/nowhere?...", f"{CHAT}?..."} <= {line["request"]["uri"] for line in lines}
        assert all("headers" not in line["request"] for line in lines)
        assert not [line for line in lines if line["request"]["host"].endswith("18090")]
        faults = {line["status"]: line["fault"] for line in lines if "fault" in line}
        assert faults[404] == "not a listed route"
        assert faults[502] == "EOF"


class TestTls:
    @pytest.mark.parametrize("tls", ["off", "internal", "acme", "files"])
    @pytest.mark.parametrize("bind", [None, "127.0.0.1"])
    def test_the_file_is_valid_and_tidy(self, tmp_path: Path, tls: Any, bind: str | None) -> None:
        certificate, key = make_certificate(tmp_path)
        host = "llm.example.com" if tls in {"internal", "acme"} else None
        gate = replace(
            GATE, tls=tls, host=host, certificate="/run/cert", certificate_key="/run/pkey"
        )
        place = replace(PLACE, bind=bind, metrics_bind=bind, challenge_port=8081 if bind else None)
        caddy = Caddy(gate, tmp_path, place, cert=certificate, pkey=key)

        valid = caddy.caddy("validate", "--adapter", "caddyfile", "--config", CONFIG)
        tidy = caddy.caddy("fmt", "--diff", CONFIG)

        assert valid.returncode == 0, valid.stderr
        assert '"level":"warn"' not in valid.stderr
        assert '"level":"error"' not in valid.stderr
        assert tidy.returncode == 0, tidy.stdout
        # Options for a listener that does not exist would be ignored without a word.
        adapted = json.loads(caddy.caddy("adapt", "--config", CONFIG).stdout)
        servers = adapted["apps"]["http"]["servers"]
        assert set(servers) == {"clients", "internal"}
        assert servers["clients"]["listen"] == [f"{bind or ''}:{GATE.port}"]
        assert servers["clients"]["protocols"] == (["h1"] if tls == "off" else ["h1", "h2"])
        assert KEY not in json.dumps(adapted)

    def test_the_internal_ca_serves(self, tls_proxy: Caddy, curl: Path) -> None:
        port = tls_proxy.gate.port
        options = ("-o", "/dev/null", "-D", "-", "-w", "%{http_version} %{http_code}")
        right = ("-H", f"Authorization: Bearer {KEY}", f"https://llm.test:{port}/v1/models")
        done = run_program(curl_tls(curl, tls_proxy, *options, *right))
        other = run_program(curl_tls(curl, tls_proxy, *options, "-H", "Host: evil.test", *right))
        bare = run_program([str(curl), "-sSk", *options, f"https://127.0.0.1:{port}/v1/models"])

        assert done.stdout.endswith("2 200"), done.stderr
        assert "strict-transport-security" not in done.stdout.lower()
        assert "alt-svc" not in done.stdout.lower()
        assert other.stdout.endswith("2 404"), other.stderr
        assert bare.stdout.endswith("2 404"), bare.stderr

    def test_certificate_files_serve_by_name_and_by_address(
        self, tmp_path: Path, curl: Path
    ) -> None:
        certificate, key = make_certificate(tmp_path)
        gate = replace(
            GATE, tls="files", certificate="/run/cert", certificate_key="/run/pkey", port=18444,
            metrics_port=18097,
        )  # fmt: skip
        with Caddy(gate, tmp_path, cert=certificate, pkey=key) as server:
            server.wait_ready()
            to = ("--cacert", str(certificate), "--noproxy", "*")
            name = ("--resolve", "files.test:18444:127.0.0.1", "https://files.test:18444/v1/models")
            out = ("-sS", "-o", "/dev/null", "-w", "%{http_code}")
            key_header = ("-H", f"Authorization: Bearer {KEY}")
            by_name = run_program([curl, *out, *to, *key_header, *name])
            by_address = run_program(
                [curl, *out, *to, *key_header, "https://127.0.0.1:18444/v1/models"]
            )

        assert (by_name.stdout, by_address.stdout) == ("200", "200"), by_address.stderr


def make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    names = "subjectAltName=DNS:files.test,IP:127.0.0.1"
    done = run_program(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", "/CN=files.test", "-addext", names,
            "-keyout", key, "-out", certificate,
        ]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    key.chmod(0o644)
    return certificate, key


def test_in_front_of_llama_server(llama_root: Path, tiny_model: Path, tmp_path: Path) -> None:
    gate = replace(
        GATE, upstream_port=18010, upstream_host_header=None, forward_key=True, port=18085,
        metrics_port=18098,
    )  # fmt: skip
    argv = [
        "llama-server", "--model", "/models/tiny.gguf", "--ctx-size", "512", "--port", "18010",
        "--metrics", "--api-key", KEY,
    ]  # fmt: skip
    binds = {"/models": tiny_model.parent}
    with (
        LlamaServer(argv, llama_root, binds=binds, api_key=KEY) as engine,
        Caddy(gate, tmp_path) as server,
    ):
        engine.wait_healthy()
        server.wait_ready()
        url = f"http://127.0.0.1:{gate.port}"
        body = {
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 4,
            "stream": True,
            "grammar": WORDS,
        }
        answer = read_chat(fetch(url + CHAT, body, engine.headers))
        closed = [
            status_of(url + path, engine.headers) for path in ("/metrics", "/props", "/slots")
        ]
        healthy = status_of(f"{server.inside}/readyz")

    assert answer.finish_reason == "length"
    assert len(answer.events) >= 3
    assert closed == [404, 404, 404]
    assert healthy == 200


def test_on_a_stop_running_answers_end(upstream: Upstream, tmp_path: Path) -> None:
    gate = replace(GATE, port=18087, metrics_port=18099)
    with Caddy(gate, tmp_path) as server, ThreadPoolExecutor(1) as pool:
        server.wait_ready()
        running = pool.submit(chat, Wish("sse", pieces=4, gap=1), "stopping", gate.port)
        server.wait_until("asking", lambda: bool(upstream.find("stopping")), 5)
        status = server.stop()

    assert running.result().body.count(b"piece") == 4
    assert status == 0


def test_a_long_silence_cuts_no_stream(silences: Silences) -> None:
    """Last, for it waits for what was started first."""
    http1 = silences.http1.result(SILENCE_S + 30)
    http2 = silences.http2.result(SILENCE_S + 30)

    assert http1.first_s < 1
    assert http1.all_s > SILENCE_S - 1  # the client looks at its clock a little late
    assert http1.body.count(b"piece") == 2
    assert http2.returncode == 0, http2.stderr
    version, _, first = http2.stdout.rpartition("\n")[2].partition(" ")
    assert version == "2"
    assert float(first) < 1
    assert http2.stdout.count("piece") == 2
