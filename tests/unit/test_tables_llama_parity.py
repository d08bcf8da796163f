"""What is read of llama.cpp is held against the pages and the behaviour of its own programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.test_tables_llama import INT, TEXT, option, snapshot, write

from tools.tables.llama.flags import options_of
from tools.tables.llama.names import Files
from tools.tables.llama.parity import (
    compare,
    compare_metrics,
    help_entries,
    readme_entries,
)
from tools.tables.llama.probe import ask, probes
from tools.tables.records import Record, TableError

OPTIONS = (
    option(
        '{"-n", "--number"}, "N", string_format("a number\\nof two lines (default: %d)", '
        "params.n_threads)",
        'if (value < -1) { throw std::invalid_argument("no"); } params.n_threads = value;',
        INT,
        '.set_env("LLAMA_ARG_NUMBER")',
    ),
    option('{"--name"}, "NAME", string_format("of %s", made_by_code().c_str())', "f(value);", TEXT),
)
HELP = """\
----- common params -----

--port PORT                             port to listen (default: 8080)
                                        (env: LLAMA_ARG_PORT)
-n,    --number N                       a number
                                        of two lines (default: -1)
                                        (env: LLAMA_ARG_NUMBER)
--name A-VERY-LONG-NAME-FOR-A-VALUE-OF-IT
                                        of whatever
"""
README = """\
| Argument | Explanation |
| -------- | ----------- |
| `--port PORT` | port to listen (default: 8080)<br/>(env: LLAMA_ARG_PORT) |
| `-n, --number N` | another text (default: 3) |
| `--gone <0\\|1>` | gone |
"""


def compared(root: Path, page: str) -> Record:
    options = options_of(Files(write(root, *OPTIONS)))
    entries = help_entries(page) if page == HELP else readme_entries(page)
    return compare(options, options.flags(), list(entries))


def test_the_help_page_of_the_same_source(tmp_path: Path) -> None:
    assert compared(tmp_path, HELP) == {
        "spellings": 4,
        "only_in_page": [],
        "only_in_source": [],
        "texts": 3,
        "texts_differing": [],
        "defaults": 2,
        "defaults_differing": [],
    }


def test_a_page_that_is_older_than_the_source(tmp_path: Path) -> None:
    found = compared(tmp_path, README)
    assert found["only_in_page"] == ["--gone"]
    assert found["only_in_source"] == ["--name"]
    assert found["texts_differing"] == ["--number"]
    assert found["defaults_differing"] == [["--number", "3", -1]]


def test_metrics_of_a_fresh_server(tmp_path: Path) -> None:
    page = "".join(
        f"# TYPE llamacpp:{name} {kind}\n"
        for name, kind in (("prompt_tokens_total", "gauge"), ("new_total", "counter"))
    )
    assert compare_metrics(snapshot(write(tmp_path)), page) == {
        "metrics": 4,
        "only_in_page": ["llamacpp:new_total"],
        "only_in_source": ["llamacpp:n_decode_total", "llamacpp:requests_processing"],
        "types_differing": ["llamacpp:prompt_tokens_total"],
    }


def test_what_a_server_is_asked(tmp_path: Path) -> None:
    asked = {(probe.words, probe.taken) for probe in probes(snapshot(write(tmp_path, *OPTIONS)))}
    assert {
        (("--number", "-1"), True),
        (("--number", "-2"), False),
        (("--number", "no-such-value"), False),
        (("--ctx_size", "512"), True),
        (("--ctx-size=512",), False),
    } <= asked


@pytest.fixture
def server(tmp_path: Path) -> str:
    """A stand-in for build 11434 that takes everything."""
    path = tmp_path / "llama-server"
    path.write_text("#!/bin/sh\necho 'version: 0.6.0 (build 11434, commit x)'\n")
    path.chmod(0o755)
    return str(path)


def test_asking_a_server(tmp_path: Path, server: str) -> None:
    table = snapshot(write(tmp_path / "source", *OPTIONS))
    table["flags"] = [flag for flag in table["flags"] if flag["name"] == "--number"]
    found = ask(table, [server], "11434")
    refused = [row for row in found["unexpected"] if row[0][:1] == ["--number"]]
    assert found["probes"] == 10
    assert refused == [
        [["--number", "no-such-value"], {}, False],
        [["--number", "-2"], {}, False],
    ]


def test_a_server_of_another_build_is_not_asked(tmp_path: Path, server: str) -> None:
    with pytest.raises(TableError, match="not build 9093"):
        ask(snapshot(write(tmp_path / "source")), [server], "9093")
