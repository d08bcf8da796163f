"""Write a tiny model with random weights that a real llama-server loads and serves.

usage: tiny_gguf.py OUT.gguf [--seed N] [--context N] [--layers N]

Its answers are noise, which is enough to test flags, protocol, metrics and start-up. The same seed
gives the same file. Run by the Python that `setup/gguf.sh` sets up.
"""

from __future__ import annotations

import argparse
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf  # type: ignore[import-not-found,unused-ignore]
import numpy as np  # type: ignore[import-not-found,unused-ignore]

HIDDEN = 64
FEED_FORWARD = 128
HEADS = 4
KV_HEADS = 2
HEAD_SIZE = HIDDEN // HEADS
END_TOKEN = 2
SPACE = "\u2581"
"""How SentencePiece writes a blank inside its pieces."""
CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


@dataclass(frozen=True)
class Vocabulary:
    """Parallel lists, as GGUF stores them."""

    pieces: list[str]
    scores: list[float]
    types: list[int]


def make_vocabulary() -> Vocabulary:
    """Three control pieces, every byte as fallback, and the printable characters as pieces."""
    kind = gguf.TokenType
    special = [("<unk>", kind.UNKNOWN), ("<s>", kind.CONTROL), ("</s>", kind.CONTROL)]
    fallback = [(f"<0x{byte:02X}>", kind.BYTE) for byte in range(256)]
    letters = [SPACE, *string.ascii_letters, *string.digits, *string.punctuation]
    words = [SPACE + letter for letter in string.ascii_letters] + ["th", "he", SPACE + "the"]
    normal = [(piece, kind.NORMAL) for piece in letters + words]
    pieces = special + fallback + normal
    unranked = len(special) + len(fallback)
    return Vocabulary(
        [piece for piece, _ in pieces],
        [-float(max(0, index - unranked)) for index in range(len(pieces))],
        [int(token_type) for _, token_type in pieces],
    )


def add_architecture(writer: Any, context: int, layers: int, vocabulary: Vocabulary) -> None:
    """The hyper-parameters of a llama-like model."""
    writer.add_name("infra-gen-tiny-random")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(context)
    writer.add_block_count(layers)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD_SIZE)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(vocabulary.pieces))


def add_tokenizer(writer: Any, vocabulary: Vocabulary) -> None:
    """A SentencePiece tokenizer, with a chat template so that the chat route works."""
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.encode() for piece in vocabulary.pieces])
    writer.add_token_scores(vocabulary.scores)
    writer.add_token_types(vocabulary.types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END_TOKEN)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def tensor_shapes(layers: int, vocabulary_size: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor; those with one dimension are norms."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd": (vocabulary_size, HIDDEN),
        "output_norm": (HIDDEN,),
        "output": (vocabulary_size, HIDDEN),
    }
    for layer in range(layers):
        block = f"blk.{layer}"
        shapes |= {
            f"{block}.attn_norm": (HIDDEN,),
            f"{block}.attn_q": (HIDDEN, HIDDEN),
            f"{block}.attn_k": (KV_HEADS * HEAD_SIZE, HIDDEN),
            f"{block}.attn_v": (KV_HEADS * HEAD_SIZE, HIDDEN),
            f"{block}.attn_output": (HIDDEN, HIDDEN),
            f"{block}.ffn_norm": (HIDDEN,),
            f"{block}.ffn_gate": (FEED_FORWARD, HIDDEN),
            f"{block}.ffn_up": (FEED_FORWARD, HIDDEN),
            f"{block}.ffn_down": (HIDDEN, FEED_FORWARD),
        }
    return shapes


def never_end(name: str, values: Any) -> None:
    """Make the end of text improbable, so that answers have the length that was asked for.

    Every token's vector points along the first axis, and the end token's score is against it.
    """
    if name == "token_embd":
        values[:, 0] = 1.0
    elif name == "output":
        values[:, 0] = 0.0
        values[END_TOKEN] = 0.0
        values[END_TOKEN, 0] = -20.0


def write_model(path: Path, seed: int, context: int, layers: int) -> None:
    """Write the whole model file."""
    vocabulary = make_vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    add_architecture(writer, context, layers, vocabulary)
    add_tokenizer(writer, vocabulary)
    random = np.random.default_rng(seed)
    for name, shape in tensor_shapes(layers, len(vocabulary.pieces)).items():
        norm = len(shape) == 1
        values = np.ones(shape) if norm else random.standard_normal(shape) * 0.05
        never_end(name, values)
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--context", type=int, default=8192, help="trained context length")
    parser.add_argument("--layers", type=int, default=2)
    arguments = parser.parse_args()
    write_model(arguments.out, arguments.seed, arguments.context, arguments.layers)


if __name__ == "__main__":
    main()
