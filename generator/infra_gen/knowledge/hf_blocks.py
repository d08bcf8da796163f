"""Models whose layers were made unlike by a search: `block_configs` lists each (Nemotron Super)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from infra_gen.errors import UsageError
from infra_gen.knowledge.hf_fields import ConfigFile, finite


def blocks(config: ConfigFile) -> list[dict[str, Any]] | None:
    """The layers one by one, None where they are alike. UsageError when they are not readable."""
    listed = config.get("block_configs")
    if listed is None:
        return None
    if not isinstance(listed, list) or not listed or not all(_readable(one) for one in listed):
        raise UsageError(
            "block_configs is not a list of layers with attention and ffn", where=config.where
        )
    return listed


def _readable(one: object) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(k), dict) for k in ("attention", "ffn"))


def block_widths(config: ConfigFile) -> list[int]:
    """The MLP's width in each layer, 0 where there is none; empty where layers are alike."""
    # Source: vllm 0.33.0 vllm/model_executor/models/nemotron_nas.py, _ffn_mult_to_intermediate_size
    widths = []
    for one in blocks(config) or ():
        factor = finite(one["ffn"].get("ffn_mult"))
        if one["ffn"].get("no_op") or not factor:
            widths.append(0)
            continue
        widths.append(-(-int(2 * factor * config.positive("hidden_size") / 3) // 256) * 256)
    return widths


def block_heads(config: ConfigFile, heads: int) -> Counter[int]:
    """Layers by their number of key and value heads, 0 for layers without attention."""
    found: Counter[int] = Counter()
    for one in blocks(config) or ():
        group = one["attention"].get("n_heads_in_group")
        if one["attention"].get("no_op") or group is None:
            found[0] += 1
            continue
        if type(group) is not int or group <= 0 or heads % group:
            raise UsageError(
                f"block_configs: n_heads_in_group is {group!r}, of {heads} heads",
                where=config.where,
            )
        found[heads // group] += 1
    return found
