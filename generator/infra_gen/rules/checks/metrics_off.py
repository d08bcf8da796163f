"""Monitoring that has nothing to read."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.model.stack import Scrape
from infra_gen.rules.contract import Rule
from infra_gen.rules.monitoring import Target, prometheus_files, scrape_targets
from infra_gen.rules.places import at_flag, at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="metrics-off",
    severity="error",
    confidence="high",
    what="Reports a deployment with Prometheus whose engine exports no metrics, or whose scrape "
    "configuration does not ask the engine or the proxy, whichever has metrics.",
    why="llama.cpp answers /metrics with 501 unless `--metrics` is given, and vLLM's own metrics "
    "end with `--disable-log-stats`. Ollama has none at all: what it does is measured at the "
    "proxy. Alerts on series that do not exist never fire.",
    bad="command: [--model, /models/model.gguf]",
    good="command: [--model, /models/model.gguf, --metrics]",
    fix="Add --metrics for llama.cpp, drop --disable-log-stats for vLLM, and scrape what has metrics.",
    sources=(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        "https://docs.vllm.ai/en/stable/usage/metrics/",
        "ollama/ollama#3144",
    ),
)
_OFF = "--disable-log-stats"


def check(subject: Subject) -> Iterator[Finding]:
    """What keeps the metrics from Prometheus."""
    service, command = subject.service, subject.command
    files = prometheus_files(subject.deployment)
    if service is None or command is None or not files:
        return
    flag = subject.engine.facts.http.metrics_flag.value
    if flag and not command.on(flag):
        message = f"{subject.title} exports no metrics without {flag}"
        yield at_key(RULE, subject, service, "command", message)
    if command.on(_OFF):
        yield at_flag(RULE, subject, _OFF, f"{_OFF} ends the metrics that alerts are made of")
    targets = tuple(scrape_targets(subject.deployment))
    for scrape in subject.stack.scrapes:
        if scrape.asked.role in ("engine", "proxy"):
            yield from _scraped(subject, scrape, targets, files[0])


def _scraped(
    subject: Subject, scrape: Scrape, targets: tuple[Target, ...], file: str
) -> Iterator[Finding]:
    """Whether a job asks that service, and where."""
    name = scrape.job
    asked = [one for one in targets if one.job == name]
    asked = asked or [one for one in targets if one.host == scrape.asked.name]
    if not asked:
        line = subject.deployment.line_at(file, "scrape_configs")
        yield RULE.finding(file, f"no scrape job asks the {name}", line=line)
    for target in asked:
        if target.path != scrape.path:
            line = subject.deployment.line_of(target.file, target.path)
            message = f"job {target.job} asks {target.path}; {name} exports at {scrape.path}"
            yield RULE.finding(target.file, message, line=line)
