"""Ollama: what is read of its Go sources, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.tables.ollama.env import CONFIG, environment
from tools.tables.ollama.extractor import EXTRACTOR
from tools.tables.ollama.modelfile import commands, parameters
from tools.tables.records import Artefact, TableError

FUNCTIONS = """
func Host() *url.URL {
	defaultPort := "11434"
		host, port = "127.0.0.1", defaultPort
		slog.Warn("invalid port, using default", "port", port)
}
func KeepAlive() (keepAlive time.Duration) {
	keepAlive = 7 * time.Minute
}
func Models() string {
	return filepath.Join(home, ".ollama", "models")
}
func BoolWithDefault(k string) func(defaultValue bool) bool {
			if err != nil {
				return true
			}
}
func Uint(key string, defaultValue uint) func() uint {
				slog.Warn("invalid environment variable, using default", "key", key)
}
var (
	NoHistory = Bool("OLLAMA_NOHISTORY")
	EnableVulkan = BoolWithDefault("OLLAMA_VULKAN")
	FlashAttention = BoolWithDefault("OLLAMA_FLASH_ATTENTION")
	NumParallel = Uint("OLLAMA_NUM_PARALLEL", 1)
	ContextLength = Uint("OLLAMA_CONTEXT_LENGTH", 0)
	UseAuth = Bool("OLLAMA_AUTH")
)
func AsMap() map[string]EnvVar {
		"OLLAMA_NOHISTORY": {"OLLAMA_NOHISTORY", NoHistory(), "no history"},
		"OLLAMA_NUM_PARALLEL": {"OLLAMA_NUM_PARALLEL", NumParallel(), "how many"},
		"OLLAMA_HOST": {"OLLAMA_HOST", Host(), "where"},
		"OLLAMA_KEEP_ALIVE": {"OLLAMA_KEEP_ALIVE", KeepAlive(), "how long"},
		"OLLAMA_MODELS": {"OLLAMA_MODELS", Models(), "where"},
		"OLLAMA_FLASH_ATTENTION": {"OLLAMA_FLASH_ATTENTION", FlashAttention(false), "on or off"},
		"NO_PROXY": {"NO_PROXY", String("NO_PROXY")(), "no proxy"},
		ret["OLLAMA_VULKAN"] = EnvVar{"OLLAMA_VULKAN", EnableVulkan(true), "Vulkan"}
}
"""


def test_variables_are_read() -> None:
    other = (
        'os.Getenv("JETSON")\nslog.Debug("x", "OLLAMA_LOGGED", 1)\nx := "OLLAMA_LATE"\n'
        'envVars["OLLAMA_TMPDIR"]\nos.Getenv("PATH")\n'
    )
    rows = environment({CONFIG: FUNCTIONS, "discover/a.go": other})
    found = {row["name"]: row for row in rows}
    assert sorted(found) == [
        *("JETSON", "NO_PROXY", "OLLAMA_AUTH", "OLLAMA_CONTEXT_LENGTH", "OLLAMA_FLASH_ATTENTION"),
        *("OLLAMA_HOST", "OLLAMA_KEEP_ALIVE", "OLLAMA_LATE", "OLLAMA_MODELS", "OLLAMA_NOHISTORY"),
        *("OLLAMA_NUM_PARALLEL", "OLLAMA_VULKAN"),
    ]
    vulkan = {"type": "bool", "default": True, "on_bad_value": "true"}
    assert found["OLLAMA_VULKAN"] == {"name": "OLLAMA_VULKAN", **vulkan}
    assert found["OLLAMA_AUTH"]["default"] is False
    assert found["OLLAMA_FLASH_ATTENTION"]["default"] is None
    parallel = {"type": "int", "default": 1, "on_bad_value": "default"}
    assert found["OLLAMA_NUM_PARALLEL"] == {"name": "OLLAMA_NUM_PARALLEL", **parallel}
    assert found["OLLAMA_HOST"]["default"] == "127.0.0.1:11434"
    assert found["OLLAMA_KEEP_ALIVE"]["default"] == "7m"
    assert found["OLLAMA_MODELS"]["default"] == "$HOME/.ollama/models"
    assert found["NO_PROXY"] == {"name": "NO_PROXY", "type": "str", "default": None}
    assert found["JETSON"] == {"name": "JETSON", "type": "str", "default_known": False}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('{"NO_PROXY", String("NO_PROXY")(),', '{"NO_PROXY", NewThing(),', "how NewThing"),
        ('{"NO_PROXY", String("NO_PROXY")(), "no', '{"NO_PROXY", Thing, Other("no', "row of the"),
        ("7 * time.Minute", "aWhile", "KeepAlive"),
        ("return true", "return false", "BoolWithDefault"),
        ("EnableVulkan(true)", "EnableVulkan(auto)", "nobody says its default"),
        ("func Models()", "func Others()", "no function Models"),
    ],
)
def test_what_nobody_explains_is_refused(before: str, after: str, said: str) -> None:
    assert before in FUNCTIONS
    with pytest.raises(TableError, match=said):
        environment({CONFIG: FUNCTIONS.replace(before, after)})


OPTIONS = """
type Options struct {
	Runner
	TopK int      `json:"top_k,omitempty"`
	MinP float32  `json:"min_p,omitempty"`
	Stop []string `json:"stop,omitempty"`
	Penalize bool `json:"penalize,omitempty"`
}

