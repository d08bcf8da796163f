"""The engine tables hold what the engines have, and nothing twice."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra_gen.model.engine_facts import EngineFacts, ImageFacts
from infra_gen.model.engine_table import Table, table_of
from infra_gen.model.names import ENGINE_NAMES
from tools.engine_llama import llama_metrics
from tools.engine_llama_help import help_entries, llama_flag, split_head, split_negatives
from tools.engine_ollama import modelfile_commands, modelfile_parameters, ollama_env
from tools.engine_records import TableError, check_flags, dump
from tools.engine_tgi import rust_flags, tgi_metrics
from tools.engine_vllm_metrics import vllm_metrics

ENGINES = Path(__file__).parents[2] / "presets" / "engines"
KINDS = {"bool_pair", "list", "optional_value", "positional", "switch", "value"}
TYPES = {"bool", "float", "int", "json", "path", "size", "str"}
COUNTS = {  # flags, spellings, removed flags, variables, metrics
    "llama.cpp": (253, 407, 17, 150, 16),
    "ollama": (0, 0, 0, 49, 0),
    "tgi": (54, 57, 0, 90, 26),
    "vllm": (321, 485, 65, 318, 138),
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


def table(engine: str) -> dict[str, Any]:
    return json.loads((ENGINES / engine / "table.json").read_text(encoding="utf-8"))


def facts(engine: str) -> dict[str, Any]:
    return yaml.safe_load((ENGINES / engine / "engine.yaml").read_text(encoding="utf-8"))


def spelled(flag: dict[str, Any]) -> list[str]:
    return [flag["name"], *flag.get("aliases", []), *flag.get("negatives", [])]


@pytest.mark.parametrize("engine", ENGINE_NAMES)
class TestTable:
    def test_is_written_one_record_a_line_and_small(self, engine: str) -> None:
        text = (ENGINES / engine / "table.json").read_text(encoding="utf-8")
        assert dump(json.loads(text)) == text
        assert len(text) < 400_000

    def test_counts(self, engine: str) -> None:
        data = table(engine)
        names = [name for flag in data["flags"] for name in spelled(flag)]
        lists = (data["flags"], names, data["removed_flags"], data["env"], data["metrics"])
        assert engine in COUNTS, "a new engine: write down what its table holds"
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
        names = [name for flag in table(engine)["flags"] for name in spelled(flag)]
        assert len(names) == len(set(names))
        assert set(SENTINELS[engine]) <= set(names)

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
        got = table_of(table(engine), known.default_version)
        assert (len(got.env), len(got.metrics)) == COUNTS[engine][3:]

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


def the_table(engine: str) -> Table:
    data = table(engine)
    return table_of(data, data["versions"][0])


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
    assert known.reach.llama_cpp_build.value == table("ollama")["llama_cpp_build"] == 10488


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
    gone = {row["name"] for row in data["removed_modelfile_parameters"]}
    assert not gone & set(parameters)


def test_ollama_says_what_a_bad_value_does() -> None:
    rows = {row["name"]: row for row in table("ollama")["env"]}
    assert rows["OLLAMA_NO_CLOUD"]["on_bad_value"] == "true"
    assert rows["OLLAMA_NUM_PARALLEL"]["on_bad_value"] == "default"
    assert rows["OLLAMA_VULKAN"]["default"] is True
    assert rows["OLLAMA_FLASH_ATTENTION"]["default"] is None


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


LAUNCHER = """
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    /// nothing
    Off,
    // Never,
    NoStack,
    #[clap(name = "fp8_e5m2")]
    Fp8e5m2,
}

struct Args {
    /// The name.
    #[clap(default_value = "a,b", long, env)]
    model_id: String,

    /// Legacy version of it.
    #[clap(long, env)]
    old_size: Option<usize>,

    #[clap(default_value = "3000", long, short, env)]
    port: u16,
    #[clap(default_value = "9000", long, short, env)]
    prometheus_port: u16,
    #[clap(long, env)]
    sharded: Option<bool>,
    #[clap(long, short, action)]
    env: bool,
    #[clap(default_value = "off", long, env)]
    level: Level,
}
"""


def test_arguments_of_the_launcher_are_read() -> None:
    flags = {flag["name"]: flag for flag in rust_flags(LAUNCHER, "main.rs")}
    assert flags["--model-id"] == {
        "name": "--model-id",
        "kind": "value",
        "type": "str",
        "env": "MODEL_ID",
        "default": "a,b",
        "source": "main.rs:15",
    }
    assert flags["--old-size"]["deprecated"] is True
    assert (flags["--port"]["aliases"], flags["--port"]["maximum"]) == (["-p"], 65535)
    assert "aliases" not in flags["--prometheus-port"]
    assert flags["--sharded"]["choices"] == ["true", "false"]
    assert (flags["--env"]["kind"], flags["--env"].get("env")) == ("switch", None)
    assert flags["--level"]["choices"] == ["off", "no-stack", "fp8_e5m2"]


def test_an_argument_that_is_not_understood_is_refused() -> None:
    with pytest.raises(TableError, match="unknown type Weird"):
        rust_flags("\nstruct Args {\n    #[clap(long)]\n    a: Weird,\n}", "m.rs")
    with pytest.raises(TableError, match="1 arguments, 0 understood"):
        rust_flags("\nstruct Args {\n    #[clap(long)]\n    a: Option<(u8, u8)>,\n}", "m.rs")
    with pytest.raises(TableError, match="no struct"):
        rust_flags("fn main() {}", "m.rs")


ROUTER = """
    let a = Matcher::Suffix(String::from("duration"));
    // let b = Matcher::Full(String::from("tgi_skipped"));
    metrics::histogram!("tgi_x_duration", "method" => "prefill").record(1.0);
    metrics::histogram!("tgi_skipped").record(1.0);
    metrics::counter!("tgi_x", "err" => "a").increment(1);
    metrics::counter!("tgi_x", "why" => "b").increment(1);
    metrics::describe_counter!("tgi_only_described", "text");
