"""The engine tables hold what the engines have, and nothing twice."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.engine_llama import llama_metrics
from tools.engine_llama_help import help_entries, llama_flag, split_head, split_negatives
from tools.engine_records import TableError, check_flags, dump
from tools.engine_vllm_metrics import vllm_metrics

ENGINES = Path(__file__).parents[2] / "presets" / "engines"
NAMES = ("llama.cpp", "vllm")
KINDS = {"bool_pair", "list", "optional_value", "positional", "switch", "value"}
TYPES = {"bool", "float", "int", "json", "path", "size", "str"}
COUNTS = {  # flags, spellings, removed flags, variables, metrics
    "llama.cpp": (253, 407, 17, 150, 16),
    "vllm": (321, 485, 65, 318, 138),
}
SENTINELS = {
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
GONE = {
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
DEFAULTS = {
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
METRICS = {
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


def table(engine: str) -> dict[str, Any]:
    return json.loads((ENGINES / engine / "table.json").read_text(encoding="utf-8"))


def facts(engine: str) -> dict[str, Any]:
    return yaml.safe_load((ENGINES / engine / "engine.yaml").read_text(encoding="utf-8"))


def spelled(flag: dict[str, Any]) -> list[str]:
    return [flag["name"], *flag.get("aliases", []), *flag.get("negatives", [])]


@pytest.mark.parametrize("engine", NAMES)
class TestTable:
    def test_is_written_one_record_a_line_and_small(self, engine: str) -> None:
        text = (ENGINES / engine / "table.json").read_text(encoding="utf-8")
        assert dump(json.loads(text)) == text
        assert len(text) < 400_000

    def test_counts(self, engine: str) -> None:
        data = table(engine)
        names = [name for flag in data["flags"] for name in spelled(flag)]
        lists = (data["flags"], names, data["removed_flags"], data["env"], data["metrics"])
        assert tuple(map(len, lists)) == COUNTS[engine]

    def test_records_are_sorted_and_unique(self, engine: str) -> None:
        data = table(engine)
        for key in (
            "flags",
            "removed_flags",
            "env",
            "removed_env",
            "metrics",
            "removed_metrics",
            "quantization",
        ):
            names = [record["name"] for record in data[key]]
            assert names == sorted(set(names)), key
        for key in ("kv_cache_dtypes", "tool_call_parsers", "reasoning_parsers"):
            assert data[key] == sorted(set(data[key])), key

    def test_every_spelling_is_there_once(self, engine: str) -> None:
        check_flags(table(engine)["flags"], SENTINELS[engine])

    def test_removed_flags_are_absent(self, engine: str) -> None:
        data = table(engine)
        present = {name for flag in data["flags"] for name in spelled(flag)}
        removed = {record["name"] for record in data["removed_flags"] if "returned" not in record}
        assert not present & removed
        assert set(GONE[engine]) <= removed
        assert not {r["name"] for r in data["env"]} & {r["name"] for r in data["removed_env"]}
        assert not {r["name"] for r in data["metrics"]} & {
            r["name"] for r in data["removed_metrics"]
        }

    def test_what_replaces_a_removed_name_exists(self, engine: str) -> None:
        data = table(engine)
        present = {name for flag in data["flags"] for name in spelled(flag)}
        for record in data["removed_flags"]:
            offered = re.findall(r"(?<![\w-])--[a-z][\w-]+", record.get("instead", ""))
            assert set(offered) <= present, record
        metrics = {record["name"] for record in data["metrics"]}
        assert {r["instead"] for r in data["removed_metrics"] if "instead" in r} <= metrics

    def test_records_speak_the_known_words(self, engine: str) -> None:
        for flag in table(engine)["flags"]:
            assert flag["kind"] in KINDS, flag
            assert flag["type"] in TYPES, flag
            assert "default" in flag or flag["default_known"] is False, flag
            assert not flag.get("negatives") or flag["kind"] == "bool_pair", flag

    def test_closed_choices_hold_the_default(self, engine: str) -> None:
        for flag in table(engine)["flags"]:
            if "choices" in flag and flag.get("default") is not None and flag["kind"] == "value":
                assert flag["default"] in flag["choices"], flag

    def test_defaults(self, engine: str) -> None:
        flags = {flag["name"]: flag for flag in table(engine)["flags"]}
        assert {name: flags[name]["default"] for name in DEFAULTS[engine]} == DEFAULTS[engine]

    def test_metrics_are_the_exposed_ones(self, engine: str) -> None:
        metrics = {record["name"]: record for record in table(engine)["metrics"]}
        assert {name: metrics[name]["type"] for name in METRICS[engine]} == METRICS[engine]
        assert not any(metrics[name].get("conditional") for name in METRICS[engine])

    def test_table_and_facts_agree(self, engine: str) -> None:
        data, known = table(engine), facts(engine)
        assert known["default_version"] in data["versions"]
        assert known["http"]["port"]["value"] == data["default_port"]
        assert known["http"]["metrics_path"]["value"] == data["endpoints"]["metrics"]
        present = {name for flag in data["flags"] for name in spelled(flag)}
        named = {
            fact["value"]
            for group in ("http", "auth", "shutdown", "memory")
            for key, fact in known[group].items()
            if key.endswith("_flag") and fact["value"]
        }
        assert named <= present

    def test_every_fact_has_a_source_or_a_note(self, engine: str) -> None:
        known = facts(engine)
        groups = ("container", "http", "auth", "shutdown", "startup", "memory")
        for group in groups:
            for name, fact in known[group].items():
                assert set(fact) == {"value", "source", "note"}, name
                assert fact["source"] or fact["note"] or fact["value"] in (None, "never"), name
        for image in known["images"]:
            assert image["source"]
            assert "{version}" in image["tag"]
            assert "latest" not in image["tag"]


def test_both_engines_state_the_same_facts() -> None:
    vllm, llama = facts("vllm"), facts("llama.cpp")
    assert set(vllm) == set(llama)
    for group in ("container", "http", "auth", "shutdown", "startup", "memory"):
        assert set(vllm[group]) == set(llama[group])


def test_a_flag_that_came_back_says_when() -> None:
    [record] = [r for r in table("vllm")["removed_flags"] if "returned" in r]
    assert record["name"] == "--disable-log-requests"
    assert (record["gone_by"], record["returned"]) == ("0.17.1", "0.33.0")


def test_quantization_knows_the_smallest_device() -> None:
    methods = {record["name"]: record for record in table("vllm")["quantization"]}
    assert methods["fp8"]["min_compute_capability"] == 7.5
    assert methods["mxfp4"]["min_compute_capability"] == 8.0
    assert methods["fp_quant"]["deprecated"] is True
    assert not {"gguf", "bitsandbytes"} & set(methods)


HELP = """\
----- common params -----

