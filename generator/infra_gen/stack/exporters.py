"""Exporters of GPU measurements: NVIDIA's DCGM exporter.

AMD's device metrics exporter is not deployed: it must run as a privileged container
(ROCm/device-metrics-exporter#564), which hands it the whole host. Apple and Intel have none.
"""

from __future__ import annotations

from infra_gen.model.plan import GIB, Plan
from infra_gen.model.stack import (
    Alert,
    Arg,
    Devices,
    Image,
    Panel,
    Port,
    Query,
    Resources,
    Series,
    Service,
)
from infra_gen.stack.metrics import on_host_network

# Not 4.9.0 or newer: it gives 23 of these metrics other names and some another unit
# (presets/metrics/dcgm-exporter.json).
_IMAGE = Image(
    repository="nvcr.io/nvidia/k8s/dcgm-exporter",
    tag="4.5.3-4.8.2-distroless",
    digest=None,
    verified="never",
    user=None,
    source="NVIDIA/dcgm-exporter:README.md@d5e5f510a1b6b393f39a43293ccd9dc985defc79",
)
_NAME = "gpu-exporter"
_PORT = 9400
_TEMPERATURE = "DCGM_FI_DEV_GPU_TEMP"
_HOT_C = 90  # assumed: no source gives the limits of all cards, and the exporter has none
_MIB = 2**20


def exporter(plan: Plan) -> Service | None:
    """The exporter for the planned GPUs, None where there is none for this machine."""
    machine = plan.machine
    if machine.vendor != "nvidia" or machine.os != "linux":
        return None
    if machine.memory_kind != "discrete":
        return None  # Jetson, GB10: DCGM's support for GPUs without memory of their own is unknown
    gpus = plan.parallelism.devices_per_replica
    address = f"127.0.0.1:{_PORT}" if on_host_network(plan) else f":{_PORT}"
    return Service(
        role="exporter",
        name=_NAME,
        program=("/usr/bin/dcgm-exporter",),
        argv=(
            Arg("--address", address, "only Prometheus asks here"),
            Arg("--no-hostname", None, "a container's name is another one after each update"),
            Arg("--collect-interval", "15000", "milliseconds: a new value for every scrape"),
        ),
        image=_IMAGE,
        ports=(Port("metrics", _PORT, _PORT if on_host_network(plan) else None),),
        devices=Devices("nvidia", gpus, "cuda"),
        resources=Resources(memory_mib=512),
        stop_seconds=10,
        metrics_path="/metrics",
        alerts=_alerts(gpus),
        panels=_panels(plan),
    )


def _series(metric: str, values: str, gpu: int = 0) -> Series:
    labels = f'job="{_NAME}",instance="{_NAME}",gpu="{gpu}",device="nvidia{gpu}"'
    return Series(f"{metric}{{{labels}}}", values)


def _alerts(gpus: int) -> tuple[Alert, ...]:
    """Faults of the card. A busy GPU is no fault: there is no alert on utilisation."""
    return (_lost(gpus), _error(), _memory(), _hot())


def _lost(gpus: int) -> Alert:
    found = f"count(count by (gpu) ({_TEMPERATURE}))"
    all_but_one = tuple(_series(_TEMPERATURE, "60x30", gpu) for gpu in range(gpus - 1))
    return Alert(
        name="GpuLost",
        expr=f"({found} or on () vector(0)) < {gpus}",
        for_="5m",
        severity="critical",
        summary=f"Fewer GPUs report than planned ({gpus}).",
        runbook=(
            "Either a GPU is gone from the bus (nvidia-smi misses it, dmesg says why: reboot) or the "
            "exporter does not run (look at its log)."
        ),
        fires=(*all_but_one, Series('up{job="other"}', "1x30")),
        quiet=tuple(_series(_TEMPERATURE, "60x30", gpu) for gpu in range(gpus)),
        at="20m",
    )


def _error() -> Alert:
    return Alert(
        name="GpuError",
        expr="max by (gpu) (DCGM_FI_DEV_XID_ERRORS) != 0",
        for_="1m",
        severity="warning",
        summary="The driver has reported an error of a GPU; the alert's value is its XID number.",
        runbook=(
            "Look the number up in NVIDIA's list of XID errors and in dmesg: some mean a faulty card, "
            "others a program's mistake. The value stays until another error or a restart of the "
            "exporter."
        ),
        fires=(_series("DCGM_FI_DEV_XID_ERRORS", "0 0 79x30"),),
        quiet=(_series("DCGM_FI_DEV_XID_ERRORS", "0x30"),),
        at="20m",
    )


def _memory() -> Alert:
    return Alert(
        name="GpuMemoryFailing",
        expr="max by (gpu) (DCGM_FI_DEV_ROW_REMAP_FAILURE) > 0",
        for_="1m",
        severity="critical",
        summary="A GPU could not replace a faulty row of its memory by a spare one.",
        runbook="Its answers cannot be trusted: have the card replaced.",
        fires=(_series("DCGM_FI_DEV_ROW_REMAP_FAILURE", "0 0 1x30"),),
        quiet=(_series("DCGM_FI_DEV_ROW_REMAP_FAILURE", "0x30"),),
        at="20m",
    )


def _hot() -> Alert:
    return Alert(
        name="GpuHot",
        expr=f"max by (gpu) ({_TEMPERATURE}) > {_HOT_C}",
        for_="10m",
        severity="warning",
        summary=f"A GPU has been above {_HOT_C} degrees for ten minutes.",
        runbook=(
            "It slows down to cool, so answers come later. Look at fans and air. "
            "`nvidia-smi -q -d TEMPERATURE` shows this card's own limits."
        ),
        fires=(_series(_TEMPERATURE, "95x30"),),
        quiet=(_series(_TEMPERATURE, "84x30"),),
        at="20m",
    )


def _by_gpu(expr: str) -> tuple[Query, ...]:
    return (Query(f"max by (gpu) ({expr})", "GPU {{gpu}}"),)


def _panels(plan: Plan) -> tuple[Panel, ...]:
    return (
        Panel(
            "GPU",
            "Memory in use",
            "Engines take theirs at the start and keep it. Above the line something else has some.",
            "bytes",
            _by_gpu(f"DCGM_FI_DEV_FB_USED * {_MIB}"),
            float(int(plan.memory.planned_gib * GIB)),
            "planned for the fullest",
        ),
        Panel(
            "GPU",
            "Busy",
            "Part of the time that anything ran. Near 1 under load is how it should be.",
            "percent",
            _by_gpu("DCGM_FI_DEV_GPU_UTIL / 100"),
        ),
        Panel(
            "GPU",
            "Temperature, degrees Celsius",
            "Cards slow down when they get too hot.",
            "none",
            _by_gpu(_TEMPERATURE),
            _HOT_C,
            "GpuHot fires",
        ),
        Panel(
            "GPU",
            "Power, watts",
            "At the card's limit the clock goes down.",
            "none",
            _by_gpu("DCGM_FI_DEV_POWER_USAGE"),
        ),
        Panel(
            "GPU",
            "Clock, MHz",
            "A clock that falls while the card is busy means heat or a power limit.",
            "none",
            _by_gpu("DCGM_FI_DEV_SM_CLOCK"),
        ),
        Panel(
            "GPU",
            "Last error (XID)",
            "0: none. Other numbers are in NVIDIA's list of XID errors.",
            "none",
            _by_gpu("DCGM_FI_DEV_XID_ERRORS"),
        ),
    )
