"""What a rule is given: the deployment as its files state it, beside what was planned."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Stack
from infra_gen.rules.command_line import CommandLine, command_line
from infra_gen.rules.deployment import Deployment
from infra_gen.rules.service import Service


@dataclass(frozen=True, slots=True)
class Subject:
    """`deployment` is judged; the rest says what it should be.

    `pristine` are files exactly as infra-gen renders them. Their form is held by infra-gen's own
    tests, so a rule that only looks at form may pass them over.
    """

    spec: Spec
    plan: Plan
    stack: Stack
    engine: EngineInfo
    deployment: Deployment
    pristine: frozenset[str] = frozenset()

    @property
    def service(self) -> Service | None:
        """The engine as deployed, None when no file states one."""
        return self.deployment.engine

    @property
    def command(self) -> CommandLine | None:
        """Its command line, read as that engine reads it."""
        service = self.deployment.engine
        if service is None:
            return None
        return command_line(service, self.engine.table, self.deployment.environment(service))

    @property
    def title(self) -> str:
        """Engine and version for messages, such as `vllm 0.33.0`."""
        return f"{self.engine.name} {self.engine.version}"

    @property
    def fetch_names(self) -> frozenset[str]:
        """Services that run once and end."""
        return frozenset(s.name for s in self.stack.services if s.role == "fetch")
