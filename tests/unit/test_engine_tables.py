"""The engine tables hold what the engines have, and nothing twice."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra_gen.knowledge.tables import engine_table, table_names
from infra_gen.model.engine_facts import EngineFacts, ImageFacts
from infra_gen.model.engine_table import Table, names_of
from infra_gen.model.names import ENGINE_NAMES
from infra_gen.model.table_document import TableDocument
from tools.tables.merging import dump, snapshots_of, sources_of, table_from
from tools.tables.update import hints_of

ENGINES = Path(__file__).parents[2] / "presets" / "engines"
MEASURED = Path(__file__).parents[1] / "measurements"
KINDS = {"bool_pair", "list", "optional_value", "positional", "switch", "value"}
TYPES = {"bool", "float", "int", "json", "path", "size", "str"}
VLLM_EVER = ("0.16.0", "0.17.0", "0.32.0", "0.33.0")
COUNTS = {  # flags, spellings, removed flags, variables, metrics
    "llama.cpp": (253, 407, 56, 174, 16),
    "ollama": (0, 0, 0, 50, 0),
    "tgi": (54, 57, 0, 90, 26),
    "vllm": (321, 485, 90, 318, 138),
}
SENTINELS = {
    "ollama": [],
    "tgi": [
        *("--model-id", "--revision", "--num-shard", "--sharded", "--quantize", "--dtype"),
        *("--kv-cache-dtype", "--max-concurrent-requests", "--max-input-tokens", "--speculate"),
        *("--max-input-length", "--max-total-tokens", "--max-batch-prefill-tokens", "--hostname"),
        *("--max-batch-total-tokens", "--cuda-graphs", "--port", "-p", "--prometheus-port"),
        *("--cuda-memory-fraction", "--api-key", "--usage-stats", "--trust-remote-code", "-g"),
        *("--graceful-termination-timeout", "--payload-limit", "--lora-adapters", "--env", "-e"),
    ],
    "llama.cpp": [
        *(
            "--model",
            "--hf-repo",
            "--alias",
            "--host",
            "--port",
            "--ctx-size",
            "--parallel",
            "--metrics",
        ),
        *("--slots", "--no-slots", "--props", "--api-key", "--api-key-file", "--ui", "--no-webui"),
        *("--gpu-layers", "-ngl", "--flash-attn", "--cache-type-k", "--cache-ram", "--kv-unified"),
        *("--kv-unified-per-slot", "--load-mode", "--fit", "--fit-target", "--jinja", "--offline"),
        *("--timeout", "--threads-http", "--sse-ping-interval", "--cors-origins", "--log-jsonl"),
    ],
    "vllm": [
        *(
            "--api-key",
            "--attention-backend",
            "--disable-log-requests",
            "--dtype",
            "--enable-prefix-caching",
        ),
        *(
            "--gpu-memory-utilization",
            "--host",
            "--kv-cache-dtype",
            "--max-model-len",
            "--max-num-seqs",
        ),
        *(
            "--max-num-batched-tokens",
            "--no-enable-prefix-caching",
            "--pipeline-parallel-size",
            "--port",
        ),
        *(
            "--quantization",
            "--reasoning-parser",
            "--served-model-name",
            "--shutdown-timeout",
            "-tp",
        ),
        *(
            "--speculative-config",
            "--tensor-parallel-size",
            "--tool-call-parser",
            "--trust-remote-code",
        ),
    ],
}
GONE: dict[str, list[str]] = {
    "ollama": [],
    "tgi": [],
    "llama.cpp": [
        "--mmap",
        "--no-mmap",
        "--mlock",
        "--direct-io",
        "--draft-max",
        "--ctx-size-draft",
    ],
    "vllm": [
        *(
            "--swap-space",
            "--task",
            "--guided-decoding-backend",
            "--num-scheduler-steps",
            "--rope-scaling",
        ),
        *(
            "--device",
            "--use-v2-block-manager",
            "--max-seq-len-to-capture",
            "--calculate-kv-scales",
        ),
    ],
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "ollama": {},
    "tgi": {
        "--cuda-memory-fraction": 1.0,
        "--graceful-termination-timeout": 90,
        "--hostname": "0.0.0.0",
        "--max-concurrent-requests": 128,
        "--max-total-tokens": None,
        "--model-id": "bigscience/bloom-560m",
        "--num-shard": None,
        "--payload-limit": 2_000_000,
        "--port": 3000,
        "--prometheus-port": 9000,
        "--trust-remote-code": False,
        "--usage-stats": "on",
        "--waiting-served-ratio": 0.3,
    },
    "llama.cpp": {
        "--cache-ram": 8192,
        "--cors-origins": "*",
        "--ctx-size": 0,
        "--fit": "on",
        "--fit-ctx": 4096,
        "--fit-target": "1024",
        "--gpu-layers": "auto",
        "--host": "127.0.0.1",
        "--metrics": False,
        "--parallel": -1,
        "--port": 9931,
        "--props": False,
        "--slots": True,
        "--sse-ping-interval": 30,
        "--timeout": 3600,
        "--ui": True,
    },
    "vllm": {
        "--enable-log-requests": False,
        "--gpu-memory-utilization": 0.92,
        "--kv-cache-dtype": "auto",
        "--max-lora-rank": 16,
        "--port": 8000,
        "--shutdown-timeout": 0,
        "--tensor-parallel-size": 1,
    },
}
METRICS: dict[str, dict[str, str]] = {
    "ollama": {},
    "tgi": {
        "tgi_batch_concat": "counter",
        "tgi_batch_current_size": "gauge",
        "tgi_queue_size": "gauge",
        "tgi_request_count": "counter",
        "tgi_request_duration": "histogram",
        "tgi_request_failure": "counter",
        "tgi_request_mean_time_per_token_duration": "histogram",
        "tgi_request_queue_duration": "histogram",
        "tgi_request_skipped_tokens": "summary",
        "tgi_request_success": "counter",
    },
    "llama.cpp": {
        "llamacpp:n_busy_slots_per_decode": "gauge",
        "llamacpp:predicted_tokens_seconds": "gauge",
        "llamacpp:prompt_tokens_total": "counter",
        "llamacpp:requests_deferred": "gauge",
        "llamacpp:requests_processing": "gauge",
        "llamacpp:tokens_predicted_total": "counter",
    },
    "vllm": {
        "vllm:e2e_request_latency_seconds": "histogram",
        "vllm:generation_tokens_total": "counter",
        "vllm:inter_token_latency_seconds": "histogram",
        "vllm:kv_cache_usage_perc": "gauge",
        "vllm:num_preemptions_total": "counter",
        "vllm:num_requests_running": "gauge",
        "vllm:num_requests_waiting": "gauge",
        "vllm:prefix_cache_hits_total": "counter",
        "vllm:prefix_cache_queries_total": "counter",
        "vllm:prompt_tokens_total": "counter",
        "vllm:request_queue_time_seconds": "histogram",
        "vllm:request_success_total": "counter",
        "vllm:request_time_per_output_token_seconds": "histogram",
        "vllm:time_to_first_token_seconds": "histogram",
    },
}


def document(engine: str) -> dict[str, Any]:
    return json.loads((ENGINES / engine / "table.json").read_text(encoding="utf-8"))


@cache
def table(engine: str) -> dict[str, list[dict[str, Any]]]:
    """What the table holds of the pinned version."""
    return snapshots_of(document(engine))[the_table(engine).version]


def facts(engine: str) -> dict[str, Any]:
    return yaml.safe_load((ENGINES / engine / "engine.yaml").read_text(encoding="utf-8"))


def spelled(flag: dict[str, Any]) -> list[str]:
    return [flag["name"], *flag.get("aliases", []), *flag.get("negatives", [])]


@pytest.mark.parametrize("engine", table_names())
class TestDocument:
    def test_is_what_its_schema_says(self, engine: str) -> None:
        TableDocument.model_validate(document(engine))

    def test_is_written_as_the_tool_writes_it(self, engine: str) -> None:
        text = (ENGINES / engine / "table.json").read_text(encoding="utf-8")
        data = json.loads(text)
        assert dump(data) == text
        sources = sources_of(data)
        assert table_from(engine, snapshots_of(data), sources, hints_of(engine)) == data

    def test_no_name_has_two_records_at_a_version(self, engine: str) -> None:
        for version, snapshot in snapshots_of(document(engine)).items():
            for section, records in snapshot.items():
                names = [n for record in records for n in names_of(section, record)]
                assert len(names) == len(set(names)), (version, section)

    def test_every_version_says_where_it_was_read(self, engine: str) -> None:
        for row in document(engine)["sources"]:
            commit = re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", row["artifact"])
            assert commit or re.fullmatch(r"[0-9a-f]{64}", row["sha256"]), row

    def test_hints_name_what_is_gone_and_what_is_there(self, engine: str) -> None:
        data = document(engine)
        got = engine_table(engine, data["versions"][-1])
        for hint in data["hints"]:
            assert hint.get("source"), hint
            ever = {n for r in data[hint["section"]] for n in names_of(hint["section"], r)}
            assert hint["name"] in ever or hint.get("gone_by"), hint
            offered = re.findall(r"(?<![\w-])--[a-z][\w-]+", hint.get("instead") or "")
            assert set(offered) <= set(got.flags), hint


def test_all_tables_together_stay_small() -> None:
    assert sum((ENGINES / name / "table.json").stat().st_size for name in table_names()) < 1_000_000


@pytest.mark.parametrize("engine", ENGINE_NAMES)
class TestTable:
    def test_counts(self, engine: str) -> None:
        data, got = table(engine), the_table(engine)
        names = [name for flag in data.get("flags", []) for name in spelled(flag)]
        lists = (data.get("flags", []), names, got.removed_flags, got.env, got.metrics)
        assert engine in COUNTS, "a new engine: write down what its table holds"
        assert tuple(map(len, lists)) == COUNTS[engine]

    def test_every_spelling_is_there_once(self, engine: str) -> None:
        names = [name for flag in table(engine).get("flags", []) for name in spelled(flag)]
        assert len(names) == len(set(names))
        assert set(SENTINELS[engine]) <= set(names)

    def test_removed_names_are_absent(self, engine: str) -> None:
        got = the_table(engine)
        assert not set(got.flags) & set(got.removed_flags)
        assert set(GONE[engine]) <= set(got.removed_flags)
        assert not set(got.env) & set(got.removed_env)
        assert not set(got.metrics) & set(got.removed_metrics)

    def test_records_speak_the_known_words(self, engine: str) -> None:
        for flag in table(engine).get("flags", []):
            assert flag["kind"] in KINDS, flag
            assert flag["type"] in TYPES, flag
            assert "default" in flag or flag["default_known"] is False, flag
            assert not flag.get("negatives") or flag["kind"] == "bool_pair", flag

    def test_closed_choices_hold_the_default(self, engine: str) -> None:
        for flag in table(engine).get("flags", []):
            if "choices" in flag and flag.get("default") is not None and flag["kind"] == "value":
                assert flag["default"] in flag["choices"], flag

    def test_defaults(self, engine: str) -> None:
        flags = {flag["name"]: flag for flag in table(engine).get("flags", [])}
        assert {name: flags[name]["default"] for name in DEFAULTS[engine]} == DEFAULTS[engine]

    def test_metrics_are_the_exposed_ones(self, engine: str) -> None:
        metrics = {record["name"]: record for record in table(engine).get("metrics", [])}
        assert {name: metrics[name]["type"] for name in METRICS[engine]} == METRICS[engine]
        assert not any(metrics[name].get("conditional") for name in METRICS[engine])

    def test_table_and_facts_agree(self, engine: str) -> None:
        data, known, got = table(engine), facts(engine), the_table(engine)
        assert got.standing == "exact"
        assert known["http"]["port"]["value"] == got.default_port
        routes = {row["name"]: row["path"] for row in data["endpoints"]}
        assert known["http"]["metrics_path"]["value"] == routes.get("metrics")
        named = {
            fact["value"]
            for group in ("http", "auth", "shutdown", "memory")
            for key, fact in known[group].items()
            if key.endswith("_flag") and fact["value"]
        }
        assert named <= set(got.flags)

    def test_every_fact_has_a_source_or_a_note(self, engine: str) -> None:
        known = facts(engine)
        groups = ("container", "http", "auth", "shutdown", "startup", "memory")
        for group in groups:
            for name, fact in known[group].items():
                if name == "routes":
                    continue
                assert set(fact) == {"value", "source", "note"}, name
                assert fact["source"] or fact["note"] or fact["value"] in (None, "never"), name
        for image in known["images"]:
            assert image["source"]
            assert "{version}" in image["tag"]
            assert "latest" not in image["tag"]

    def test_the_generator_takes_table_and_facts(self, engine: str) -> None:
        known = EngineFacts.model_validate(facts(engine))
        assert known.engine == engine
        assert the_table(engine).version == known.default_version

    def test_knobs_are_flags_or_variables(self, engine: str) -> None:
        known, got = EngineFacts.model_validate(facts(engine)), the_table(engine)
        knobs = known.knobs.model_dump(exclude={"explicit", "automatic", "model_home"})
        named = {name: knob for name, knob in knobs.items() if isinstance(knob, str)}
        assert {*known.knobs.explicit, *known.knobs.automatic} <= set(named)
        for knob in named.values():
            assert got.flag(knob) or knob in got.env, knob

    def test_variables_are_known(self, engine: str) -> None:
        known, got = EngineFacts.model_validate(facts(engine)), the_table(engine)
        outside = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}  # of libraries below the engine
        for row in (*known.environment.private, *known.environment.offline):
            assert row.name in got.env or row.name in outside, row.name

    def test_one_image_is_the_default_for_each_kind_of_machine(self, engine: str) -> None:
        images = EngineFacts.model_validate(facts(engine)).images
        kinds = [kind for image in images if image.default for kind in kinds_of(image)]
        assert len(kinds) == len(set(kinds))
        plain = {kind for image in images if not image.families for kind in kinds_of(image)}
        assert plain == set(kinds)

    def test_capabilities_start_at_the_smallest(self, engine: str) -> None:
        for image in EngineFacts.model_validate(facts(engine)).images:
            built = image.compute_capabilities
            assert built is None or list(built) == sorted(set(built))
            assert built is None or built[0] == image.min_compute_capability

    def test_clients_reach_no_route_that_changes_the_server(self, engine: str) -> None:
        routes = EngineFacts.model_validate(facts(engine)).http.routes
        paths = [route.path for route in routes]
        assert len(paths) == len(set(paths))
        assert {"/v1/chat/completions", "/v1/models"} <= set(paths)
        assert not {path for path in paths if HARMFUL.search(path)}


HARMFUL = re.compile(
    r"/(metrics|props|slots|debug|pull|push|create|delete|copy|blobs|load|unload|lora|sleep|pause|"
    r"update|collective_rpc|invocations|profile|abort|signout|me|user|experimental)\b"
)


@cache
def the_table(engine: str) -> Table:
    return engine_table(engine, facts(engine)["default_version"])


def kinds_of(image: ImageFacts) -> list[tuple[str, str]]:
    return [(image.accelerator, platform) for platform in image.platforms]


def test_all_engines_state_the_same_facts() -> None:
    vllm = facts("vllm")
    for engine in ENGINE_NAMES:
        known = facts(engine)
        assert set(known) - {"migration"} == set(vllm)
        for group in ("container", "http", "auth", "shutdown", "startup", "memory"):
            assert set(known[group]) == set(vllm[group])


def test_tgi_settings_move_to_settings_that_vllm_has() -> None:
    migration = EngineFacts.model_validate(facts("tgi")).migration
    assert migration is not None
    assert migration.to == "vllm"
    old, new = the_table("tgi"), the_table(migration.to)
    for row in migration.settings:
        assert old.flag(row.setting) or row.setting in old.env, row.setting
        if row.instead is not None:
            assert new.flag(row.instead) or row.instead in new.env, row.instead


def test_ollama_names_the_llama_cpp_inside() -> None:
    known = EngineFacts.model_validate(facts("ollama"))
    told = {row["name"]: row["value"] for row in table("ollama")["facts"]}
    assert known.reach.llama_cpp_build.value == told["llama_cpp_build"] == 10488


def test_ollama_knows_the_words_of_a_modelfile() -> None:
    data = table("ollama")
    commands = {row["name"]: row for row in data["modelfile_commands"]}
    assert [name for name, row in commands.items() if row.get("required")] == ["FROM"]
    assert len(commands) == 11
    parameters = {row["name"]: row for row in data["modelfile_parameters"]}
    assert len(parameters) == 29
    assert {name for name, row in parameters.items() if row.get("applies") == "load"} == {
        *("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread"),
        "draft_num_predict",
    }
    assert parameters["low_vram"]["deprecated"]
    gone = {row["name"] for row in document("ollama")["modelfile_parameters"]} - set(parameters)
    assert {"numa", "tfs_z"} <= gone


def test_ollama_says_what_a_bad_value_does() -> None:
    rows = {row["name"]: row for row in table("ollama")["env"]}
    assert rows["OLLAMA_NO_CLOUD"]["on_bad_value"] == "true"
    assert rows["OLLAMA_NUM_PARALLEL"]["on_bad_value"] == "default"
    assert rows["OLLAMA_VULKAN"]["default"] is True
    assert rows["OLLAMA_FLASH_ATTENTION"]["default"] is None


def test_a_flag_that_came_back() -> None:
    there = {v: "--disable-log-requests" in engine_table("vllm", v).flags for v in VLLM_EVER}
    assert there == {"0.16.0": True, "0.17.0": False, "0.32.0": False, "0.33.0": True}
    gone = engine_table("vllm", "0.20.2").removed_flags["--disable-log-requests"]
    assert (gone.last_seen, gone.gone_by) == ("0.16.0", "0.17.0")


def test_quantization_knows_the_smallest_device() -> None:
    methods = {record["name"]: record for record in table("vllm")["quantization"]}
    assert methods["fp8"]["min_compute_capability"] == 7.5
    assert methods["mxfp4"]["min_compute_capability"] == 8.0
    assert methods["fp_quant"]["deprecated"] is True
    assert not {"gguf", "bitsandbytes"} & set(methods)


def test_metrics_are_those_of_a_real_page() -> None:
    """What a real server showed, noted in tests/measurements: names and types."""
    for path in sorted((MEASURED / "metrics-pages").glob("*.json")):
        page = json.loads(path.read_text("utf-8"))
        snapshot = snapshots_of(document(page["engine"]))[page["version"]]
        known = {row["name"]: row for row in snapshot["metrics"]}
        shown = page["metrics"]
        assert shown == {name: known[name]["type"] for name in shown}
        assert {name for name, row in known.items() if not row.get("conditional")} <= set(shown)
