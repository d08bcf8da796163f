"""The stack: an engine's services, and what every engine gets beside them."""

from __future__ import annotations

from pathlib import PurePosixPath

from infra_gen.engines.registry import ENGINES
from infra_gen.errors import UsageError
from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import GIB, Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Service, Stack
from infra_gen.stack.dashboards import grafana
from infra_gen.stack.exporters import exporter
from infra_gen.stack.metrics import prometheus
from infra_gen.stack.offline import mirrored
from infra_gen.stack.proxy import proxy
from infra_gen.stack.serving import listen, needs_proxy


def build_stack(spec: Spec, plan: Plan, info: EngineInfo) -> Stack:
    """All services of the deployment."""
    services = list(ENGINES[plan.engine].services(spec, plan, info, listen(spec, plan, info)))
    if needs_proxy(spec, info):
        engine = next(service for service in services if service.role == "engine")
        services.append(proxy(spec, plan, info, engine))
    services += _measuring(spec, plan, services)
    if spec.offline:
        services = [mirrored(service, spec.offline) for service in services]
    _check_ports(services)
    return Stack(
        name=spec.name,
        plan=plan,
        services=tuple(services),
        build_image=spec.image == "build" and plan.runtime == "container",
        storage_path=_storage(spec, plan),
        storage_gib=_storage_gib(spec, plan),
        offline=spec.offline is not None,
    )


def _measuring(spec: Spec, plan: Plan, services: list[Service]) -> list[Service]:
    """Prometheus, and what stands beside it."""
    wanted = spec.measuring
    if wanted is None:
        return []
    downloads = plan.runtime == "container" and any(s.role == "fetch" for s in services)
    found = [prometheus(wanted, plan, ("fetch",) if downloads else ())]
    if wanted.dashboards:
        found.append(grafana(spec, plan, wanted, found[0]))
    gpus = exporter(plan) if wanted.gpu else None
    return [*found, gpus] if gpus else found


def _check_ports(services: list[Service]) -> None:
    """Two services cannot be published on one port of the host."""
    taken: dict[int, str] = {}
    for service in services:
        for port in service.ports:
            if port.host is None:
                continue
            if port.host in taken:
                raise UsageError(
                    f"port {port.host} is wanted by {taken[port.host]} and by {service.name}",
                    where="serve.port",
                    hint="change serve.port, monitoring.prometheus_port or monitoring.grafana_port",
                )
            taken[port.host] = service.name


def _storage(spec: Spec, plan: Plan) -> str | None:
    if plan.weights.local_path:
        return str(PurePosixPath(plan.weights.local_path))
    return None if spec.storage.path == "auto" else spec.storage.path


_ROOM = 1.2  # downloads keep parts beside whole files for a while


def _storage_gib(spec: Spec, plan: Plan) -> float:
    """What models may take. UsageError when that is less than the model."""
    model_gib = plan.weights.bytes / GIB
    if spec.storage.size == "auto":
        return model_gib * _ROOM
    if spec.storage.size < model_gib:
        raise UsageError(
            f"storage.size is {spec.storage.size:g} GiB, {plan.model_name} alone is {model_gib:.1f}",
            where="storage.size",
        )
    return spec.storage.size
