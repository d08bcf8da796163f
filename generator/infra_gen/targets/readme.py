"""README.md: what the operator of one deployment needs to know, in the order they need it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from infra_gen.model.plan import GIB, Decision
from infra_gen.model.stack import Alert, Secret, Stack
from infra_gen.render.text import render
from infra_gen.targets.capacity import CapacityView, Row, capacity, duration
from infra_gen.targets.names import (
    HEADER,
    KEY_FILE,
    api_key,
    download_token,
    engine_of,
    label,
    secrets_of,
    stop_note,
)
from infra_gen.targets.readme_facts import facts, unpinned
from infra_gen.targets.repository import device_groups

TargetKind = Literal["compose", "launchd"]


@dataclass(frozen=True, slots=True)
class ReadmeView:
    """The names that the templates in templates/readme use."""

    header: str
    name: str
    title: str
    compose: bool
    port: int
    model: str
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
    apply: str
    model_gib: str
    download_time: str
    load_time: str
    stop_note: str
    label: str
    engine: str
    nvidia: bool
    start_metrics: str
    metrics: str
    alerts: tuple[Alert, ...]
    decisions: tuple[Decision, ...]
    unpinned: tuple[str, ...]
    capacity: CapacityView


def readme(stack: Stack, target: TargetKind) -> str:
    """The text of README.md."""
    plan, engine, key = stack.plan, engine_of(stack), api_key(stack)
    compose = target == "compose"
    token = download_token(stack)
    view = ReadmeView(
        header=HEADER,
        name=stack.name,
        title=f"{plan.model_name} ({plan.weights.quantization}) served by {plan.engine}",
        compose=compose,
        port=engine.ports[0].host if compose else engine.ports[0].container,
        model=plan.served_name,
        request=_request(plan.served_name),
        facts=facts(stack),
        key=key.name if key else None,
        read_key=_read_key(key.name, compose=compose) if key else "",
        key_users=_key_users(stack),
        secrets=bool(secrets_of(stack)),
        to_fill=", ".join(_to_fill(stack, key)),
        token=token.name if token else "",
        fetch=stack.service("fetch").name if stack.has("fetch") else engine.name,
        builds="builds the image, downloads the model" if stack.build_image else "downloads",
        apply=_APPLY[target],
        model_gib=f"{plan.weights.bytes / GIB:.1f} GiB",
        download_time=f"about {duration(plan.startup.download_s)}, depending on your connection",
        load_time=f"about {duration(plan.startup.load_s)}",
        stop_note=stop_note(stack),
        label=label(stack),
        engine=engine.name,
        nvidia=engine.devices is not None and engine.devices.vendor == "nvidia",
        start_metrics=_start_metrics(stack),
        metrics=_metrics(stack, compose=compose),
        alerts=engine.alerts,
        decisions=plan.decisions,
        unpinned=unpinned(stack),
        capacity=capacity(plan),
    )
    return render("readme/README.md.j2", view)


_APPLY: dict[TargetKind, str] = {
    "compose": "`docker compose up --detach`",
    "launchd": "`bin/stop && bin/install && bin/start`",
}


def _request(model: str) -> str:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})


def _to_fill(stack: Stack, key: Secret | None) -> list[str]:
    """Names that a person must write into .env: neither made by a script nor optional."""
    secrets = [one.name for one in secrets_of(stack) if one.required and one != key]
    return secrets + [one.name for one in device_groups(stack)]


def _read_key(name: str, *, compose: bool) -> str:
    return f"$(sed -n 's/^{name}=//p' .env)" if compose else f"$(cat {KEY_FILE})"


def _key_users(stack: Stack) -> str:
    engine = engine_of(stack)
    if engine.metrics_secret and stack.has("metrics"):
        return f"{engine.name} and {stack.service('metrics').name}"
    return engine.name


def _start_metrics(stack: Stack) -> str:
    secret = engine_of(stack).metrics_secret
    key = f"{secret}=$(cat {KEY_FILE}) " if secret else ""
    return f"{key}docker compose --file monitoring/compose.yaml up --detach"


def _metrics(stack: Stack, *, compose: bool) -> str:
    """Where alerts show, and on a Mac how the container that evaluates them is started."""
    if not stack.has("metrics"):
        return ""
    where = f"http://127.0.0.1:{stack.service('metrics').ports[0].host}/alerts"
    if compose:
        return f"Prometheus shows them at <{where}>."
    return (
        "Prometheus is optional here and runs in a container of Docker Desktop or its like:\n\n"
        f"```sh\n{_start_metrics(stack)}\n```\n\nIt shows alerts at <{where}>."
    )
