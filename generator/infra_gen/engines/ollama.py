"""Ollama: Plan to the services `engine`, `fetch` and `warmup`. It has variables in place of flags."""

from __future__ import annotations

from dataclasses import replace

from infra_gen.engines.common import (
    client_routes,
    granted,
    hub_download,
    planned_devices,
    quiet_env,
    reason,
    with_user_env,
)
from infra_gen.engines.ollama_alerts import alerts
from infra_gen.engines.ollama_panels import panels
from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import (
    Arg,
    ConfigMount,
    EnvVar,
    GpuProof,
    Image,
    Listen,
    ListenOn,
    Mount,
    PeerAddress,
    Port,
    Probe,
    Resources,
    Service,
    Value,
    VolumePath,
    WrittenFile,
)

name = "ollama"

_PROGRAM = "/bin/ollama"
_MODELFILE = "ollama/Modelfile"
_ALL_LAYERS = 999  # more than any model has
_QUEUE = 4  # waiting requests for each that runs; more get status 503


def _store(plan: Plan) -> VolumePath:
    """Where Ollama keeps models: beside a folder of the user's, which it must not write to."""
    return VolumePath("store" if plan.weights.local_path else "models")


def _server_env(plan: Plan, port: int) -> tuple[EnvVar, ...]:
    limits = plan.limits
    found = [
        EnvVar(
            "OLLAMA_HOST", ListenOn(port), "loopback on a host; a container is guarded by its port"
        ),
        EnvVar("OLLAMA_MODELS", _store(plan), "models live on the volume"),
        EnvVar(
            "OLLAMA_CONTEXT_LENGTH",
            str(limits.context),
            f"tokens of one request, by default 4096 on small GPUs: {reason(plan, 'context')}",
        ),
        EnvVar("OLLAMA_NUM_PARALLEL", str(limits.max_num_seqs), reason(plan, "concurrency")),
        EnvVar(
            "OLLAMA_MAX_QUEUE", str(limits.max_num_seqs * _QUEUE), "more get status 503 at once"
        ),
        EnvVar("OLLAMA_MAX_LOADED_MODELS", "1", "memory is planned for one model"),
        EnvVar("OLLAMA_KEEP_ALIVE", "-1", "the model stays in memory; the default is 5 minutes"),
        EnvVar("OLLAMA_LOAD_TIMEOUT", f"{plan.startup.budget_s}s", "as long as loading may take"),
        EnvVar("OLLAMA_KV_CACHE_TYPE", limits.kv_cache_dtype, "memory is planned for this type"),
    ]
    if plan.machine.is_gpu:
        found.append(EnvVar("OLLAMA_FLASH_ATTENTION", "1", "smaller buffers at long contexts"))
    if plan.machine.devices > 1:
        found.append(EnvVar("OLLAMA_SCHED_SPREAD", "1", reason(plan, "parallelism")))
    return tuple(found)


def _source(plan: Plan) -> str | VolumePath:
    """What the Modelfile starts from: one file of a repository, or a file of the host."""
    if plan.weights.local_path:
        return VolumePath("models", plan.weights.files[0])
    return _pulled(plan)


def _pulled(plan: Plan) -> str:
    """The hub's name for one file of a repository."""
    return f"hf.co/{plan.weights.repo}:{plan.weights.files[0].rpartition('/')[2]}"


def _modelfile(plan: Plan) -> WrittenFile:
    placed = plan.limits.placement.gpu_layers
    layers = (placed or _ALL_LAYERS) if plan.machine.is_gpu else 0
    why = "Every layer on the GPU, or loading fails: never a silent mix." if layers else "No GPU."
    if placed:
        why = f"Layers on the GPU: {reason(plan, 'offload')}."
    lines: list[tuple[Value, ...]] = [
        (f"# {plan.model_name}, {plan.weights.quantization}: the one file that is planned for.",),
        ("FROM ", _source(plan)),
        (
            "# Memory is planned for this context; a request that asks for another reloads the model.",
        ),
        (f"PARAMETER num_ctx {plan.limits.context}",),
        ("# Ollama makes batches larger where it sees room, which is planned for the cache.",),
        (f"PARAMETER num_batch {plan.limits.ubatch or plan.limits.max_num_batched_tokens}",),
        (f"# {why}",),
        (f"PARAMETER num_gpu {layers}",),
    ]
    if not layers and plan.limits.threads:
        lines.append(("# One thread a physical core.",))
        lines.append((f"PARAMETER num_thread {plan.limits.threads}",))
    return WrittenFile(_MODELFILE, tuple(lines))


