"""Docker Compose itself reads what is written for every machine and every kind of exposure."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.live.conftest import require, run_program

from infra_gen import api
from infra_gen.building import Built
from infra_gen.errors import InfraGenError
from infra_gen.model.spec import Spec
from infra_gen.targets.names import secrets_of

pytestmark = pytest.mark.live

MACHINES = ("rtx-3090", "2x4090", "mi300x", "arc-b580", "cpu-avx512", "jetson-agx-orin", "gb10")
ENGINES = ("vllm", "tgi", "llama.cpp", "ollama")
HOST = "llm.example.org"
EXPOSURES: dict[str, dict[str, Any]] = {
    "loopback": {},
    "open": {"api_key": "none"},
    "lan": {"exposure": "lan", "host": "box.lan"},
    "lan without tls": {"exposure": "lan", "tls": "off", "port": 9000},
    "public": {"exposure": "public", "host": HOST},
    "own certificate": {
        "exposure": "public", "tls": {"certificate": "/etc/tls/c.pem", "key": "/etc/tls/k.pem"},
    },
}  # fmt: skip
# Turned on and off in turn, so that each meets every machine and exposure.
EXTRAS: tuple[dict[str, Any], ...] = (
    {},
    {"image": "official"},
    {"monitoring": False},
    {"monitoring": {"dashboards": False, "gpu": False, "prometheus_port": 9191}},
    {"offline": {"mirror": "registry.lan:5000/ai", "model_path": "/srv/models/qwen3-1.7b"}},
    {"storage": {"path": "/srv/models", "size": 100}},
    {"gpu_fraction": 0.6},
)


def cases() -> list[tuple[str, str, str, int]]:
    product = itertools.product(MACHINES, ENGINES, EXPOSURES)
    return [(*case, number) for number, case in enumerate(product)]


def built(machine: str, engine: str, exposure: str, number: int) -> Built | None:
    """The deployment, or None where the engine does not exist for the machine."""
    document = {
        "name": "chat", "hardware": machine, "model": "qwen3-1.7b", "engine": engine,
        "target": "compose", "serve": EXPOSURES[exposure], **EXTRAS[number % len(EXTRAS)],
        "allow": [{"rule": "tls-missing", "reason": "a test of every form"},
                  {"rule": "key-missing-when-exposed", "reason": "a test of every form"}],
    }  # fmt: skip
    try:
        return api.build(Spec.model_validate(document), Path())
    except InfraGenError as error:
        said = str(error)
        assert any(
            word in said
            for word in ("publishes no image", "no legal plan", "does not fit", "could load")
        ), said
        return None


@pytest.mark.parametrize("machine", MACHINES)
def test_compose_reads_every_combination(machine: str, tmp_path: Path) -> None:
    tool = require("docker-compose")
    seen: set[tuple[str, str]] = set()
    for case in (one for one in cases() if one[0] == machine):
        made = built(*case)
        if made is None:
            continue
        assert not made.errors, (case, made.errors)
        root = tmp_path / f"{case[3]}"
        api.write_new(made, root)
        env = {**os.environ, "DOCKER_CONFIG": str(tool.path("config"))}
        env |= {"VIDEO_GID": "44", "RENDER_GID": "109"}
        env |= {secret.name: "x" for secret in secrets_of(made.stack)}
        done = run_program(
            [tool.path("docker"), "compose", "--file", root / "compose.yaml", "config",
             "--format", "json"], env=env,
        )  # fmt: skip
        assert done.returncode == 0, (case, done.stderr)
        assert "level=warning" not in done.stderr, (case, done.stderr)
        check_ports(json.loads(done.stdout), case[2], case)
        seen.add((case[1], case[2]))
    engines = {engine for engine, _ in seen}
    assert len(seen) == len(engines) * len(EXPOSURES)
    assert "llama.cpp" in engines or machine == "jetson-agx-orin"


def check_ports(document: dict[str, Any], exposure: str, case: object) -> None:
    """What Compose itself would publish, and where."""
    beyond = {
        name
        for name, service in document["services"].items()
        for port in service.get("ports", ())
        if port.get("host_ip") != "127.0.0.1"
    }
    local = exposure in ("loopback", "open")
    assert beyond == (set() if local else {"proxy"}), (case, beyond)
