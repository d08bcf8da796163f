"""`update --engine-version`: the spec's one line, and what the tables say it means."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.kill_driver import snapshot

from infra_gen import api
from infra_gen.catalogue.engine_move import Uses, consequences, flags_of
from infra_gen.cli.main import run
from infra_gen.errors import SpecError
from infra_gen.lifecycle.spec_edit import with_engine_version
from infra_gen.lifecycle.spec_file import read_spec

Printed = pytest.CaptureFixture[str]
REST = "name: chat\nhardware: rtx-3090\n"


def uses(
    *, flags: set[str] | None = None, own: set[str] | None = None, texts: tuple[str, ...] = ()
) -> Uses:
    return Uses(frozenset(flags or ()), frozenset(own or ()), frozenset(), texts)


class TestSpecEdit:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("engine: vllm\n", "engine: {name: vllm, version: 0.33.0}\n"),
            ("engine: vllm # mine\n", "engine: {name: vllm, version: 0.33.0} # mine\n"),
            ("engine: auto\n", "engine: {name: vllm, version: 0.33.0}\n"),
            (
                "engine: {name: vllm, version: 0.20.0}  # why\n",
                "engine: {name: vllm, version: 0.33.0}  # why\n",
            ),
            (
                "engine:\n  name: vllm\n\n  version: 0.20.0\n",
                "engine: {name: vllm, version: 0.33.0}\n",
            ),
            ("", "engine: {name: vllm, version: 0.33.0}\n"),
        ],
    )
    def test_only_that_line_changes(self, tmp_path: Path, before: str, after: str) -> None:
        path = tmp_path / "infra-gen.yaml"
        path.write_text(f"# top\n{before}{REST}# end\n", "utf-8")
        wanted = f"# top\n{after}{REST}# end\n"
        if not before:
            wanted = f"# top\n{REST}# end\n{after}"
        assert with_engine_version(path, "vllm", "0.33.0").text == wanted

    def test_windows_line_ends_stay(self, tmp_path: Path) -> None:
        path = tmp_path / "infra-gen.yaml"
        path.write_bytes(f"engine: vllm\n{REST}".replace("\n", "\r\n").encode())
        changed = with_engine_version(path, "vllm", "0.33.0").text
        assert changed.count("\n") == changed.count("\r\n") == 3

    def test_a_build_number_stays_a_word(self, tmp_path: Path) -> None:
        path = tmp_path / "infra-gen.yaml"
        path.write_text(REST, "utf-8")
        path.write_text(with_engine_version(path, "llama.cpp", "11669").text, "utf-8")
        assert read_spec(path).engine_version == "11669"

    def test_a_form_that_cannot_be_changed_is_said_to_be(self, tmp_path: Path) -> None:
        path = tmp_path / "infra-gen.yaml"
        path.write_text("? engine\n: vllm\n" + REST, "utf-8")
        before = path.read_text("utf-8")
        with pytest.raises(SpecError, match="cannot be changed in place") as error:
            with_engine_version(path, "vllm", "0.33.0")
        assert "engine: {name: vllm, version: 0.33.0}" in str(error.value.hint)
        assert path.read_text("utf-8") == before

    def test_a_comment_that_would_be_lost_is_a_form_that_cannot(self, tmp_path: Path) -> None:
        path = tmp_path / "infra-gen.yaml"
        path.write_text("engine:\n  name: vllm\n  version: 0.20.0 # OPS-7\n" + REST, "utf-8")
        with pytest.raises(SpecError, match="cannot be changed in place"):
            with_engine_version(path, "vllm", "0.33.0")

    @pytest.mark.parametrize("own", ["", "engine: vllm\n"])
    def test_what_a_base_says_is_named_where_it_is_covered(self, tmp_path: Path, own: str) -> None:
        base, path = tmp_path / "base.yaml", tmp_path / "infra-gen.yaml"
        base.write_text("load: {users: 2}\nengine: {name: vllm, version: 0.20.0}\n", "utf-8")
        path.write_text(f"extends: base.yaml\n{own}{REST}", "utf-8")
        edit = with_engine_version(path, "vllm", "0.33.0")
        assert edit.hides == (None if own else f"{base}:2")
        path.write_text(edit.text, "utf-8")
        assert read_spec(path).engine_version == "0.33.0"


class TestConsequences:
    def test_a_removed_flag_of_the_users_is_his_to_decide(self) -> None:
        own = {"--swap-space"}
        (first, *_) = consequences("vllm", "0.11.0", "0.33.0", uses(flags=own, own=own))
        assert (first.name, first.decide) == ("--swap-space", True)
        assert "gone" in first.what

    def test_a_removed_flag_that_infra_gen_wrote_is_not(self) -> None:
        rows = consequences("vllm", "0.11.0", "0.33.0", uses(flags={"--swap-space"}))
        (row,) = [row for row in rows if row.name == "--swap-space"]
        assert not row.decide
        assert "no longer written" in row.what

    def test_defaults_matter_where_nothing_is_set(self) -> None:
        flag = "--gpu-memory-utilization"
        unset = consequences("vllm", "0.19.0", "0.33.0", uses())
        assert flag in {row.name for row in unset if row.left_open}
        pinned = consequences("vllm", "0.19.0", "0.33.0", uses(flags={flag}))
        assert flag not in {row.name for row in pinned}

    def test_a_metric_counts_where_a_file_uses_it(self) -> None:
        gone = "vllm:gpu_cache_usage_perc"
        text = (f"expr: max({gone}) > 0.9",)
        assert gone in {r.name for r in consequences("vllm", "0.8.5", "0.33.0", uses(texts=text))}
        assert gone not in {r.name for r in consequences("vllm", "0.8.5", "0.33.0", uses())}

    def test_a_version_that_no_table_holds_is_said_to_be_none(self) -> None:
        (first, *rest) = consequences("vllm", "0.19.0", "0.99.0", uses())
        assert (first.name, first.decide) == ("vllm 0.99.0", True)
        assert rest
        assert not any("0.99.0" in row.what for row in rest)

    def test_a_default_that_one_table_does_not_tell_is_no_change(self) -> None:
        rows = consequences("vllm", "0.33.0", "0.25.0", uses())
        assert "--log-config-file" not in {row.name for row in rows}

    def test_bounds_are_for_the_rules(self) -> None:
        rows = consequences("vllm", "0.12.0", "0.33.0", uses(flags={"--tensor-parallel-size"}))
        assert "--tensor-parallel-size" not in {row.name for row in rows}

    def test_the_same_version_means_nothing_new(self) -> None:
        assert consequences("vllm", "0.33.0", "0.33.0", uses(flags={"--swap-space"})) == ()

    def test_flags_of_a_command_line(self) -> None:
        words = ("serve", "--a=1", "-b", "2", "-1", "--c", "x")
        assert flags_of(words) == {"--a", "-b", "--c"}


class TestUpdate:
    @pytest.fixture
    def old(self, tmp_path: Path) -> Path:
        root = tmp_path / "old"
        words = ["--hardware", "h100", "--users", "4", "--model", "qwen3-8b", "--engine", "vllm"]
        assert run(["new", str(root), *words, "--engine-version", "0.19.0"]) == 0
        return root

    def test_spec_files_and_lock_move_together(self, old: Path, capsys: Printed) -> None:
        assert run(["update", str(old), "--engine-version", "0.33.0"]) == 0
        said = capsys.readouterr().out
        assert "engine_version: 0.19.0 -> 0.33.0" in said
        assert "docker.io/vllm/vllm-openai: v0.19.0 -> v0.33.0" in said
        assert "engine: {name: vllm, version: 0.33.0}" in (old / "infra-gen.yaml").read_text()
        used, left = said.split("Left to the engine: defaults")
        assert "--allowed-origins" in left.partition("engine_version:")[0]
        assert "--allowed-origins" not in used
        assert "wrote infra-gen.yaml\n" in said
        assert "v0.33.0" in (old / "image" / "Dockerfile").read_text()
        assert run(["check", str(old)]) == 0
        assert api.load(old)[1].resolved.engine_version == "0.33.0"

    def test_diff_shows_it_and_writes_nothing(self, old: Path, capsys: Printed) -> None:
        before = snapshot(old)
        assert run(["diff", str(old), "--engine-version", "0.33.0"]) == 2
        said = capsys.readouterr().out
        assert "Left to the engine: defaults" in said
        assert "+engine: {name: vllm, version: 0.33.0}" in said
        assert "engine_version: 0.19.0 -> 0.33.0" in said
        assert run(["diff", str(old), "--engine-version", "0.33.0", "--adopt"]) == 1
        assert snapshot(old) == before

    def test_a_version_beyond_the_tables_can_be_seen_first(
        self, old: Path, capsys: Printed
    ) -> None:
        assert run(["diff", str(old), "--engine-version", "0.99.0"]) == 2
        said = capsys.readouterr().out
        assert "decide: vllm 0.99.0: no table holds it" in said
        assert "docker.io/vllm/vllm-openai: v0.19.0 -> v0.99.0" in said

    def test_a_base_that_is_covered_is_told(self, old: Path, capsys: Printed) -> None:
        spec, base = old / "infra-gen.yaml", old.parent / "base.yaml"
        text = spec.read_text("utf-8")
        (line,) = [one for one in text.splitlines() if one.startswith(("engine:", "  version: 0"))][
            :1
        ]
        start = text.index(line)
        engine = text[start : text.index("\n\n", start) + 1]
        base.write_text(engine, "utf-8")
        spec.write_text(text.replace(engine, "extends: ../base.yaml\n"), "utf-8")
        assert run(["update", str(old), "--engine-version", "0.33.0"]) == 0
        said = capsys.readouterr().out
        assert "wrote infra-gen.yaml\n" in said
        assert "said by infra-gen.yaml itself, no longer by its base" in said
        assert "base.yaml:1" in said

    def test_twice_is_once(self, old: Path) -> None:
        api.update(old, engine_version="0.33.0")
        once = snapshot(old)
        api.update(old, engine_version="0.33.0")
        assert snapshot(old) == once

    @pytest.mark.parametrize("flag", ["--calculate-kv-scales", "calculate-kv-scales"])
    def test_a_flag_that_is_gone_stops_it_and_writes_nothing(
        self, old: Path, capsys: Printed, flag: str
    ) -> None:
        spec = old / "infra-gen.yaml"
        text = spec.read_text("utf-8").replace("engine_args: {}", f"engine_args: {{{flag}: true}}")
        spec.write_text(text, "utf-8")
        before = snapshot(old)
        code = run(["update", str(old), "--engine-version", "0.33.0"])
        assert code in (3, 4)
        said = capsys.readouterr()
        assert "--calculate-kv-scales" in said.err
        assert "decide: --calculate-kv-scales: set in engine_args, gone" in said.out
        assert snapshot(old) == before

    @pytest.mark.parametrize("version", ["0.0.1", "nonsense", "latest"])
    def test_a_version_that_is_none(self, old: Path, version: str) -> None:
        before = snapshot(old)
        assert run(["update", str(old), "--engine-version", version]) in (1, 3, 4)
        assert snapshot(old) == before