-a,    --alias STRING                   names (default: none)
                                        (env: X_ALIAS)
-kvo,  --kv-offload, -nkvo, --no-kv-offload
                                        keep it there (default: enabled)
--temp N                                heat (default: 0.80, 0.0 = none)
--mode {a,b}                            one of two
--old N                                 the argument has been removed. use --new
"""


def test_help_page_is_read() -> None:
    flags = [llama_flag(head, body) for head, body in help_entries(HELP) if "removed" not in body]
    assert flags == [
        {
            "name": "--alias",
            "aliases": ["-a"],
            "kind": "value",
            "type": "str",
            "env": "X_ALIAS",
            "default": None,
        },
        {
            "name": "--kv-offload",
            "aliases": ["-kvo"],
            "negatives": ["--no-kv-offload", "-nkvo"],
            "kind": "bool_pair",
            "type": "bool",
            "default": True,
        },
        {"name": "--temp", "kind": "value", "type": "float", "default": 0.8},
        {
            "name": "--mode",
            "kind": "value",
            "type": "str",
            "choices": ["a", "b"],
            "default_known": False,
        },
    ]


def test_a_switch_called_no_is_no_negative() -> None:
    assert split_negatives(["--no-host"]) == (["--no-host"], [])
    assert split_head("-s, --two START END") == (["-s", "--two"], "START END")


def test_library_adds_metrics_a_fresh_page_lacks() -> None:
    found = llama_metrics("# TYPE llamacpp:a_total counter\n", b"\0# TYPE llamacpp:b gauge\n\0")
    assert found == [
        {"name": "llamacpp:a_total", "type": "counter"},
        {"name": "llamacpp:b", "type": "gauge", "conditional": True},
    ]


MODULE = """
NAMES = ["model_name", "engine"]
class Names:
    HITS = "vllm:hits"
class Logger:
    def __init__(self, config, labelnames):
        self.running = self._gauge_cls(name="vllm:running", labelnames=labelnames + ["reason"])
        if config.lora:
            self.lora = self._counter_cls(name=Names.HITS, labelnames=labelnames)
"""


def test_metric_calls_are_found() -> None:
    found = vllm_metrics({"vllm/v1/metrics/loggers.py": ast.parse(MODULE)})
    assert [(m["name"], m["type"], m["labels"], m.get("conditional", False)) for m in found] == [
        ("vllm:hits_total", "counter", ["model_name", "engine"], True),
        ("vllm:running", "gauge", ["model_name", "engine", "reason"], False),
    ]


def test_a_metric_nobody_creates_is_refused() -> None:
    with pytest.raises(TableError, match="vllm:lost"):
        vllm_metrics({"vllm/a.py": ast.parse('NAME = "vllm:lost"')})


def test_too_small_a_table_is_refused() -> None:
    with pytest.raises(TableError, match="lost: \\['--port'\\]"):
        check_flags([{"name": "--host"}], ["--port"])
