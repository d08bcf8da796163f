"""README.md: what the operator of one deployment needs to know, in the order they need it."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, replace

from infra_gen.model.plan import GIB, Decision
from infra_gen.model.stack import Stack
from infra_gen.render.text import render
from infra_gen.targets.capacity import CapacityView, Row, capacity, duration
from infra_gen.targets.handling import Handling
from infra_gen.targets.names import (
    HEADER,
    api_key,
    base_url,
    client_port,
    download_token,
    downloads_model,
    engine_of,
    label,
    secrets_of,
    stop_note,
)
from infra_gen.targets.questions import QUESTIONS
from infra_gen.targets.readme_bring import Bring, bring
from infra_gen.targets.readme_facts import HostFacts, facts, host_facts, unpinned
from infra_gen.targets.readme_metrics import Measuring, measuring, start_metrics
from infra_gen.targets.repository import device_groups


@dataclass(frozen=True, slots=True)
class ReadmeView:
    """The names that the templates in templates/readme use.

    `rotated` is what happens while a new key comes into force. `gpu_files` are what programs open
    to use an AMD or Intel GPU. `by_name`: clients use a name, not an address; `challenge_port` is
    where a certificate authority asks, None where none does. Those with a default are set by
    `_reached` and `_with_key`.
    """

    header: str
    name: str
    title: str
    handling: Handling
    nodes: int
    model: str
    api: str
    request: str
    facts: tuple[Row, ...]
    secrets: bool
    to_fill: str
    token: str
    bring: Bring | None
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
    gpu_files: str
    native: bool
    on_host: HostFacts
    metrics: bool
    start_metrics: str
    measuring: Measuring
    decisions: tuple[Decision, ...]
    unpinned: tuple[str, ...]
    capacity: CapacityView
    base: str = ""
    local_base: str = ""
    port: int = 0
    exposed: bool = False
    proxied: bool = False
    tls: str = "off"
    host: str = ""
    by_name: bool = False
    challenge_port: int | None = None
    key: str | None = None
    read_key: str = ""
    key_users: str = ""
    rotated: str = ""


def readme(stack: Stack, handling: Handling) -> str:
    """The text of README.md."""
    view = _with_key(_reached(_view(stack, handling), stack), stack)
    return render("readme/README.md.j2", view)


def _view(stack: Stack, handling: Handling) -> ReadmeView:
    plan, engine, token = stack.plan, engine_of(stack), download_token(stack)
    question = QUESTIONS[plan.task]
    return ReadmeView(
        header=HEADER,
        name=stack.name,
        title=f"{plan.model_name} ({plan.weights.quantization}) served by {plan.engine}",
        handling=handling,
        nodes=plan.machine.nodes,
        model=plan.served_name,
        api=question.path,
        request=json.dumps({"model": plan.served_name, **question.example}),
        facts=facts(stack),
        secrets=bool(secrets_of(stack)),
        to_fill=", ".join(_to_fill(stack)),
        token=token.name if token else "",
        bring=bring(stack),
        fetch=stack.service("fetch").name if stack.has("fetch") else engine.name,
        builds=_first_start(stack),
        downloads=downloads_model(stack),
        model_gib=f"{plan.weights.bytes / GIB:.1f} GiB",
        download_time=f"about {duration(plan.startup.download_s)}, depending on your connection",
        load_time=_load_time(stack),
        stop_note=stop_note(stack),
        label=label(stack),
        engine=engine.name,
        nvidia=_vendor(stack) == "nvidia",
        gpu_files=_GPU_FILES.get(_vendor(stack), ""),
        native=plan.runtime == "native",
        on_host=host_facts(stack),
        metrics=stack.has("metrics"),
        start_metrics=start_metrics(stack),
        measuring=measuring(stack, handling),
        decisions=plan.decisions,
        unpinned=unpinned(stack),
        capacity=capacity(plan),
    )


def _reached(view: ReadmeView, stack: Stack) -> ReadmeView:
    """With how clients get in."""
    gate, ports = stack.front.gate, stack.front.ports
    host = (gate.host if gate else None) or ""
    return replace(
        view,
        base=base_url(stack),
        local_base=f"http://127.0.0.1:{client_port(stack)}",
        port=client_port(stack),
        exposed=ports[0].exposed,
        proxied=gate is not None,
        tls=gate.tls if gate else "off",
        host=host,
        by_name=bool(host) and not _is_address(host),
        challenge_port=next((port.host for port in ports if port.name == "challenge"), None),
    )


def _with_key(view: ReadmeView, stack: Stack) -> ReadmeView:
    """With what clients must present, unchanged where they need nothing."""
    key = api_key(stack)
    if key is None:
        return view
    rotated = "The old key stops working at that restart."
    if any(secret.name == key.name for secret in engine_of(stack).secrets):
        rotated += (
            f" The engine holds the key too: it loads the model again ({_load_time(stack)}) and "
            "answers nobody until it has."
        )
    return replace(
        view,
        key=key.name,
        read_key=view.handling.read_key(key.name),
        key_users=_key_users(stack, key.name),
        rotated=rotated,
    )


_GPU_FILES = {"amd": "/dev/kfd /dev/dri/renderD*", "intel": "/dev/dri/renderD*"}


def _vendor(stack: Stack) -> str:
    devices = engine_of(stack).devices
    return devices.vendor if devices else "cpu"


def _load_time(stack: Stack) -> str:
    return f"about {duration(stack.plan.startup.load_s)}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _first_start(stack: Stack) -> str:
    """What the first start does beside starting."""
    image = "builds the image" if stack.build_image else ""
    model = "downloads the model" if downloads_model(stack) else ""
    return ", ".join(part for part in (image, model) if part) or "starts everything"


def _to_fill(stack: Stack) -> list[str]:
    """Names that a person must write into .env: neither made by a script nor optional."""
    secrets = [one.name for one in secrets_of(stack) if one.required and not one.made]
    return secrets + [one.name for one in device_groups(stack)]


def _key_users(stack: Stack, key: str) -> str:
    """The services that restart with a new key."""
    users = [
        service.name
        for service in stack.services
        if any(secret.name == key for secret in service.secrets)
    ]
    scraped = any(service.metrics_secret == key for service in stack.services)
    if scraped and stack.has("metrics"):
        users.append(stack.service("metrics").name)
    return " and ".join(users)
