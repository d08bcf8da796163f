"""How an operator handles a deployment on one target: what README and scripts say differently."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Handling:
    """Words and commands of one target.

    `pages` names its parts of the README (`readme/_<pages>.md.j2`). `apply` makes changes take
    effect. `key_file` holds the key, alone in it unless `key_in_env_file`. `beside` is put before a
    command to run it where the engine runs, empty on a host. `read_log` prints the engine's log where
    a script can have all of it, else empty. `program` runs the engine's program on a host, empty where
    `beside` leads to it. `promtool` runs promtool where the rules are. `metrics` says how what
    measures is started, empty where it starts with the rest. `root_certificate` prints the
    certificate of the proxy's own authority. `own_files` are (files, whose they are) of the target's
    own.
    `build_unit` is the service that makes the engine's image, empty where no service of its own does.
    """

    pages: str
    apply: str
    key_file: str
    key_in_env_file: bool
    beside: str
    log: str
    health_hint: str
    log_hint: str
    restart: str
    promtool: str
    metrics: str
    root_certificate: str
    own_files: tuple[tuple[str, str], ...]
    read_log: str = ""
    program: str = ""
    build_unit: str = ""

    def read_key(self, name: str) -> str:
        """A shell word that is the key."""
        if self.key_in_env_file:
            return f"$(sed -n 's/^{name}=//p' {self.key_file})"
        return f"$(cat {self.key_file})"
