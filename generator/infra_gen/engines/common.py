"""What both engines do alike: the user's own flags, ports, secrets, downloads."""

from __future__ import annotations

from dataclasses import replace

from infra_gen.errors import UsageError, did_you_mean
from infra_gen.model.engine_table import FlagSpec, Table
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Arg, Download, EnvVar, Secret

API_KEY = "API_KEY"
HF_TOKEN = Secret("HF_TOKEN", "HF_TOKEN", "raises the hub's download limits", False)


def chosen_port(spec: Spec, default: int) -> int:
    """The port on this machine."""
    return default if spec.serve.port == "auto" else spec.serve.port


def flag_args(spec: Spec) -> tuple[Arg, ...]:
    """`engine_args` as arguments, marked as the user's; `false` keeps the word for later."""
    return tuple(
        Arg(
            name if name.startswith("-") else f"--{name}",
            _text(value),
            "from engine_args in infra-gen.yaml",
            mine=True,
        )
        for name, value in spec.engine_args.items()
    )


_OFF = "false"


def _text(value: str | int | float | bool) -> str | None:
    if isinstance(value, bool):
        return None if value else _OFF
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def with_user_args(args: tuple[Arg, ...], mine: tuple[Arg, ...], table: Table) -> tuple[Arg, ...]:
    """`args` with the user's flags in place of ours, whatever their spelling; new ones at the end.

    A switch set to `false` takes ours away, or becomes its negative spelling. Raises UsageError for
    a flag that this version of the engine does not have.
    """
    result = list(args)
    for arg in mine:
        spec = table.flag(arg.flag)
        if spec is None:
            raise UsageError(
                f"{table.engine} {table.version} has no flag {arg.flag}"
                + _removed(table, arg.flag),
                where="engine_args",
                hint=did_you_mean(arg.flag, table.flags),
            )
        place = next(
            (i for i, a in enumerate(result) if a.flag and table.flag(a.flag) == spec), None
        )
        wanted = _switched_off(arg, spec) if arg.value == _OFF and not spec.takes_value else arg
        if place is None:
            result += [wanted] if wanted else []
        else:
            result[place : place + 1] = [wanted] if wanted else []
    return tuple(result)


def _switched_off(arg: Arg, spec: FlagSpec) -> Arg | None:
    """The flag that says no, or None where leaving the switch out does."""
    if not spec.negatives or arg.flag in spec.negatives:
        return None
    return replace(arg, flag=spec.negatives[0], value=None)


def _removed(table: Table, flag: str) -> str:
    gone = table.removed_flags.get(flag)
    if gone is None:
        return ""
    return f" (gone by {gone.gone_by or 'an unknown version'})" + (
        f"; instead: {gone.instead}" if gone.instead else ""
    )


def planned_devices(plan: Plan) -> tuple[EnvVar, ...]:
    """AMD containers see every card of the host: only the planned ones may be used."""
    if plan.machine.vendor != "amd":
        return ()
    used = ",".join(str(index) for index in range(plan.parallelism.devices_per_replica))
    return (EnvVar("HIP_VISIBLE_DEVICES", used, "the planned cards; the container sees them all"),)


def hub_download(plan: Plan, tool: str) -> Download:
    """What the fetch service brings. Without a pinned commit the default branch is taken."""
    weights = plan.weights
    return Download(
        repo=weights.repo or plan.hf_id,
        revision=weights.revision or "main",
        files=weights.files,
        bytes=weights.bytes,
        sha256=weights.sha256,
        tool="hf" if tool == "hf" else "curl",
    )
