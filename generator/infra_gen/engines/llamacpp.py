"""llama.cpp server: Plan to the services `engine` and `fetch`, in a container or on the host."""

from __future__ import annotations

from infra_gen.engines.common import (
    API_KEY,
    client_routes,
    exported,
    fetch_service,
    flag_args,
    granted,
    planned_devices,
    quiet_env,
    reason,
    with_user_args,
    with_user_env,
)
from infra_gen.engines.llamacpp_alerts import alerts
from infra_gen.engines.llamacpp_panels import panels
from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan, counted
from infra_gen.model.spec import Spec
from infra_gen.model.stack import (
    Arg,
    EnvVar,
    GpuProof,
    Image,
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

name = "llama.cpp"

# Written once while loading; "n" of "n" layers is checked by the smoke test.
_GPU_LOG = r"offloaded \([0-9][0-9]*\)/\1 layers to GPU"
_PART_LOG = r"offloaded {layers}/[0-9][0-9]* layers to GPU"
_PING_S = "5"
_ALL_LAYERS = "all"
_EVERY_EXPERT = frozenset({"--cpu-moe", "-cmoe", "cpu-moe"})


def _cache_args(plan: Plan) -> list[Arg]:
    limits = plan.limits
    total = limits.context * limits.max_num_seqs
    slots = limits.max_num_seqs
    return [
        Arg(
            "--ctx-size",
            str(total),
            f"{limits.context} tokens in each of {counted(slots, 'slot')}, among which llama-server "
            f"divides this number: {reason(plan, 'context')}",
        ),
        Arg("--parallel", str(slots), reason(plan, "concurrency")),
        Arg(
            "--batch-size",
            str(limits.max_num_batched_tokens),
            "scrapes and health checks are answered between two batches",
        ),
        _micro_batch(plan),
        Arg("--fit", "off", "take these numbers or fail: nothing is adjusted behind your back"),
    ]


def _micro_batch(plan: Plan) -> Arg:
    tokens = str(plan.limits.ubatch or plan.limits.max_num_batched_tokens)
    if plan.task == "generate":
        return Arg("--ubatch-size", tokens, "the compute buffer is planned for it")
    return Arg("--ubatch-size", tokens, "an input that is embedded must fit one batch")


def _layer_args(plan: Plan, spec: Spec) -> list[Arg]:
    """What of the model is on devices; the rest stays in the host's memory."""
    placement = plan.limits.placement
    if placement.whole:
        return [Arg("--n-gpu-layers", _ALL_LAYERS, "every layer on the GPU, as planned")]
    why = reason(plan, "offload")
    layers = _ALL_LAYERS if placement.gpu_layers is None else str(placement.gpu_layers)
    args = [Arg("--n-gpu-layers", layers, why)]
    if placement.cpu_moe_layers and not _EVERY_EXPERT.intersection(spec.engine_args):
        args.append(Arg("--n-cpu-moe", str(placement.cpu_moe_layers), why))
    return args


def _device_args(plan: Plan, spec: Spec) -> list[Arg]:
    machine = plan.machine
    args = []
    if machine.is_gpu:
        args += _layer_args(plan, spec)
        args.append(Arg("--flash-attn", "on", "smaller compute buffers at long contexts"))
        # In a container the drivers of the others say how much memory is used; Intel's does not.
        if plan.runtime == "native" or machine.vendor == "intel":
            why = "the default of 3 leaves out which layers went to the GPU; bin/smoke-test looks"
            args.append(Arg("--verbosity", "4", why))
        if machine.devices > 1:
            args.append(Arg("--split-mode", "layer", reason(plan, "parallelism")))
    else:
        args.append(Arg("--n-gpu-layers", "0", "this machine was planned as a CPU"))
    if machine.vendor == "cpu" and plan.limits.threads:
        args.append(
            Arg("--threads", str(plan.limits.threads), "one a physical core; more only compete")
        )
    if machine.vendor == "cpu" and (machine.numa_nodes or 1) > 1:
        why = f"memory is in {machine.numa_nodes} parts: threads and pages are spread over all"
        args.append(Arg("--numa", "distribute", why))
    # Idle prompts are kept in host memory, 8 GiB by default, which the plan has given away already.
    keep = machine.memory_kind == "discrete"
    why = (
        "idle prompts may use 2 GiB of host memory, not the default of 8"
        if keep
        else "memory is shared with the model here: no second copy of idle prompts"
    )
    args.append(Arg("--cache-ram", "2048" if keep else "0", why))
    return args


def _server_args(plan: Plan, port: int) -> list[Arg]:
    return [
        Arg("--alias", plan.served_name, "the name that clients ask for"),
        Arg(
            "--host",
            ListenAddress(),
            "every interface of its container, or loopback on a host: what is published guards it",
        ),
        Arg("--port", str(port), "explicit: upstream announced a new default"),
        Arg("--metrics", None, "/metrics is off by default"),
        Arg(
            "--sse-ping-interval",
            _PING_S,
            "a stopped server ends open streams at their next ping: 5 s, not the default of 30",
        ),
        Arg("--no-slots", None, "/slots would show other people's prompts"),
        Arg("--no-ui", None, "an API server: no web page that asks for no key"),
    ]


def services(spec: Spec, plan: Plan, info: EngineInfo, listen: Listen) -> tuple[Service, ...]:
    """The engine, and what downloads its model (nothing where the file is on this host)."""
    native, image = plan.runtime == "native", info.image(plan.machine)
    inside = listen.inside
    args = (
        Arg("--model", VolumePath("models", plan.weights.files[0]), reason(plan, "quantization")),
        *_server_args(plan, inside),
        *_cache_args(plan),
        *_task_args(plan),
        *_device_args(plan, spec),
    )
    local = plan.weights.local_path is not None
    engine = Service(
        role="engine",
        name="engine",
        program=("/app/llama-server",),
        argv=with_user_args(args, flag_args(spec), info.table),
        env=with_user_env((*planned_devices(plan), *quiet_env(spec, info)), spec, info.table),
        image=image,
        native=info.native(plan.machine) if native else None,
        ports=(Port("api", inside, listen.host),),
        probe=Probe("/health", inside, 10, 5, 3, plan.startup.budget_s, "curl"),
        mounts=(Mount("models", "/models", True, "the GGUF file" + _origin(plan)),),
        secrets=_secrets(spec),
        devices=granted(plan, info),
        resources=_resources(plan),
        stop_seconds=plan.startup.stop_s,
        needs=() if local else ("fetch",),
        routes=client_routes(plan, info),
        alerts=alerts(plan),
        panels=exported(panels(plan), info.table),
        metrics_path="/metrics",
        metrics_secret=API_KEY if spec.serve.api_key == "env" else None,
        gpu_proof=GpuProof((), _gpu_log(plan)) if plan.machine.is_gpu else None,
    )
    return (engine,) if local else (engine, _fetch(plan, image))


def _gpu_log(plan: Plan) -> str:
    layers = plan.limits.placement.gpu_layers
    return _GPU_LOG if layers is None else _PART_LOG.format(layers=layers)


def _fetch(plan: Plan, image: Image | None) -> Service:
    env = (EnvVar("HOME", "/tmp", "curl looks for its settings there"),)  # noqa: S108
    return fetch_service(plan, image, "curl", env)


def _origin(plan: Plan) -> str:
    return ", as infra-gen.yaml names it" if plan.weights.local_path else ", written by fetch"


def _task_args(plan: Plan) -> list[Arg]:
    """What turns a chat server into one for embeddings or rerank scores."""
    if plan.task == "generate":
        return []
    why = f"{plan.model_name} is made to {plan.task}"
    args = [Arg("--rerank" if plan.task == "rerank" else "--embeddings", None, why)]
    if plan.pooling and plan.task == "embed":
        args.append(Arg("--pooling", plan.pooling, "how the model's makers pool token states"))
    return args


def _resources(plan: Plan) -> Resources:
    if plan.machine.memory_kind != "host":
        return Resources()
    # The model file is mapped: its pages count towards the limit, so the limit is all that is usable.
    return Resources(memory_mib=int(plan.machine.usable_gib * 1024))


def _secrets(spec: Spec) -> tuple[Secret, ...]:
    if spec.serve.api_key == "none":
        return ()
    return (
        Secret(
            API_KEY,
            "LLAMA_API_KEY",
            "clients send it as a bearer token",
            file_flag="--api-key-file",
            made=True,
        ),
    )
