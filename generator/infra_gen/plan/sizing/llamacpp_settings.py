"""The user's own llama-server flags that change what a plan must count with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from infra_gen.model.llm import Architecture
from infra_gen.model.machine import Machine
from infra_gen.model.plan import Limits, Parallelism, Placement
from infra_gen.plan.kv_cache import KV_ELEMENT_BYTES
from infra_gen.plan.memory import Shape
from infra_gen.plan.sizing import reading
from infra_gen.plan.sizing.llamacpp_layout import Layout
from infra_gen.plan.sizing.reading import Value

CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
_AUTO_SLOTS = 4  # --parallel -1 (b11434 tools/server/server.cpp:168)
_EVERY_LAYER = 10**6
# The short names that llama-server knows beside the long ones.
_SHORT = {
    "-c": "ctx-size", "-np": "parallel", "-b": "batch-size", "-ub": "ubatch-size", "-fa": "flash-attn",
    "-ctk": "cache-type-k", "-ctv": "cache-type-v", "-kvu": "kv-unified", "-no-kvu": "no-kv-unified",
    "-ngl": "n-gpu-layers", "--gpu-layers": "n-gpu-layers", "-ncmoe": "n-cpu-moe", "-cmoe": "cpu-moe",
    "-ot": "override-tensor", "-sm": "split-mode", "-mg": "main-gpu", "-ts": "tensor-split",
    "-nkvo": "no-kv-offload", "-kvo": "kv-offload", "-mm": "mmproj", "-t": "threads",
    "-lm": "load-mode",
}  # fmt: skip
_UNCOUNTED = {
    "override-tensor": "which tensors it moves is not counted: memory and speed are those without it",
    "mmproj": "the projector's file and its buffers for images come on top of the planned memory",
    "mmproj-url": "the projector's file and its buffers for images come on top of the planned memory",
    "split-mode": "split mode tensor is not planned: memory and speed are those of split mode layer",
}
# They change nothing that is counted: which device is first, how the file is read.
_HARMLESS = ("main-gpu", "load-mode", "no-mmap", "numa")


@dataclass(frozen=True, slots=True)
class LlamaSettings:
    """What the user set; None where nothing was. `names` are the flags that were understood.

    `total` is --ctx-size; `per_slot` caps what one slot may use of it. `overhead_gib` stays free on
    each device.
    """

    total: int | None = None
    per_slot: int | None = None
    slots: int | None = None
    batch: int | None = None
    ubatch: int | None = None
    keys: str | None = None
    threads: int | None = None
    gpu_layers: int | None = None
    cpu_moe_layers: int | None = None
    overhead_gib: float = 0.0
    layout: Layout = field(default_factory=Layout)
    names: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    context: None = field(default=None, init=False)  # llama-server cuts a long one, it starts
    tensor: None = field(default=None, init=False)
    quantization: None = field(default=None, init=False)

    @property
    def fixed_requests(self) -> bool:
        """Whether slots follow from what the user set."""
        return self.slots is not None or self.total is not None

    @property
    def placed(self) -> bool:
        """Whether the user said what lies on the CPU."""
        return self.gpu_layers is not None or self.cpu_moe_layers is not None

    def on(self, limits: Limits) -> Limits:
        """The limits with the user's in place of the planned ones.

        A total context alone is divided among as many slots as hold a planned request each.
        """
        slots = self.slots or limits.max_num_seqs
        if self.total and not self.slots and not self.layout.unified:
            slots = max(1, min(slots, self.total // limits.context))
        batch = self.batch or limits.max_num_batched_tokens
        return replace(
            limits,
            context=self._context(limits.context, slots),
            max_num_seqs=slots,
            max_num_batched_tokens=batch,
            ubatch=min(batch, self.ubatch or limits.ubatch or batch),
            kv_cache_dtype=self.keys or limits.kv_cache_dtype,
            threads=self.threads or limits.threads,
            placement=self._placement(limits.placement),
        )

    def _context(self, planned: int, slots: int) -> int:
        if not self.total:
            return self.per_slot or planned
        of_slot = self.total if self.layout.unified else max(1, self.total // slots)
        return min(of_slot, self.per_slot or of_slot)

    def _placement(self, planned: Placement) -> Placement:
        layers = planned.gpu_layers if self.gpu_layers is None else self.gpu_layers
        experts = self.cpu_moe_layers
        return Placement(
            gpu_layers=None if layers == _EVERY_LAYER else layers,
            cpu_moe_layers=planned.cpu_moe_layers if experts is None else experts,
        )

    def on_shape(self, shape: Shape) -> Shape:
        """The shape with the user's layout."""
        layout = replace(self.layout, total_context=self.total, kept_free_gib=self.overhead_gib)
        return replace(shape, layout=layout)

    @property
    def fit_context(self) -> bool:
        """Whether the engine takes the longest context that fits: this one does not."""
        return False

    def on_split(
        self, split: Parallelism, _machine: Machine, _arch: Architecture, /
    ) -> tuple[Parallelism, str | None]:
        """One device where layers are not to be split."""
        return replace(split, layer_split=1) if self.layout.split_mode == "none" else split, None


