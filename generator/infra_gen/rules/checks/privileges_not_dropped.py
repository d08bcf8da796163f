"""Rights that the program never needs."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key, own_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="privileges-not-dropped",
    severity="warning",
    confidence="high",
    what="Reports containers that keep the default capabilities or whose programs may gain more "
    "rights.",
    why="A hole in an HTTP parser or an image decoder then gives more than the program had: a setuid "
    "file in the image is enough.",
    bad="image: caddy",
    good="image: caddy\ncap_drop: [ALL]\nsecurity_opt: ['no-new-privileges:true']",
    fix="Drop all capabilities (add single ones where needed) and set no-new-privileges.",
    sources=(
        "https://cheatsheetseries.owasp.org/cheatsheets/Docker_Security_Cheat_Sheet.html",
        "https://github.com/stackrox/kube-linter/blob/main/docs/generated/checks.md",
        "https://docs.podman.io/en/latest/markdown/podman-systemd.unit.5.html",
    ),
)


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each service, with what is missing."""
    for service in subject.deployment.services:
        if service.native:
            continue
        missing = []
        if "all" not in [one.lower() for one in service.cap_drop]:
            missing.append("cap_drop")
        if not any(
            one.replace("=", ":") in ("no-new-privileges", "no-new-privileges:true")
            for one in service.security_opt
        ):
            missing.append("security_opt")
        if missing:
            said = " and ".join(own_key(service, key).rpartition(".")[2] for key in missing)
            message = f"{service.name} keeps rights that it does not need: no {said}"
            yield at_key(RULE, subject, service, missing[0], message)
