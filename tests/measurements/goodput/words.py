"""Write a tokenizer with one made-up word a token beside a model's config.json.

usage: words.py FOLDER...

Prompts are token ids, so no model's own tokenizer is needed to measure speed; the server still turns
ids into text as it does in service. The tokens that parsers ask for stand at their own ids.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

NAMED = {
    "llama": {128000: "<|begin_of_text|>", 128001: "<|end_of_text|>", 128010: "<|python_tag|>"},
    "qwen3_moe": {
        151643: "<|endoftext|>", 151657: "<tool_call>", 151658: "</tool_call>",
        151667: "<think>", 151668: "</think>",
    },
}  # fmt: skip


def write(folder: Path) -> None:
    """The tokenizer's two files."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    size = config["vocab_size"]
    given = NAMED.get(config["model_type"], {})
    named = {number: word for number, word in given.items() if number < size}
    vocabulary = {named.get(number, f"w{number}"): number for number in range(size)}
    added = [
        {
            "id": number, "content": word, "special": False, "single_word": False,
            "lstrip": False, "rstrip": False, "normalized": False,
        }
        for number, word in sorted(named.items())
    ]  # fmt: skip
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None,
        "decoder": None, "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w0"},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 1 << 20}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind), "utf-8")


if __name__ == "__main__":
    for given in sys.argv[1:]:
        write(Path(given))
