"""Reference page of the machines: devices by vendor, and providers' instances."""

from __future__ import annotations

from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.hardware import USUAL_ACCELERATOR, DevicePreset, InstancePreset
from infra_gen.model.sourced import Sourced
from tools.docs_markdown import MARK, number, page, table, value

_VENDORS = {
    "nvidia": "NVIDIA",
    "amd": "AMD",
    "intel": "Intel",
    "apple": "Apple",
    "cpu": "Processors alone",
}
_DEVICE_HEAD = (
    "Name", "Also", "Visible GiB", "Reserved GiB", "GB/s", "FP16 TFLOPS", "FP8 TFLOPS",
    "Through", "Capability", "At most", "Sources",
)  # fmt: skip
_INSTANCE_HEAD = ("Name", "Provider", "Devices", "GiB seen of each", "vCPUs", "RAM, GiB")


def _visible(preset: DevicePreset) -> str:
    if preset.memory_options:
        sizes = ", ".join(
            f"**{o.gib}**" if o.gib == preset.default_memory_gib else str(o.gib)
            for o in preset.memory_options
        )
        return f"{sizes} (RAM)"
    return value(preset.visible_gib) or f"95 % of {number(preset.nominal_gib.value)}"


def _sources(preset: DevicePreset) -> str:
    facts: tuple[Sourced[float] | Sourced[int] | None, ...] = (
        preset.visible_gib, preset.nominal_gib, preset.bandwidth_gb_s, preset.fp16_tflops,
    )  # fmt: skip
    found = [fact.source for fact in facts if fact and fact.source]
    return "; ".join(dict.fromkeys(found))


def _device(preset: DevicePreset) -> tuple[object, ...]:
    return (
        f"`{preset.id}`", ", ".join(preset.aliases), _visible(preset), value(preset.reserved_gib),
        value(preset.bandwidth_gb_s), value(preset.fp16_tflops), value(preset.fp8_tflops),
        preset.accelerator or USUAL_ACCELERATOR[preset.vendor],
        preset.compute_capability or preset.gfx or "", preset.max_per_node, _sources(preset),
    )  # fmt: skip


def _instance(name: str) -> tuple[object, ...]:
    preset = store.load("instances", name, InstancePreset)
    seen = resolve_machine(name).visible_gib
    mark = MARK if preset.visible_gib and preset.visible_gib.assumed else ""
    return (
        f"`{name}`", preset.provider, f"{preset.devices} x `{preset.device}`",
        f"{number(seen)}{mark}", value(preset.vcpus), value(preset.host_memory_gib),
    )  # fmt: skip


def hardware_page() -> str:
    """docs/reference/hardware.md."""
    presets = [store.load("hardware", name, DevicePreset) for name in store.names("hardware")]
    instances = store.names("instances")
    parts = []
    for vendor, title in _VENDORS.items():
        rows = [_device(preset) for preset in presets if preset.vendor == vendor]
        parts.append(f"## {title}\n\n{table(_DEVICE_HEAD, rows)}")
    return page(
        "Hardware",
        f"{len(presets)} presets, one device each, and {len(instances)} [instances](#instances) of "
        "providers. Write several devices as `2x4090`, `4090:2` or `h100:8`. A chip that shares its "
        "memory with the system comes in several sizes: `apple-m3-24gb` names one, `apple-m3` alone "
        "means the size in bold. What a plan may fill is visible minus reserved memory, and on such "
        "chips at most the share that the system lets the GPU take.",
        "`Through` is how programs reach the device: it decides which image or build of an engine is "
        "taken. `At most` is the number of devices in one machine. [Several machines, a share of a "
        "card](../how-to/share-a-machine.md) and [a profile of your own machine]"
        "(../how-to/detect.md) are written otherwise.",
        f"GiB are 2^30 bytes, GB/s are 10^9 bytes a second, TFLOPS are dense. {MARK} assumed or "
        "computed, not read somewhere: the preset's note says how.",
        *parts,
        "## Instances\n\nA provider's name stands for the machine: `--hardware p5.48xlarge`. `aws-`, "
        "`azure-` or `gcp-` may stand before it. Nothing is kept for a desktop there.\n\n"
        + table(_INSTANCE_HEAD, [_instance(name) for name in instances]),
        "## More\n\nEach value's own source, the day it was checked and its note are in "
        "`presets/hardware/<name>.yaml` and `presets/instances/<name>.yaml`; `infra-gen show NAME` "
        "prints them. Yours is missing? [Add a GPU](../../CONTRIBUTING.md#add-a-gpu), or run "
        "[`infra-gen detect`](../how-to/detect.md).",
    )
