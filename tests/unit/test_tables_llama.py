"""llama-server's options are read from C++ that was written for a compiler, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.tables.llama.extractor import EXTRACTOR, tombstones
from tools.tables.records import Artefact, Record, Snapshot, TableError

ARG_CPP = r"""
#include "arg.h"

const std::vector<ggml_type> kv_cache_types = {
    GGML_TYPE_F16,
    GGML_TYPE_Q8_0, // quantised
};

static std::initializer_list<enum llama_example> image_examples = {
    LLAMA_EXAMPLE_MTMD,
    LLAMA_EXAMPLE_SERVER,
};

bool common_arg::get_value_from_env(std::string & output) const {
    string_replace_all(neg_env, "LLAMA_ARG_", "LLAMA_ARG_NO_");
    return false;
}

bool common_arg_utils::is_truthy(const std::string & value) {
    return value == "on" || value == "1";
}

bool common_arg_utils::is_falsey(const std::string & value) {
    return value == "off" || value == "0";
}

bool common_arg_utils::is_autoy(const std::string & value) {
    return value == "auto" || value == "-1";
}

static bool common_params_parse_ex(int argc, char ** argv, common_params_context & ctx_arg) {
    if (opt.get_value_from_env(value)) {
    }
    std::replace(arg.begin(), arg.end(), '_', '-');
    if (arg_to_options.find(arg) == arg_to_options.end()) {
    }
    return true;
}

common_params_context common_params_parser_init(common_params & params, llama_example ex) {
    if (ex == LLAMA_EXAMPLE_MTMD) {
        params.n_parallel = 7;
    } else if (ex == LLAMA_EXAMPLE_SERVER) {
        params.n_parallel = -1;
    }
    auto add_opt = [&](common_arg arg) {
        ctx_arg.options.push_back(std::move(arg));
    };
    add_opt(common_arg(
        {"--port"}, "PORT",
        string_format("port to listen (default: %d)", params.port),
        [](common_params & params, int value) {
            params.port = value;
        }
    ).set_examples({LLAMA_EXAMPLE_SERVER}).set_env("LLAMA_ARG_PORT"));
@@OPTIONS@@
    return ctx_arg;
}
"""
COMMON_H = """
struct common_params_model {
    std::string path = ""; // where it lies
    bool empty() const { return path.empty(); }
};

struct common_params_sampling {
    uint32_t seed = LLAMA_DEFAULT_SEED;
    float temp = 0.80f;
    std::vector<enum common_sampler_type> samplers = {
        COMMON_SAMPLER_TYPE_TOP_K,
        COMMON_SAMPLER_TYPE_MIN_P,
    };
};

struct common_params {
    int32_t n_parallel = 1;
    int32_t n_gpu_layers = -1; // -1 is auto
    int32_t n_threads = -1;
    int32_t port = 8080;
    int32_t timeout_read = 600;
    int32_t timeout_write = timeout_read;
    bool use_mmap = true;
    bool no_warmup = false;
    enum llama_flash_attn_type flash_attn_type = LLAMA_FLASH_ATTN_TYPE_AUTO;
    ggml_type cache_type_k = GGML_TYPE_F16;
    enum ggml_sched_priority priority = GGML_SCHED_PRIO_NORMAL;
    struct common_params_sampling sampling;
    common_params_model model;
    std::vector<std::string> api_keys;
    std::vector<size_t> target = std::vector<size_t>(llama_max_devices(), 1024 * 1024*1024);
};
"""
SAMPLING_CPP = """
char common_sampler_type_to_chr(enum common_sampler_type cnstr) {
    switch (cnstr) {
        case COMMON_SAMPLER_TYPE_TOP_K: return 'k';
        case COMMON_SAMPLER_TYPE_MIN_P: return 'm';
    }
}

