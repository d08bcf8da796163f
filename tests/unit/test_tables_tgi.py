"""Text Generation Inference: what is read of its Rust and Python sources, and what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.tables import checkouts
from tools.tables.records import TableError
from tools.tables.tgi.clap import rust_flags
from tools.tables.tgi.code import endpoints, environment, marlin_capability, rust_metrics
from tools.tables.tgi.extractor import EXTRACTOR
from tools.tables.tgi.parity import compare

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
    flags = {flag["name"]: flag for flag in rust_flags(LAUNCHER)}
    assert flags["--model-id"] == {
        "name": "--model-id",
        "kind": "value",
        "type": "str",
        "env": "MODEL_ID",
        "default": "a,b",
    }
    assert flags["--old-size"]["deprecated"] is True
    assert (flags["--port"]["aliases"], flags["--port"]["maximum"]) == (["-p"], 65535)
    assert "aliases" not in flags["--prometheus-port"]
    assert flags["--sharded"]["choices"] == ["true", "false"]
    assert (flags["--env"]["kind"], flags["--env"].get("env")) == ("switch", None)
    assert flags["--level"]["choices"] == ["off", "no-stack", "fp8_e5m2"]


def test_an_enumeration_may_come_from_another_module() -> None:
    source = "\nstruct Args {\n    #[clap(long)]\n    a: usage::Other,\n}"
    other = "ValueEnum)]\npub enum Other {\n    On,\n}"
    assert rust_flags(source, [other])[0]["choices"] == ["on"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("\nstruct Args {\n    #[clap(long)]\n    a: Weird,\n}", "unknown type Weird"),
        ("\nstruct Args {\n    #[clap(long)]\n    a: Option<(u8, u8)>,\n}", "1 arguments, 0 und"),
        ("\nstruct Args {\n    #[clap(long, hide = true)]\n    a: u16,\n}", "hide is not und"),
        ('\nstruct Args {\n    #[clap(long = "b")]\n    a: u16,\n}', "is called .b"),
        ("fn main() {}", "no struct"),
    ],
)
def test_an_argument_that_is_not_understood_is_refused(source: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        rust_flags(source)


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
    found = {metric["name"]: metric for metric in rust_metrics({"s.rs": ROUTER})}
    assert set(found) == {"tgi_x", "tgi_x_duration", "tgi_skipped"}
    assert found["tgi_x_duration"]["type"] == "histogram"
    assert found["tgi_skipped"]["type"] == "summary"
    assert found["tgi_x"]["labels"] == ["err", "why"]


def test_doubtful_metrics_are_refused() -> None:
    with pytest.raises(TableError, match="two types"):
        rust_metrics({"a": 'metrics::gauge!("tgi_x")', "b": 'metrics::counter!("tgi_x")'})
    with pytest.raises(TableError, match="not written out"):
        rust_metrics({"a": "metrics::gauge!(name)"})


def test_variables_are_twins_or_read_in_code() -> None:
    flags = rust_flags(LAUNCHER)
    router = [{"name": "--own", "type": "int", "env": "OWN", "default": 1}, *flags]
    rust = {"a.rs": 'env::var("HF_TOKEN")'}
    rows = environment(flags, router, '"--port"', rust, {"b.py": 'os.getenv("ATTENTION")'})
    found = {row["name"]: row for row in rows}
    assert found["PORT"] == {"name": "PORT", "type": "int", "flag": "--port", "default": 3000}
    assert found["OWN"] == {"name": "OWN", "type": "int", "default": 1}
    assert found["ATTENTION"] == {"name": "ATTENTION", "type": "str", "default_known": False}
    assert "HF_TOKEN" in found


def test_routes_and_the_smallest_device() -> None:
    server = '.route("/health", get(health)).route("/v1/models", get(models))'
    assert [row["name"] for row in endpoints(server)] == ["health", "models", "ready"]
    gate = 'has_sm_8_0 = major >= 8\nif not (SYSTEM == "cuda" and has_sm_8_0):\n'
    assert marlin_capability(gate) == 8.0
    with pytest.raises(TableError, match="no bound"):
        marlin_capability("pass")


PAGE = """
## PORT
```shell
  -p, --port <PORT>
          The port

          [env: PORT=]
          [default: 3000]

```
## HELP
```shell
  -h, --help
          Print help

```
"""


def test_a_difference_from_the_help_page_is_counted() -> None:
    flag = {"name": "--port", "aliases": ["-p"], "kind": "value", "env": "PORT", "default": 3000}
    same = compare({"flags": [flag], "metrics": []}, PAGE, "")
    assert (same["only_in_page"], same["only_in_table"], same["facts_differing"]) == ([], [], [])
    other = compare({"flags": [{**flag, "default": 80}], "metrics": []}, PAGE, "")
    assert other["facts_differing"] == [["--port", "default", "3000", "80"]]
    lost = compare({"flags": [], "metrics": []}, PAGE, "| `tgi_x` | text | Counter | |\n")
    assert lost["only_in_page"] == ["--port", "-p"]
    assert lost["metrics_only_in_page"] == ["tgi_x"]


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_files_of_a_tag_are_brought(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    git(source, "init", "-q")
    (source / "a.go").write_text("old\n")
    (source / "b.txt").write_text("not wanted\n")
    git(source, "add", ".")
    git(source, "commit", "-qm", "one")
    for tag in ("v0.9.0", "v3.0.0", "v3.1.0-rc1"):
        git(source, "tag", tag)
    (source / "a.go").write_text("new\n")
    assert checkouts.releases(source, "a/b", "3.0.0") == ["3.0.0"]
    scratch = tmp_path / "scratch"
    found = checkouts.fetch("a/b", "3.0.0", source, scratch, lambda name: name.endswith(".go"))
    assert checkouts.texts(found.path, ("",), "") == {"a.go": "old\n"}
    assert found.name.startswith("a/b@")
    assert len(found.name) == len("a/b@") + 40
    with pytest.raises(TableError, match="no tag of a final release"):
        checkouts.releases(source, "a/b", "4.0.0")
    with pytest.raises(TableError, match="none of the files"):
        checkouts.fetch("a/b", "3.0.0", source, scratch, lambda _: False)


def test_a_plain_folder_tells_its_version_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "text-generation-inference-3.3.7"
    folder.mkdir()
    assert EXTRACTOR.releases(folder) == ["3.3.7"]
    assert EXTRACTOR.fetch("3.3.7", folder, tmp_path).path == folder
    with pytest.raises(TableError, match="not huggingface"):
        EXTRACTOR.fetch("3.3.6", folder, tmp_path)
    with pytest.raises(TableError, match="named after a version"):
        EXTRACTOR.releases(tmp_path / "nowhere")
    with pytest.raises(TableError, match="--from"):
        EXTRACTOR.releases(None)
