"""Options that several commands share, and the spec they add up to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra_gen.errors import UsageError

if TYPE_CHECKING:
    from infra_gen.model.spec import Spec

Hardware = Annotated[
    str | None,
    typer.Option("--hardware", "-H", help="Machine: apple-m3, 2x4090, h100:8, cpu, ..."),
]
Users = Annotated[int | None, typer.Option("--users", "-u", help="People in an active session.")]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Preset, Hugging Face id, folder with config.json, auto."),
]
Engine = Annotated[str | None, typer.Option("--engine", help="vllm, llama.cpp or auto.")]
Target = Annotated[str | None, typer.Option("--target", help="compose, launchd or auto.")]
WorkloadName = Annotated[str | None, typer.Option("--workload", help="chat, rag, code or batch.")]
Context = Annotated[
    str | None, typer.Option("--context", help="Tokens of prompt and answer, or auto.")
]
Quantization = Annotated[
    str | None, typer.Option("--quantization", help="fp8, awq-int4, Q4_K_M, ... or auto.")
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the deployment.")]
Port = Annotated[int | None, typer.Option("--port", help="Port on this machine.")]
ImageKind = Annotated[str | None, typer.Option("--image", help="build or official.")]
StoragePath = Annotated[
    str | None, typer.Option("--storage", help="Absolute folder of the host for model files.")
]
TtftMs = Annotated[float | None, typer.Option("--ttft-ms", help="Target: time to first token.")]
TpotMs = Annotated[float | None, typer.Option("--tpot-ms", help="Target: time per output token.")]
SetArgs = Annotated[
    list[str] | None,
    typer.Option("--set", help="Raw engine flag, FLAG=VALUE (a switch: FLAG=true). Repeatable."),
]
Monitoring = Annotated[
    bool | None, typer.Option("--monitoring/--no-monitoring", help="Prometheus with alerts.")
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says; None: not given."""

    hardware: str | None = None
    users: int | None = None
    model: str | None = None
    engine: str | None = None
    engine_version: str | None = None
    target: str | None = None
    workload: str | None = None
    context: str | None = None
    quantization: str | None = None
    name: str | None = None
    port: int | None = None
    image: str | None = None
    storage: str | None = None
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    set_args: tuple[str, ...] = ()
    monitoring: bool | None = None

    def given(self) -> bool:
        """Whether any flag was used."""
        return any(getattr(self, name) not in (None, ()) for name in self.__slots__)


def _context(text: str | None) -> int | str:
    if text is None or text == "auto":
        return "auto"
    found = re.fullmatch(r"([0-9]{1,9})([kK]?)", text)
    if not found or not int(found[1]):
        raise UsageError(f"--context {text!r} is not a number of tokens", hint="8192, 32k or auto")
    return int(found[1]) * (1024 if found[2] else 1)


def _engine_args(pairs: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        flag, equals, value = pair.partition("=")
        if not equals or not flag.strip("-"):
            raise UsageError(f"--set {pair!r} is not FLAG=VALUE", hint="--set max-num-seqs=64")
        # A short flag is kept as it was typed; a bare word is a long one.
        name = flag.strip() if flag.strip().startswith("-") else f"--{flag.strip()}"
        found[name] = {"true": True, "false": False}.get(value.lower(), value)
    return found


def _check_value(option: str, value: str | None, allowed: tuple[str, ...]) -> None:
    from infra_gen.errors import did_you_mean
    from infra_gen.model.spec import reserved

    if value is None or value in allowed:
        return
    if reserved(option, value):
        raise UsageError(
            f"--{option} {value} is not built yet in this version",
            hint="one of " + ", ".join(allowed),
        )
    raise UsageError(f"--{option} {value!r} is unknown", hint=did_you_mean(value, allowed))


def _or(value: Any, default: Any) -> Any:
    """What was given, even when it is empty or zero: that is for the spec to refuse."""
    return default if value is None else value


def spec_from(asked: Asked) -> Spec:
    """The spec that these flags describe. UsageError for any bad value."""
    from pydantic import ValidationError

    from infra_gen.lifecycle.spec_file import complaint, key_path
    from infra_gen.model.spec import Spec

    _check_value("engine", asked.engine, ("auto", "vllm", "llama.cpp"))
    _check_value("target", asked.target, ("auto", "compose", "launchd"))
    _check_value("image", asked.image, ("build", "official"))
    if asked.users is not None and asked.users <= 0:
        raise UsageError(f"--users {asked.users}: at least one person must use it")
    workload = _or(asked.workload, "chat")
    engine: Any = _or(asked.engine, "auto")
    if asked.engine_version:
        if engine == "auto":
            raise UsageError("--engine-version needs --engine")
        engine = {"name": engine, "version": asked.engine_version}
    load: dict[str, Any] = {
        "users": _or(asked.users, 1),
        "workload": workload,
        "context": _context(asked.context),
        "ttft_ms": asked.ttft_ms,
        "tpot_ms": asked.tpot_ms,
    }
    document: dict[str, Any] = {
        "version": 1,
        "name": _or(asked.name, workload if workload.isalpha() else "chat"),
        "hardware": asked.hardware,
        "model": _or(asked.model, "auto"),
        "engine": engine,
        "target": _or(asked.target, "auto"),
        "load": load,
        "quantization": _or(asked.quantization, "auto"),
        "image": _or(asked.image, "build"),
        "serve": {"port": _or(asked.port, "auto")},
        "storage": {"path": _or(asked.storage, "auto")},
        "monitoring": _or(asked.monitoring, True),
        "engine_args": _engine_args(asked.set_args),
    }
    try:
        return Spec.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{key_path(first['loc'])}: {complaint(first)}") from error


def name_from(root: Path) -> str | None:
    """The folder's name as the deployment's, or None when it cannot be one.

    Two deployments of one name on one host would share containers and volumes.
    """
    import re

    name = re.sub(r"[^a-z0-9]+", "-", root.absolute().name.lower()).strip("-")[:40].strip("-")
    return name if re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", name) else None


def relative_model(model: str | None, root: Path) -> str | None:
    """A model folder given relative to where the command runs, as seen from the deployment."""
    import os

    if model is None or model.startswith("/"):
        return model
    if model.startswith("~"):
        return os.path.expanduser(model)  # noqa: PTH111 - leaves unknown users as they are
    folder = Path(model)
    if model.startswith(("./", "../")) or (folder / "config.json").is_file():
        return os.path.relpath(folder.resolve(), root.resolve())
    return model
