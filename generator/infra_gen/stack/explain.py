"""What is known of one word: a decision, a deployed flag or variable, a flag of the engine."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.engine import EngineInfo
from infra_gen.model.stack import Stack


def explanation(stack: Stack, info: EngineInfo, key: str) -> list[str]:
    """Lines on `key`; none when nothing is known of it."""
    wanted = key.lstrip("-")
    return [
        *_decided(stack, wanted),
        *_deployed(stack, wanted),
        *_in_table(info, wanted),
        *_elsewhere(info, wanted),
    ]


def known_names(stack: Stack, info: EngineInfo) -> list[str]:
    """Every word that `explanation` answers."""
    deployed = [arg.flag for arg in stack.service("engine").argv]
    flags = [flag.lstrip("-") for flag in (*deployed, *info.table.flags)]
    return [*(decision.what for decision in stack.plan.decisions), *flags, *info.table.env]


def _decided(stack: Stack, wanted: str) -> Iterator[str]:
    for decision in stack.plan.decisions:
        if decision.what in (wanted, wanted.replace("-", "_")):
            yield f"{decision.what}: {decision.value}"
            yield f"  because {decision.because}"
            yield f"  source: {decision.source}"


def _deployed(stack: Stack, wanted: str) -> Iterator[str]:
    engine = stack.service("engine")
    for arg in engine.argv:
        if arg.flag and arg.flag.lstrip("-") == wanted:
            yield arg.flag if arg.value is None else f"{arg.flag} {arg.value}"
            yield f"  because {arg.because}"
    for variable in engine.env:
        if variable.name == wanted:
            yield f"{variable.name}={variable.value}"
            yield f"  because {variable.because}"


def _elsewhere(info: EngineInfo, wanted: str) -> Iterator[str]:
    """The setting of the engine that this one's makers send their users to."""
    migration = info.facts.migration
    if migration is None:
        return
    for one in migration.settings:
        if one.setting.lstrip("-") == wanted:
            note = f" ({one.note.rstrip('.')})" if one.note else ""
            instead = f"is {one.instead}" if one.instead else "has no counterpart"
            yield f"in {migration.to} it {instead}{note}"


def _in_table(info: EngineInfo, wanted: str) -> Iterator[str]:
    title = f"{info.name} {info.version}"
    spec = info.table.flag(f"--{wanted}")
    if spec:
        known = "none" if spec.default is None else spec.default
        default = f"default {known}" if spec.default_known else "default not in the table"
        twin = f", variable {spec.env}" if spec.env else ""
        yield f"{title}: {spec.name} takes {spec.type}, {default}{twin}"
    if wanted in info.table.env:
        yield f"{title}: reads the variable {wanted} ({info.table.env[wanted]})"
    removed = info.table.removed_flags.get(f"--{wanted}")
    if removed:
        yield f"{title} has no flag --{wanted}{removed.said}"
