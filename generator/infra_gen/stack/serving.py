"""How clients reach the deployment: which port, through a proxy or not, with which certificate."""

from __future__ import annotations

from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan
from infra_gen.model.spec import CertificateFiles, Spec
from infra_gen.model.stack import Listen, Tls

HTTPS_PORT = 443
_LAN_TLS_PORT = 8443
_UNPRIVILEGED = 1024


def needs_proxy(spec: Spec, info: EngineInfo) -> bool:
    """Whether a proxy stands in front of the engine.

    Beyond loopback always: engines guard some routes only, and none speaks for its users. On
    loopback where the engine cannot ask for a key or measures nothing itself.
    """
    if spec.serve.exposure != "loopback":
        return True
    auth = info.facts.auth
    no_key = auth.key_env.value is None and auth.key_file_flag.value is None
    if spec.serve.api_key == "env" and no_key:
        return True
    return spec.measuring is not None and info.facts.http.metrics_path.value is None


def tls_mode(spec: Spec) -> Tls:
    """The certificate: as asked, else the proxy's own authority on a LAN and ACME in public."""
    asked = spec.serve.tls
    if isinstance(asked, CertificateFiles):
        return "files"
    if asked is not None:
        return asked
    by_exposure: dict[str, Tls] = {"loopback": "off", "lan": "internal", "public": "acme"}
    return by_exposure[spec.serve.exposure]


def client_port(spec: Spec, info: EngineInfo) -> int:
    """The port of the host that clients use."""
    if spec.serve.port != "auto":
        return spec.serve.port
    if tls_mode(spec) == "off":
        return info.client_port
    return HTTPS_PORT if spec.serve.exposure == "public" else _LAN_TLS_PORT


def listen(spec: Spec, plan: Plan, info: EngineInfo) -> Listen:
    """Where the engine listens.

    In a container always on its own port. On a host it has the clients' port, or the next one
    behind a proxy.
    """
    port, own = client_port(spec, info), info.default_port
    behind = needs_proxy(spec, info)
    if plan.runtime == "container":
        return Listen(own, None if behind else port)
    if not behind:
        return Listen(port, port)
    return Listen(native_base(spec, info) + 1, None)


def native_base(spec: Spec, info: EngineInfo) -> int:
    """The port that those behind a proxy on a host count from, so that two deployments differ.

    It is the clients' own unless that is one that only root may take.
    """
    port = client_port(spec, info)
    return port if port >= _UNPRIVILEGED else info.client_port
