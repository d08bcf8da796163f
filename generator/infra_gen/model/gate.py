"""What a proxy lets through, to which service, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tls = Literal["off", "internal", "acme", "files"]

UPSTREAM_PATH = "/upstream"
"""Where a proxy tells Prometheus whether the service behind it answers."""


@dataclass(frozen=True, slots=True)
class GateRoute:
    """A route that clients may use. A path that ends with * is a prefix."""

    path: str
    methods: tuple[str, ...]
    streams: bool
    because: str


@dataclass(frozen=True, slots=True)
class Gate:
    """What the proxy lets through, to which service, and for whom.

    `upstream_port` is the port that the service listens on. `key` names the secret that clients
    present (None: open); with `forward_key` the service asks for the same one. At most
    `max_requests` run at once, more are answered 503. `idle_timeout_s` is how long a stream may be
    silent, `grace_s` how long running answers have on a stop. `certificate` and `certificate_key`
    are files of the host, for `files` only. `port` is for clients; `metrics_port` has the proxy's
    own metrics and health, never for clients. There is also whether the service answers, where it
    measures nothing itself (`tells_upstream`).
    """

    upstream: str
    upstream_port: int
    upstream_host_header: str | None
    routes: tuple[GateRoute, ...]
    health_path: str
    key: str | None
    forward_key: bool
    max_body_mib: int
    max_requests: int
    idle_timeout_s: int
    grace_s: int
    tls: Tls
    host: str | None
    certificate: str | None
    certificate_key: str | None
    port: int
    metrics_port: int
    tells_upstream: bool
