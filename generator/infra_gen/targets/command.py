"""A service's command line and environment as its target starts it."""

from __future__ import annotations

from infra_gen.model.stack import Service, Stack
from infra_gen.targets.placement import words
from infra_gen.targets.registry import TARGETS


def command_of(service: Service, stack: Stack) -> tuple[tuple[str, ...], dict[str, str]]:
    """Words after the program, and plain environment variables (secrets are never shown)."""
    placement = TARGETS[stack.plan.target].placement(stack, service)
    argv = tuple(word.text for word in words(service, placement))
    return argv, {variable.name: placement.text(variable.value) for variable in service.env}
