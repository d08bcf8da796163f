"""vLLM: Plan to the services `engine` and `fetch`. Flag names are checked against its table."""

from __future__ import annotations

from infra_gen.engines.common import (
    API_KEY,
    client_routes,
    exported,
    flag_args,
    granted,
    hub_fetch,
    planned_devices,
    quiet_env,
    reason,
    with_user_args,
    with_user_env,
)
from infra_gen.engines.vllm_alerts import alerts
from infra_gen.engines.vllm_panels import panels
from infra_gen.model.engine import EngineInfo
from infra_gen.model.engine_table import Table
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import (
    Arg,
    EnvVar,
    Listen,
    ListenAddress,
    Mount,
    Port,
    Probe,
    Resources,
    Secret,
    Service,
    VolumePath,
)

name = "vllm"

_SHM_MIB_PER_RANK = 1024  # NCCL and the multiprocessing queues; Docker's own default is 64 MiB
_READY_DEFAULT_S = 600  # VLLM_ENGINE_READY_TIMEOUT_S


def _model_args(plan: Plan) -> list[Arg]:
    weights = plan.weights
    if weights.local_path:
        model: str | VolumePath = VolumePath("models", "")
        return [Arg("", model, "the model folder that infra-gen.yaml names, mounted read-only")]
    args = [Arg("", weights.repo or plan.hf_id, reason(plan, "quantization"))]
    if weights.revision:
        args.append(Arg("--revision", weights.revision, "the commit that the lock pins"))
    return args


def _made_args(plan: Plan) -> list[Arg]:
    """What makes the quantization of 16-bit files while they are loaded."""
    if not plan.weights.on_load:
        return []
    return [
        Arg("--quantization", plan.weights.on_load, "made of 16-bit files while they are loaded")
    ]


def _parallel_args(plan: Plan) -> list[Arg]:
    split, why = plan.parallelism, reason(plan, "parallelism")
    args = []
    if split.tensor > 1:
        args.append(Arg("--tensor-parallel-size", str(split.tensor), why))
    if split.data > 1:
        args.append(
            Arg("--data-parallel-size", str(split.data), "copies of the model behind one address")
        )
    if split.expert:
        args.append(Arg("--enable-expert-parallel", None, "experts stay whole on their devices"))
    return args


def _limit_args(plan: Plan) -> list[Arg]:
    limits = plan.limits
    args = [
        Arg("--max-model-len", str(limits.context), reason(plan, "context")),
        Arg(
            "--max-num-seqs",
            str(limits.max_num_seqs),
            reason(plan, "concurrency"),
        ),
        Arg(
            "--max-num-batched-tokens",
            str(limits.max_num_batched_tokens),
            "vLLM's own default for a card of this size, written down so that memory is planned",
        ),
    ]
    if limits.memory_fraction is not None:
        share = f"{limits.memory_fraction:g}"
        args.append(Arg("--gpu-memory-utilization", share, reason(plan, "memory_fraction")))
    if limits.kv_cache_dtype != "auto":
        args.append(Arg("--kv-cache-dtype", limits.kv_cache_dtype, reason(plan, "kv_cache")))
    return args


def _feature_args(plan: Plan) -> list[Arg]:
    args = []
    if plan.tool_parser:
        args += [
            Arg("--enable-auto-tool-choice", None, "lets clients send tools"),
            Arg("--tool-call-parser", plan.tool_parser, f"how {plan.model_name} writes tool calls"),
        ]
    if plan.reasoning_parser:
        args.append(
            Arg(
                "--reasoning-parser",
                plan.reasoning_parser,
                f"keeps {plan.model_name}'s reasoning apart from its answer",
            )
        )
    return args


def _server_args(plan: Plan, port: int, table: Table) -> list[Arg]:
    args = [
        Arg("--served-model-name", plan.served_name, "the name that clients ask for"),
        Arg(
            "--host",
            ListenAddress(),
            "every interface of its container, or loopback on a host: what is published guards it",
        ),
        Arg("--port", str(port), "the same port as health check and scrape"),
        Arg(
            "--shutdown-timeout",
            str(plan.startup.drain_s),
            "on SIGTERM running answers may finish; the default of 0 cuts them off",
        ),
        Arg(
            "--disable-access-log-for-endpoints",
            "/health,/metrics",
            "probes and scrapes would fill the log",
        ),
    ]
    # Older versions lack the last two, and run without; the rule drain-not-nested says so.
    return [arg for arg in args if table.flag(arg.flag)]