def services(spec: Spec, plan: Plan, info: EngineInfo, listen: Listen) -> tuple[Service, ...]:
    """The engine, what pulls and names its model, and what loads it once the engine is up."""
    image = info.image(plan.machine)
    native = info.native(plan.machine) if plan.runtime == "native" else None
    port = listen.inside
    env = (*_server_env(plan, port), *planned_devices(plan), *quiet_env(spec, info))
    engine = Service(
        role="engine",
        name="engine",
        program=(_PROGRAM,),
        argv=(Arg("", "serve", "it has no flags: everything is in the environment"),),
        env=with_user_env(env, spec, info.table),
        image=image,
        native=native,
        ports=(Port("api", port, listen.host),),
        probe=Probe(
            "/api/version", port, 15, 10, 3, 60, "command", (_PROGRAM, "show", plan.served_name)
        ),
        mounts=_mounts(plan),
        devices=granted(plan, info),
        resources=_resources(plan),
        stop_seconds=plan.startup.stop_s,
        needs=("fetch",),
        routes=client_routes(plan, info),
        alerts=alerts(plan),
        panels=panels(plan),
        gpu_proof=GpuProof((_PROGRAM, "ps"), _shown(plan)) if plan.machine.is_gpu else None,
    )
    return (engine, _fetch(spec, plan, info, image), _warmup(plan, image, port))


def _shown(plan: Plan) -> str:
    """What `ollama ps` says of the processor: all GPU, or shares of CPU and GPU."""
    return "100% GPU" if plan.limits.placement.whole else "CPU/GPU"


def _mounts(plan: Plan) -> tuple[Mount, ...]:
    if plan.weights.local_path is None:
        return (Mount("models", "/models", False, "models; Ollama tidies up here when it starts"),)
    return (
        Mount("models", "/models", True, "the folder that infra-gen.yaml names"),
        Mount("store", "/store", False, "Ollama's own copy of the model"),
    )


def _fetch(spec: Spec, plan: Plan, info: EngineInfo, image: Image | None) -> Service:
    download = replace(hub_download(plan, "ollama"), pull=_pull(plan), create=plan.served_name)
    return Service(
        role="fetch",
        name="fetch",
        program=("/bin/sh", "/opt/infra-gen/fetch-model"),
        argv=(),
        env=(
            EnvVar("OLLAMA_MODELS", _store(plan), "where the engine looks"),
            EnvVar("HOME", "/tmp", "Ollama keeps a key of its own there"),  # noqa: S108
            *quiet_env(spec, info),
        ),
        image=image,
        mounts=_mounts(plan),
        configs=(ConfigMount(_MODELFILE, "/etc/ollama/Modelfile", "what the model is made from"),),
        restart=False,
        download=download,
        files=(_modelfile(plan),),
    )


def _pull(plan: Plan) -> str | None:
    return None if plan.weights.local_path else _pulled(plan)


def _warmup(plan: Plan, image: Image | None, port: int) -> Service:
    return Service(
        role="warmup",
        name="warmup",
        program=(_PROGRAM,),
        argv=(
            Arg("", "run", "loads the model and answers nothing"),
            Arg("", plan.served_name, ""),
            Arg("", "", ""),
        ),
        env=(
            EnvVar("OLLAMA_HOST", PeerAddress("engine", port), "the engine"),
            EnvVar("HOME", "/tmp", "the only place that it can write to"),  # noqa: S108
        ),
        image=image,
        stop_seconds=10,
        needs=("engine",),
        restart=False,
    )


def _resources(plan: Plan) -> Resources:
    if plan.machine.memory_kind != "host":
        return Resources()
    return Resources(memory_mib=int(plan.machine.usable_gib * 1024))
