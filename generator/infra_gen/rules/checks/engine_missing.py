"""No file states the engine."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_text
from infra_gen.rules.reading.compose import is_compose_file
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="engine-missing",
    severity="error",
    confidence="high",
    what="Reports a deployment in which no file has the service `engine`.",
    why="Scripts, health checks, scrapes and every other rule find the inference server by that "
    "name. Renamed or removed, nothing is served, or nothing of it is checked.",
    bad="services:\n  llm:\n    image: vllm/vllm-openai:v0.33.0",
    good="services:\n  engine:\n    image: vllm/vllm-openai:v0.33.0",
    fix="Name the inference server's service `engine`, or run `infra-gen update`.",
    sources=("https://github.com/compose-spec/compose-spec/blob/main/05-services.md",),
)


def check(subject: Subject) -> Iterator[Finding]:
    """At most one finding, on a file that states services or could."""
    if subject.service is not None:
        return
    broken = {one.file for one in subject.deployment.unreadable}
    stating = {service.file for service in subject.deployment.services}
    files = sorted(f for f in subject.deployment.files if f not in broken)
    file = next((f for f in files if f in stating or is_compose_file(f) or f.endswith(_ENDS)), None)
    if file is not None:
        names = ", ".join(service.name for service in subject.deployment.services) or "none"
        message = f"no service is named engine; there are: {names}"
        yield at_text(RULE, subject, file, "services:", message)


_ENDS = (".plist", ".service", ".container")
