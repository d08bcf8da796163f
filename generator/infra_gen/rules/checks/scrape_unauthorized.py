"""Prometheus asks without the key that the engine wants."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.monitoring import scrape_targets
from infra_gen.rules.places import at_text
from infra_gen.rules.service import Service
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="scrape-unauthorized",
    severity="error",
    confidence="high",
    what="Reports a scrape of an engine that has an API key and guards its metrics with it, when "
    "the scrape configuration presents no key.",
    why="With a key llama.cpp answers everything but its health check with 401, /metrics included. "
    "Prometheus then takes a healthy engine for dead, and no other alert can fire.",
    bad="scrape_configs:\n  - job_name: engine\n    static_configs: ...",
    good="scrape_configs:\n  - job_name: engine\n    authorization:\n"
    "      credentials_file: /tmp/metrics-token\n    static_configs: ...",
    fix="Give the scrape job an `authorization` with a credentials_file.",
    sources=(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/server-http.cpp",
        "https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each such target."""
    service = subject.service
    if service is None or not _asks_for_key(subject) or not _has_key(subject, service):
        return
    for target in scrape_targets(subject.deployment):
        if target.engine and not target.authorized:
            message = f"job {target.job} asks {target.text} without the key and gets 401"
            yield at_text(RULE, subject, target.file, target.text, message)


def _asks_for_key(subject: Subject) -> bool:
    """Whether the metrics' path is guarded: listed, or not among the public ones."""
    auth = subject.engine.facts.auth
    path = subject.engine.facts.http.metrics_path.value
    if path is None:
        return False
    if auth.guarded.value is not None:
        return path.startswith(auth.guarded.value)
    return auth.public.value is not None and path not in auth.public.value


def _has_key(subject: Subject, service: Service) -> bool:
    auth, command = subject.engine.facts.auth, subject.command
    if auth.key_env.value and auth.key_env.value in subject.deployment.environment(service):
        return True
    if service.env_files:
        return subject.spec.serve.api_key == "env"
    flags = (auth.key_flag.value, auth.key_file_flag.value)
    return command is not None and any(flag and command.text(flag) for flag in flags)
