"""What a rule is given: the deployment as its files state it, beside what was planned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra_gen.model.engine import EngineInfo
from infra_gen.model.llm import ModelPreset
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Role, Stack
from infra_gen.model.stack import Service as Planned
from infra_gen.rules.command_line import CommandLine, command_line
from infra_gen.rules.deployment import Deployment
from infra_gen.rules.gateway import Gateway, Site, gateway
from infra_gen.rules.reading.caddyfile import is_caddyfile
from infra_gen.rules.reading.values import resolve
from infra_gen.rules.reading.yaml_text import UnreadableError
from infra_gen.rules.service import Service

if TYPE_CHECKING:
    from infra_gen.model.constraint import Constraints


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the engine listens, and what says so (None: left to a default).

    `address` None: nothing is known to be said, so every one.
    """

    address: str | None
    port: int
    address_by: str | None
    port_by: str | None


@dataclass(frozen=True, slots=True)
class Subject:
    """`deployment` is judged; the rest says what it should be.

    `pristine` are files exactly as infra-gen renders them. Their form is held by infra-gen's own
    tests, so a rule that only looks at form may pass them over. `constraints` are those of the
    engine, for all its versions.
    """

    spec: Spec
    plan: Plan
    stack: Stack
    engine: EngineInfo
    deployment: Deployment
    pristine: frozenset[str] = frozenset()
    model: ModelPreset | None = None
    constraints: Constraints | None = None
    # Read once for all rules; `replace` starts with an empty one.
    _read: dict[str, CommandLine | Gateway | None] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    @property
    def service(self) -> Service | None:
        """The engine as deployed, None when no file states one."""
        return self.deployment.engine

    @property
    def command(self) -> CommandLine | None:
        """Its command line, read as that engine reads it."""
        if "command" not in self._read:
            self._read["command"] = self._command_line()
        found = self._read["command"]
        return found if isinstance(found, CommandLine) else None

    def _command_line(self) -> CommandLine | None:
        service = self.deployment.engine
        if service is None:
            return None
        return command_line(service, self.engine.table, self.deployment.environment(service))

    @property
    def title(self) -> str:
        """Engine and version for messages, such as `vllm 0.33.0`."""
        return f"{self.engine.name} {self.engine.version}"

    def planned(self, service: Service) -> Planned | None:
        """The service of the plan that has this name, None for one that somebody added."""
        return next((one for one in self.stack.services if one.name == service.name), None)

    def role(self, service: Service) -> Role | None:
        """What the service is for, None where the plan has none of its name."""
        found = self.planned(service)
        return found.role if found else None

    def having(self, *roles: Role) -> Iterator[Service]:
        """The deployed services that have one of these roles."""
        return (one for one in self.deployment.services if self.role(one) in roles)

    def proxy(self) -> Service | None:
        """The proxy as deployed, None where there is none."""
        return next(self.having("proxy"), None)

    def gateway(self) -> Gateway | None:
        """The proxy's own file, None where there is none or it cannot be read."""
        if "gateway" not in self._read:
            self._read["gateway"] = self._gateway()
        found = self._read["gateway"]
        return found if isinstance(found, Gateway) else None

    def _gateway(self) -> Gateway | None:
        for path, text in self.deployment.files.items():
            if is_caddyfile(path):
                try:
                    return gateway(text, path)
                except UnreadableError:
                    return None  # unreadable-file speaks of that
        return None

    def client_sites(self) -> tuple[Site, ...]:
        """What that file has for clients: all but the site for measurements."""
        gate = self.gateway()
        planned = self.stack.service("proxy").gate if self.stack.has("proxy") else None
        if gate is None or planned is None:
            return ()
        return gate.for_clients(planned.metrics_port)

    def exposed(self) -> bool:
        """Whether the spec lets others than this machine in."""
        return self.spec.serve.exposure != "loopback"

    def listening(self, command: CommandLine) -> Listening:
        """Where the engine of that command listens."""
        http, knobs = self.engine.facts.http, self.engine.facts.knobs
        if knobs.listen:
            said = command.env.get(knobs.listen) or ""
            default = str(self.engine.table.env_defaults.get(knobs.listen) or "")
            address, inside = _split(resolve(said) or default)
            by = knobs.listen if said else None
            return Listening(address, inside or self.engine.default_port, by, by)
        host, number = http.host_flag.value or "", http.port_flag.value or ""
        spec = self.engine.table.flag(host)
        text = command.text(host)
        address = text or (str(spec.default) if spec and spec.default else None)
        port = command.number(number)
        return Listening(
            address,
            int(port or self.engine.default_port),
            host if text else None,
            number if port else None,
        )


def _split(text: str) -> tuple[str | None, int | None]:
    """`http://127.0.0.1:11434`, `:8000` or `[::1]:80` as address and port."""
    rest = text.rpartition("://")[2].partition("/")[0]
    if rest.startswith("["):
        address, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    else:
        address, _, port = rest.partition(":")
    return address or None, int(port) if port.isdigit() else None
