"""The README's part on measurements: where they are shown, how to reach and to start what shows them."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.stack import Alert, Role, Secret, Stack
from infra_gen.targets.handling import Handling
from infra_gen.targets.monitoring import all_alerts
from infra_gen.targets.names import secret_file, secrets_of


@dataclass(frozen=True, slots=True)
class Measuring:
    """The names below `measuring` in templates/readme/README.md.j2. Empty strings: there is none.

    `tunnel` brings the pages to another machine. `password` says where Grafana's is kept, `apply`
    starts Grafana with a changed one, `reset` makes it count.
    """

    metrics_url: str
    dashboard_url: str
    tunnel: str
    password: str
    apply: str
    reset: str
    promtool: str
    alerts: tuple[Alert, ...]


def measuring(stack: Stack, handling: Handling) -> Measuring:
    """What the README says of Prometheus and Grafana."""
    ports = [port for port in (_port(stack, "metrics"), _port(stack, "dashboard")) if port]
    password = _password(stack)
    return Measuring(
        metrics_url=_loopback(_port(stack, "metrics")),
        dashboard_url=_loopback(_port(stack, "dashboard")),
        tunnel=" ".join(["ssh -N", *(f"-L {port}:127.0.0.1:{port}" for port in ports)]),
        password=_place(password, handling) if password else "",
        apply=f"`{start_metrics(stack)}`" if handling.metrics else handling.apply,
        reset=_reset(stack, handling, password) if password else "",
        promtool=_beside(stack, handling, handling.promtool),
        alerts=all_alerts(stack),
    )


def start_metrics(stack: Stack) -> str:
    """The command that starts what measures an engine on a host, with the secrets it needs."""
    return _with_secrets(stack, "docker compose --file monitoring/compose.yaml up --detach")


def _with_secrets(stack: Stack, command: str) -> str:
    """Compose reads every variable of its file whatever it is asked, so each command needs them."""
    wanted = {s.metrics_secret for s in stack.services if s.metrics_secret}
    wanted |= {
        secret.name
        for service in stack.services
        if service.role in ("dashboard", "metrics")
        for secret in service.secrets
    }
    made = [secret for secret in secrets_of(stack) if secret.name in wanted]
    return " ".join([*(f"{one.name}=$(cat {secret_file(one)})" for one in made), command])


def _beside(stack: Stack, handling: Handling, command: str) -> str:
    """The command as it is typed: a compose file of its own is not read without its secrets."""
    return _with_secrets(stack, command) if handling.metrics else command


def _password(stack: Stack) -> Secret | None:
    if not stack.has("dashboard"):
        return None
    return next(iter(stack.service("dashboard").secrets), None)


def _place(password: Secret, handling: Handling) -> str:
    if handling.key_in_env_file:
        return f"`{password.name}` in `{handling.key_file}`"
    return f"`{secret_file(password)}`"


def _reset(stack: Stack, handling: Handling, password: Secret) -> str:
    """Gives Grafana the password that its container was started with.

    On standard input: as an argument it would show in the process list. Grafana's own command and
    flags: tldr-pages/tldr#23094, grafana/grafana#14076.
    """
    inside = handling.promtool.removesuffix(f"{stack.service('metrics').name} promtool")
    reset = "grafana cli --homepath /usr/share/grafana admin reset-admin-password"
    script = f'echo "${password.env}" | {reset} --password-from-stdin'
    shell = f"{inside}{stack.service('dashboard').name} sh -c '{script}'"
    return _beside(stack, handling, shell)


def _port(stack: Stack, role: Role) -> int | None:
    return stack.service(role).ports[0].host if stack.has(role) else None


def _loopback(port: int | None) -> str:
    """Where a measuring service shows its pages."""
    return f"http://127.0.0.1:{port}" if port else ""
