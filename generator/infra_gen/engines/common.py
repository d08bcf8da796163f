"""What engines do alike: the user's own flags, routes, environment, secrets, downloads."""

from __future__ import annotations

import re
from dataclasses import replace

from infra_gen.errors import UsageError, did_you_mean
from infra_gen.model.engine import EngineInfo
from infra_gen.model.engine_table import FlagSpec, Removed, Table
from infra_gen.model.plan import Plan
from infra_gen.model.program import Tool
from infra_gen.model.spec import Spec
from infra_gen.model.stack import (
    Arg,
    Devices,
    Download,
    EnvVar,
    GateRoute,
    Image,
    Mount,
    Panel,
    Secret,
    Service,
    VolumePath,
)

API_KEY = "API_KEY"
HF_TOKEN = Secret("HF_TOKEN", "HF_TOKEN", "raises the hub's download limits", False)
_SERIES = re.compile(r"\b[a-z_]+:[a-z0-9_]+")  # an engine's own: the prefix ends in a colon
_GATED = "this model is gated: accept its licence on its page first"


def reason(plan: Plan, what: str) -> str:
    """Why the plan decided so."""
    decision = plan.decision(what)
    return decision.because if decision else "as planned"


def hub_token(plan: Plan) -> Secret:
    """The hub's token: needed for a gated model, useful for others."""
    return replace(HF_TOKEN, because=_GATED, required=True) if plan.gated else HF_TOKEN


# What clients do at a route, in the words of the API that it belongs to.
_PURPOSES = {
    "/v1/chat/completions": "OpenAI: chat",
    "/v1/completions": "OpenAI: go on with a text",
    "/v1/responses": "OpenAI: responses",
    "/v1/embeddings": "OpenAI: embeddings",
    "/v1/models": "OpenAI: which model is served",
    "/v1/messages": "Anthropic: messages",
    "/v1/messages/count_tokens": "Anthropic: how many tokens a message has",
    "/v1/rerank": "rerank, as Jina and Cohere have it",
    "/rerank": "rerank, as Jina and Cohere have it",
    "/tokenize": "how many tokens a text has",
    "/detokenize": "tokens back to text",
}


def _purpose(path: str) -> str:
    if path.startswith("/api/"):
        return "Ollama's own API"
    return _PURPOSES.get(path, "the engine's own API")


def client_routes(plan: Plan, info: EngineInfo) -> tuple[GateRoute, ...]:
    """The routes that clients of this kind of model need."""
    return tuple(
        GateRoute(route.path, route.methods, route.streams, _purpose(route.path))
        for route in info.facts.http.routes
        if plan.task in route.tasks
    )


def exported(panels: tuple[Panel, ...], table: Table) -> tuple[Panel, ...]:
    """The charts whose every series this version of the engine exports."""

    def known(panel: Panel) -> bool:
        names = {name for query in panel.queries for name in _SERIES.findall(query.expr)}
        return all(table.metric(name) for name in names)

    return tuple(panel for panel in panels if known(panel))


def quiet_env(spec: Spec, info: EngineInfo) -> tuple[EnvVar, ...]:
    """What keeps the engine from reporting home, and from asking at all on a machine without net."""
    facts = info.facts.environment
    wanted = (*facts.private, *(facts.offline if spec.offline else ()))
    found = {one.name: EnvVar(one.name, one.value, one.because) for one in wanted}
    return tuple(found.values())


_MINE = "yours, from engine_args in infra-gen.yaml"


def _is_variable(name: str) -> bool:
    """Whether a key of `engine_args` names a variable: those are in upper case, flags never."""
    return name.isupper() and not name.startswith("-")


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
        if not _is_variable(name)
    )


def with_user_env(env: tuple[EnvVar, ...], spec: Spec, table: Table) -> tuple[EnvVar, ...]:
    """`env` with the variables of `engine_args` in place of ours, new ones at the end.

    Raises UsageError for one that this version of the engine does not read, and for flags where
    the engine has none.
    """
    result = {variable.name: variable for variable in env}
    for name, value in spec.engine_args.items():
        if not _is_variable(name):
            if not table.flags:
                raise UsageError(
                    f"{table.engine} has no flags, so {name} cannot be one",
                    where="engine_args",
                    hint=did_you_mean(name, table.env),
                )
            continue
        if name not in table.env and table.absence(name) == "error":
            raise UsageError(
                f"{table.engine} {table.version} does not read {name}"
                + _went(table.removed_env.get(name)),
                where="engine_args",
                hint=did_you_mean(name, table.env),
            )
        result[name] = EnvVar(name, _env_text(value), _MINE)
    return tuple(result.values())


def _env_text(value: str | int | float | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else _text(value) or ""


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
    a flag that this version of the engine surely does not have.
    """
    result = list(args)
    for arg in mine:
        spec = table.flag(arg.flag)
        if spec is None and table.absence(arg.flag) == "warning":
            result.append(arg)  # a newer engine may have it; the rule flag-unknown says so
            continue
        if spec is None:
            gone = table.removed_flags.get(arg.flag)
            raise UsageError(
                f"{table.engine} {table.version} has no flag {arg.flag}" + _went(gone),
                where="engine_args",
                hint=None if gone else did_you_mean(arg.flag, table.flags),
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
    plain = (one for one in spec.negatives if one.startswith("--no-"))  # every version has these
    return replace(arg, flag=next(plain, spec.negatives[0]), value=None)


def _went(gone: Removed | None) -> str:
    return gone.said if gone else ""


def granted(plan: Plan, info: EngineInfo) -> Devices | None:
    """The accelerators for the engine's service; None on a machine without."""
    machine = plan.machine
    if not machine.is_gpu or machine.os == "macos":
        return None
    native = plan.runtime == "native"
    facts = info.native_facts(machine) if native else info.image_facts(machine)
    reached = facts.accelerator if facts else machine.accelerator
    return Devices(machine.vendor, plan.parallelism.devices_per_replica, reached)


def planned_devices(plan: Plan) -> tuple[EnvVar, ...]:
    """AMD containers see every card of the host: only the planned ones may be used."""
    if plan.machine.vendor != "amd":
        return ()
    used = ",".join(str(index) for index in range(plan.parallelism.devices_per_replica))
    return (EnvVar("HIP_VISIBLE_DEVICES", used, "the planned cards; the container sees them all"),)


def hub_download(plan: Plan, tool: Tool) -> Download:
    """What the fetch service brings. Without a pinned commit the default branch is taken."""
    weights = plan.weights
    return Download(
        repo=weights.repo or plan.hf_id,
        revision=weights.revision or "main",
        files=weights.files,
        bytes=weights.bytes,
        sha256=weights.sha256,
        tool=tool,
    )


def fetch_service(plan: Plan, image: Image | None, tool: Tool, env: tuple[EnvVar, ...]) -> Service:
    """What downloads the model's files with `tool` before the engine starts."""
    return Service(
        role="fetch",
        name="fetch",
        program=("/bin/sh", "/opt/infra-gen/fetch-model"),
        argv=(),
        env=env,
        image=image,
        mounts=(Mount("models", "/models", False, "the download goes here"),),
        secrets=(hub_token(plan),),
        restart=False,
        download=hub_download(plan, tool),
    )


def hub_fetch(plan: Plan, image: Image | None) -> Service:
    """The download into the hub's own cache, for engines that read that."""
    env = (
        EnvVar("HF_HUB_CACHE", VolumePath("models", "hub"), "where the engine looks for it"),
        EnvVar("HF_HOME", VolumePath("models", "home"), "what the download keeps beside it"),
    )
    return fetch_service(plan, image, "hf", env)
