"""The dashboard and its provisioning, on stacks made by hand and on real ones."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.target_stacks import METRICS, vllm_stack

from infra_gen import api
from infra_gen.model.names import ENGINE_NAMES
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import ConfigMount, Image, Panel, Port, Query, Service, Stack
from infra_gen.stack.exporters import exporter
from infra_gen.targets.grafana import dashboard, grafana_files
from infra_gen.targets.names import HEADER

FOLDER = "monitoring/grafana"
BUSY = Panel("GPU", "Busy", "How busy.", "percent", (Query("a", "x"), Query("b", "y")), 0.9, "full")
WAIT = Panel("Latency", "Wait", "How long.", "seconds", (Query("c", "z"),))
GRAFANA = Service(
    role="dashboard",
    name="grafana",
    program=("/run.sh",),
    argv=(),
    image=Image("grafana/grafana", "1", None, "never", "472:0", "docs"),
    ports=(Port("web", 3000, 3000),),
    configs=(ConfigMount(f"{FOLDER}/dashboards", "/etc/grafana/dashboards", "charts"),),
)


def stack_with(*panels: Panel) -> Stack:
    stack = vllm_stack()
    others = [one for one in stack.services if one.role != "metrics"]
    return replace(stack, services=(*others, replace(METRICS, panels=panels), GRAFANA))


def charts(stack: Stack) -> list[dict[str, Any]]:
    panels: Any = dashboard(stack)["panels"]
    return [one for one in panels if one["type"] == "timeseries"]


def address(service: Service) -> str:
    return f"{service.name}:{service.metrics_port}"


@cache
def real(engine: str, hardware: str = "rtx-4090", **more: Any) -> api.Built:
    document = {"name": "chat", "hardware": hardware, "engine": engine, "load": {"users": 3}}
    return api.build(Spec.model_validate({**document, **more}), Path("/nowhere"))


def suited(engine: str) -> api.Built:
    """The engine with a machine and a model that it is made for: TGI knows no newer ones."""
    return real("tgi", "h100", model="qwen2.5-7b-instruct") if engine == "tgi" else real(engine)


def test_rows_are_in_one_order_and_only_those_with_charts() -> None:
    panels: Any = dashboard(stack_with(BUSY, WAIT))["panels"]

    assert [one["title"] for one in panels if one["type"] == "row"] == ["Latency", "GPU"]
    assert [one["id"] for one in panels] == list(range(1, len(panels) + 1))


def test_no_two_panels_overlap_and_rows_are_full() -> None:
    panels: Any = dashboard(real("vllm").stack)["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells


def test_the_plan_is_a_dashed_line_with_a_name() -> None:
    wait, busy = charts(stack_with(BUSY, WAIT))

    assert "thresholds" not in wait["fieldConfig"]["defaults"]
    assert wait["description"] == "How long."
    assert busy["description"] == "How busy. Dashed line: full, 90%."
    defaults = busy["fieldConfig"]["defaults"]
    assert defaults["thresholds"]["steps"][1] == {"color": "orange", "value": 0.9}
    assert defaults["custom"]["thresholdsStyle"] == {"mode": "dashed"}
    assert (defaults["unit"], defaults["max"]) == ("percentunit", 1)


def test_queries_have_letters_and_legends() -> None:
    _, busy = charts(stack_with(BUSY, WAIT))

    assert [(one["refId"], one["expr"], one["legendFormat"]) for one in busy["targets"]] == [
        ("A", "a", "x"),
        ("B", "b", "y"),
    ]


def test_files_say_who_wrote_them_and_agree_on_the_source() -> None:
    files = grafana_files(stack_with(WAIT), address)

    assert all(HEADER in file.text for file in files.values())
    (source,) = yaml.safe_load(files[f"{FOLDER}/datasource.yaml"].text)["datasources"]
    (provider,) = yaml.safe_load(files[f"{FOLDER}/provider.yaml"].text)["providers"]
    document = json.loads(files[f"{FOLDER}/dashboards/chat.json"].text)
    assert source["url"] == "http://prometheus:9090"
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    assert {one["datasource"]["uid"] for one in document["panels"] if "datasource" in one} == {
        source["uid"]
    }
    assert document["schemaVersion"] == 42
    assert "id" not in document


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_every_file_that_grafana_mounts_is_written(engine: str) -> None:
    built = suited(engine)
    for config in built.stack.service("dashboard").configs:
        assert any(
            path == config.source or path.startswith(f"{config.source}/") for path in built.tree
        )


def test_no_chart_is_there_twice_and_each_says_why() -> None:
    for built in map(suited, ENGINE_NAMES):
        panels = [one for service in built.stack.services for one in service.panels]
        assert len({one.title for one in panels}) == len(panels)
        assert all(one.because.endswith(".") and one.queries for one in panels)


def test_the_load_is_compared_with_the_plan() -> None:
    built = real("vllm")
    plan, by_title = (
        built.plan,
        {one.title: one for service in built.stack.services for one in service.panels},
    )

    assert by_title["Requests"].limit == plan.limits.max_num_seqs
    assert by_title["Busiest moment of the last hour"].limit == plan.performance.peak_concurrency
    assert plan.performance.peak
    assert plan.performance.peak.ttft_ms
    assert by_title["Time to first token"].limit == pytest.approx(
        plan.performance.peak.ttft_ms / 1e3, rel=0.01
    )


def test_an_engine_that_measures_nothing_is_measured_by_its_proxy() -> None:
    built = real("ollama")

    assert built.stack.service("engine").panels == ()
    rows = {one.row for one in built.stack.service("proxy").panels}
    assert rows == {"Load", "Latency", "Throughput", "Errors"}
    names = {one.name for one in built.stack.service("proxy").alerts}
    assert {"ProxyDown", "EngineUnreachable", "ClientsRefused"} <= names


def test_no_alert_on_what_the_histogram_cannot_show() -> None:
    slow, fast = real("ollama", "cpu"), real("ollama")

    def names(built: api.Built) -> set[str]:
        return {one.name for one in built.stack.service("proxy").alerts}

    assert "FirstByteSlow" in names(fast)
    assert "FirstByteSlow" not in names(slow)


def test_grafana_asks_for_a_password_and_nobody_outside() -> None:
    service = real("vllm").stack.service("dashboard")
    env = {one.name: one.value for one in service.env}

    (secret,) = service.secrets
    assert (secret.env, secret.made) == ("GF_SECURITY_ADMIN_PASSWORD", True)
    assert "GF_SECURITY_ADMIN_PASSWORD" not in env
    assert env["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert env["GF_ANALYTICS_REPORTING_ENABLED"] == "false"
    assert env["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert not service.ports[0].exposed


def test_what_is_not_wanted_is_left_out() -> None:
    document = {
        "name": "chat",
        "hardware": "rtx-4090",
        "monitoring": {"dashboards": False, "gpu": False},
    }
    built = api.build(Spec.model_validate(document), Path("/nowhere"))

    assert built.stack.has("metrics")
    assert not built.stack.has("dashboard")
    assert not built.stack.has("exporter")
    assert not [path for path in built.tree if "grafana" in path]


def test_exporters_only_where_there_is_one() -> None:
    def found(built: api.Built) -> bool:
        return built.stack.has("exporter")

    def planned(**machine: Any) -> Plan:
        plan = real("vllm").plan
        return replace(plan, machine=replace(plan.machine, **machine))

    assert found(real("vllm"))
    assert not found(real("llama.cpp", "apple-m3"))
    assert not found(real("llama.cpp", "mi300x"))
    assert not found(real("llama.cpp", "cpu"))
    assert exporter(planned(memory_kind="unified")) is None


def test_on_a_host_without_containers_nothing_listens_beyond_loopback() -> None:
    stack = real("llama.cpp", target="systemd").stack
    argv = {
        arg.flag: arg.value for role in ("metrics", "exporter") for arg in stack.service(role).argv
    }
    env = {one.name: one.value for one in stack.service("dashboard").env}

    assert argv["--web.listen-address"] == "127.0.0.1:9090"
    assert argv["--address"] == "127.0.0.1:9400"
    assert env["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
