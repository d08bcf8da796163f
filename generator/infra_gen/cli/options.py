"""Options that several commands share, and the spec they add up to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra_gen.cli import completion
from infra_gen.cli.packs import packs_of
from infra_gen.errors import UsageError
from infra_gen.model.names import ENGINE_NAMES, TARGET_NAMES, one_of

if TYPE_CHECKING:
    from infra_gen.model.spec import Spec

Hardware = Annotated[
    str | None,
    typer.Option(
        "--hardware",
        "-H",
        help="Machine: apple-m3, 2x4090, h100:8, p5.48xlarge, cpu, a profile of `detect`, ...",
        autocompletion=completion.hardware,
    ),
]
Users = Annotated[int | None, typer.Option("--users", "-u", help="People in an active session.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Preset, Hugging Face id, folder with config.json, .gguf file, auto.",
        autocompletion=completion.models,
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help=f"{one_of((*ENGINE_NAMES, 'auto'))}.",
        autocompletion=completion.engines_or_auto,
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        help=f"{one_of((*TARGET_NAMES, 'auto'))}.",
        autocompletion=completion.targets,
    ),
]
WorkloadName = Annotated[
    str | None,
    typer.Option(
        "--workload",
        help="chat, rag, code, batch, embed or rerank.",
        autocompletion=completion.workloads,
    ),
]
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
    bool | None,
    typer.Option("--monitoring/--no-monitoring", help="Prometheus with alerts, Grafana."),
]
Nodes = Annotated[int | None, typer.Option("--nodes", help="Equal machines that share the load.")]
GpuFraction = Annotated[
    float | None, typer.Option("--gpu-fraction", help="Share of each GPU to take, 0 to 1.")
]
Exposure = Annotated[
    str | None, typer.Option("--exposure", help="loopback, lan or public: who can connect.")
]
Host = Annotated[
    str | None, typer.Option("--host", help="Name that clients use, for the certificate.")
]
Tls = Annotated[str | None, typer.Option("--tls", help="off, internal or acme.")]
ModelPath = Annotated[
    str | None,
    typer.Option("--offline", metavar="FOLDER", help="No network: the model is in this folder."),
]
Mirror = Annotated[
    str | None, typer.Option("--mirror", help="With --offline: registry with the images.")
]
EngineVersion = Annotated[str | None, typer.Option(help="Version of the engine.")]


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
    nodes: int | None = None
    gpu_fraction: float | None = None
    exposure: str | None = None
    host: str | None = None
    tls: str | None = None
    model_path: str | None = None
    mirror: str | None = None
    packs: tuple[str, ...] = ()
    pack_answers: tuple[str, ...] = ()

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
        # A short flag and a variable are kept as typed; another bare word is a long flag.
        name = flag.strip()
        if not name.startswith("-") and not name.isupper():
            name = f"--{name}"
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


def _hardware(asked: Asked) -> Any:
    if asked.nodes is None or asked.nodes == 1:
        return asked.hardware
    return {"nodes": {"count": asked.nodes, "each": asked.hardware}}


def _serve(asked: Asked) -> dict[str, Any]:
    return {
        "exposure": _or(asked.exposure, "loopback"),
        "port": _or(asked.port, "auto"),
        "host": asked.host,
        "tls": asked.tls,
    }


def _offline(asked: Asked) -> dict[str, Any] | None:
    if asked.mirror is not None and asked.model_path is None:
        raise UsageError("--mirror needs --offline FOLDER, where the model is")
    if asked.model_path is None:
        return None
    return {"mirror": asked.mirror, "model_path": asked.model_path}


def _or(value: Any, default: Any) -> Any:
    """What was given, even when it is empty or zero: that is for the spec to refuse."""
    return default if value is None else value


def spec_from(asked: Asked) -> Spec:
    """The spec that these flags describe. UsageError for any bad value."""
    from pydantic import ValidationError

    from infra_gen.lifecycle.spec_file import complaint, key_path, placed
    from infra_gen.model.spec import Spec

    _check_value("engine", asked.engine, ("auto", *ENGINE_NAMES))
    _check_value("target", asked.target, ("auto", *TARGET_NAMES))
    _check_value("image", asked.image, ("build", "official"))
    _check_value("exposure", asked.exposure, ("loopback", "lan", "public"))
    _check_value("tls", asked.tls, ("off", "internal", "acme"))
    if asked.users is not None and asked.users <= 0:
        raise UsageError(f"--users {asked.users}: at least one person must use it")
    workload = _or(asked.workload, "chat")
    engine: Any = _or(asked.engine, "auto")
    if asked.engine_version is not None:
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
        "hardware": _hardware(asked),
        "model": _or(asked.model, "auto"),
        "engine": engine,
        "target": _or(asked.target, "auto"),
        "load": load,
        "quantization": _or(asked.quantization, "auto"),
        "image": _or(asked.image, "build"),
        "serve": _serve(asked),
        "storage": {"path": _or(asked.storage, "auto")},
        "monitoring": _or(asked.monitoring, True),
        "offline": _offline(asked),
        "gpu_fraction": asked.gpu_fraction,
        "engine_args": _engine_args(asked.set_args),
        "packs": packs_of(asked.packs, asked.pack_answers),
    }
    try:
        return Spec.model_validate(document)
    except ValidationError as error:
        first = placed(error.errors()[0])
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
    is_file = model.lower().endswith(".gguf")
    if is_file or model.startswith(("./", "../")) or (folder / "config.json").is_file():
        return os.path.relpath(folder.resolve(), root.resolve())
    return model


def relative_hardware(hardware: str | None, root: Path) -> str | None:
    """A profile given relative to where the command runs, as seen from the deployment."""
    import os

    if hardware is None or not hardware.lower().endswith((".yaml", ".yml")):
        return hardware
    if hardware.startswith(("/", "~")):
        return os.path.expanduser(hardware)  # noqa: PTH111 - leaves unknown users as they are
    return os.path.relpath(Path(hardware).resolve(), root.resolve())
