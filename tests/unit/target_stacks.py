"""Stacks made by hand, so that tests of targets need neither presets nor engines."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from infra_gen.model.machine import Machine
from infra_gen.model.plan import (
    Decision,
    Limits,
    Memory,
    Parallelism,
    Performance,
    Plan,
    Point,
    Startup,
    Weights,
)
from infra_gen.model.stack import (
    Alert,
    Arg,
    ConfigMount,
    ConfigPath,
    Devices,
    Download,
    EnvVar,
    GpuProof,
    Image,
    ListenAddress,
    Mount,
    NativeInstall,
    Port,
    Probe,
    Resources,
    Secret,
    Series,
    Service,
    Stack,
    VolumePath,
)

GPU = Machine(
    id="l40s-2", name="NVIDIA L40S", vendor="nvidia", family="ada", os="linux", arch="x86_64",
    devices=2, memory_kind="discrete", visible_gib=44.4, reserved_gib=0.0, usable_gib=40.0,
    bandwidth_gb_s=864.0, fp16_tflops=362.0, fp8_tflops=733.0, compute_capability="8.9", gfx=None,
    cpu_cores=32, vector_extensions=(), interconnect="pcie", interconnect_gb_s=32.0,
    accelerator="cuda",
)  # fmt: skip
MAC = replace(
    GPU, id="apple-m3-16gb", name="Apple M3, 16 GB", vendor="apple", family="m3", os="macos",
    arch="arm64", devices=1, memory_kind="unified", visible_gib=16.0, reserved_gib=4.0,
    compute_capability=None, accelerator="metal", assumptions=("8 GPU cores are assumed.",),
)  # fmt: skip
CPU = replace(
    GPU, id="cpu-x86", name="x86-64 server", vendor="cpu", family="x86-64-v3", devices=1,
    memory_kind="host", visible_gib=32.0, compute_capability=None, accelerator="cpu",
)  # fmt: skip


def plan(machine: Machine, engine: str, target: str, gib: float) -> Plan:
    """A plan with round numbers; only what targets show matters here."""
    gguf = engine == "llama.cpp"
    return Plan(
        engine=engine,
        engine_version="b10900" if gguf else "0.33.0",
        target=target,
        runtime="native" if target == "launchd" else "container",
        task="generate",
        model_word="qwen3",
        model_id="qwen3",
        model_name="Qwen3 8B" if gguf else "Qwen3 32B",
        hf_id="Qwen/Qwen3-8B" if gguf else "Qwen/Qwen3-32B",
        licence="Apache-2.0",
        gated=False,
        served_name="qwen3",
        params_total=8_000_000_000,
        params_active=8_000_000_000,
        machine=machine,
        weights=Weights(
            format="gguf" if gguf else "safetensors",
            quantization="Q4_K_M" if gguf else "awq-int4",
            bytes=int(gib * 2**30),
            basis="checkpoint",
            repo="Qwen/Qwen3-8B-GGUF" if gguf else "Qwen/Qwen3-32B-AWQ",
            files=("Qwen3-8B-Q4_K_M.gguf",) if gguf else (),
            revision=None,
            sha256=None,
        ),
        parallelism=Parallelism(tensor=machine.devices),
        memory=Memory(
            visible_gib=machine.visible_gib,
            reserved_gib=machine.reserved_gib,
            weights_gib=gib / machine.devices,
            kv_cache_gib=2.0,
            activation_gib=0.5,
            cuda_graph_gib=0.0,
            runtime_gib=0.5,
            headroom_gib=1.0,
            host_needed_gib=8.0,
            kv_bytes_per_token=131072,
            kv_cache_tokens=16384,
            max_concurrency_at_context=4.0,
        ),
        performance=Performance(
            basis="roofline",
            error_band=0.5,
            users_supported=12,
            typical_concurrency=1,
            peak_concurrency=3,
            points=(
                Point(1, 1024, 256, 210.0, 33.3, 200.0, 33.0, 30.0),
                Point(4, 1024, 256, None, None, None, None, None),
            ),
        ),
        limits=Limits(4096, 4, 2048, 0.9, "auto"),
        startup=Startup(download_s=900, load_s=60, budget_s=1800, drain_s=30, stop_s=45),
        users=5,
        workload="chat",
        think_s=30.0,
        decisions=(Decision("context", "4096", "the workload | needs it", "workload chat"),),
        warnings=("One warning.",),
    )


ALERTS = (
    Alert(
        name="EngineDown",
        expr='max by (job) (up{job="engine"}) == 0',
        for_="5m",
        severity="critical",
        summary="Prometheus gets no answer from the engine.",
        runbook="Look at its log.",
        fires=(Series('up{job="engine", instance="engine:8000"}', "0x20"),),
        quiet=(Series('up{job="engine", instance="engine:8000"}', "1x20"),),
        at="10m",
    ),
    Alert(
        name="RequestsWait",
        expr="sum(llamacpp:requests_deferred) > 0",
        for_="5m",
        severity="warning",
        summary="Requests wait for a free slot: more users than planned.",
        runbook="Plan for more users.",
        fires=(Series('llamacpp:requests_deferred{instance="a"}', "3x20"),),
        quiet=(Series('llamacpp:requests_deferred{instance="a"}', "0x20"),),
        at="10m",
    ),
)
METRICS = Service(
    role="metrics",
    name="prometheus",
    program=("/bin/prometheus",),
    argv=(
        Arg("--config.file", ConfigPath("monitoring/prometheus.yml"), "What to scrape."),
        Arg("--storage.tsdb.path", VolumePath("metrics"), "On a volume, to outlive the container."),
        Arg("--storage.tsdb.retention.time", "15d", "Older samples are deleted."),
    ),
    image=Image("prom/prometheus", "v3.5.3", None, "never", "65534:65534", "docs"),
    ports=(Port("http", 9090, 9090),),
    mounts=(Mount("metrics", "/prometheus", False, "The samples."),),
    configs=(ConfigMount("monitoring", "/etc/prometheus", "what to read"),),
    equals_dialect=True,
)
KEY = Secret("API_KEY", "VLLM_API_KEY", "Clients must present it.", made=True)
TOKEN = Secret("HF_TOKEN", "HF_TOKEN", "For models behind a form.", required=False)


def vllm_stack() -> Stack:
    """Two NVIDIA devices, flags as --flag=value, a positional model."""
    image = Image("vllm/vllm-openai", "v0.33.0", None, "never", "2000:0", "docs", "580.65.06")
    models = Mount("models", "/models", False, "The weights.")
    engine = Service(
        role="engine",
        name="engine",
        program=("vllm", "serve"),
        argv=(
            Arg("", "Qwen/Qwen3-32B-AWQ", "The model."),
            Arg("--host", ListenAddress(), "Every interface of the container."),
            Arg("--port", "8000", "Explicit, so that probes agree."),
            Arg("--tensor-parallel-size", "2", "The weights are spread over two GPUs."),
            Arg("--enable-prefix-caching", None, "Prompts share their beginning."),
            Arg("--default-chat-template-kwargs", '{"price": "5$"}', "no thinking", mine=True),
        ),
        env=(
            EnvVar("HF_HOME", VolumePath("models"), "Where the download went."),
            EnvVar("HF_HUB_OFFLINE", "1", "Nothing is downloaded at start."),
            EnvVar("VLLM_CACHE_ROOT", VolumePath("cache", "vllm"), "Compiled kernels are kept."),
        ),
        image=image,
        ports=(Port("http", 8000, 8000),),
        probe=Probe("/health", 8000, 10, 5, 3, 1800, "python"),
        mounts=(replace(models, read_only=True), Mount("cache", "/cache", False, "Kernels.")),
        secrets=(KEY,),
        devices=Devices("nvidia", 2, "cuda"),
        resources=Resources(memory_mib=65536, shm_mib=4096),
        stop_seconds=45,
        needs=("fetch",),
        equals_dialect=True,
        alerts=ALERTS,
        metrics_path="/metrics",
    )
    fetch = Service(
        role="fetch",
        name="fetch",
        program=("/bin/sh", "/opt/infra-gen/fetch-model"),
        argv=(),
        env=(EnvVar("HF_HOME", VolumePath("models"), "Where the engine looks."),),
        image=image,
        mounts=(models,),
        secrets=(TOKEN,),
        restart=False,
        download=Download("Qwen/Qwen3-32B-AWQ", "main", (), 20_000_000_000, None, "hf"),
    )
    return Stack("chat", plan(GPU, "vllm", "compose", 18.6), (fetch, engine, METRICS))


def llama_stack(target: Literal["compose", "launchd"]) -> Stack:
    """llama.cpp on a CPU in containers, or on a Mac without."""
    image = Image("ghcr.io/ggml-org/llama.cpp", "server-b10900", None, "never", "10001:10001", "d")
    models = Mount("models", "/models", False, "The weights.")
    engine = Service(
        role="engine",
        name="engine",
        program=("/app/llama-server",),
        argv=(
            Arg("--model", VolumePath("models", "Qwen3-8B-Q4_K_M.gguf"), "The file."),
            Arg("--alias", "qwen3", "The name in the API."),
            Arg("--host", ListenAddress(), "Where to listen."),
            Arg("--port", "8080", "Explicit: the default differs between builds."),
            Arg("--ctx-size", "16384", "4 slots of 4096 tokens."),
            Arg("--parallel", "4", "Slots -- one a request."),
            Arg("--metrics", None, "Off by default."),
        ),
        env=(EnvVar("LLAMA_ARG_LOG_TIMESTAMPS", "1", "Times in the log."),),
        image=image,
        native=NativeInstall(
            "archive",
            "b10900",
            "https://github.com/ggml-org/llama.cpp/releases/download/b10900/"
            "llama-b10900-bin-macos-arm64.tar.gz",
            "llama-b10900-bin-macos-arm64.tar.gz",
            "llama-b10900/llama-server",
            None,
            "releases of ggml-org/llama.cpp",
            folder="llama-b10900",
        ),
        ports=(Port("http", 8080, 8080),),
        probe=Probe("/health", 8080, 10, 5, 3, 600, "curl"),
        mounts=(replace(models, read_only=True),),
        secrets=(
            Secret(
                "API_KEY",
                "LLAMA_API_KEY",
                "Clients present it.",
                file_flag="--api-key-file",
                made=True,
            ),
        ),
        stop_seconds=30,
        needs=("fetch",),
        alerts=ALERTS,
        metrics_path="/metrics",
        metrics_secret="API_KEY",
        gpu_proof=GpuProof((), r"offloaded \([0-9][0-9]*\)/\1 layers to GPU")
        if target == "launchd"
        else None,
    )
    fetch = Service(
        role="fetch",
        name="fetch",
        program=("/bin/sh", "/opt/infra-gen/fetch-model"),
        argv=(),
        image=image,
        mounts=(models,),
        secrets=(TOKEN,),
        restart=False,
        download=Download(
            "Qwen/Qwen3-8B-GGUF", "main", ("Qwen3-8B-Q4_K_M.gguf",), 5_027_783_488, "a" * 64, "curl"
        ),
    )
    machine = MAC if target == "launchd" else CPU
    return Stack("home", plan(machine, "llama.cpp", target, 4.7), (fetch, engine, METRICS))
