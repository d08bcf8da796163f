"""Models of the Hugging Face Hub, against a stand-in on loopback; no test leaves the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from tests.unit.gguf_maker import keys, write
from tests.unit.hub_stand_in import COMMIT, Repo, StandIn

from infra_gen.errors import SpecError, UsageError
from infra_gen.knowledge import hub
from infra_gen.knowledge.models import (
    MODEL_FILE,
    document_of,
    model_from_document,
    resolve_model,
    stored_model,
)

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 2048, "intermediate_size": 8192,
    "max_position_embeddings": 131072, "num_attention_heads": 32, "num_hidden_layers": 16,
    "num_key_value_heads": 8, "head_dim": 64, "tie_word_embeddings": True, "vocab_size": 128256,
    "torch_dtype": "bfloat16",
}  # fmt: skip


def files(config: object = CONFIG, **more: bytes | int) -> dict[str, bytes | int]:
    return {"config.json": json.dumps(config).encode(), "model.safetensors": 2_471_645_608, **more}


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    server = StandIn()
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_a_model_by_its_id(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.repos["some/Model-1B"] = Repo(
        files(**{"consolidated.safetensors": 9, "original/x.safetensors": 9}),
        {"tags": ["license:llama3.2"], "gated": "manual", "pipeline_tag": "text-generation",
         "safetensors": {"parameters": {"BF16": 1_235_814_400}, "total": 1_235_814_400},
         "config": {"tokenizer_config": {"chat_template": "{{ messages }}"}}},
    )  # fmt: skip
    facts = resolve_model("some/Model-1B", tmp_path)
    preset = facts.preset
    assert (preset.id, preset.hf_id, facts.reference, facts.hub) == (
        "model-1b", "some/Model-1B", "some/Model-1B", True,
    )  # fmt: skip
    assert (preset.license.value, preset.gated.value) == ("llama3.2", True)
    assert preset.released.value == "2026-02"
    assert preset.params_total.value == 1_235_814_400
    assert preset.license.source == f"{stand_in.url}/some/Model-1B/tree/{COMMIT}"
    assert preset.license.checked == date(2026, 3, 4), "the day of the commit, not of the clock"
    assert preset.architecture.layers == 16
    assert preset.chat_template
    assert preset.chat_template.value == "tokenizer_config.json"
    (checkpoint,) = preset.checkpoints
    assert (checkpoint.format, checkpoint.quantization) == ("safetensors", "bf16")
    assert (checkpoint.bytes.value, checkpoint.revision) == (2_471_645_608, COMMIT)
    asked = [path for path in stand_in.asked if "Model-1B" in path]
    assert {path.split("/")[-1] for path in asked} == {"Model-1B", "config.json"}


def test_gguf_files_of_a_repository_take_their_shapes_from_the_base(
    stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.repos["some/Model-1B"] = Repo(files(), {"tags": ["license:mit"]})
    stand_in.repos["other/Model-1B-GGUF"] = Repo(
        {"Model-1B-Q4_K_M.gguf": 800, "Model-1B-UD-Q4_K_XL.gguf": 900, "mmproj-F16.gguf": 5,
         "Q8_0/Model-1B-Q8_0-00001-of-00002.gguf": 700, "imatrix.gguf": 1,
         "Q8_0/Model-1B-Q8_0-00002-of-00002.gguf": 600, "model-1b-fp16.gguf": 2500,
         "BF16/Model-1B-BF16-00001-of-00002.gguf": 7, "bad name; rm-Q6_K.gguf": 5},
        {"cardData": {"base_model": "some/Model-1B"}},
    )  # fmt: skip
    preset = resolve_model("other/Model-1B-GGUF", tmp_path).preset
    found = {c.quantization: (c.bytes.value, len(c.files)) for c in preset.checkpoints}
    assert found == {
        "Q4_K_M": (800, 1), "UD-Q4_K_XL": (900, 1), "Q8_0": (1300, 2), "F16": (2500, 1),
    }  # fmt: skip
    assert all(not c.official and c.repo == "other/Model-1B-GGUF" for c in preset.checkpoints)
    assert preset.checkpoints[0].sha256 == "ab" * 32
    assert preset.license.value == "mit"
    assert preset.architecture.hidden_size == 2048


def test_an_embedding_model(stand_in: StandIn, tmp_path: Path) -> None:
    pooling = json.dumps({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False})
    stand_in.repos["some/Embed"] = Repo(files(**{"1_Pooling/config.json": pooling.encode()}))
    preset = resolve_model("some/Embed", tmp_path).preset
    assert preset.task == "embed"
    assert preset.pooling
    assert preset.pooling.value == "last"


def test_a_reranker_by_its_tag(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.repos["some/Rank"] = Repo(files(), {"pipeline_tag": "text-ranking"})
    assert resolve_model("some/Rank", tmp_path).preset.task == "rerank"


WRONG: dict[str, tuple[Repo | None, str, str]] = {
    "no such model": (None, "no such model, or it is private", "check the spelling"),
    "gated": (Repo(files(), file_status=401, error_code="GatedRepo"), "is gated", "HF_TOKEN"),
    "private": (Repo({}, api_status=401, error_code="RepoNotFound"), "it is private", "HF_TOKEN"),
    "rate": (Repo({}, api_status=429), "too many requests", "some minutes"),
    "down": (Repo({}, api_status=503), "answers 503", "try again later"),
    "no config": (Repo({"pytorch_model.bin": 5}), "no config.json", "another repository"),
    "no weights": (
        Repo({"config.json": json.dumps(CONFIG).encode()}), "no safetensors or GGUF", "another",
    ),
    "adapter": (
        Repo({"config.json": json.dumps(CONFIG).encode(), "adapter_config.json": b"{}",
              "adapter_model.safetensors": 5}), "an adapter", "the model that it adapts",
    ),
    "broken config": (Repo({**files(), "config.json": b"{"}), "not readable as JSON", ""),
    "odd config": (Repo(files({**CONFIG, "vocab_size": -1})), "vocab_size is -1", ""),
    "huge config": (Repo({**files(), "config.json": 5_000_000_000}), "5000000000 bytes", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_each_trouble_has_its_own_words(case: str, stand_in: StandIn, tmp_path: Path) -> None:
    repo, message, hint = WRONG[case]
    if repo:
        stand_in.repos["some/Model"] = repo
    with pytest.raises(UsageError) as error:
        resolve_model("some/Model", tmp_path)
    assert message in error.value.message
    assert hint in (error.value.hint or "")
    assert "some/Model" in (error.value.where or "")


def test_a_slow_hub_is_given_up(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "TIMEOUT_S", 0.3)
    stand_in.repos["some/Model"] = Repo(files(), delay_s=2)
    started = time.monotonic()
    with pytest.raises(UsageError, match="does not answer within"):
        resolve_model("some/Model", tmp_path)
    assert time.monotonic() - started < 2


def test_nobody_there(stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="cannot be reached"):
        resolve_model("some/Model", tmp_path)


def test_offline_reads_the_cache_alone(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match="HF_HUB_OFFLINE is set"):
        resolve_model("some/Model", tmp_path)
    repo = tmp_path / "cache" / "models--some--Model"
    folder = repo / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"12345")
    (checkpoint,) = resolve_model("some/Model", tmp_path).preset.checkpoints
    assert (checkpoint.bytes.value, checkpoint.revision) == (None, COMMIT)
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"123")
    (checkpoint,) = resolve_model("some/Model", tmp_path).preset.checkpoints
    assert checkpoint.bytes.value == 8
    assert stand_in.asked == []


def test_presets_and_folders_ask_nobody(stand_in: StandIn, tmp_path: Path) -> None:
    resolve_model("Qwen/Qwen3-8B", tmp_path)
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "models" / "mine" / "config.json").write_text(json.dumps(CONFIG))
    assert resolve_model("models/mine", tmp_path).folder == "./models/mine"
    with pytest.raises(UsageError, match="unknown model"):
        resolve_model("qwen3-8bb", tmp_path)
    assert stand_in.asked == []


def test_a_revision_is_asked_for(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.repos["some/Model"] = Repo(files())
    resolve_model("some/Model", tmp_path, COMMIT)
    assert stand_in.asked[0] == f"GET /api/models/some/Model/revision/{COMMIT}"


def test_an_id_that_a_preset_has_is_not_taken(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.repos["some/Qwen3-8B"] = Repo(files())
    assert resolve_model("some/Qwen3-8B", tmp_path).preset.id == "some-qwen3-8b"


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError) as error:
        resolve_model("qwen/qwen3-8bb", tmp_path)
    hint = error.value.hint or ""
    assert "pip install 'infra-gen[hub]'" in hint
    assert "config.json into a folder" in hint
    assert "qwen3-8b" in hint


def test_the_environment_names_the_hub(stand_in: StandIn, tmp_path: Path) -> None:
    """In a process of its own: huggingface_hub reads its variables once."""
    stand_in.repos["some/Model"] = Repo(files())
    code = (
        "from pathlib import Path\nfrom infra_gen.knowledge.models import resolve_model\n"
        "print(resolve_model('some/Model', Path('.')).preset.checkpoints[0].bytes.value)"
    )
    env = {**os.environ, "HF_ENDPOINT": stand_in.url, "HF_HOME": str(tmp_path / "home")}
    env.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "2471645608"


def test_a_document_holds_the_model(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.repos["some/Model"] = Repo(files())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(CONFIG))
    write(tmp_path / "m.gguf", keys("gpt-oss", attention__sliding_window=128))
    for name in ("some/Model", "mine", "m.gguf", "qwen3-8b"):
        facts = resolve_model(name, tmp_path)
        document = json.loads(json.dumps(document_of(facts)))
        assert model_from_document(document, "model.json") == facts
    asked = len(stand_in.asked)
    facts = resolve_model("m.gguf", tmp_path)
    place = tmp_path / "chat" / MODEL_FILE
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(document_of(facts)))
    (tmp_path / "m.gguf").unlink()
    assert stored_model(tmp_path / "chat", "./m.gguf") == facts
    assert stored_model(tmp_path / "chat", "qwen3-8b") is None
    assert stored_model(tmp_path, "./m.gguf") is None
    assert len(stand_in.asked) == asked


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2}, {"preset": None}, {"extra": 1}, {"file_bytes": "many"}, {"reference": "x"},
        {"file_names": ["../x"]}, {"hub": 1}, {"preset": {"id": "A B"}},
    ],
)  # fmt: skip
def test_a_document_that_is_wrong(change: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", keys("llama"))
    document = document_of(resolve_model("m.gguf", tmp_path)) | change
    with pytest.raises(SpecError) as error:
        model_from_document(json.loads(json.dumps(document)), "model.json")
    assert error.value.where == "model.json"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', "\xff"])
def test_a_file_that_is_no_document(text: str, tmp_path: Path) -> None:
    place = tmp_path / MODEL_FILE
    place.parent.mkdir()
    place.write_bytes(text.encode("latin-1"))
    with pytest.raises(SpecError):
        stored_model(tmp_path, "x")
