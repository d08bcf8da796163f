"""Write a tiny model with windows or convolutions that a real llama-server loads.

usage: tiny_layers_gguf.py gemma3|lfm2 OUT.gguf

Its weights are all alike: it is there for what the server says of its caches, not for its answers.
Run by the Python that `setup/gguf.sh` sets up.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gguf  # type: ignore[import-not-found,unused-ignore]
import numpy as np  # type: ignore[import-not-found,unused-ignore]
from tiny_gguf import (  # type: ignore[import-not-found,unused-ignore]
    FEED_FORWARD,
    HEAD_SIZE,
    HIDDEN,
    KV_HEADS,
    add_architecture,
    add_tokenizer,
    make_vocabulary,
)

LAYERS = 6
FULL = (2, 5)
"""Layers with keys and values, in the models where the others have none."""
Shapes = dict[str, tuple[int, ...]]


def attention(block: str) -> Shapes:
    """Query, key, value and output of one layer."""
    return {
        f"{block}.attn_q.weight": (HIDDEN, HIDDEN),
        f"{block}.attn_k.weight": (KV_HEADS * HEAD_SIZE, HIDDEN),
        f"{block}.attn_v.weight": (KV_HEADS * HEAD_SIZE, HIDDEN),
        f"{block}.attn_output.weight": (HIDDEN, HIDDEN),
    }


def head_norms(block: str) -> Shapes:
    """Norms of query and key."""
    return {f"{block}.attn_{name}_norm.weight": (HEAD_SIZE,) for name in "qk"}


def convolution(block: str) -> Shapes:
    """LFM2's layer without attention."""
    return {
        f"{block}.shortconv.conv.weight": (HIDDEN, 3),
        f"{block}.shortconv.in_proj.weight": (3 * HIDDEN, HIDDEN),
        f"{block}.shortconv.out_proj.weight": (HIDDEN, HIDDEN),
    }


def layer(arch: str, number: int) -> Shapes:
    """Every tensor of one layer."""
    block = f"blk.{number}"
    found: Shapes = {f"{block}.{name}_norm.weight": (HIDDEN,) for name in ("attn", "ffn")}
    found |= {f"{block}.ffn_{name}.weight": (FEED_FORWARD, HIDDEN) for name in ("gate", "up")}
    found[f"{block}.ffn_down.weight"] = (HIDDEN, FEED_FORWARD)
    if arch == "gemma3":
        names = ("post_attention_norm", "post_ffw_norm")
        found |= {f"{block}.{name}.weight": (HIDDEN,) for name in names}
        return found | attention(block) | head_norms(block)
    if number in FULL:
        return found | attention(block) | head_norms(block)
    return found | convolution(block)


def add_layers(writer: Any, arch: str) -> None:
    """What the metadata says of the layers."""
    if arch == "gemma3":
        writer.add_key_length(HEAD_SIZE)
        writer.add_value_length(HEAD_SIZE)
        writer.add_sliding_window(64)
        return
    writer.add_head_count_kv([KV_HEADS if n in FULL else 0 for n in range(LAYERS)])
    writer.add_shortconv_l_cache(3)


def main() -> None:
    """Read the command line and write the file."""
    arch, path = sys.argv[1], Path(sys.argv[2])
    vocabulary = make_vocabulary()
    writer = gguf.GGUFWriter(path, arch)
    add_architecture(writer, 8192, LAYERS, vocabulary)
    if arch != "gemma3":  # add_layers says it layer by layer
        writer.kv_data[0].pop(gguf.Keys.Attention.HEAD_COUNT_KV.format(arch=arch))
    add_layers(writer, arch)
    add_tokenizer(writer, vocabulary)
    last = "token_embd_norm" if arch == "lfm2" else "output_norm"
    shapes: Shapes = {"token_embd.weight": (len(vocabulary.pieces), HIDDEN)}
    shapes[f"{last}.weight"] = (HIDDEN,)
    for number in range(LAYERS):
        shapes |= layer(arch, number)
    for name, shape in shapes.items():
        writer.add_tensor(name, np.full(shape, 0.01, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