def _env(spec: Spec, plan: Plan, info: EngineInfo) -> tuple[EnvVar, ...]:
    local = plan.weights.local_path is not None
    offline = "the model is here" if local else "the service fetch downloads; the engine never does"
    found = [
        EnvVar("HF_HOME", VolumePath("cache", "huggingface"), "whatever else its libraries write"),
        EnvVar("HF_HUB_OFFLINE", "1", offline),
        EnvVar("VLLM_CACHE_ROOT", VolumePath("cache", "vllm"), "compiled graphs survive a restart"),
        EnvVar("TRITON_CACHE_DIR", VolumePath("cache", "triton"), "so do compiled kernels"),
        *planned_devices(plan),
    ]
    if not local:
        hub = VolumePath("models", "hub")
        found.insert(0, EnvVar("HF_HUB_CACHE", hub, "model files live on the volume"))
    if plan.runtime == "native" and plan.machine.vendor == "nvidia":
        why = (
            "by default it compiles FlashInfer's kernels, with nvcc, which a driver does not bring"
        )
        found.append(EnvVar("VLLM_USE_FLASHINFER_SAMPLER", "0", why))
    if not plan.machine.is_gpu:
        cache = str(max(1, int(plan.memory.kv_cache_gib)))
        found.append(EnvVar("VLLM_CPU_KVCACHE_SPACE", cache, f"GiB: {reason(plan, 'kv_cache')}"))
    if plan.startup.budget_s > _READY_DEFAULT_S:
        found.append(
            EnvVar(
                "VLLM_ENGINE_READY_TIMEOUT_S",
                str(plan.startup.budget_s),
                "loading takes longer than the default of 600 s may allow",
            )
        )
    known = {variable.name for variable in found}
    quiet = (variable for variable in quiet_env(spec, info) if variable.name not in known)
    return (*found, *quiet)


def _mounts(plan: Plan) -> tuple[Mount, ...]:
    local = plan.weights.local_path is not None
    why = (
        "the folder that infra-gen.yaml names"
        if local
        else "model files, written by the service fetch"
    )
    return (
        Mount("models", "/models", True, why),
        Mount("cache", "/cache", False, "compiled graphs and kernels"),
    )


def services(spec: Spec, plan: Plan, info: EngineInfo, listen: Listen) -> tuple[Service, ...]:
    """The engine, and what downloads its model (nothing for a local folder)."""
    port, image = listen.inside, info.image(plan.machine)
    native = plan.runtime == "native"
    args = (
        *_model_args(plan),
        *_made_args(plan),
        *_server_args(plan, port, info.table),
        *_parallel_args(plan),
        *_limit_args(plan),
        *_task_args(plan),
        *_feature_args(plan),
    )
    used = plan.parallelism.devices_per_replica
    local = plan.weights.local_path is not None
    engine = Service(
        role="engine",
        name="engine",
        program=("vllm", "serve"),
        argv=with_user_args(args, flag_args(spec), info.table),
        env=with_user_env(_env(spec, plan, info), spec, info.table),
        image=image,
        native=info.native(plan.machine) if native else None,
        ports=(Port("api", port, listen.host),),
        probe=Probe("/health", port, 15, 10, 3, plan.startup.budget_s, "python"),
        mounts=_mounts(plan),
        secrets=_secrets(spec),
        devices=granted(plan, info),
        resources=Resources(shm_mib=_SHM_MIB_PER_RANK * max(1, used)),
        stop_seconds=plan.startup.stop_s,
        needs=() if local else ("fetch",),
        equals_dialect=True,
        routes=client_routes(plan, info),
        alerts=alerts(plan),
        panels=exported(panels(plan), info.table),
        metrics_path="/metrics",
    )
    return (engine,) if local else (engine, hub_fetch(plan, image))


def _task_args(plan: Plan) -> list[Arg]:
    """What turns a chat server into one for embeddings or rerank scores."""
    if plan.task == "generate":
        return []
    return [Arg("--runner", "pooling", f"{plan.model_name} is made to {plan.task}, not to write")]


def _secrets(spec: Spec) -> tuple[Secret, ...]:
    if spec.serve.api_key == "none":
        return ()
    return (
        Secret(
            API_KEY,
            "VLLM_API_KEY",
            "clients send it as a bearer token; it does not guard all routes",
            made=True,
        ),
    )
