"""llama.cpp server: Plan to the services `engine` and `fetch`, in a container or on the host."""

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
from infra_gen.engines.llamacpp_alerts import alerts
from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan, counted
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

name = "llama.cpp"

# Written once while loading; "n" of "n" layers is checked by the smoke test.
_GPU_LOG = r"offloaded \([0-9][0-9]*\)/\1 layers to GPU"
_PING_S = "5"
_ALL_LAYERS = "all"


def _reason(plan: Plan, what: str) -> str:
    decision = plan.decision(what)
    return decision.because if decision else "as planned"


def _cache_args(plan: Plan) -> list[Arg]:
    limits = plan.limits
    total = limits.context * limits.max_num_seqs
    slots = limits.max_num_seqs
    return [
        Arg(
            "--ctx-size",
            str(total),
            f"{limits.context} tokens in each of {counted(slots, 'slot')}, among which llama-server "
            f"divides this number: {_reason(plan, 'context')}",
        ),
        Arg("--parallel", str(slots), _reason(plan, "concurrency")),
        Arg(
            "--batch-size",
            str(limits.max_num_batched_tokens),
            "scrapes and health checks are answered between two batches",
        ),
        Arg("--ubatch-size", "512", "the default; the compute buffer is planned for it"),
        Arg("--fit", "off", "take these numbers or fail: nothing is adjusted behind your back"),
    ]


def _device_args(plan: Plan) -> list[Arg]:
    machine = plan.machine
    args = []
    if machine.is_gpu:
        args += [
            Arg("--n-gpu-layers", _ALL_LAYERS, "every layer on the GPU, as planned"),
            Arg("--flash-attn", "on", "smaller compute buffers at long contexts"),
        ]
        if machine.vendor == "apple":
            why = "the default of 3 leaves out which layers went to the GPU; bin/smoke-test looks"
            args.append(Arg("--verbosity", "4", why))
        if machine.devices > 1:
            args.append(Arg("--split-mode", "layer", _reason(plan, "parallelism")))
    else:
        args.append(Arg("--n-gpu-layers", "0", "this machine was planned as a CPU"))
    if machine.vendor == "cpu" and plan.limits.threads:
        args.append(
            Arg("--threads", str(plan.limits.threads), "one a physical core; more only compete")
        )
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
            "--host", ListenAddress(), "loopback on a host; in a container compose guards the port"
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


def services(spec: Spec, plan: Plan, info: EngineInfo) -> tuple[Service, ...]:
    """The engine, and what downloads its model."""
    port = info.default_port
    machine = plan.machine
    native = plan.target == "launchd"
    published = chosen_port(spec, port)
    inside = published if native else port
    args = [
        Arg("--model", VolumePath("models", plan.weights.files[0]), _reason(plan, "quantization")),
        *_server_args(plan, inside),
        *_cache_args(plan),
        *_device_args(plan),
    ]
    image = info.image(machine)
    engine = Service(
        role="engine",
        name="engine",
        program=("/app/llama-server",),
        argv=with_user_args(tuple(args), flag_args(spec), info.table),
        env=planned_devices(plan),
        image=image,
        native=info.native(machine) if native else None,
        ports=(Port("api", inside, published),),
        probe=Probe("/health", inside, 10, 5, 3, plan.startup.budget_s, "curl"),
        mounts=(Mount("models", "/models", True, "the GGUF file, written by the service fetch"),),
        secrets=_secrets(spec),
        devices=Devices(machine.vendor, machine.devices)
        if _containers_see(machine.vendor)
        else None,
        resources=_resources(plan),
        stop_seconds=plan.startup.stop_s,
        needs=("fetch",),
        alerts=alerts(plan),
        metrics_path="/metrics",
        metrics_secret=API_KEY if spec.serve.api_key == "env" else None,
        gpu_log=_GPU_LOG if machine.is_gpu else None,
    )
    fetch = Service(
        role="fetch",
        name="fetch",
        program=("/bin/sh", "/opt/infra-gen/fetch-model"),
        argv=(),
        env=(EnvVar("HOME", "/tmp", "curl looks for its settings there"),),  # noqa: S108
        image=image,
        mounts=(Mount("models", "/models", False, "the download goes here"),),
        secrets=(HF_TOKEN,),
        restart=False,
        download=hub_download(plan, "curl"),
    )
    return (engine, fetch)


def _containers_see(vendor: str) -> bool:
    return vendor in ("nvidia", "amd", "intel")


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
        ),
    )
