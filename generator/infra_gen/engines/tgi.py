"""TGI: Plan to the services `engine` and `fetch`. Flag names are checked against its table."""

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
from infra_gen.engines.tgi_alerts import alerts
from infra_gen.engines.tgi_panels import panels
from infra_gen.model.engine import EngineInfo
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

name = "tgi"

_SHM_MIB_PER_SHARD = 1024
_MAX_CONCURRENT = 4  # requests for each that runs; above it clients get 429 at once
_QUANTIZE = {
    "fp8": "fp8",
    "awq-int4": "awq",
    "gptq-int4": "gptq",
    "w4a16": "compressed-tensors",
    "w8a8-int8": "compressed-tensors",
}
_DTYPE = {"bf16": "bfloat16", "fp16": "float16"}


def _model_args(plan: Plan) -> list[Arg]:
    weights = plan.weights
    if weights.local_path:
        why = "the model folder that infra-gen.yaml names, mounted read-only"
        args = [Arg("--model-id", VolumePath("models", ""), why)]
    else:
        args = [Arg("--model-id", weights.repo or plan.hf_id, reason(plan, "quantization"))]
        if weights.revision:
            args.append(Arg("--revision", weights.revision, "the commit that the lock pins"))
    method = _QUANTIZE.get(weights.quantization)
    if method:
        args.append(
            Arg("--quantize", method, f"how this checkpoint is quantized: {weights.quantization}")
        )
    elif weights.quantization in _DTYPE:
        args.append(Arg("--dtype", _DTYPE[weights.quantization], "as the weights are stored"))
    return args


def _limit_args(plan: Plan) -> list[Arg]:
    limits = plan.limits
    return [
        Arg("--num-shard", str(plan.parallelism.tensor), reason(plan, "parallelism")),
        Arg("--max-total-tokens", str(limits.context), reason(plan, "context")),
        Arg(
            "--max-input-tokens",
            str(limits.context - 1),
            "the longest prompt; TGI wants it below max-total-tokens",
        ),
        Arg(
            "--max-batch-prefill-tokens",
            str(limits.max_num_batched_tokens),
            "one prefill holds the longest prompt; activations are planned for it",
        ),
        Arg(
            "--max-concurrent-requests",
            str(limits.max_num_seqs * _MAX_CONCURRENT),
            f"{reason(plan, 'concurrency')}; four times as many may run and wait, more get status 429",
        ),
        Arg(
            "--cuda-memory-fraction",
            f"{limits.memory_fraction:g}",
            reason(plan, "memory_fraction"),
        ),
    ]


def _server_args(plan: Plan, port: int) -> list[Arg]:
    return [
        Arg(
            "--hostname",
            ListenAddress(),
            "its variable HOSTNAME is set by every container runtime, to the container's name",
        ),
        Arg("--port", str(port), "the image says 80, the program 3000: written down"),
        Arg(
            "--graceful-termination-timeout",
            str(plan.startup.drain_s),
            "on SIGTERM running answers may finish; the shards get the same time once more",
        ),
    ]


def _env(spec: Spec, plan: Plan, info: EngineInfo) -> tuple[EnvVar, ...]:
    hub = EnvVar(
        "HUGGINGFACE_HUB_CACHE", VolumePath("models", "hub"), "model files live on the volume"
    )
    offline = EnvVar("HF_HUB_OFFLINE", "1", "the service fetch downloads; the engine asks no hub")
    first = () if plan.weights.local_path else (hub, offline)
    known = {variable.name for variable in first}
    quiet = (one for one in quiet_env(spec, info) if one.name not in known)
    cache = EnvVar("HF_HOME", VolumePath("cache", "huggingface"), "whatever its libraries write")
    return (*first, cache, *planned_devices(plan), *quiet)


def services(spec: Spec, plan: Plan, info: EngineInfo, listen: Listen) -> tuple[Service, ...]:
    """The engine, and what downloads its model (nothing for a local folder)."""
    image = info.image(plan.machine)
    local = plan.weights.local_path is not None
    args = (*_model_args(plan), *_server_args(plan, listen.inside), *_limit_args(plan))
    engine = Service(
        role="engine",
        name="engine",
        program=("/tgi-entrypoint.sh",),
        argv=with_user_args(args, flag_args(spec), info.table),
        env=with_user_env(_env(spec, plan, info), spec, info.table),
        image=image,
        ports=(Port("api", listen.inside, listen.host),),
        probe=Probe("/health", listen.inside, 15, 10, 3, plan.startup.budget_s, "python"),
        mounts=(
            Mount(
                "models",
                "/models",
                True,
                "the folder that infra-gen.yaml names" if local else "model files, from fetch",
            ),
            Mount("cache", "/cache", False, "what its libraries keep"),
        ),
        secrets=_secrets(spec),
        devices=granted(plan, info),
        resources=Resources(shm_mib=_SHM_MIB_PER_SHARD * plan.parallelism.tensor),
        stop_seconds=plan.startup.stop_s,
        needs=() if local else ("fetch",),
        equals_dialect=True,
        routes=client_routes(plan, info),
        alerts=alerts(plan),
        panels=exported(panels(plan), info.table),
        metrics_path="/metrics",
    )
    return (engine,) if local else (engine, hub_fetch(plan, image))


def _secrets(spec: Spec) -> tuple[Secret, ...]:
    if spec.serve.api_key == "none":
        return ()
    why = "clients send it as a bearer token; /info and /metrics stay open, so the port is guarded"
    return (Secret(API_KEY, "API_KEY", why, made=True),)
