"""The reader of Caddyfiles, and what it says a client gets through."""

from __future__ import annotations

import pytest
from tests.rules.bases import built

from infra_gen.rules.gateway import Site, gateway
from infra_gen.rules.reading.caddyfile import read_caddyfile
from infra_gen.rules.reading.yaml_text import UnreadableError


def site(body: str, address: str = "https://box.lan:8443") -> Site:
    (found,) = gateway(f"{address} {{\n{body}\n}}\n", "Caddyfile").sites
    return found


def test_words_quotes_and_lines() -> None:
    text = (
        "# a comment {\n"
        "{\n\tadmin off\n}\n"
        "a.lan, b.lan {\n"
        "\trespond `{\n}` 200\n"
        '\t@x not vars {header.Authorization} "Bearer {env.KEY}"\n'
        "}\n"
    )
    options, block = read_caddyfile(text)
    assert (options.words, options.line, options.body[0].words) == ((), 2, ("admin", "off"))
    assert (block.words, block.line) == (("a.lan,", "b.lan"), 5)
    respond, matcher = block.body
    assert respond.words == ("respond", "{\n}", "200")
    assert matcher.words[-2:] == ("{header.Authorization}", "Bearer {env.KEY}")
    assert matcher.line == 8


@pytest.mark.parametrize(("text", "line"), [("a {\n", 1), ("a {\n}\n}\n", 3)])
def test_braces_that_do_not_match(text: str, line: int) -> None:
    with pytest.raises(UnreadableError) as raised:
        read_caddyfile(text)
    assert raised.value.line == line


@pytest.mark.parametrize(
    ("address", "ports", "encrypted"),
    [
        ("https://box.lan:8443", {8443}, True),
        ("http://:8080", {8080}, False),
        ("box.lan", {443}, True),
        ("http://box.lan", {80}, False),
        (":80", {80}, False),
        ("https://a.lan:1, https://b.lan:2", {1, 2}, True),
    ],
)
def test_addresses(address: str, ports: set[int], encrypted: bool) -> None:
    found = site("respond ok", address)
    assert (found.ports, found.encrypted) == (ports, encrypted)


@pytest.mark.parametrize(
    ("body", "passing", "stopped"),
    [
        ("reverse_proxy e:1", ["/metrics", "/v1/x"], []),
        ("reverse_proxy /v1/* e:1", ["/v1/x"], ["/metrics"]),
        ("handle /v1/* {\nreverse_proxy e:1\n}", ["/v1/x"], ["/metrics"]),
        ("@api path /v1/* /tokenize\nreverse_proxy @api e:1", ["/v1/x", "/tokenize"], ["/x"]),
        ("@bad not path /v1/*\nrespond @bad 403\nreverse_proxy e:1", ["/v1/x"], ["/metrics"]),
        ("@bad path /metrics\nabort @bad\nreverse_proxy e:1", ["/v1/x"], ["/metrics"]),
        ("respond /metrics 404\nreverse_proxy e:1", ["/v1/x"], ["/metrics"]),
        ("reverse_proxy e:1\nrespond /metrics 404", ["/metrics"], []),
        ("handle_errors {\nreverse_proxy e:1\n}", [], ["/metrics"]),
        ("respond ok", [], ["/metrics"]),
    ],
)
def test_what_passes(body: str, passing: list[str], stopped: list[str]) -> None:
    found = site(body)
    assert [path for path in (*passing, *stopped) if found.passes("GET", path)] == passing


def test_the_rendered_file_lets_the_planned_routes_through_and_no_others() -> None:
    for base in ("lan", "public", "ollama", "systemd", "mac-ollama"):
        one = built(base)
        gate = one.stack.service("proxy").gate
        assert gate is not None
        found = gateway(one.tree["proxy/Caddyfile"].text, "proxy/Caddyfile")
        clients = [each for each in found.for_clients(gate.metrics_port) if each.upstreams]
        assert len(clients) == 1
        for route in gate.routes:
            for method in ("GET", "POST", "DELETE"):
                listed = any(
                    method in other.methods for other in gate.routes if other.path == route.path
                )
                assert clients[0].passes(method, route.path) == listed, (base, method, route.path)
        assert clients[0].asks_for_key
