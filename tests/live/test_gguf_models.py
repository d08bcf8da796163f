"""What infra-gen reads from a GGUF file, compared with what llama-server says of the same file."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
from tests.live.conftest import require, run_program
from tests.live.engines import LlamaServer

from infra_gen.knowledge.gguf_file import GgufModel, read_gguf
from infra_gen.plan.sizing.llamacpp_cache import cache_bytes

pytestmark = pytest.mark.live

CONTEXT, SLOTS, UBATCH = 1024, 2, 512
MIB = 2**20


def serve(model: Path, root: Path) -> LlamaServer:
    argv = [
        "--model", f"/models/{model.name}", "--host", "127.0.0.1", "--port", "8137",
        "--ctx-size", str(CONTEXT * SLOTS), "--parallel", str(SLOTS), "--no-webui",
        "--log-verbosity", "4",
    ]  # fmt: skip
    return LlamaServer(argv, root, binds={"/models": model.parent})


def read(model: Path) -> GgufModel:
    pytest.importorskip("gguf", reason="NOT RUN, missing gguf: pip install 'infra-gen[gguf]'")
    return read_gguf(model, date(2026, 1, 1))


def compare(model: Path, root: Path) -> None:
    found = read(model)
    arch = found.preset.architecture
    with serve(model, root) as server:
        server.wait_healthy()
        (said,) = json.loads(server.get("/v1/models"))["data"]
    meta = said["meta"]
    assert meta["n_vocab"] == arch.vocab_size
    assert meta["n_ctx_train"] == arch.max_context
    assert meta["n_embd"] == arch.hidden_size
    assert meta["n_params"] == found.preset.params_total.value
    assert meta["size"] == found.bytes
    caches = re.findall(r"KV buffer size = +([\d.]+) MiB", server.log)
    states = re.findall(r"RS buffer size = +([\d.]+) MiB", server.log)
    expected = cache_bytes(arch, CONTEXT, SLOTS, "f16", ubatch=UBATCH)
    assert caches, "the server says the size of its cache"
    assert sum(map(float, caches)) == pytest.approx(expected / MIB, abs=0.02)
    kept = sum(g.layers * (g.state_bytes or 0) for g in arch.layer_groups)
    assert sum(map(float, states)) == pytest.approx(SLOTS * kept / MIB, abs=0.02)
    assert bool(states) == bool(kept)


def test_plain_layers(tiny_model: Path, llama_root: Path) -> None:
    compare(tiny_model, llama_root)


@pytest.mark.parametrize("arch", ["gemma3", "lfm2"])
def test_windows_and_states(arch: str, llama_root: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    model = tmp_path / f"{arch}.gguf"
    script = Path(__file__).with_name("tiny_layers_gguf.py")
    done = run_program([require("gguf").path("python"), script, arch, model])
    assert done.returncode == 0, done.stderr
    compare(model, llama_root)
