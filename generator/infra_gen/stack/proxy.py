"""Caddy in front of the engine: an allow-list of routes, a key, TLS, limits, and measurements."""

from __future__ import annotations

from dataclasses import replace

from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan
from infra_gen.model.spec import CertificateFiles, Spec
from infra_gen.model.stack import (
    Arg,
    ConfigMount,
    ConfigPath,
    EnvVar,
    Gate,
    Image,
    Mount,
    NativeInstall,
    Port,
    Probe,
    Resources,
    Secret,
    Service,
    VolumePath,
)
from infra_gen.stack.proxy_alerts import alerts, panels
from infra_gen.stack.serving import client_port, native_base, tls_mode

API_KEY = "API_KEY"
CONFIG = "proxy/Caddyfile"
_METRICS_PORT = 9180
_HTTP_INSIDE, _HTTPS_INSIDE = 8080, 8443
_HTTP_PORT = 80
VERSION = "2.11.7"
_RELEASES = "https://github.com/caddyserver/caddy/releases"
_IMAGE = Image(
    repository="docker.io/library/caddy",
    tag=VERSION,
    digest=None,
    verified="never",
    user="65534:65534",
    source=f"{_RELEASES}; caddyserver/caddy-docker:2.11/alpine/Dockerfile",
    open_folders=("/data",),
    # The file of the program carries this capability: without it the kernel refuses to start it,
    # whoever runs it (caddyserver/caddy-docker#466).
    capabilities=("NET_BIND_SERVICE",),
)
# poka-IT/lunaway:infra/tests/caddy-layout.sh
_SHA256 = {
    "linux_amd64": "727b91701a392de6ebc5027509f548bf39979e5216340d0faed8fa5e69c84f8b",
    "mac_arm64": "cda3030e5d5b13eb9f0b6fb541037f633bddd958c070c5f561d7a5cccb581665",
}
_MAX_BODY_MIB = 32  # a few images or a book as text; a larger body is a mistake
_IDLE_S = 900  # a long prompt on a slow machine is silent for minutes before its first token
_GRACE_S = 20  # at least; an engine that lets answers finish sets more
_QUEUE = 4  # waiting requests for each running one, before clients are told to come back


def gate(spec: Spec, plan: Plan, info: EngineInfo, engine: Service, inside: int) -> Gate:
    """What the proxy lets through to `engine`; `inside` is the port that it listens on itself."""
    files = spec.serve.tls if isinstance(spec.serve.tls, CertificateFiles) else None
    capacity = plan.limits.max_num_seqs * plan.parallelism.data
    return Gate(
        upstream=engine.name,
        upstream_port=engine.ports[0].container,
        upstream_host_header=info.facts.http.host_header.value,
        routes=engine.routes,
        health_path=engine.probe.path if engine.probe else "/health",
        key=API_KEY if spec.serve.api_key == "env" else None,
        forward_key=any(secret.name == API_KEY for secret in engine.secrets),
        max_body_mib=_MAX_BODY_MIB,
        max_requests=capacity * (1 + _QUEUE),
        idle_timeout_s=_IDLE_S,
        grace_s=max(_GRACE_S, plan.startup.drain_s),
        tls=tls_mode(spec),
        host=spec.serve.host,
        certificate=files.certificate if files else None,
        certificate_key=files.key if files else None,
        port=inside,
        metrics_port=metrics_port(spec, plan, info),
        tells_upstream=engine.metrics_path is None,
    )


def _ports(spec: Spec, plan: Plan, info: EngineInfo) -> tuple[Port, ...]:
    """Clients, the certificate authority's questions where it asks any, and measurements."""
    native = plan.runtime == "native"
    exposed = spec.serve.exposure != "loopback"
    tls = tls_mode(spec)
    client = client_port(spec, info)
    inside = client if native else (_HTTP_INSIDE if tls == "off" else _HTTPS_INSIDE)
    ports = [Port("api", inside, client, exposed)]
    if tls == "acme":
        challenge = _HTTP_PORT if native else _HTTP_INSIDE
        ports.append(Port("challenge", challenge, _HTTP_PORT, exposed))
    measured = metrics_port(spec, plan, info)
    return (*ports, Port("metrics", measured, measured if native else None))


def metrics_port(spec: Spec, plan: Plan, info: EngineInfo) -> int:
    """Where the proxy tells of itself: on a host two above the clients' port."""
    return native_base(spec, info) + 2 if plan.runtime == "native" else _METRICS_PORT


def proxy(spec: Spec, plan: Plan, info: EngineInfo, engine: Service) -> Service:
    """The proxy for that engine."""
    ports = _ports(spec, plan, info)
    made = gate(spec, plan, info, engine, ports[0].container)
    service = Service(
        role="proxy",
        name="proxy",
        program=("caddy", "run"),
        argv=(
            Arg("--config", ConfigPath(CONFIG), "written by infra-gen"),
            Arg("--adapter", "caddyfile", "the file has no ending that says so"),
        ),
        env=(
            EnvVar("XDG_DATA_HOME", VolumePath("proxy"), "certificates outlive a restart"),
            EnvVar("XDG_CONFIG_HOME", VolumePath("proxy", "config"), "nothing else is written"),
        ),
        image=_IMAGE,
        native=_native(plan),
        ports=ports,
        probe=Probe("/healthz", made.metrics_port, 10, 5, 3, 30, "wget"),
        mounts=(Mount("proxy", "/data", False, "certificates and keys that it made or was given"),),
        configs=(ConfigMount(CONFIG, "/etc/caddy/Caddyfile", "what it lets through"),),
        secrets=_secrets(made),
        resources=Resources(memory_mib=256),
        stop_seconds=made.grace_s + 10,
        needs=(engine.name,),
        metrics_path="/metrics",
        gate=made,
    )
    return replace(service, alerts=alerts(plan, info, made), panels=panels(plan, info, made))


def _secrets(made: Gate) -> tuple[Secret, ...]:
    if made.key is None:
        return ()
    return (Secret(made.key, made.key, "clients send it as a bearer token", made=True),)


def _native(plan: Plan) -> NativeInstall | None:
    if plan.runtime != "native":
        return None
    system = "mac" if plan.machine.os == "macos" else "linux"
    arch = "arm64" if plan.machine.arch == "arm64" else "amd64"
    build = f"{system}_{arch}"
    archive = f"caddy_{VERSION}_{build}.tar.gz"
    return NativeInstall(
        method="archive",
        version=f"v{VERSION}",
        url=f"{_RELEASES}/download/v{VERSION}/{archive}",
        archive=archive,
        binary="caddy",
        sha256=_SHA256.get(build),
        source=_RELEASES,
    )
