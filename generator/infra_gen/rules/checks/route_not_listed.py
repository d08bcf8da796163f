"""The proxy lets requests through that no client needs."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.gateway import Site
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="route-not-listed",
    severity="error",
    confidence="high",
    what="Asks the Caddyfile, as Caddy would, for routes that are not in the plan: metrics, model "
    "management, administration and whatever else an engine answers on its port.",
    why="An engine's port is more than its API: `/invocations` generates past vLLM's key, `/api/pull`"
    " and `/api/delete` change Ollama's models, `/metrics` tells who uses what, `/slots` shows "
    "prompts. A list of what may pass stays right when the next version adds a route.",
    bad="reverse_proxy /api/* engine:11434",
    good='map "{method} {uri}" {listed} {\n\t"~^POST /api/chat([?]|$)" yes\n\tdefault no\n}',
    fix="Take the route out, or keep to the rendered Caddyfile: `infra-gen update`.",
    sources=(
        "https://docs.vllm.ai/en/stable/usage/security/",
        "https://github.com/ollama/ollama/blob/main/server/routes.go",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "https://caddyserver.com/docs/caddyfile/directives/map",
    ),
)
_ANY = ("GET", "/infra-gen-asks-for-what-nobody-lists")
# Routes of the engines that change something, tell something or cost something.
_PROBES = (
    ("GET", "/metrics"),
    ("POST", "/invocations"),
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("POST", "/api/blobs/sha256:0"),
    ("GET", "/debug/pprof/"),
    ("POST", "/v1/load_lora_adapter"),
    ("POST", "/v1/unload_lora_adapter"),
    ("POST", "/pause"),
    ("POST", "/sleep"),
    ("POST", "/reset_prefix_cache"),
    ("POST", "/collective_rpc"),
    ("POST", "/start_profile"),
    ("GET", "/server_info"),
    ("GET", "/load"),
    ("GET", "/slots"),
    ("GET", "/props"),
    ("POST", "/props"),
    ("GET", "/info"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("POST", "/vertex"),
    ("POST", "/chat_tokenize"),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for a site that lets all through, else one for each such route."""
    gate = subject.gateway()
    if gate is None or not subject.stack.has("proxy"):
        return
    for site in subject.client_sites():
        if not site.upstreams:
            continue
        line = site.upstreams[0].directive.line
        for method, path in _open(subject, site):
            route = "every route" if (method, path) == _ANY else f"{method} {path}"
            message = f"the proxy lets {route} through, which is not in the plan"
            yield RULE.finding(gate.file, message, line=line)


def _open(subject: Subject, site: Site) -> Iterator[tuple[str, str]]:
    if site.passes(*_ANY):
        yield _ANY
        return
    planned = subject.stack.service("proxy").gate
    listed = {
        (method, route.path)
        for route in (planned.routes if planned else ())
        for method in route.methods
    }
    yield from (probe for probe in _PROBES if probe not in listed and site.passes(*probe))
