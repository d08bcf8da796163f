"""Every query of every dashboard and alert, asked of a real Prometheus.

llama-server and Caddy are real, with real requests. vLLM, TGI and the DCGM exporter cannot run here:
their metrics pages are constructed from the names, types and labels in the tables that infra-gen
ships, so a query that gets data has the right names, types and labels, and no more is shown.
"""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.live.engines import LlamaServer, Prometheus
from tests.live.test_proxy import CHAT, GATE, KEY, Caddy, ask

from infra_gen import api
from infra_gen.catalogue.engine_records import snapshot
from infra_gen.knowledge.engines import engine_info
from infra_gen.model.spec import Spec
from infra_gen.resources import data_dir

pytestmark = pytest.mark.live

SPECS: dict[str, dict[str, Any]] = {
    "llama.cpp": {
        "hardware": "rtx-4090", "engine": "llama.cpp", "load": {"users": 3},
        "serve": {"exposure": "lan", "host": "llm.test"},
    },
    "ollama": {"hardware": "rtx-4090", "engine": "ollama", "load": {"users": 2}},
    "vllm": {"hardware": "2x4090", "engine": "vllm", "load": {"users": 40}},
    "embed": {
        "hardware": "l4", "engine": "vllm", "model": "bge-m3",
        "load": {"users": 20, "workload": "embed"},
    },
    "tgi": {
        "hardware": "h100", "engine": "tgi", "model": "qwen2.5-7b-instruct", "load": {"users": 20},
    },
}  # fmt: skip
# Values of labels that queries ask for; any other label has just one value.
VALUES = {
    "method": ["prefill", "decode"],
    "err": ["overloaded", "generation"],
    "finished_reason": ["stop", "length"],
    "gpu": ["0", "1"],
}
ENGINE_PORT, EXPORTER_PORT = 19101, 19102


def constructed(metrics: list[dict[str, Any]], labels: list[str], age: int) -> str:
    """A page of these metrics, `age` requests after the start."""
    lines = []
    for row in metrics:
        names = row.get("labels", labels)
        choices = itertools.product(*(VALUES.get(name, ["x"]) for name in names))
        lines.append(f"# TYPE {row['name']} {row['type']}")
        for values in choices:
            pairs = [f'{name}="{value}"' for name, value in zip(names, values, strict=True)]
            lines += _samples(row["name"], row["type"], pairs, age)
    return "\n".join([*lines, ""])


def _samples(name: str, kind: str, pairs: list[str], age: int) -> Iterator[str]:
    def sample(suffix: str, value: float, *more: str) -> str:
        inside = ",".join([*pairs, *more])
        return f"{name}{suffix}{{{inside}}} {value}"

    if kind == "histogram":
        for le, part in (("0.1", 0.2), ("1", 0.9), ("10", 1), ("+Inf", 1)):
            yield sample("_bucket", int(age * 10 * part), f'le="{le}"')
    if kind == "summary":
        yield sample("", 1, 'quantile="0.5"')
    if kind in ("histogram", "summary"):
        yield sample("_sum", age * 5)
        yield sample("_count", age * 10)
    else:
        yield sample("", age * 10 if kind == "counter" else 1)


