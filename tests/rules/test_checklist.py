"""The checklist names what exists, and what no rule can judge is held by tests here."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from tests.rules.bases import built

from infra_gen.rules.registry import RULES
from tools.docs_checklist import CHAPTERS, Item

ROOT = Path(__file__).parents[2]
ITEMS = [item for chapter in CHAPTERS for item in chapter.items]


@cache
def names_in(path: str) -> frozenset[str]:
    nodes = ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("item", ITEMS, ids=[item.what[:50] for item in ITEMS])
def test_what_holds_an_item_exists(item: Item) -> None:
    assert item.held or item.open
    for name in item.held:
        path, split, test = name.partition("::")
        if split:
            assert test in names_in(path), name
        else:
            assert name in RULES, name


def test_every_rule_holds_something() -> None:
    named = {name for item in ITEMS for name in item.held}
    assert set(RULES) <= named


def text(base: str, path: str) -> str:
    return built(base).tree[path].text


@pytest.mark.parametrize("base", ["2x4090", "quadlet"])
def test_preflight_compares_the_driver(base: str) -> None:
    script = text(base, "bin/preflight")
    image = built(base).stack.service("engine").image
    assert image is not None
    assert "driver_version" in script
    assert image.min_driver is not None
    assert image.min_driver in script


def test_preflight_of_a_mac_reads_the_wired_limit() -> None:
    assert "iogpu.wired_limit_mb" in text("apple-m3", "bin/preflight")


def test_an_engine_in_maintenance_is_said_to_be() -> None:
    for base, said in (("tgi", True), ("2x4090", False)):
        one = built(base)
        notice = one.facts.engines[one.plan.engine].facts.maintenance.value
        assert (notice is not None) == said
        if notice:
            assert notice in one.plan.warnings
            assert notice in one.tree["README.md"].text


def test_the_user_of_a_built_image_has_a_name() -> None:
    dockerfile = text("2x4090", "image/Dockerfile")
    assert "/etc/passwd" in dockerfile
    assert "USER 2000:0" in dockerfile


def test_memory_of_the_gpu_may_be_locked() -> None:
    assert "memlock:\n        soft: -1" in text("2x4090", "compose.yaml")
    assert "Ulimit=memlock=-1:-1" in text("quadlet", "quadlet/chat-engine.container")
    assert "LimitMEMLOCK=infinity" in text("systemd", "systemd/chat-engine.service")


def test_units_start_in_order() -> None:
    engine = text("systemd", "systemd/chat-engine.service")
    assert "After=network-online.target" in engine
    assert "After=chat-fetch.service" in engine
    assert "After=chat-gpu.service" in engine
    assert "After=chat-engine.service" in text("systemd", "systemd/chat-proxy.service")
    assert "After=chat-fetch.service" in text("quadlet", "quadlet/chat-engine.container")


def test_services_of_a_user_outlive_the_login() -> None:
    assert "enable-linger" in text("quadlet", "bin/preflight")