"""


def test_a_histogram_without_buckets_is_a_summary() -> None:
    found = {metric["name"]: metric for metric in tgi_metrics([("s.rs", ROUTER)])}
    assert set(found) == {"tgi_x", "tgi_x_duration", "tgi_skipped"}
    assert found["tgi_x_duration"]["type"] == "histogram"
    assert found["tgi_skipped"]["type"] == "summary"
    assert found["tgi_x"]["labels"] == ["err", "why"]
    with pytest.raises(TableError, match="two types"):
        tgi_metrics([("a.rs", 'metrics::gauge!("tgi_x")'), ("b.rs", 'metrics::counter!("tgi_x")')])


CONFIG = """
    NoHistory = Bool("OLLAMA_NOHISTORY")
    EnableVulkan = BoolWithDefault("OLLAMA_VULKAN")
    NumParallel = Uint("OLLAMA_NUM_PARALLEL", 1)
    UseAuth = Bool("OLLAMA_AUTH")
        "OLLAMA_NOHISTORY": {"OLLAMA_NOHISTORY", NoHistory(), "no history"},
        "OLLAMA_NUM_PARALLEL": {"OLLAMA_NUM_PARALLEL", NumParallel(), "how many"},
        "OLLAMA_HOST": {"OLLAMA_HOST", Host(), "where"},
        ret["OLLAMA_VULKAN"] = EnvVar{"OLLAMA_VULKAN", EnableVulkan(true), "Vulkan"}
"""


def test_variables_of_ollama_are_read() -> None:
    other = 'os.Getenv("JETSON")\nslog.Debug("x", "OLLAMA_LOGGED", 1)\nx := "OLLAMA_LATE"\n'
    rows = ollama_env([("envconfig/config.go", CONFIG), ("discover/a.go", other)])
    found = {row["name"]: row for row in rows}
    assert sorted(found) == [
        *("JETSON", "OLLAMA_AUTH", "OLLAMA_HOST", "OLLAMA_LATE", "OLLAMA_NOHISTORY"),
        *("OLLAMA_NUM_PARALLEL", "OLLAMA_VULKAN"),
    ]
    assert found["OLLAMA_VULKAN"]["default"] is True
    assert found["OLLAMA_AUTH"]["default"] is False
    assert found["OLLAMA_NUM_PARALLEL"]["default"] == 1
    assert found["OLLAMA_HOST"]["default"] == "127.0.0.1:11434"
    assert found["JETSON"]["default_known"] is False


def test_a_variable_nobody_explains_is_refused() -> None:
    config = '"OLLAMA_NEW": {"OLLAMA_NEW", NewThing(), "text"},\n'
    with pytest.raises(TableError, match="OLLAMA_NEW"):
        ollama_env([("envconfig/config.go", config)])


OPTIONS = """
type Options struct {
	Runner
	TopK int      `json:"top_k,omitempty"`
	MinP float32  `json:"min_p,omitempty"`
	Stop []string `json:"stop,omitempty"`
}

type Runner struct {
	NumCtx  int   `json:"num_ctx,omitempty"`
	UseMMap *bool `json:"use_mmap,omitempty"`
}

func DefaultOptions() Options {
	return Options{
		TopK: 40,
		Runner: Runner{
			NumCtx: int(envconfig.ContextLength()),
		},
	}
}
"""


def test_words_of_a_modelfile_are_read() -> None:
    parser = 'var deprecatedParameters = []string{\n"low_vram",\n}\n'
    assert modelfile_parameters(OPTIONS, parser) == [
        {"name": "low_vram", "deprecated": True},
        {"name": "min_p", "type": "float", "default": 0.0, "applies": "request"},
        {"name": "num_ctx", "type": "int", "default": None, "applies": "load"},
        {"name": "stop", "type": "list", "default": None, "applies": "request"},
        {"name": "top_k", "type": "int", "default": 40, "applies": "request"},
        {"name": "use_mmap", "type": "bool", "default": None, "applies": "load"},
    ]
    source = 'func isValidCommand(cmd string) bool {\n\tcase "from", "system":\n'
    assert modelfile_commands(source) == [
        {"name": "FROM", "type": "str", "required": True},
        {"name": "SYSTEM", "type": "str"},
    ]
    with pytest.raises(TableError, match="no commands"):
        modelfile_commands("nothing")
    with pytest.raises(TableError, match="no struct Options"):
        modelfile_parameters(OPTIONS.replace("type Options", "type Choices"), parser)