std::string common_sampler_type_to_str(enum common_sampler_type cnstr) {
    switch (cnstr) {
        case COMMON_SAMPLER_TYPE_TOP_K: return "top_k";
        case COMMON_SAMPLER_TYPE_MIN_P: return "min_p";
    }
}
"""
SERVER_CPP = """
int main() {
    svr->Get (params.api_prefix + "/health", handle_health);
    ctx_http.get ("/v1/models", handle_models);
    // ctx_http.get("/slots", handle_slots);
}

std::string to_metrics() {
    const std::vector<metric_item> counters = {
        { "prompt_tokens_total", "Number of tokens", (double) n }, {
            "n_decode_total", "Calls", 1.0
        },
    };
    const std::vector<metric_item> gauges = {
        { "requests_processing", "Now", 0 },
    };
    prometheus << "# TYPE llamacpp:" << item.name << " " << type << "\\n";
    add_items("counter", counters);
    add_items("gauge",   gauges);
    if (!empty) {
        prometheus << "# TYPE llamacpp:accepted_total counter\\n"
                   << "llamacpp:accepted_total{position=\\"" << i << "\\"} " << n << "\\n";
    }
    return prometheus.str();
}
"""
OLD_METRICS = """
int main() {
    svr->Get("/health", handle_health);
    json all_metrics_def = json {
        {"counter", {{
                {"name",  "prompt_tokens_total"},
                {"help",  "Number of tokens."},
                {"value",  (uint64_t) n}
        }, {
                {"name",  "n_decode_total"},
                {"value",  n}
        }}},
        {"gauge", {{
                {"name",  "requests_processing"},
                {"value",  n}
        }}}
    };
    prometheus << "# TYPE llamacpp:" << name << " " << type << "\\n";
}
"""
FILES = {
    "common/common.h": COMMON_H,
    "common/sampling.cpp": SAMPLING_CPP,
    "include/llama.h": "#define LLAMA_DEFAULT_SEED 0xFFFFFFFF\n",
    "ggml/include/ggml.h": "    enum ggml_sched_priority {\n        GGML_SCHED_PRIO_LOW = -1,\n"
    "        GGML_SCHED_PRIO_NORMAL,\n        GGML_SCHED_PRIO_HIGH\n    };\n",
    "ggml/src/ggml.c": '[GGML_TYPE_F16] = {\n .type_name = "f16",\n},\n'
    '[GGML_TYPE_Q8_0] = {\n .type_name = "q8_0",\n},\n',
    "tools/server/server.cpp": SERVER_CPP,
}


def write(root: Path, *options: str, **changed: str) -> Path:
    """A tree of llama.cpp with these options beside --port."""
    files = {
        **FILES,
        "common/arg.cpp": ARG_CPP.replace("@@OPTIONS@@", "\n    ".join(["", *options])),
    }
    for name, text in {**files, **changed}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def option(head: str, body: str, value: str = "", calls: str = "") -> str:
    """One add_opt with a lambda; `value` is its second parameter."""
    given = f", {value}" if value else ""
    return f"add_opt(common_arg({head}, [](common_params & params{given}) {{ {body} }}){calls});"


def snapshot(root: Path) -> Snapshot:
    return EXTRACTOR.read(Artefact("11434", "x.tar.gz", None, root, "test"))


def read(root: Path, *options: str, **changed: str) -> dict[str, Record]:
    found = snapshot(write(root, *options, **changed))["flags"]
    return {flag["name"]: flag for flag in found}


def one(root: Path, *options: str) -> dict[str, Any]:
    """What is read of one option, without its name."""
    found = read(root, *options)
    (name,) = set(found) - {"--port"}
    return {key: value for key, value in found[name].items() if key != "name"}


INT, TEXT = "int value", "const std::string & value"


def test_number_with_a_variable_and_a_limit(tmp_path: Path) -> None:
    text = option(
        '{"-n", "--n-number"}, "N", string_format("a number (default: %d)", params.timeout_write)',
        'if (value < 0 || value > 1024) { throw std::invalid_argument("no"); }'
        " params.timeout_write = value;",
        INT,
        '.set_env("LLAMA_ARG_N")',
    )
    assert one(tmp_path, text) == {
        "aliases": ["-n"],
        "kind": "value",
        "type": "int",
        "env": "LLAMA_ARG_N",
        "minimum": 0,
        "maximum": 1024,
        "default": 600,
    }


def test_limits_by_name_and_of_what_the_value_became(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        option(
            '{"--prio"}, "N", "priority"',
            'if (prio < GGML_SCHED_PRIO_LOW) { throw std::invalid_argument("no"); }'
            " params.priority = (enum ggml_sched_priority) prio;",
            "int prio",
        ),
        option(
            '{"--penalty"}, "N", "penalty"',
            "const float penalty = std::stof(value);"
            " if (!std::isfinite(penalty) || penalty <= 0.0f) { throw std::runtime_error(text); }"
            " params.sampling.temp = penalty;",
            TEXT,
        ),
    )
    assert (found["--prio"]["minimum"], found["--prio"]["default"]) == (-1, 0)
    penalty = found["--penalty"]
    assert (penalty["type"], penalty["exclusive_minimum"], penalty["default"]) == ("float", 0, 0.8)


def test_pair_and_switch(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        option(
            '{"--warmup"}, {"--no-warmup"}, "warm up"', "params.no_warmup = !value;", "bool value"
        ),
        option('{"--no-mmap"}, "no mmap"', "params.use_mmap = false;"),
        option('{"--usage"}, "help"', "params.usage = true;"),
    )
    assert found["--warmup"] == {
        "name": "--warmup",
        "negatives": ["--no-warmup"],
        "kind": "bool_pair",
        "type": "bool",
        "default": True,
    }
    assert found["--no-mmap"] == {
        "name": "--no-mmap",
        "kind": "switch",
        "type": "bool",
        "default": False,
    }
    assert found["--usage"]["default"] is False


def test_words_that_end_in_an_error_are_choices(tmp_path: Path) -> None:
    body = (
        "if (is_truthy(value)) { params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED; }"
        " else if (is_autoy(value)) { params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_AUTO; }"
        ' else { throw std::runtime_error("unknown value"); }'
    )
    found = one(tmp_path, option('{"-fa", "--flash-attn"}, "[on|auto]", "flash"', body, TEXT))
    assert found["choices"] == ["on", "auto"]
    assert found["special_values"] == ["1", "-1"]
    assert found["default"] == "auto"


def test_words_without_the_error_are_only_known(tmp_path: Path) -> None:
    body = (
        'if (value == "a") { params.n_threads = 1; } else if (value == "b") { params.n_threads = 2; }'
        ' else { std::invalid_argument("forgot to throw"); }'
    )
    found = one(tmp_path, option('{"--mode"}, "MODE", "mode"', body, TEXT))
    assert found["known_values"] == ["a", "b"]
    assert "choices" not in found


def test_words_beside_a_number(tmp_path: Path) -> None:
    body = (
        'if (value == "auto") { params.n_gpu_layers = -1; }'
        " else { params.n_gpu_layers = std::stoi(value); }"
    )
    assert one(tmp_path, option('{"-ngl", "--gpu-layers"}, "N", "layers"', body, TEXT)) == {
        "aliases": ["-ngl"],
        "kind": "value",
        "type": "int",
        "special_values": ["auto"],
        "default": "auto",
    }


def test_lists_of_names_elsewhere(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        option(
            '{"-ctk"}, "TYPE", string_format("one of %s", get_all_kv_cache_types().c_str())',
            "params.cache_type_k = kv_cache_type_from_str(value);",
            TEXT,
        ),
    )
    found = snapshot(root)
    assert found["flags"][1]["choices"] == ["f16", "q8_0"]
    assert found["flags"][1]["default"] == "f16"
    assert found["kv_cache_dtypes"] == [{"name": "f16"}, {"name": "q8_0"}]


@pytest.mark.parametrize(
    ("head", "body", "value", "default"),
    [
        ('{"--seed"}, "N", "s"', "params.sampling.seed = std::stoul(value);", TEXT, -1),
        ('{"--model"}, "FNAME", "m"', "params.model.path = value;", TEXT, None),
        ('{"--parallel"}, "N", "p"', "params.n_parallel = value;", INT, -1),
        ('{"--key"}, "KEY", "k"', "params.api_keys.push_back(value);", TEXT, None),
        (
            '{"--fit"}, "MiB", string_format("f, default: %zu", params.target[0]/(1024*1024))',
            "fill(value);",
            TEXT,
            "1024",
        ),
        ('{"--order"}, "S", string_format("o (default: %s)", sampler_type_names.c_str())',
         "x(value);", TEXT, "top_k;min_p"),
    ],
)  # fmt: skip
def test_defaults(tmp_path: Path, head: str, body: str, value: str, default: object) -> None:
    assert one(tmp_path, option(head, body, value))["default"] == default


@pytest.mark.parametrize(
    ("head", "body", "value"),
    [
        ('{"--a"}, "N", "a (default: same as --threads)"', "params.n_threads = value;", INT),
        ('{"--b"}, "N", "b"', "params.nowhere = value;", INT),
        ('{"--c"}, "N", "c"', "params.sampling.temp = 1.0f / std::stof(value);", TEXT),
    ],
)
def test_a_default_that_only_running_would_tell(
    tmp_path: Path, head: str, body: str, value: str
) -> None:
    found = one(tmp_path, option(head, body, value))
    assert found["default_known"] is False
    assert "default" not in found


def test_types_by_what_the_value_is_read_as(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        option('{"--json"}, "STRING", "j"', "auto parsed = json::parse(value);", TEXT),
        option('{"--file"}, "STRING", "f"', "params.text = read_file(value);", TEXT),
        option('{"--paths"}, "FNAME", "p"', "params.lists.push_back(value);", TEXT),
        option('{"--two"}, "A", "B", "t"', "x(a, b);", "const std::string & a, const std::string & b"),
    )  # fmt: skip
    kinds = {name: flag["type"] for name, flag in found.items() if name != "--port"}
    assert kinds == {"--json": "json", "--file": "path", "--paths": "path", "--two": "str"}
    assert found["--two"]["nargs"] == 2
    assert found["--paths"]["repeatable"] is True


def test_options_of_other_programs_are_none_of_the_server(tmp_path: Path) -> None:
    body = "params.n_threads = value;"
    found = read(
        tmp_path,
        option('{"--cli"}, "N", "c"', body, INT, ".set_examples({LLAMA_EXAMPLE_CLI})"),
        option('{"--not"}, "N", "n"', body, INT, ".set_excludes({LLAMA_EXAMPLE_SERVER})"),
        option('{"--image"}, "N", "i"', body, INT, ".set_examples(image_examples)"),
        "if (ex == LLAMA_EXAMPLE_SERVER) {",
        option('{"--mine"}, "N", "m"', body, INT),
        "} else {",
        option('{"--theirs"}, "N", "t"', body, INT),
        "}",
        "#ifdef GGML_USE_RPC",
        option('{"--rpc"}, "N", "r"', body, INT, ".set_sampling()"),
        "#else",
        option('{"--no-rpc"}, "N", "r"', body, INT),
        "#endif",
    )
    assert set(found) == {"--port", "--image", "--mine", "--rpc"}


def test_removed_options_are_hints_not_flags(tmp_path: Path) -> None:
    text = option(
        '{"--draft", "--draft-n"}, "N", "the argument has been removed. use --spec-n or --spec-m"',
        'arg_removed("use --spec-n or --spec-*-m");',
        "int /*value*/",
        '.set_spec().set_env("LLAMA_ARG_DRAFT")',
    )
    root = write(tmp_path, text)
    found = snapshot(root)
    assert [flag["name"] for flag in found["flags"]] == ["--port"]
    assert [row["name"] for row in found["env"]] == ["LLAMA_ARG_PORT"]
    assert tombstones(root) == dict.fromkeys(("--draft", "--draft-n"), "--spec-n or --spec-*-m")


def test_variables_with_their_negation(tmp_path: Path) -> None:
    text = option(
        '{"--mmap"}, {"--no-mmap"}, "DEPRECATED: map"',
        "params.use_mmap = value;",
        "bool value",
        '.set_env("LLAMA_ARG_MMAP")',
    )
    found = snapshot(write(tmp_path, text))
    assert found["flags"][0]["deprecated"] is True
    assert found["env"][:2] == [
        {"name": "LLAMA_ARG_MMAP", "flag": "--mmap", "type": "bool", "default": True},
        {"name": "LLAMA_ARG_NO_MMAP", "flag": "--no-mmap", "type": "bool", "default": None},
    ]
    facts = {row["name"]: row["value"] for row in found["facts"]}
    assert (facts["env_negation"], facts["default_port"]) == ("LLAMA_ARG_NO_", 8080)
    assert (facts["underscores"], facts["equals"]) == (True, False)


@pytest.mark.parametrize("source", [SERVER_CPP, OLD_METRICS])
def test_metrics_and_routes(tmp_path: Path, source: str) -> None:
    found = snapshot(write(tmp_path, **{"tools/server/server.cpp": source}))
    always = [row for row in found["metrics"] if not row.get("conditional")]
    assert always == [
        {"name": "llamacpp:n_decode_total", "type": "counter"},
        {"name": "llamacpp:prompt_tokens_total", "type": "counter"},
        {"name": "llamacpp:requests_processing", "type": "gauge"},
    ]
    if source == SERVER_CPP:
        labelled = found["metrics"][0]
        assert labelled["name"] == "llamacpp:accepted_total"
        assert labelled["labels"] == ["position"]
        names = [row["name"] for row in found["endpoints"]]
        assert names == ["health", "models", "ready"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("if (is_tuesday()) { " + option('{"--a"}, "a"', "x();") + " }", "is_tuesday"),
        (option('{"--a"}, "a"', "x();", calls=".set_colour(1)"), "set_colour is not known"),
        (option('{"--a"}, "a"', "x();", calls=".set_examples(others)"), "others"),
        (option('{name}, "a"', "x();"), "not a string"),
        (option('{"--a"}, "N", "a"', "x();", "double value"), "another kind"),
        (option('{"--a"}, "a", "b", handler'[:-9], "x();", "long long value"), "another kind"),
        (option('{"--a"}, "the argument has been removed"', "x();"), "throws nothing"),
        (option('{"--a"}, "a"', 'arg_removed("sorry");'), "removed, but for what"),
        ('add_opt(other_arg({"--a"}, "a", [](common_params & params) {}));', "something else"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, text)
    with pytest.raises(TableError, match=message):
        (tombstones if "arg_removed" in text else snapshot)(tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("common/arg.cpp", "common_params_parser_init(", "other(", "neither common_params"),
        ("common/arg.cpp", "arg_to_options.find(arg)", "closest(arg)", "in another way"),
        ("common/common.h", "struct common_params {", "struct other {", "no struct common_params"),
        ("ggml/src/ggml.c", "GGML_TYPE", "OTHER", "no ggml type"),
        ("tools/server/server.cpp", "llamacpp:", "other:", "no list of metrics"),
        ("tools/server/server.cpp", '"counter", counters', '"summary", counters', "summary"),
    ],
)
def test_a_tree_of_another_shape_is_refused(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    path = write(tmp_path) / name
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(TableError, match=f"llama.cpp 11434: .*{message}"):
        snapshot(tmp_path)