@contextlib.contextmanager
def page(port: int, text: Callable[[int], str]) -> Iterator[None]:
    """A metrics page on loopback that grows older with each scrape."""
    ages = itertools.count(1)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = text(next(ages)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing: pytest shows what matters."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def listed(path: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((data_dir("presets") / path).read_text("utf-8"))
    return document


def metrics_of(engine: str) -> list[dict[str, Any]]:
    """Every metric of the pinned version."""
    return snapshot(engine, engine_info(engine).version)["metrics"]


def engine_page(engine: str) -> Callable[[int], str]:
    metrics = metrics_of(engine)
    plain = [row for row in metrics if not row.get("conditional") and not row.get("needs")]
    return lambda age: constructed(plain, [], age)


def exporter_page(age: int) -> str:
    dcgm = listed("metrics/dcgm-exporter.json")
    plain = [row for row in dcgm["metrics"] if "needs" not in row]
    return constructed(plain, dcgm["labels"], age)


@dataclass(frozen=True)
class Watched:
    """A deployment's monitoring files: its alerts, and the queries of its dashboard by chart."""

    alerts: str
    tests: str
    queries: Mapping[str, list[str]]
    annotation: str


def watched(case: str) -> Watched:
    name = case.replace(".", "-")
    tree = api.build(Spec.model_validate({"name": name, **SPECS[case]}), Path("/nowhere")).tree
    document = json.loads(tree[f"monitoring/grafana/dashboards/{name}.json"].text)
    charts = [panel for panel in document["panels"] if panel["type"] == "timeseries"]
    return Watched(
        alerts=tree["monitoring/alerts.yml"].text,
        tests=tree["monitoring/alerts_test.yml"].text,
        queries={
            panel["title"]: [target["expr"] for target in panel["targets"]] for panel in charts
        },
        annotation=document["annotations"]["list"][0]["target"]["expr"],
    )


@contextlib.contextmanager
def scraping(
    binary: Path, folder: Path, seen: Watched, ports: Mapping[str, int], key: str | None = None
) -> Iterator[Prometheus]:
    """Prometheus with the deployment's rules, reading every second, its targets all up."""
    jobs: list[dict[str, Any]] = []
    for job, port in ports.items():
        jobs.append({"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]})
        if key and job == "engine":
            jobs[-1]["authorization"] = {"type": "Bearer", "credentials": key}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    (folder / "alerts.yml").write_text(seen.alerts)
    argv = ["--config.file=/etc/prometheus/prometheus.yml"]
    with Prometheus(argv, binary, binds={"/etc/prometheus": folder}) as prometheus:
        prometheus.wait_targets_up()
        yield prometheus


def empty_charts(prometheus: Prometheus, seen: Watched) -> dict[str, list[str]]:
    """Charts with a query that gets no number; any that is wrong raises."""
    prometheus.query(seen.annotation)
    found: dict[str, list[str]] = {}
    for title, queries in seen.queries.items():
        for query in queries:
            numbers = [float(sample["value"][1]) for sample in prometheus.query(query)]
            if not numbers or all(math.isnan(number) for number in numbers):
                found.setdefault(title, []).append(query)
    return found


def all_rules_run(prometheus: Prometheus) -> None:
    prometheus.wait_until(
        "evaluating its rules",
        lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"},
        30,
    )


def wait_filled(prometheus: Prometheus, seen: Watched) -> None:
    """Until every chart has data; those that have none in time are named."""
    deadline = time.monotonic() + 30
    while left := empty_charts(prometheus, seen):
        assert time.monotonic() < deadline, left
        time.sleep(1)


@pytest.mark.parametrize("case", ["vllm", "embed", "tgi"])
def test_on_a_constructed_page(
    case: str, private_network: None, prometheus_binary: Path, tmp_path: Path
) -> None:
    seen, engine = watched(case), "tgi" if case == "tgi" else "vllm"
    ports = {"engine": ENGINE_PORT, "gpu-exporter": EXPORTER_PORT}
    with (
        page(ENGINE_PORT, engine_page(engine)),
        page(EXPORTER_PORT, exporter_page),
        scraping(prometheus_binary, tmp_path, seen, ports) as prometheus,
    ):
        wait_filled(prometheus, seen)
        all_rules_run(prometheus)
        renamed = replace(seen, queries={"x": ["sum(rate(vllm:gone_total[5m])) or tgi_gone"]})
        assert empty_charts(prometheus, renamed)


def test_on_a_real_llama_server_behind_a_real_proxy(
    llama_root: Path, tiny_model: Path, prometheus_binary: Path, tmp_path: Path
) -> None:
    seen, behind = watched("llama.cpp"), watched("ollama")
    gate = replace(
        GATE, upstream_port=18010, upstream_host_header=None, forward_key=True, port=18088,
        metrics_port=18100,
    )  # fmt: skip
    argv = [
        "llama-server", "--model", "/models/tiny.gguf", "--ctx-size", "1024", "--parallel", "2",
        "--port", "18010", "--metrics", "--api-key", KEY,
    ]  # fmt: skip
    (tmp_path / "caddy").mkdir()
    (tmp_path / "prometheus").mkdir()
    ports = {"engine": 18010, "proxy": gate.metrics_port, "gpu-exporter": EXPORTER_PORT}
    with (
        LlamaServer(argv, llama_root, binds={"/models": tiny_model.parent}, api_key=KEY) as engine,
        Caddy(gate, tmp_path / "caddy") as proxy,
        page(EXPORTER_PORT, exporter_page),
    ):
        engine.wait_healthy()
        proxy.wait_ready()
        folder = tmp_path / "prometheus"
        with (
            scraping(prometheus_binary, folder, seen, ports, KEY) as prometheus,
            talking(gate.port),
        ):
            wait_filled(prometheus, seen)
            wait_filled(prometheus, behind)
            all_rules_run(prometheus)
            by_code = seen.queries["Answers of the proxy by status"][0]
            codes = {sample["metric"]["code"] for sample in prometheus.query(by_code)}
            waited = float(prometheus.query(seen.queries["Time to first byte"][1])[0]["value"][1])
    assert {"200", "401", "404"} <= codes
    assert 0 < waited < 10


@contextlib.contextmanager
def talking(port: int) -> Iterator[None]:
    """Clients: chats that stream, a wrong key and a wrong route, again and again."""
    over = threading.Event()
    messages = [{"role": "user", "content": "The same beginning for everybody. " * 8}]
    body = {"messages": messages, "max_tokens": 16, "stream": True, "cache_prompt": True}

    def talk() -> None:
        while not over.wait(0.1):
            ask(port, "POST", CHAT, json.dumps(body).encode(), Content_Type="application/json")
            ask(port, "POST", CHAT, b"{}", Authorization="Bearer wrong")
            ask(port, "GET", "/nowhere")

    client = threading.Thread(target=talk)
    client.start()
    try:
        yield
    finally:
        over.set()
        client.join()


@pytest.mark.parametrize("case", SPECS)
def test_every_alert_fires_and_stays_silent(case: str, promtool: Any, tmp_path: Path) -> None:
    seen = watched(case)
    (tmp_path / "alerts.yml").write_text(seen.alerts)
    (tmp_path / "alerts_test.yml").write_text(seen.tests)
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = promtool(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_outage_is_a_gap_and_no_zero(
    private_network: None, prometheus_binary: Path, tmp_path: Path
) -> None:
    """Where a zero is drawn for what never happened, it is drawn only while somebody answers."""
    seen = watched("tgi")
    failures = seen.queries["Failures by reason"]
    quiet = [row for row in metrics_of("tgi") if "failure" not in row["name"]]
    ports = {"engine": ENGINE_PORT}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(contextlib.ExitStack())
        server.enter_context(page(ENGINE_PORT, lambda age: constructed(quiet, [], age)))
        prometheus = stack.enter_context(scraping(prometheus_binary, tmp_path, seen, ports))
        (zero,) = prometheus.wait_sample(failures[0])
        assert (zero["metric"], float(zero["value"][1])) == ({"err": "none"}, 0.0)
        server.close()
        prometheus.wait_sample('up{job="engine"} == 0')
        assert prometheus.query(failures[0]) == []
