"""The engine's command line and environment as a target starts it, for `plan --json`."""

from __future__ import annotations

from infra_gen.model.stack import Service, Stack
from infra_gen.targets.compose_file import container_placement
from infra_gen.targets.launchd_agents import host_placement
from infra_gen.targets.placement import words


def command_of(service: Service, stack: Stack) -> tuple[tuple[str, ...], dict[str, str]]:
    """Words after the program, and plain environment variables (secrets are never shown)."""
    native = stack.plan.target == "launchd"
    placement = host_placement(stack) if native else container_placement(service)
    argv = tuple(word.text for word in words(service, placement))
    return argv, {variable.name: placement.text(variable.value) for variable in service.env}
