"""The Caddyfile as text; tests/live/test_proxy.py has it in a real Caddy."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import pytest

from infra_gen.model.stack import Gate, GateRoute
from infra_gen.targets.proxy import (
    CADDY_VERSION,
    Place,
    caddyfile,
    key_in_env,
    key_in_file,
)

GATE = Gate(
    upstream="engine",
    upstream_port=8000,
    upstream_host_header=None,
    routes=(
        GateRoute("/v1/chat/completions", ("POST",), streams=True, because="Chat."),
        GateRoute("/v1/models", ("GET", "HEAD"), streams=False, because="What\n there is."),
        GateRoute("/v1/models/*", ("GET",), streams=False, because="One model."),
        GateRoute("/api/v1.5", ("GET",), streams=False, because="A dot is a dot."),
    ),
    health_path="/health",
    key="API_KEY",
    forward_key=False,
    max_body_mib=32,
    max_requests=64,
    idle_timeout_s=900,
    grace_s=20,
    tls="off",
    host=None,
    certificate=None,
    certificate_key=None,
    port=8080,
    metrics_port=9180,
    tells_upstream=False,
)
PLACE = Place("engine", key_in_env("API_KEY"))


def test_it_is_the_same_each_time() -> None:
    assert caddyfile(GATE, PLACE) == caddyfile(replace(GATE), replace(PLACE))


def test_it_says_what_it_is_for() -> None:
    text = caddyfile(GATE, PLACE)

    assert CADDY_VERSION in text
    assert "reverse_proxy engine:8000 {" in text
    assert "max_size 32MiB" in text
    assert "> 33554432`" in text
    assert "unhealthy_request_count 64" in text
    assert "read_timeout 900s" in text
    assert f"grace_period {GATE.grace_s}s" in text
    assert "http://:8080 {" in text
    assert "http://:9180 {" in text


@pytest.mark.parametrize("tls", ["off", "internal", "acme", "files"])
def test_it_is_tidy(tls: Any) -> None:
    gate = replace(GATE, tls=tls, host="a.test", certificate="/c.pem", certificate_key="/k.pem")
    lines = caddyfile(gate, PLACE).splitlines()

    assert [line for line in lines if line != line.rstrip() or line.startswith(" ")] == []
    assert [a for a, b in pairwise(lines) if not (a or b)] == []
    assert [a for a, b in pairwise(lines) if a.endswith("{") and not b] == []
    assert max(len(line.expandtabs(4)) for line in lines if "respond" not in line) <= 120


def routes_of(text: str) -> list[re.Pattern[str]]:
    return [re.compile(found) for found in re.findall(r'^\t+"~(.*)" yes$', text, re.MULTILINE)]


@pytest.mark.parametrize(
    ("request_line", "listed"),
    [
        ("POST /v1/chat/completions", True),
        ("POST /v1/chat/completions?a=b", True),
        ("GET /v1/models", True),
        ("HEAD /v1/models", True),
        ("GET /v1/models/Qwen/Qwen3-8B", True),
        ("GET /v1/models/llama3.1:8b", True),
        ("GET /api/v1.5", True),
        ("GET /api/v1x5", False),
        ("GET /v1/chat/completions", False),
        ("XPOST /v1/chat/completions", False),
        ("POST /v1/chat/completions/", False),
        ("POST /V1/chat/completions", False),
        ("HEAD /v1/models/x", False),
        ("GET /v1/models/", False),
        ("GET /v1/models//x", False),
        ("GET /v1/models/../metrics", False),
        ("GET /v1/models/x/..", False),
        ("GET /v1/models/%2e%2e/metrics", False),
        ("GET /v1/models%2Fx", False),
        ("GET /v1/models/x\\y", False),
        ("GET /metrics?/v1/models", False),
        ("GET /metrics", False),
    ],
)
def test_only_the_plain_spelling_is_listed(request_line: str, listed: bool) -> None:
    routes = routes_of(caddyfile(GATE, PLACE))

    assert len(routes) == len(GATE.routes)
    assert any(route.search(request_line) for route in routes) is listed


def test_every_route_has_its_reason() -> None:
    lines = [line.strip() for line in caddyfile(GATE, PLACE).splitlines()]
    before = [lines[i - 1] for i, line in enumerate(lines) if line.startswith('"~')]

    assert before == ["# Chat.", "# What there is.", "# One model.", "# A dot is a dot."]


def test_the_key_is_named_and_never_written() -> None:
    from_env = caddyfile(GATE, PLACE)
    from_file = caddyfile(GATE, replace(PLACE, key=key_in_file(PurePosixPath("/run/api key"))))

    assert '"Bearer {env.API_KEY}"' in from_env
    assert "{$" not in from_env  # would be replaced when the file is read, and so be kept
    assert '"Bearer {file./run/api key}"' in from_file


def test_without_a_key_it_says_so() -> None:
    text = caddyfile(replace(GATE, key=None), replace(PLACE, key=None))

    assert "No key is asked for" in text
    assert "{header.Authorization}" not in text


def test_the_key_goes_on_only_to_an_engine_that_checks_it() -> None:
    drops = "header_up -Authorization"

    assert drops in caddyfile(GATE, PLACE)
    assert drops not in caddyfile(replace(GATE, forward_key=True), PLACE)


def test_the_host_that_the_engine_knows_is_sent_for_health_too() -> None:
    text = caddyfile(replace(GATE, upstream_host_header="localhost:11434"), PLACE)

    assert text.count("header_up Host localhost:11434") == 2


def test_an_engine_without_metrics_is_told_of_by_the_proxy() -> None:
    text = caddyfile(replace(GATE, tells_upstream=True), PLACE)

    assert "handle /upstream {" in text
    assert "handle /upstream" not in caddyfile(GATE, PLACE)


def test_addresses_of_a_bare_host() -> None:
    text = caddyfile(GATE, replace(PLACE, bind="192.0.2.7", metrics_bind="127.0.0.1"))

    assert "\tbind 192.0.2.7\n" in text
    assert "\tbind 127.0.0.1\n" in text
    assert "\tservers 192.0.2.7:8080 {" in text
    assert "\tservers 127.0.0.1:9180 {" in text


@pytest.mark.parametrize(
    ("tls", "has", "has_not"),
    [
        ("off", ["auto_https off", "protocols h1\n"], ["tls", "https://:", "default_sni"]),
        ("internal", ["tls internal", "https://a.test:8080", "skip_install_trust"], ["issuer"]),
        ("acme", ["issuer acme", "https_port 8080", "https://:8080 {"], ["tls internal"]),
        ("files", ['tls "/c.pem" "/k.pem"', "https://:8080 {"], ["issuer", "https://a.test"]),
    ],
)
def test_tls(tls: Any, has: list[str], has_not: list[str]) -> None:
    gate = replace(GATE, tls=tls, host="a.test", certificate="/c.pem", certificate_key="/k.pem")
    text = "".join(
        line + "\n"
        for line in caddyfile(gate, PLACE).splitlines()
        if not line.lstrip().startswith("#")
    )

    assert [word for word in has if word not in text] == []
    assert [word for word in has_not if word in text] == []


def route(path: str, *methods: str) -> tuple[GateRoute, ...]:
    return (GateRoute(path, methods, streams=False, because="x"),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": None}, "the place gives"),
        ({"tls": "internal"}, "needs a host name"),
        ({"tls": "acme"}, "needs a host name"),
        ({"tls": "files", "certificate": "/c.pem"}, "a certificate and its key"),
        ({"max_requests": 0}, "start at 1"),
        ({"idle_timeout_s": 0}, "start at 1"),
        ({"routes": ()}, "nothing would pass"),
        ({"routes": route("/v1/*/x", "GET")}, "plain segments"),
        ({"routes": route("/v1*", "GET")}, "plain segments"),
        ({"routes": route("v1", "GET")}, "plain segments"),
        ({"routes": route("/v1/(a|b)", "GET")}, "plain segments"),
        ({"routes": route("/v1/", "GET")}, "plain segments"),
        ({"routes": route("/v1")}, "methods"),
        ({"routes": route("/v1", "GET|POST")}, "methods"),
        ({"host": "a.test {", "tls": "internal"}, "cannot stand"),
        ({"health_path": "/health\n}"}, "cannot stand"),
        ({"upstream": "engine b"}, "cannot stand"),
        ({"upstream_host_header": "{env.API_KEY}"}, "cannot stand"),
    ],
)
def test_a_gate_that_cannot_be_served(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        caddyfile(replace(GATE, **changes), PLACE)


@pytest.mark.parametrize("key", ["secret", "{$API_KEY}", '{file./a"b}', "{env.A}{env.B}"])
def test_a_key_is_named_by_its_place(key: str) -> None:
    with pytest.raises(ValueError, match="not a key from"):
        caddyfile(GATE, replace(PLACE, key=key))


def test_the_engine_is_at_the_port_of_the_gate() -> None:
    with pytest.raises(ValueError, match="cannot stand"):
        caddyfile(GATE, replace(PLACE, upstream_host="engine:8000"))


def test_the_authority_asks_where_it_can() -> None:
    gate = replace(GATE, tls="acme", host="a.test")
    at_443 = caddyfile(gate, PLACE)
    at_80 = caddyfile(gate, replace(PLACE, challenge_port=8081))

    assert "disable_http_challenge" in at_443
    assert "http_port" not in at_443
    assert "disable_http_challenge" not in at_80
    assert "\thttp_port 8081\n" in at_80
