"""Exposure, the proxy, offline machines: what the stack holds for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra_gen import api
from infra_gen.building import Built
from infra_gen.model.names import ENGINE_NAMES
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Service

LAN = {"exposure": "lan", "host": "box.lan"}


def built(**keys: Any) -> Built:
    words = {"name": "chat", "hardware": "rtx-3090", "model": "qwen3-8b", **keys}
    made = api.build(Spec.model_validate(words), Path())
    assert not made.errors, made.errors
    return made


def published(made: Built) -> dict[str, list[tuple[int, bool]]]:
    """Host ports of each service, and whether every interface has them."""
    return {
        service.name: [(port.host, port.exposed) for port in service.ports if port.host]
        for service in made.stack.services
    }


class TestLoopback:
    @pytest.mark.parametrize("engine", ["vllm", "llama.cpp", "tgi"])
    def test_engines_with_a_key_and_metrics_stand_alone(self, engine: str) -> None:
        made = built(engine=engine)
        assert not made.stack.has("proxy")
        ports = published(made)["engine"]
        assert len(ports) == 1
        assert not ports[0][1]

    def test_ollama_has_neither_so_a_proxy_measures_and_guards(self) -> None:
        made = built(engine="ollama")
        assert made.stack.has("proxy")
        ports = published(made)
        assert ports["engine"] == []
        assert ports["proxy"] == [(11434, False)]
        gate = made.stack.front.gate
        assert gate is not None
        assert gate.key == "API_KEY"
        assert not gate.forward_key
        assert gate.upstream_host_header == "localhost"

    def test_without_key_and_monitoring_ollama_needs_none(self) -> None:
        made = built(engine="ollama", monitoring=False, serve={"api_key": "none"})
        assert not made.stack.has("proxy")


class TestBeyond:
    @pytest.mark.parametrize("engine", ENGINE_NAMES)
    def test_only_the_proxy_is_published_beyond_loopback(self, engine: str) -> None:
        made = built(engine=engine, serve=LAN)
        for name, ports in published(made).items():
            assert [exposed for _, exposed in ports] == [name == "proxy"] * len(ports)
        assert published(made)["engine"] == []

    @pytest.mark.parametrize(
        ("serve", "port", "tls"),
        [
            (LAN, 8443, "internal"),
            ({**LAN, "tls": "off"}, 8000, "off"),
            ({"exposure": "public", "host": "llm.example.org"}, 443, "acme"),
            ({**LAN, "port": 9000}, 9000, "internal"),
            (
                {"exposure": "lan", "tls": {"certificate": "/c.pem", "key": "/k.pem"}},
                8443,
                "files",
            ),
        ],
    )
    def test_ports_and_certificates(self, serve: dict[str, Any], port: int, tls: str) -> None:
        words = {"name": "chat", "hardware": "rtx-3090", "model": "qwen3-8b", "serve": serve}
        made = api.build(Spec.model_validate({**words, "engine": "vllm"}), Path())
        front = made.stack.front
        assert front.ports[0].host == port
        assert front.gate is not None
        assert front.gate.tls == tls

    def test_the_engine_still_asks_for_its_key(self) -> None:
        gate = built(engine="vllm", serve=LAN).stack.front.gate
        assert gate is not None
        assert gate.forward_key

    @pytest.mark.parametrize("engine", ENGINE_NAMES)
    def test_routes_that_change_or_tell_things_are_not_let_through(self, engine: str) -> None:
        gate = built(engine=engine, serve=LAN).stack.front.gate
        assert gate is not None
        paths = {route.path for route in gate.routes}
        assert "/v1/chat/completions" in paths
        forbidden = (
            "/metrics", "/slots", "/props", "/invocations", "/api/pull", "/api/delete",
            "/api/create", "/api/push", "/info", "/debug", "/pause", "/server_info",
        )  # fmt: skip
        assert not [path for path in paths if path.startswith(forbidden)]

    def test_on_a_host_engine_and_proxy_have_ports_of_their_own(self) -> None:
        made = built(hardware="apple-m3-16gb", model="qwen3-4b", serve={**LAN, "port": 9931})
        proxy, engine = made.stack.front, made.stack.service("engine")
        assert proxy.role == "proxy"
        assert proxy.ports[0].container == 9931
        assert engine.ports[0].container == 9932
        assert engine.ports[0].host is None


OFFLINE = {"mirror": "registry.lan:5000/ai", "model_path": "/srv/models/qwen3-8b"}


class TestOffline:
    @pytest.mark.parametrize("engine", ["vllm", "tgi"])
    def test_nothing_downloads_and_images_come_from_the_mirror(self, engine: str) -> None:
        made = built(engine=engine, offline=OFFLINE)
        assert not made.stack.has("fetch")
        for service in made.stack.services:
            assert service.image is not None
            assert service.image.repository.startswith("registry.lan:5000/ai/")
        text = made.tree["compose.yaml"].text
        for registry in ("docker.io", "ghcr.io", "quay.io", "huggingface.co"):
            assert registry not in text

    def test_registries_are_replaced_not_kept(self) -> None:
        engine = built(engine="vllm", offline=OFFLINE).stack.service("engine")
        assert engine.image is not None
        assert engine.image.repository == "registry.lan:5000/ai/vllm/vllm-openai"

    def test_the_model_is_a_path(self) -> None:
        made = built(engine="vllm", offline=OFFLINE)
        text = made.tree["compose.yaml"].text
        assert "/srv/models/qwen3-8b" in text
        assert 'HF_HUB_OFFLINE: "1"' in text or "HF_HUB_OFFLINE: '1'" in text
        assert "TRANSFORMERS_OFFLINE" in text

    def test_a_lock_keeps_the_models_name(self, tmp_path: Path) -> None:
        made = built(engine="vllm", offline=OFFLINE)
        root = tmp_path / "chat"
        api.write_new(made, root)
        assert not api.check(root, full=True).drift
        spec, lock = api.load(root)
        assert api.build_locked(root, spec, lock).plan.model_id == "qwen3-8b"

    def test_ollama_makes_its_model_from_the_file(self) -> None:
        made = built(engine="ollama", offline=OFFLINE)
        modelfile = made.tree["ollama/Modelfile"].text
        assert "FROM /models/" in modelfile
        assert "hf.co" not in made.tree["bin/fetch-model"].text


class TestTelemetry:
    @pytest.mark.parametrize(
        ("engine", "variable"),
        [
            ("vllm", "VLLM_NO_USAGE_STATS"),
            ("tgi", "USAGE_STATS"),
            ("ollama", "OLLAMA_NO_CLOUD"),
        ],
    )
    def test_no_engine_reports_home(self, engine: str, variable: str) -> None:
        service: Service = built(engine=engine).stack.service("engine")
        assert variable in {one.name for one in service.env}


class TestVariables:
    def test_a_variable_of_the_users_replaces_ours(self) -> None:
        made = built(engine="ollama", engine_args={"OLLAMA_KEEP_ALIVE": "2h"})
        env = {one.name: one for one in made.stack.service("engine").env}
        assert env["OLLAMA_KEEP_ALIVE"].value == "2h"
        assert "yours" in env["OLLAMA_KEEP_ALIVE"].because


class TestMeasuring:
    def test_ports_can_be_moved_for_a_second_deployment(self) -> None:
        made = built(monitoring={"prometheus_port": 9191, "grafana_port": 3131})
        taken = [port for ports in published(made).values() for port, _ in ports]
        assert 9191 in taken
        assert 9090 not in taken

    def test_two_services_never_share_a_port(self) -> None:
        with pytest.raises(Exception, match="9090"):
            built(serve={"port": 9090})
