"""proxy/Caddyfile: what stands between clients and an engine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from infra_gen.model.gate import UPSTREAM_PATH
from infra_gen.model.stack import Gate, GateRoute, Service
from infra_gen.render.text import render
from infra_gen.targets.names import HEADER

CADDY_VERSION = "2.11.7"
"""The release that the template is written for."""

RETRY_BUSY_S = 5
RETRY_DOWN_S = 15
_SEGMENT = "[A-Za-z0-9][A-Za-z0-9._:@-]*"
_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+")
_WORD = re.compile(r"[^\s{}\"`#\\]+")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_QUOTED = re.compile(r"[^\r\n\t{}\"`\\]+")
_PLACEHOLDER = re.compile(r"\{(env\.[A-Za-z_][A-Za-z0-9_]*|file\.[^{}\"`\\\r\n\t]+)\}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the proxy runs, as a target knows it.

    `upstream_host` is where the engine answers, at the gate's port. `key` is what `key_in_env` or
    `key_in_file` gave, None exactly where the gate has no key. `bind` and `metrics_bind` are the
    addresses to listen on, None for every interface (inside a container). `challenge_port` is
    where port 80 of the public name leads, for acme; None where only port 443 is open.
    """

    upstream_host: str
    key: str | None
    bind: str | None = None
    metrics_bind: str | None = None
    challenge_port: int | None = None


@dataclass(frozen=True, slots=True)
class RouteView:
    """One line of the table of routes: a regular expression for `METHOD /path`, and its reason."""

    pattern: str
    because: str


@dataclass(frozen=True, slots=True)
class CaddyView:
    """The names that templates/proxy uses. Empty strings are lines that are left out."""

    header: str
    caddy: str
    listen: str
    internal: str
    upstream_name: str
    upstream: str
    site: str
    bind: str
    metrics_bind: str
    port: int
    metrics_port: int
    challenge_port: int | None
    host: str
    https: bool
    default_sni: str
    internal_ca: bool
    tls_internal: bool
    tls_acme: bool
    certificate: str
    certificate_key: str
    catch_all: bool
    grace_s: int
    retry_busy_s: int
    retry_down_s: int
    routes: tuple[RouteView, ...]
    key: str
    forward_key: bool
    upstream_host_header: str
    health_path: str
    max_body_mib: int
    max_body_bytes: int
    max_requests: int
    idle_timeout_s: int
    upstream_path: str


def challenge_port(proxy: Service) -> int | None:
    """Where the proxy listens for a certificate authority's questions, None where none come."""
    return next((port.container for port in proxy.ports if port.name == "challenge"), None)


def key_in_env(name: str) -> str:
    """The key in an environment variable of the proxy."""
    return f"{{env.{name}}}"


def key_in_file(path: PurePath | str) -> str:
    """The key in a file (one line) that the proxy may read."""
    return f"{{file.{path}}}"


def caddyfile(gate: Gate, place: Place) -> str:
    """The text of the Caddyfile; ValueError for a gate that cannot be served."""
    _check(gate, place)
    https = gate.tls != "off"
    named = gate.tls in {"internal", "acme"}
    scheme = "https" if https else "http"
    view = CaddyView(
        header=HEADER,
        caddy=CADDY_VERSION,
        listen=f"{place.bind or ''}:{gate.port}",
        internal=f"{place.metrics_bind or ''}:{gate.metrics_port}",
        upstream_name=gate.upstream,
        upstream=f"{place.upstream_host}:{gate.upstream_port}",
        site=f"{scheme}://{gate.host if named else ''}:{gate.port}",
        bind=place.bind or "",
        metrics_bind=place.metrics_bind or "",
        port=gate.port,
        metrics_port=gate.metrics_port,
        challenge_port=place.challenge_port if gate.tls == "acme" else None,
        host=gate.host or "",
        https=https,
        default_sni=(gate.host or "") if https else "",
        internal_ca=gate.tls == "internal",
        tls_internal=gate.tls == "internal",
        tls_acme=gate.tls == "acme",
        certificate=(gate.certificate or "") if gate.tls == "files" else "",
        certificate_key=(gate.certificate_key or "") if gate.tls == "files" else "",
        catch_all=named,
        grace_s=gate.grace_s,
        retry_busy_s=RETRY_BUSY_S,
        retry_down_s=RETRY_DOWN_S,
        routes=tuple(_route(route) for route in gate.routes),
        key=place.key or "",
        forward_key=gate.forward_key,
        upstream_host_header=gate.upstream_host_header or "",
        health_path=gate.health_path,
        max_body_mib=gate.max_body_mib,
        max_body_bytes=gate.max_body_mib * 1024 * 1024,
        max_requests=gate.max_requests,
        idle_timeout_s=gate.idle_timeout_s,
        upstream_path=UPSTREAM_PATH if gate.tells_upstream else "",
    )
    return render("proxy/Caddyfile.j2", view)


def _route(route: GateRoute) -> RouteView:
    """A route as an expression that only its plain spelling matches, with or without a query."""
    methods = "|".join(route.methods)
    stem = route.path.removesuffix("*").removesuffix("/")
    path = stem.replace(".", "[.]")
    if route.path.endswith("*"):
        path += f"(/{_SEGMENT})+"
    method = methods if len(route.methods) == 1 else f"({methods})"
    return RouteView(f"^{method} {path}([?]|$)", " ".join(route.because.split()))


def _check(gate: Gate, place: Place) -> None:
    """ValueError where the file would not do what the gate says, or could say something else."""
    if (gate.key is None) != (place.key is None):
        raise ValueError(f"the gate's key is {gate.key!r}, but the place gives {place.key!r}")
    if place.key is not None and not _PLACEHOLDER.fullmatch(place.key):
        raise ValueError(f"{place.key!r} is not a key from an environment variable or a file")
    if gate.tls in {"internal", "acme"} and not gate.host:
        raise ValueError(f"tls {gate.tls} needs a host name to make a certificate for")
    if gate.tls == "files" and not (gate.certificate and gate.certificate_key):
        raise ValueError("tls files needs a certificate and its key")
    if min(gate.max_body_mib, gate.max_requests, gate.idle_timeout_s) < 1:
        raise ValueError("max_body_mib, max_requests and idle_timeout_s start at 1")
    if not gate.routes:
        raise ValueError("no routes: nothing would pass")
    for route in gate.routes:
        _check_route(route)
    _check_words(gate, place)


def _check_route(route: GateRoute) -> None:
    """ValueError where the route is more than plain segments, with /* at the end for a prefix."""
    if not _PLAIN_PATH.fullmatch(route.path.removesuffix("/*")):
        raise ValueError(f"route {route.path!r}: plain segments, and /* at the end for a prefix")
    if not route.methods or not all(method.isalpha() for method in route.methods):
        raise ValueError(f"route {route.path!r}: methods {route.methods!r}")


def _check_words(gate: Gate, place: Place) -> None:
    """ValueError where a value would mean more to Caddy than itself."""
    words = (
        gate.upstream, gate.upstream_host_header, gate.host, gate.health_path,
        place.bind, place.metrics_bind,
    )  # fmt: skip
    files = (gate.certificate, gate.certificate_key)
    for shape, values in ((_WORD, words), (_QUOTED, files), (_HOST, (place.upstream_host,))):
        for value in values:
            if value is not None and not shape.fullmatch(value):
                raise ValueError(f"{value!r} cannot stand in a Caddyfile")
