"""vLLM: Plan to the services `engine` and `fetch`. Flag names are checked against its table."""

from __future__ import annotations

from infra_gen.engines.common import (
    API_KEY,
    HF_TOKEN,
    chosen_port,
    flag_args,
    hub_download,
    planned_devices,
    with_user_args,
)
from infra_gen.engines.vllm_alerts import alerts
from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import (
    Arg,
    Devices,
    EnvVar,
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


def _reason(plan: Plan, what: str) -> str:
    decision = plan.decision(what)
    return decision.because if decision else "as planned"


def _model_args(plan: Plan) -> list[Arg]:
    weights = plan.weights
    if weights.local_path:
        model: str | VolumePath = VolumePath("models", "")
        return [Arg("", model, "the model folder that infra-gen.yaml names, mounted read-only")]
    args = [Arg("", weights.repo or plan.hf_id, _reason(plan, "quantization"))]
    if weights.revision:
        args.append(Arg("--revision", weights.revision, "the commit that the lock pins"))
    return args


def _parallel_args(plan: Plan) -> list[Arg]:
    split, why = plan.parallelism, _reason(plan, "parallelism")
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
        Arg("--max-model-len", str(limits.context), _reason(plan, "context")),
        Arg(
            "--max-num-seqs",
            str(limits.max_num_seqs),
            f"{_reason(plan, 'concurrency')}; rounded up to a multiple of 8",
        ),
        Arg(
            "--max-num-batched-tokens",
            str(limits.max_num_batched_tokens),
            "vLLM's own default for a card of this size, written down so that memory is planned",
        ),
        Arg(
            "--gpu-memory-utilization",
            f"{limits.memory_fraction:g}",
            _reason(plan, "memory_fraction"),
        ),
    ]
    if limits.kv_cache_dtype != "auto":
        args.append(Arg("--kv-cache-dtype", limits.kv_cache_dtype, _reason(plan, "kv_cache")))
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


def _server_args(plan: Plan, port: int) -> list[Arg]:
    return [
        Arg("--served-model-name", plan.served_name, "the name that clients ask for"),
        Arg("--host", ListenAddress(), "inside the container; compose publishes it on loopback"),
        Arg("--port", str(port), "the same port in health check, scrape and compose"),
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


def _env(plan: Plan) -> tuple[EnvVar, ...]:
    found = [
        EnvVar("HF_HUB_CACHE", VolumePath("models", "hub"), "model files live on the volume"),
        EnvVar("HF_HOME", VolumePath("cache", "huggingface"), "whatever else its libraries write"),
        EnvVar("HF_HUB_OFFLINE", "1", "the service fetch downloads; the engine never does"),
        EnvVar("VLLM_CACHE_ROOT", VolumePath("cache", "vllm"), "compiled graphs survive a restart"),
        EnvVar("TRITON_CACHE_DIR", VolumePath("cache", "triton"), "so do compiled kernels"),
        *planned_devices(plan),
        EnvVar("VLLM_NO_USAGE_STATS", "1", "no usage reports leave this machine"),
    ]
    if plan.startup.budget_s > _READY_DEFAULT_S:
        found.append(
            EnvVar(
                "VLLM_ENGINE_READY_TIMEOUT_S",
                str(plan.startup.budget_s),
                "loading takes longer than the default of 600 s may allow",
            )
        )
    return tuple(found)


def _mounts() -> tuple[Mount, ...]:
    return (
        Mount("models", "/models", True, "model files, written by the service fetch"),
        Mount("cache", "/cache", False, "compiled graphs and kernels"),
    )


def services(spec: Spec, plan: Plan, info: EngineInfo) -> tuple[Service, ...]:
    """The engine, and what downloads its model (nothing for a local folder)."""
    port = info.default_port
    image = info.image(plan.machine)
    args = [
        *_model_args(plan),
        *_server_args(plan, port),
        *_parallel_args(plan),
        *_limit_args(plan),
        *_feature_args(plan),
    ]
    vendor = plan.machine.vendor
    used = plan.parallelism.devices_per_replica
    engine = Service(
        role="engine",
        name="engine",
        program=("vllm", "serve"),
        argv=with_user_args(tuple(args), flag_args(spec), info.table),
        env=_env(plan),
        image=image,
        ports=(Port("api", port, chosen_port(spec, port)),),
        probe=Probe("/health", port, 15, 10, 3, plan.startup.budget_s, "python"),
        mounts=_mounts(),
        secrets=_secrets(spec),
        devices=Devices(vendor, used),
        resources=Resources(shm_mib=_SHM_MIB_PER_RANK * max(1, used)),
        stop_seconds=plan.startup.stop_s,
        needs=() if plan.weights.local_path else ("fetch",),
        equals_dialect=True,
        alerts=alerts(plan),
        metrics_path="/metrics",
    )
    if plan.weights.local_path:
        return (engine,)
    fetch = Service(
        role="fetch",
        name="fetch",
        program=("/bin/sh", "/opt/infra-gen/fetch-model"),
        argv=(),
        env=(
            EnvVar("HF_HUB_CACHE", VolumePath("models", "hub"), "where the engine looks for it"),
            EnvVar("HF_HOME", VolumePath("models", "home"), "what the download keeps beside it"),
        ),
        image=image,
        mounts=(Mount("models", "/models", False, "the download goes here"),),
        secrets=(HF_TOKEN if not plan.gated else HF_TOKEN_REQUIRED,),
        restart=False,
        download=hub_download(plan, "hf"),
    )
    return (engine, fetch)


HF_TOKEN_REQUIRED = Secret(
    HF_TOKEN.name, HF_TOKEN.env, "this model is gated: accept its licence on its page first", True
)


def _secrets(spec: Spec) -> tuple[Secret, ...]:
    if spec.serve.api_key == "none":
        return ()
    return (
        Secret(
            API_KEY,
            "VLLM_API_KEY",
            "clients send it as a bearer token; it does not guard all routes, so the port is on loopback",
        ),
    )
