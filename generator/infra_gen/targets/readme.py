"""README.md: what the operator of one deployment needs to know, in the order they need it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from infra_gen.model.plan import GIB, Decision
from infra_gen.model.stack import Alert, Role, Stack
from infra_gen.render.text import render
from infra_gen.targets.capacity import CapacityView, Row, capacity, duration
from infra_gen.targets.handling import Handling
from infra_gen.targets.monitoring import all_alerts
from infra_gen.targets.names import (
    HEADER,
    api_key,
    base_url,
    client_port,
    download_token,
    downloads_model,
    engine_of,
    label,
    secret_file,
    secrets_of,
    stop_note,
)
from infra_gen.targets.questions import QUESTIONS
from infra_gen.targets.readme_facts import HostFacts, facts, host_facts, unpinned
from infra_gen.targets.repository import device_groups


@dataclass(frozen=True, slots=True)
class ReadmeView:
    """The names that the templates in templates/readme use."""

    header: str
    name: str
    title: str
    handling: Handling
    base: str
    local_base: str
    port: int
    exposed: bool
    proxied: bool
    tls: str
    host: str
    nodes: int
    model: str
    api: str
    request: str
    facts: tuple[Row, ...]
    key: str | None
    read_key: str
    key_users: str
    secrets: bool
    to_fill: str
    token: str
    fetch: str
    builds: str
    downloads: bool
    model_gib: str
    download_time: str
    load_time: str
    stop_note: str
    label: str
    engine: str
    nvidia: bool
    native: bool
    on_host: HostFacts
    metrics: bool
    metrics_url: str
    dashboard_url: str
    start_metrics: str
    alerts: tuple[Alert, ...]
    decisions: tuple[Decision, ...]
    unpinned: tuple[str, ...]
    capacity: CapacityView


def readme(stack: Stack, handling: Handling) -> str:
    """The text of README.md."""
    plan, engine, key = stack.plan, engine_of(stack), api_key(stack)
    token, gate = download_token(stack), stack.front.gate
    question = QUESTIONS[plan.task]
    view = ReadmeView(
        header=HEADER,
        name=stack.name,
        title=f"{plan.model_name} ({plan.weights.quantization}) served by {plan.engine}",
        handling=handling,
        base=base_url(stack),
        local_base=f"http://127.0.0.1:{client_port(stack)}",
        port=client_port(stack),
        exposed=stack.front.ports[0].exposed,
        proxied=gate is not None,
        tls=gate.tls if gate else "off",
        host=(gate.host if gate else None) or "",
        nodes=plan.machine.nodes,
        model=plan.served_name,
        api=question.path,
        request=json.dumps({"model": plan.served_name, **question.example}),
        facts=facts(stack),
        key=key.name if key else None,
        read_key=handling.read_key(key.name) if key else "",
        key_users=_key_users(stack),
        secrets=bool(secrets_of(stack)),
        to_fill=", ".join(_to_fill(stack)),
        token=token.name if token else "",
        fetch=stack.service("fetch").name if stack.has("fetch") else engine.name,
        builds=_first_start(stack),
        downloads=downloads_model(stack),
        model_gib=f"{plan.weights.bytes / GIB:.1f} GiB",
        download_time=f"about {duration(plan.startup.download_s)}, depending on your connection",
        load_time=f"about {duration(plan.startup.load_s)}",
        stop_note=stop_note(stack),
        label=label(stack),
        engine=engine.name,
        nvidia=engine.devices is not None and engine.devices.vendor == "nvidia",
        native=plan.runtime == "native",
        on_host=host_facts(stack),
        metrics=stack.has("metrics"),
        metrics_url=_loopback(stack, "metrics"),
        dashboard_url=_loopback(stack, "dashboard"),
        start_metrics=start_metrics(stack),
        alerts=all_alerts(stack),
        decisions=plan.decisions,
        unpinned=unpinned(stack),
        capacity=capacity(plan),
    )
    return render("readme/README.md.j2", view)


def _loopback(stack: Stack, role: Role) -> str:
    """Where a measuring service shows its pages, empty when there is none."""
    if not stack.has(role):
        return ""
    return f"http://127.0.0.1:{stack.service(role).ports[0].host}"


def _first_start(stack: Stack) -> str:
    """What the first start does beside starting."""
    image = "builds the image" if stack.build_image else ""
    model = "downloads the model" if downloads_model(stack) else ""
    return ", ".join(part for part in (image, model) if part) or "starts everything"


def _to_fill(stack: Stack) -> list[str]:
    """Names that a person must write into .env: neither made by a script nor optional."""
    secrets = [one.name for one in secrets_of(stack) if one.required and not one.made]
    return secrets + [one.name for one in device_groups(stack)]


def _key_users(stack: Stack) -> str:
    """The services that restart with a new key."""
    key = api_key(stack)
    if key is None:
        return ""
    users = [
        service.name
        for service in stack.services
        if any(secret.name == key.name for secret in service.secrets)
    ]
    scraped = any(service.metrics_secret == key.name for service in stack.services)
    if scraped and stack.has("metrics"):
        users.append(stack.service("metrics").name)
    return " and ".join(users)


def start_metrics(stack: Stack) -> str:
    """The command that starts what measures an engine on a host, with the secrets it needs."""
    wanted = {s.metrics_secret for s in stack.services if s.metrics_secret}
    wanted |= {
        secret.name
        for service in stack.services
        if service.role in ("dashboard", "metrics")
        for secret in service.secrets
    }
    made = [secret for secret in secrets_of(stack) if secret.name in wanted]
    words = [f"{secret.name}=$(cat {secret_file(secret)})" for secret in made]
    return " ".join([*words, "docker compose --file monitoring/compose.yaml up --detach"])
