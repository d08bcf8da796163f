"""Grafana opens to admin, password admin."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.places import at_key
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="default-password",
    severity="error",
    confidence="high",
    what="Reports a Grafana without a password of its own for the user admin, or with one that stands "
    "in a list of defaults.",
    why="Grafana starts with admin and admin. Whoever reaches its port then reads all measurements, "
    "asks any data source and runs what plugins can.",
    bad="environment:\n  GF_SECURITY_ADMIN_PASSWORD: admin",
    good="environment:\n  GF_SECURITY_ADMIN_PASSWORD: ${GRAFANA_ADMIN_PASSWORD:?is not set}",
    fix="Refer to a password in `.env` or a secret; `bin/rotate-key` makes one.",
    sources=("https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/",),
)


_PASSWORD = "GF_SECURITY_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable
_OTHERS = (f"{_PASSWORD}__FILE", f"{_PASSWORD}__VAULT")
_NOBODY = "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"
_DEFAULTS = ("", "admin", "grafana", "password", "changeme", "secret")


def check(subject: Subject) -> Iterator[Finding]:
    """One finding for each Grafana."""
    for service in subject.deployment.services:
        image = (service.image or "").partition("@")[0]
        if subject.role(service) != "dashboard" and "grafana/grafana" not in image:
            continue
        env = service.env
        if any(env.get(name) for name in _OTHERS) or env.get(_NOBODY, "").lower() == "true":
            continue
        if service.env_files and _PASSWORD not in env:
            continue  # a file that is not committed may hold it
        value = env.get(_PASSWORD)
        if value is None:
            message = f"{service.name} starts with the password admin: no {_PASSWORD}"
            yield at_key(RULE, subject, service, "environment", message)
        elif value.lower() in _DEFAULTS or value.endswith(":-admin}"):
            message = f"{_PASSWORD} is a default"
            yield at_key(RULE, subject, service, f"environment.{_PASSWORD}", message)
