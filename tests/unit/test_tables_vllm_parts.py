"""Variables, metrics, registries, routes and dialect of vLLM, each from a few lines of source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.vllm_tree import write

from tools.tables.records import TableError
from tools.tables.vllm.envs import environment
from tools.tables.vllm.facts import endpoints, facts
from tools.tables.vllm.metrics import metrics
from tools.tables.vllm.parser import world_of
from tools.tables.vllm.registries import parser_names, quantization
from tools.tables.vllm.sources import Sources

ENVS = """
    import os
    import tempfile
    from typing import TYPE_CHECKING, Literal, Optional

    if TYPE_CHECKING:
        VLLM_PORT: Optional[int] = None
        VLLM_ROOT: str = ""
        VLLM_TMP: str = ""
        VLLM_KIND: Literal["b", "a"] = "a"
        VLLM_ON: bool = False

    def env_with_choices(name, default, choices):
        def _get_validated_env():
            value = os.getenv(name)
            if value is None:
                return default
            return value
        return _get_validated_env

    def get_port():
        if "VLLM_PORT" not in os.environ:
            return None
        raise ValueError

    environment_variables = {
        "VLLM_PORT": get_port,
        "VLLM_ROOT": lambda: os.path.expanduser(os.getenv("VLLM_ROOT", "~/.cache/vllm")),
        "VLLM_TMP": lambda: os.getenv("VLLM_TMP", tempfile.gettempdir()),
        "VLLM_KIND": env_with_choices("VLLM_KIND", "a", ["a", "b"]),
        "VLLM_ON": lambda: os.environ.get("VLLM_ON", "1").strip().lower() in ("1", "true"),
    }
    """
LOGGERS = """
    class PrometheusStatLogger:
        def __init__(self, config):
            labelnames = ["model_name", "engine"]
            running = self._gauge_cls(name="vllm:running", documentation="", labelnames=labelnames)
            done = self._counter_cls(name="vllm:done", labelnames=labelnames + ["reason"])
            if self.show_hidden_metrics:
                old = self._histogram_cls(name="vllm:old_seconds", labelnames=labelnames)
    """
QUANT = """
    from typing import Literal, get_args

    Methods = Literal["fp8", "gaudi", "old"]
    QUANTIZATION_METHODS: list[str] = list(get_args(Methods))
    DEPRECATED_QUANTIZATION_METHODS = ["old"]

    def get_quantization_config(quantization):
        if quantization not in QUANTIZATION_METHODS:
            raise ValueError(quantization)
        from .methods import Base, Fp8, Gaudi
        found = {"fp8": Fp8, "gaudi": Gaudi}
        found.setdefault("old", Base)
        return found[quantization]
    """
METHODS = """
    class Base:
        @classmethod
        def get_min_capability(cls):
            return cls.least()

        @classmethod
        def least(cls):
            return 75

    class Fp8(Base):
        @classmethod
        def least(cls):
            return super().least() + 5

    class Gaudi(Base):
        @classmethod
        def get_min_capability(cls):
            raise AssertionError
    """
ROCM = """
    from vllm.platforms.interface import Platform

    class RocmPlatform(Platform):
        supported_quantization: list[str] = ["fp8"]
    """
ROUTES = """
    @router.get("/health", response_class=Response)
    async def health(): ...

    @router.post(
        "/v1/chat/completions",
    )
    async def chat(): ...

    route = Mount("/metrics", make_asgi_app())
    # a mention of "/v1/responses" is no route
    """


def by_name(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {record.pop("name"): record for record in records}


def test_variables_with_the_defaults_that_their_readers_give(tmp_path: Path) -> None:
    found = by_name(environment(world_of(Sources(write(tmp_path, envs=ENVS)), {})))
    assert found == {
        "VLLM_PORT": {"type": "int", "nullable": True, "default": None},
        "VLLM_ROOT": {"type": "str", "default": "~/.cache/vllm"},
        "VLLM_TMP": {"type": "str", "default_known": False},
        "VLLM_KIND": {"type": "str", "choices": ["a", "b"], "default": "a"},
        "VLLM_ON": {"type": "bool", "default": True},
    }


def test_metrics_as_exposed(tmp_path: Path) -> None:
    found = by_name(metrics(Sources(write(tmp_path, v1__metrics__loggers=LOGGERS))))
    labels = ["model_name", "engine"]
    assert found == {
        "vllm:running": {"type": "gauge", "labels": labels},
        "vllm:done_total": {"type": "counter", "labels": [*labels, "reason"]},
        "vllm:old_seconds": {
            "type": "histogram",
            "labels": labels,
            "conditional": True,
            "needs": "--show-hidden-metrics-for-version",
        },
    }


def test_metrics_named_in_a_loop_and_those_of_the_old_engine(tmp_path: Path) -> None:
    loop = """
        _COUNTERS = (("hits", "..."), ("misses", "..."))

        class Stats:
            def __init__(self, labelnames):
                for name, documentation in _COUNTERS:
                    self._counter_cls(name=f"vllm:hisparse_{name}", labelnames=labelnames)
        """
    old = """
        class Metrics:
            def __init__(self, labelnames):
                self.swapped = self._gauge_cls(name="vllm:swapped", labelnames=labelnames)
        """
    tree = write(tmp_path, distributed__kv_transfer__stats=loop, engine__metrics=old)
    found = by_name(metrics(Sources(tree)))
    assert set(found) == {"vllm:hisparse_hits_total", "vllm:hisparse_misses_total", "vllm:swapped"}
    assert found["vllm:hisparse_hits_total"]["needs"] == "--kv-transfer-config"
    assert found["vllm:swapped"]["labels"] == ["model_name"]
    assert found["vllm:swapped"]["needs"] == "VLLM_USE_V1=0"


def test_a_metric_of_unknown_or_two_types_is_refused(tmp_path: Path) -> None:
    tree = write(tmp_path, v1__metrics__loggers='name = "vllm:something_new"')
    with pytest.raises(TableError, match=r"unknown type.*something_new"):
        metrics(Sources(tree))
    both = 'a = Gauge("vllm:both", "")\nb = Histogram("vllm:both", "")'
    with pytest.raises(TableError, match="two types"):
        metrics(Sources(write(tmp_path, v1__metrics__loggers=both)))


def test_parsers_that_register_late_and_by_decorator(tmp_path: Path) -> None:
    decorated = """
        @ReasoningParserManager.register_module(["one", "two"])
        class One: ...

        @ReasoningParserManager.register_module(name="three")
        class Three: ...

        @OtherManager.register_module("four")
        class Four: ...
        """
    tree = write(
        tmp_path,
        tool_parsers__abstract="",
        tool_parsers__package="_TOOL_PARSERS_TO_REGISTER = {'b': ('x', 'X'), 'a': ('y', 'Y')}",
        reasoning__package="from .one import One",
        reasoning__one=decorated,
        reasoning__unused="@ReasoningParserManager.register_module('unused')\nclass U: ...",
    )
    assert parser_names(Sources(tree)) == {
        "ToolParserManager": ["a", "b"],
        "ReasoningParserManager": ["one", "three", "two"],
    }


def test_no_parsers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no parser registers"):
        parser_names(Sources(write(tmp_path)))


def test_quantization_methods(tmp_path: Path) -> None:
    home = "model_executor__layers__quantization"
    changed = {f"{home}__package": QUANT, f"{home}__methods": METHODS, "platforms__rocm": ROCM}
    found = by_name(quantization(world_of(Sources(write(tmp_path, **changed)), {})))
    assert found == {
        "fp8": {"min_compute_capability": 8.0, "platforms": ["cuda", "rocm"]},
        "gaudi": {},
        "old": {"min_compute_capability": 7.5, "deprecated": True, "platforms": ["cuda"]},
    }


def test_routes_that_are_served(tmp_path: Path) -> None:
    tree = write(tmp_path, entrypoints__router=ROUTES, entrypoints__api_server=ROUTES)
    found = {record["name"]: record["path"] for record in endpoints(Sources(tree))}
    assert found == {
        "chat": "/v1/chat/completions",
        "health": "/health",
        "metrics": "/metrics",
        "ready": "/health",
    }


def test_how_the_command_line_is_read(tmp_path: Path) -> None:
    flags = [{"name": "--port", "default": 8000}]
    found = {r["name"]: r["value"] for r in facts(Sources(write(tmp_path, envs="")), flags)}
    assert found == {
        "abbreviations": True,
        "bool_values": False,
        "default_port": 8000,
        "dotted_json": True,
        "env_prefixes": ["VLLM_"],
        "env_unknown": "ignore",
        "equals": True,
        "underscores": True,
    }
    warns = 'logger.warning("Unknown vLLM environment variable detected: %s", env)'
    again = facts(Sources(write(tmp_path, envs=warns)), flags)
    assert {"name": "env_unknown", "value": "warn"} in again
