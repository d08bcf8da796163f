"""The stack: an engine's services, and what every engine gets beside them."""

from __future__ import annotations

from pathlib import PurePosixPath

from infra_gen.engines.registry import ENGINES
from infra_gen.errors import UsageError
from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Service, Stack
from infra_gen.stack.metrics import prometheus


def build_stack(spec: Spec, plan: Plan, info: EngineInfo) -> Stack:
    """All services of the deployment."""
    services: list[Service] = list(ENGINES[plan.engine].services(spec, plan, info))
    if spec.monitoring:
        downloads = plan.target == "compose" and any(s.role == "fetch" for s in services)
        services.append(prometheus(("fetch",) if downloads else ()))
    _check_ports(services)
    return Stack(
        name=spec.name,
        plan=plan,
        services=tuple(services),
        build_image=spec.image == "build",
        storage_path=_storage(spec, plan),
    )


def _check_ports(services: list[Service]) -> None:
    """Two services cannot be published on one port of the host."""
    taken: dict[int, str] = {}
    for service in services:
        for port in service.ports:
            if port.host in taken:
                raise UsageError(
                    f"port {port.host} is wanted by {taken[port.host]} and by {service.name}",
                    where="serve.port",
                    hint="choose another serve.port, or set monitoring: false",
                )
            taken[port.host] = service.name


def _storage(spec: Spec, plan: Plan) -> str | None:
    if plan.weights.local_path:
        return str(PurePosixPath(plan.weights.local_path))
    return None if spec.storage.path == "auto" else spec.storage.path