type Runner struct {
	NumCtx  int   `json:"num_ctx,omitempty"`
	UseMMap *bool `json:"use_mmap,omitempty"`
}

func DefaultOptions() Options {
	return Options{
		// set by hand
		TopK: 40,
		Penalize: true,
		Runner: Runner{
			NumCtx: int(envconfig.ContextLength()),
			UseMMap: nil, // let the runtime decide
		},
	}
}
"""
PARSER = """
var deprecatedParameters = []string{
	"low_vram",
}
func isValidCommand(cmd string) bool {
	switch strings.ToLower(cmd) {
	case "from", "system":
"""


def test_words_of_a_modelfile_are_read() -> None:
    assert parameters(OPTIONS, PARSER, 0) == [
        {"name": "low_vram", "deprecated": True},
        {"name": "min_p", "type": "float", "default": 0.0, "applies": "request"},
        {"name": "num_ctx", "type": "int", "default": None, "applies": "load"},
        {"name": "penalize", "type": "bool", "default": True, "applies": "request"},
        {"name": "stop", "type": "list", "default": None, "applies": "request"},
        {"name": "top_k", "type": "int", "default": 40, "applies": "request"},
        {"name": "use_mmap", "type": "bool", "default": None, "applies": "load"},
    ]
    assert commands(PARSER) == [
        {"name": "FROM", "type": "str", "required": True},
        {"name": "SYSTEM", "type": "str"},
    ]
    by_variable = {row["name"]: row for row in parameters(OPTIONS, PARSER, 4096)}
    assert by_variable["num_ctx"]["default"] == 4096


def test_odd_modelfile_sources_are_refused() -> None:
    with pytest.raises(TableError, match="no commands"):
        commands("nothing")
    with pytest.raises(TableError, match="no struct Options"):
        parameters(OPTIONS.replace("type Options", "type Choices"), PARSER, 0)
    with pytest.raises(TableError, match="unknown options: Other"):
        parameters(OPTIONS.replace("TopK: 40", "Other: 40"), PARSER, 0)
    with pytest.raises(TableError, match="is a map"):
        parameters(OPTIONS.replace("TopK int", "TopK map"), PARSER, 0)


ROUTES = """
	r.GET("/api/version", func(c *gin.Context) {})
	r.Handle(method, "/api/tags", s.ListHandler)
	r.GET("/api/ps", s.PsHandler)
	r.POST("/v1/chat/completions", s.ChatHandler)
"""


def checkout(root: Path, **changed: str) -> Artefact:
    files = {
        CONFIG: FUNCTIONS,
        "server/routes.go": ROUTES,
        "parser/parser.go": PARSER,
        "api/types.go": OPTIONS,
        "docs/faq.mdx": "- `f16` - high precision\n- `q8_0` - 8-bit, less precision\n",
        "LLAMA_CPP_VERSION": "b9452\n",
        "cmd/a_test.go": 'os.Getenv("OLLAMA_OF_TESTS")',
        **changed,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Artefact("0.30.0", "ollama/ollama@0", None, root, "test")


def test_a_checkout_becomes_a_snapshot(tmp_path: Path) -> None:
    found = EXTRACTOR.read(checkout(tmp_path))
    facts = {row["name"]: row["value"] for row in found["facts"]}
    assert (facts["default_port"], facts["llama_cpp_build"]) == (11434, 9452)
    paths = {row["name"]: row["path"] for row in found["endpoints"]}
    assert paths["tags"] == "/api/tags"
    assert paths["metrics"] is None
    assert "models" not in paths
    assert "OLLAMA_OF_TESTS" not in {row["name"] for row in found["env"]}
    assert found["kv_cache_dtypes"] == []  # no variable sets one here


def test_a_build_or_a_route_that_is_odd_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no build"):
        EXTRACTOR.read(checkout(tmp_path, LLAMA_CPP_VERSION="main"))
    with pytest.raises(TableError, match="metrics now"):
        EXTRACTOR.read(checkout(tmp_path, **{"server/routes.go": 'r.GET("/metrics", x)'}))
    kinds = FUNCTIONS.replace("UseAuth =", 'Kv = String("OLLAMA_KV_CACHE_TYPE")\n\tUseAuth =')
    read = EXTRACTOR.read(checkout(tmp_path, **{CONFIG: kinds}, LLAMA_CPP_VERSION="b1"))
    assert [row["name"] for row in read["kv_cache_dtypes"]] == ["f16", "q8_0"]
    with pytest.raises(TableError, match="types of the KV cache"):
        EXTRACTOR.read(checkout(tmp_path, **{CONFIG: kinds, "docs/faq.mdx": ""}))
