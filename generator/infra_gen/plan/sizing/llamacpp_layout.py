"""How llama-server lays a model out: what its flags say beside the planned numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SplitMode = Literal["none", "layer", "row"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Flags that memory depends on; the defaults are those of the launch that infra-gen writes.

    `total_context`: cells of all slots together, None for slots x context. `cache_v`: the type of
    values where it is not that of keys. `unified`: all slots share one cache. `swa_full`: layers with
    a window keep the whole context. `tensor_split`: shares of the devices, empty for equal ones.
    `kv_offload`: the cache lies where its layers do, else on the host. `kept_free_gib`: what the
    user keeps free on each device.
    """

    total_context: int | None = None
    cache_v: str | None = None
    flash_attention: bool = True
    unified: bool = False
    swa_full: bool = False
    split_mode: SplitMode = "layer"
    tensor_split: tuple[float, ...] = ()
    kv_offload: bool = True
    kept_free_gib: float = 0.0