Fields = Mapping[str, object]


def _cache_type(value: Value) -> str | None:
    return str(value) if str(value) in CACHE_TYPES and str(value) in KV_ELEMENT_BYTES else None


def _layers(value: Value) -> int | None:
    """Layers on devices; `all`, `auto` and negative numbers mean every one of them."""
    if str(value) in ("all", "auto"):
        return _EVERY_LAYER
    found = reading.whole(value, least=-2)
    return _EVERY_LAYER if found is not None and found < 0 else found


def _flash(value: Value) -> bool | None:
    return True if str(value) == "auto" else reading.switch(value)


def _split_mode(value: Value) -> str | None:
    return str(value) if str(value) in ("none", "layer", "row") else None


_NUMBERS: dict[str, tuple[str, Callable[[Value], object | None]]] = {
    "ctx-size": ("total", reading.whole),
    "kv-unified-per-slot": ("per_slot", reading.whole),
    "batch-size": ("batch", reading.whole),
    "ubatch-size": ("ubatch", reading.whole),
    "cache-type-k": ("keys", _cache_type),
    "threads": ("threads", reading.whole),
    "n-gpu-layers": ("gpu_layers", _layers),
    "n-cpu-moe": ("cpu_moe_layers", lambda value: reading.whole(value, least=0)),
}
_LAYOUT: dict[str, tuple[str, Callable[[Value], object | None]]] = {
    "cache-type-v": ("cache_v", _cache_type),
    "flash-attn": ("flash_attention", _flash),
    "kv-unified": ("unified", reading.switch),
    "swa-full": ("swa_full", reading.switch),
    "kv-offload": ("kv_offload", reading.switch),
    "split-mode": ("split_mode", _split_mode),
    "tensor-split": ("tensor_split", reading.shares),
}
_NEGATIVES = {"no-kv-unified": "unified", "no-kv-offload": "kv_offload"}


def _fields(name: str, value: Value) -> tuple[Fields, Fields] | None:
    """The fields of LlamaSettings and of Layout that one flag sets; None when it sets none."""
    if name in _NUMBERS:
        key, read = _NUMBERS[name]
        found = read(value)
        return None if found is None else ({key: found}, {})
    if name in _LAYOUT:
        key, read = _LAYOUT[name]
        found = read(value)
        return None if found is None else ({}, {key: found})
    if name in _NEGATIVES:
        off = reading.switch(value)
        return None if off is None else ({}, {_NEGATIVES[name]: not off})
    if name == "cpu-moe":
        return ({"cpu_moe_layers": _EVERY_LAYER}, {}) if reading.switch(value) else None
    if name == "parallel":
        return _parallel(value)
    return ({}, {}) if name in _HARMLESS else None


def _parallel(value: Value) -> tuple[Fields, Fields] | None:
    """-1 means four slots that share one cache."""
    slots = reading.whole(value, least=-1)
    if slots == -1:
        return {"slots": _AUTO_SLOTS}, {"unified": True}
    return ({"slots": slots}, {}) if slots else None


def settings(engine_args: Mapping[str, Value]) -> LlamaSettings:
    """What those flags set; nothing from values that llama-server would not read."""
    numbers: dict[str, object] = {}
    layout: dict[str, object] = {}
    names, warnings = set(), []
    for flag, name in reading.named(engine_args, _SHORT).items():
        found = _fields(name, engine_args[flag])
        if found is not None:
            numbers, layout = {**numbers, **found[0]}, {**layout, **found[1]}
            names.add(flag)
        elif name in _UNCOUNTED:
            warnings.append(f"engine_args sets {name}: {_UNCOUNTED[name]}")
            names.add(flag)
    return replace(
        LlamaSettings(),
        layout=replace(Layout(), **layout),  # type: ignore[arg-type]
        names=frozenset(names),
        warnings=tuple(warnings),
        **numbers,  # type: ignore[arg-type]
    )
