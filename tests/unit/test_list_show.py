"""`list`, `show` and shell completion: what they print, filter, refuse and complete."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from infra_gen.catalogue import details, filters, loading, lookup, reading, rows
from infra_gen.catalogue.sections import facts_of, sections_of
from infra_gen.cli import completion, list_, main, show, table
from infra_gen.errors import UsageError
from infra_gen.knowledge import store
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.hardware import DevicePreset, Vendor
from infra_gen.model.llm import ModelPreset, Task
from infra_gen.model.names import ENGINE_NAMES, TARGET_NAMES
from infra_gen.model.plan import GIB
from infra_gen.model.sourced import Sourced
from infra_gen.rules.registry import RULES

Printed = pytest.CaptureFixture[str]
PAGE = Path(__file__).parents[2] / "docs/how-to/find-a-preset.md"
SOURCE = "https://aws.amazon.com/ec2/instance-types/p5/"
INSTANCE = {
    "id": "p5.48xlarge",
    "name": "p5.48xlarge",
    "provider": "aws",
    "aliases": ["aws-p5"],
    "device": "h100",
    "devices": 8,
    "vcpus": {"value": 192, "source": SOURCE, "checked": "2026-11-23"},
    "host_memory_gib": {"value": None, "note": "made up for this test"},
}


@pytest.fixture(autouse=True)
def _app(monkeypatch: pytest.MonkeyPatch) -> None:
    """The three commands behind `run`, on a wide terminal."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command("list", help=list_.HELP)(list_.list_)
    app.command("show", help=show.HELP)(show.show)
    app.command("completion", help=completion.HELP)(completion.completion)
    monkeypatch.setattr(main, "app", app)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def _instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """The presets with one rented machine."""
    index = {**store.index(), "instances": {"p5.48xlarge": INSTANCE}}
    index["aliases"] = {**index["aliases"], "instances": {"aws-p5": "p5.48xlarge"}}
    monkeypatch.setattr(store, "index", lambda: index)
    monkeypatch.setattr(completion, "_index", lambda: index)


def listed(printed: Printed, *arguments: str) -> list[dict[str, Any]]:
    assert main.run(["list", *arguments, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(printed.readouterr().out)
    return found


def printed_lines(printed: Printed, *arguments: str) -> list[str]:
    assert main.run(list(arguments)) == 0
    return printed.readouterr().out.splitlines()


class TestList:
    def test_kinds_with_their_counts(self, capsys: Printed) -> None:
        head, *found = printed_lines(capsys, "list")
        assert head.split() == ["kind", "count", "what"]
        counts = {line.split()[0]: int(line.split()[1]) for line in found}
        assert counts == {kind: len(reading.ids(kind)) for kind in rows.KINDS}

    def test_a_table(self, capsys: Printed) -> None:
        head, *found = printed_lines(capsys, "list", "hardware", "rtx-4090")
        (line,) = [one for one in found if one.split()[0] == "rtx-4090"]
        assert head.split() == ["id", "name", "GiB", "GB/s", "vendor", "family"]
        assert re.split(r"  +", line) == [
            *("rtx-4090", "NVIDIA GeForce RTX 4090", "23.6", "1008", "nvidia", "ada")
        ]
        assert line.index("NVIDIA") == head.index("name")
        assert line.index("nvidia") == head.index("vendor")

    @pytest.mark.usefixtures("_instance")
    @pytest.mark.parametrize("kind", rows.KINDS)
    def test_table_and_json_have_the_same_rows_sorted(self, kind: str, capsys: Printed) -> None:
        in_json = [row["id"] for row in listed(capsys, kind)]
        in_table = [line.split()[0] for line in printed_lines(capsys, "list", kind)[1:]]
        assert in_json == in_table == sorted(in_json)
        assert in_json

    @pytest.mark.usefixtures("_instance")
    @pytest.mark.parametrize("kind", rows.KINDS)
    def test_the_page_names_every_key_of_the_json(self, kind: str, capsys: Printed) -> None:
        page = PAGE.read_text("utf-8")
        for key, value in listed(capsys, kind)[0].items():
            assert f"`{key}`" in page
            inner = value[0] if isinstance(value, list) and value else value
            if isinstance(inner, dict):
                assert all(f"`{one}`" in page for one in inner)

    @pytest.mark.parametrize("singular", ["model", "MODELS", "engine", "rule"])
    def test_kinds_by_other_spellings(self, singular: str, capsys: Printed) -> None:
        assert listed(capsys, singular)

    def test_sizes_are_a_range(self, capsys: Printed) -> None:
        found = printed_lines(capsys, "list", "hardware", "apple-m3-max")
        assert "36-128" in found[1]
        assert "300-400" in found[1]

    def test_what_is_estimated_is_marked(
        self, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = {**store.index()["hardware"]["rtx-4090"], "visible_gib": None}
        index = {**store.index(), "hardware": {"rtx-4090": raw}}
        monkeypatch.setattr(store, "index", lambda: index)
        assert main.run(["list", "hardware"]) == 0
        said = capsys.readouterr()
        assert "~22.8" in said.out
        assert "assumed" in said.err

    def test_an_index_without_instances(
        self, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index = {kind: value for kind, value in store.index().items() if kind != "instances"}
        monkeypatch.setattr(store, "index", lambda: index)
        assert listed(capsys, "instances") == []
        assert main.run(["show", "p5.48xlarge"]) == 1


class TestFilters:
    def test_vendor(self, capsys: Printed) -> None:
        found = listed(capsys, "hardware", "--vendor", "AMD")
        assert {row["vendor"] for row in found} == {"amd"}

    def test_a_card_sold_as_24_gb_has_24(self, capsys: Printed) -> None:
        found = listed(capsys, "hardware", "--min-memory", "24", "--max-memory", "24")
        ids = {row["id"] for row in found}
        assert {"rtx-4090", "rtx-3090"} <= ids
        assert not {"rtx-5090", "rtx-4080"} & ids

    def test_only_the_sizes_that_pass_stay(self, capsys: Printed) -> None:
        found = listed(capsys, "hardware", "apple-m3", "--max-memory", "20")
        sizes = {row["id"]: [size["word"] for size in row["sizes"]] for row in found}
        assert sizes["apple-m3"] == ["apple-m3-8gb", "apple-m3-16gb"]
        assert "apple-m3-max" not in sizes

    def test_task(self, capsys: Printed) -> None:
        assert {row["task"] for row in listed(capsys, "models", "--task", "Generate")} == {
            "generate"
        }

    def test_engine_keeps_the_checkpoints_that_it_loads(self, capsys: Printed) -> None:
        found = listed(capsys, "models", "--engine", "llama.cpp")
        assert found
        kept = [one for row in found for one in row["checkpoints"]]
        assert {one["format"] for one in kept} == {"gguf"}
        assert all("llama.cpp" in one["engines"] for one in kept)

    def test_licence(self, capsys: Printed) -> None:
        for flag in ("--licence", "--license"):
            found = listed(capsys, "models", flag, "MIT")
            assert {row["licence"] for row in found} == {"mit"}

    @pytest.mark.parametrize("word", ["apple-m3-16gb", "2x4090"])
    def test_fits_compares_weights_with_usable_memory(self, word: str, capsys: Printed) -> None:
        assert main.run(["list", "models", "--fits", word, "--json"]) == 0
        said = capsys.readouterr()
        machine = resolve_machine(word)
        room = machine.usable_gib * machine.devices
        found = [one for row in json.loads(said.out) for one in row["checkpoints"]]
        assert found
        assert all(one["bytes"] <= room * GIB for one in found)
        assert f"at most {room:.1f} GiB" in said.err
        assert "infra-gen plan" in said.err

    def test_filters_add_up(self, capsys: Printed) -> None:
        alone = listed(capsys, "models", "--fits", "rtx-4090")
        both = listed(capsys, "models", "--fits", "rtx-4090", "--engine", "vllm", "qwen3")
        assert {row["id"] for row in both} < {row["id"] for row in alone}
        assert all("qwen3" in row["id"] for row in both)

    def test_words_look_into_aliases_and_all_must_match(self, capsys: Printed) -> None:
        assert [row["id"] for row in listed(capsys, "hardware", "rtx4090")] == ["rtx-4090"]
        found = listed(capsys, "models", "QWEN3", "a3b")
        assert found
        assert all("a3b" in row["id"] for row in found)

    def test_targets_of_an_engine(self, capsys: Printed) -> None:
        found = listed(capsys, "targets", "--engine", "vllm")
        assert "compose" in [row["id"] for row in found]
        assert all("vllm" in row["engines"] for row in found)

    @pytest.mark.parametrize("kind", ["models", "hardware"])
    def test_nothing_found_is_no_error(self, kind: str, capsys: Printed) -> None:
        assert main.run(["list", kind, "no-such-thing"]) == 0
        said = capsys.readouterr()
        assert len(said.out.splitlines()) == 1
        assert f"no {kind} match" in said.err
        assert main.run(["list", kind, "no-such-thing", "--json"]) == 0
        assert capsys.readouterr().out == "[]\n"

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["modles"], ("unknown kind 'modles'", "models")),
            (["hardware", "--vendor", "nvida"], ("--vendor 'nvida'", "did you mean nvidia")),
            (["models", "--task", "embedd"], ("--task 'embedd'", "embed")),
            (["models", "--engine", "vlm"], ("--engine 'vlm'", "vllm")),
            (["models", "--licence", "apache"], ("--licence 'apache'", "apache-2.0")),
            (["models", "--licence", ""], ("--licence ''",)),
            (["models", "--fits", "rtx-4900"], ("unknown hardware", "rtx-4090")),
            (["models", "--fits", ""], ("hardware",)),
            (["models", "--vendor", "amd"], ("does not apply to models", "hardware")),
            (["rules", "--min-memory", "4"], ("--min-memory does not apply to rules",)),
            (["hardware", "--min-memory", "nan"], ("no amount of memory",)),
            (["hardware", "--max-memory", "-1"], ("no amount of memory",)),
            (["hardware", "--min-memory", "9", "--max-memory", "8"], ("is above",)),
            (["hardware", "--min-memory", "many"], ("--min-memory",)),
            (["--vendor", "amd"], ("filters need a kind",)),
        ],
    )
    def test_what_names_nothing_is_an_error(
        self, arguments: list[str], words: tuple[str, ...], capsys: Printed
    ) -> None:
        assert main.run(["list", *arguments]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert all(word in said.err for word in words), said.err
        assert "Traceback" not in said.err


class TestTable:
    @pytest.mark.parametrize("kind", rows.KINDS)
    @pytest.mark.parametrize("width", [20, 40, 60, 80])
    def test_narrow_terminals_lose_columns_not_words(
        self, kind: str, width: int, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = set(" ".join(printed_lines(capsys, "list", kind)).split())
        monkeypatch.setenv("COLUMNS", str(width))
        found = printed_lines(capsys, "list", kind)
        assert set(" ".join(found).split()) <= {*whole, "..."}
        alone = all(" " not in line for line in found)
        assert alone or max(map(len, found)) <= width

    def test_what_is_left_out_is_said(
        self, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "40")
        assert main.run(["list", "hardware", "rtx-4090"]) == 0
        assert "no room for: " in capsys.readouterr().err

    def test_pipes_get_everything(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_terminal(_: int) -> os.terminal_size:
            raise OSError

        monkeypatch.delenv("COLUMNS")
        monkeypatch.setattr(os, "get_terminal_size", no_terminal)
        assert table.terminal_width() > 10_000

    @pytest.mark.parametrize("wish", ["", "1"])
    def test_no_color(self, wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        monkeypatch.setenv("NO_COLOR", wish)
        monkeypatch.setattr(typer, "echo", said.append)
        table.heading("id")
        assert ("\x1b" in said[0]) is not bool(wish)

    def test_no_word_is_broken(self, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "30")
        address = "https://example.org/" + "long-" * 10
        table.paragraph(f"source: {address} (read)", "      ")
        assert address in capsys.readouterr().out.split()


class TestShow:
    @pytest.mark.usefixtures("_instance")
    @pytest.mark.parametrize("kind", rows.KINDS)
    def test_everything_can_be_shown(self, kind: str, capsys: Printed) -> None:
        for name in reading.ids(kind):
            assert main.run(["show", kind, name]) == 0
            assert name in capsys.readouterr().out
            assert main.run(["show", kind, name, "--json"]) == 0
            document = json.loads(capsys.readouterr().out)
            assert next(iter(document)) == "kind"
            assert document["kind"] == kind

    def test_json_is_the_record_of_the_file(self) -> None:
        for kind in ("hardware", "models", "workloads", "engines"):
            name = reading.ids(kind)[0]
            assert details.record(kind, name) == {"kind": kind, **store.index()[kind][name]}

    @pytest.mark.usefixtures("_instance")
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("rtx-4090", ("hardware", "rtx-4090")),
            ("RTX4090", ("hardware", "rtx-4090")),
            ("2x4090", ("hardware", "rtx-4090")),
            ("h100:8", ("hardware", "h100")),
            ("apple-m3-16gb", ("hardware", "apple-m3")),
            ("qwen3-32b", ("models", "qwen3-32b")),
            ("Qwen/Qwen3-32B", ("models", "qwen3-32b")),
            ("vllm", ("engines", "vllm")),
            ("compose", ("targets", "compose")),
            ("chat", ("workloads", "chat")),
            ("shm-too-small", ("rules", "shm-too-small")),
            ("p5.48xlarge", ("instances", "p5.48xlarge")),
            ("aws-p5", ("instances", "p5.48xlarge")),
        ],
    )
    def test_names_of_every_kind(self, text: str, found: tuple[str, str]) -> None:
        assert lookup.find(text) == found
        assert lookup.find(text, found[0]) == found

    def test_a_name_of_two_kinds(self, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
        both = {**store.index()["models"], "chat": store.index()["models"]["qwen3-8b"]}
        index = {**store.index(), "models": both}
        monkeypatch.setattr(store, "index", lambda: index)
        assert main.run(["show", "chat"]) == 1
        said = capsys.readouterr().err
        assert "models chat and workloads chat" in said
        assert "infra-gen show models chat or infra-gen show workloads chat" in said
        assert main.run(["show", "workload", "chat"]) == 0

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["rtx-4900"], ("unknown name 'rtx-4900'", "did you mean", "rtx-4090")),
            (["models", "qwen3-9b"], ("unknown model 'qwen3-9b'", "qwen3-8b")),
            (["hardware", "qwen3-8b"], ("infra-gen show models qwen3-8b",)),
            (["zzzzzzzz"], ("infra-gen list KIND",)),
            (["hardware"], ("is a kind", "infra-gen list hardware")),
            (["modles", "qwen3-8b"], ("unknown kind 'modles'",)),
            (["2x4090:2"], ("unknown name",)),
            ([""], ("unknown name",)),
            (["../models/qwen3-8b"], ("unknown name",)),
            ([], ("WHAT",)),
        ],
    )
    def test_what_names_nothing_is_an_error(
        self, arguments: list[str], words: tuple[str, ...], capsys: Printed
    ) -> None:
        assert main.run(["show", *arguments]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert all(word in said.err for word in words), said.err

    def test_values_come_with_unit_source_and_date(self, capsys: Printed) -> None:
        text = "\n".join(printed_lines(capsys, "show", "rtx-4090"))
        fact = store.index()["hardware"]["rtx-4090"]["bandwidth_gb_s"]
        assert f"bandwidth           {fact['value']:g} GB/s\n" in text
        assert f"source: {fact['source']} ({fact['checked']})" in text

    def test_unknown_and_assumed_are_said(self) -> None:
        raw = {
            **store.index()["hardware"]["rtx-4090"],
            "visible_gib": {"value": None, "note": "no log was found"},
            "reserved_gib": {"value": 0.5, "assumed": True, "note": "a guess"},
        }
        found = {fact.label: fact for fact in facts_of(DevicePreset.model_validate(raw))}
        assert found["visible"].value is None
        assert found["visible"].note == "no log was found"
        assert found["reserved"].assumed
        assert (found["reserved"].value, found["reserved"].unit) == ("0.5", "GiB")

    @pytest.mark.usefixtures("_instance")
    def test_unknown_is_printed_with_its_note(self, capsys: Printed) -> None:
        found = printed_lines(capsys, "show", "p5.48xlarge")
        at = next(n for n, line in enumerate(found) if line.split()[:2] == ["host", "memory"])
        assert found[at].endswith("unknown")
        assert found[at + 1] == "      note: made up for this test"
        assert any("8 x NVIDIA H100" in line for line in found)

    def test_no_field_of_a_preset_is_lost(self) -> None:
        preset = store.load("models", "gpt-oss-20b", ModelPreset)
        text = repr(sections_of(preset, "x"))
        for checkpoint in preset.checkpoints:
            assert checkpoint.repo in text
            assert str(checkpoint.bytes.value) in text
            assert checkpoint.revision is None or checkpoint.revision in text
        assert all(note in text for note in preset.notes)
        assert preset.architecture.class_name in text

    def test_a_model_has_its_memory(self) -> None:
        preset = store.load("models", "qwen3-0.6b", ModelPreset)
        found = {section.title: section for section in details.details("models", preset.id)}
        weights = {row[0]: row[1:3] for row in found["Weights"].table[1:]}
        stated = next(c.bytes.value for c in preset.checkpoints if c.quantization == "bf16")
        assert stated is not None
        assert weights["bf16"][0] == f"{stated / GIB:.2f}"
        assert "vllm" in weights["bf16"][1]
        arch = preset.architecture
        per_token = arch.layers * 2 * arch.kv_heads * arch.head_dim * 2
        cache = found["Key-value cache"].table
        assert cache[1][1:] == (str(per_token), f"{per_token * arch.max_context / GIB:.2f}")

    def test_a_device_has_sizes_and_engines(self) -> None:
        found = {section.title: section for section in details.details("hardware", "apple-m3")}
        words = [row[0] for row in found["Memory sizes, as plans take them"].table[1:]]
        assert words == ["apple-m3-8gb", "apple-m3-16gb", "apple-m3-24gb"]
        said = {fact.label: fact.value for fact in found["Engines on macos arm64"].facts}
        assert any(label.startswith("llama.cpp") and "macos" in str(v) for label, v in said.items())
        assert any(
            label.startswith("vllm") and str(v).startswith("none") for label, v in said.items()
        )

    def test_an_engine_has_its_counts_and_routes(self) -> None:
        found = {section.title: section for section in details.details("engines", "vllm")}
        known = next(s for title, s in found.items() if title.startswith("Known of version"))
        assert int({f.label: f.value for f in known.facts}["flags"] or 0) > 100
        assert any(row[0] == "/v1/chat/completions" for row in found["Routes for clients"].table)


class TestLoading:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({}, None),
            ({"tasks": ("embed",)}, "does not serve the task generate"),
            ({"formats": ("safetensors",)}, "reads safetensors only"),
            ({"architectures": ("LlamaForCausalLM",)}, "does not know Qwen3ForCausalLM"),
            ({"llama_cpp_build": 1}, "the model needs b"),
        ],
    )
    def test_reach_decides(self, change: dict[str, Any], words: str | None) -> None:
        info = engine_info("llama.cpp")
        reach = info.facts.reach
        for key in ("architectures", "llama_cpp_build"):
            if key in change:
                change = {key: getattr(reach, key).model_copy(update={"value": change[key]})}
        facts = info.facts.model_copy(update={"reach": reach.model_copy(update=change)})
        model = store.load("models", "qwen3-8b", ModelPreset)
        build = Sourced(value=5000, assumed=True, note="made up for this test")
        model = model.model_copy(update={"llama_cpp_min_build": build})
        checkpoint = next(c for c in model.checkpoints if c.format == "gguf" and c.files)
        problem = loading.loading_problem(replace(info, facts=facts), model, checkpoint)
        assert problem is None if words is None else words in str(problem)

    def test_files_and_formats_decide(self) -> None:
        model = store.load("models", "qwen3-8b", ModelPreset)
        gguf = next(c for c in model.checkpoints if c.format == "gguf" and c.files)
        plain = next(c for c in model.checkpoints if c.quantization == "bf16")
        nameless = gguf.model_copy(update={"files": ()})
        odd = plain.model_copy(update={"quantization": "exl3"})
        for name, checkpoint, words in (
            ("llama.cpp", nameless, "names of its files"),
            ("vllm", odd, "no loader for exl3"),
        ):
            problem = loading.loading_problem(engine_info(name), model, checkpoint)
            assert words in str(problem)
        assert "vllm" in loading.loading_engines(model, plain)
        assert "llama.cpp" in loading.loading_engines(model, gguf)


def completed(printed: Printed, monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """What the shell is given for the last word of `line`."""
    words = line.split(" ")
    monkeypatch.setenv("_INFRA_GEN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    completion.answer_shells()
    with pytest.raises(SystemExit):
        typer.main.get_command(main.app).main(prog_name="infra-gen")
    return printed.readouterr().out.split()


class TestCompletion:
    @pytest.mark.usefixtures("_instance")
    @pytest.mark.parametrize(
        ("typed", "some"),
        [
            ("rtx-4090", ["rtx-4090"]),
            ("RTX-409", ["RTX-4090"]),
            ("2x409", ["2x4090"]),
            ("h100:", ["h100:1", "h100:2", "h100:4", "h100:8"]),
            ("h100:8", ["h100:8"]),
            ("8xh10", ["8xh100"]),
            ("apple-m3-1", ["apple-m3-16gb"]),
            ("p5.4", ["p5.48xlarge"]),
            ("9xh10", []),
            ("nothing:", []),
            ("2x4090:", []),
        ],
    )
    def test_hardware(self, typed: str, some: list[str]) -> None:
        found = completion.hardware(typed)
        assert all(word.startswith(typed) for word in found)
        assert found[: len(some)] == some
        assert some or not found

    @pytest.mark.usefixtures("_instance")
    def test_hardware_from_nothing_is_ids_only(self) -> None:
        found = completion.hardware("")
        assert set(reading.ids("hardware")) | {"p5.48xlarge"} == set(found)

    def test_counts_stop_at_what_one_machine_holds(self) -> None:
        for name in completion.hardware("2x"):
            assert resolve_machine(name).devices == 2
        for word in completion.hardware("rtx-4090:"):
            assert resolve_machine(word).devices == int(word.partition(":")[2])

    def test_sizes_are_those_that_were_sold(self) -> None:
        sizes = [word for word in completion.hardware("apple-m3-max-") if word.endswith("gb")]
        assert sizes
        assert all(resolve_machine(word).id == word for word in sizes)

    def test_other_names(self) -> None:
        assert "qwen3-0.6b" in completion.models("qwen3-0")
        assert "auto" in completion.models("au")
        assert completion.engines_or_auto("") == sorted([*ENGINE_NAMES, "auto"])
        assert completion.targets("") == sorted([*TARGET_NAMES, "auto"])
        assert "chat" in completion.workloads("ch")

    def test_the_fixed_lists_are_those_of_the_records(self) -> None:
        assert completion.kinds("") == sorted(rows.KINDS)
        assert completion.vendors("") == sorted(get_args(Vendor))
        assert completion.tasks("") == sorted(get_args(Task))
        assert [name for name in completion.anything("") if name in RULES] == sorted(RULES)

    @pytest.mark.parametrize(
        ("line", "some"),
        [
            ("infra-gen show rtx-409", ["rtx-4090"]),
            ("infra-gen show workloads ch", ["chat"]),
            ("infra-gen show shm-", ["shm-too-small"]),
            ("infra-gen list hardw", ["hardware"]),
            ("infra-gen list hardware --vendor nv", ["nvidia"]),
            ("infra-gen list models --fits 2x409", ["2x4090"]),
            ("infra-gen list models --fits=2x409", ["2x4090"]),
            ("infra-gen list models --engine ll", ["llama.cpp"]),
            ("infra-gen list models --tas", ["--task"]),
            ("infra-gen completion z", ["zsh"]),
        ],
    )
    def test_the_command_line_completes(
        self, line: str, some: list[str], capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert completed(capsys, monkeypatch, line)[: len(some)] == some

    def test_no_record_is_loaded(self) -> None:
        code = (
            "import sys; from infra_gen.cli import completion; completion.hardware('2x40');"
            "completion.anything('r'); completion.targets('');"
            "print([m for m in sys.modules if m.startswith(('pydantic', 'infra_gen.knowledge'))])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout == "[]\n"


class TestScripts:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_each_shell_has_one(self, shell: str, capsys: Printed) -> None:
        script = "\n".join(printed_lines(capsys, "completion", shell))
        assert f"_INFRA_GEN_COMPLETE=complete_{shell}" in script

    def test_another_shell_is_an_error(self, capsys: Printed) -> None:
        assert main.run(["completion", "tcsh"]) == 1
        assert "bash" in capsys.readouterr().err

    @pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
    @pytest.mark.parametrize(
        ("words", "line", "asked", "given"),
        [
            (["show", "rtx-40"], "", "infra-gen|show|rtx-40 2", "h100:1 h100:8"),
            (["new", "-H", "h100", ":"], "", "infra-gen|new|-H|h100: 3", "1 8"),
            (["new", "-H", "h100", ":", "8"], "", "infra-gen|new|-H|h100:8 3", "1 8"),
            (
                ["new", "--hardware", "=", "h1"],
                "",
                "infra-gen|new|--hardware=h1 2",
                "h100:1 h100:8",
            ),
            (["new", "-H", "h100", ":", ""], " ", "infra-gen|new|-H|h100:| 4", "h100:1 h100:8"),
        ],
    )
    def test_bash_puts_words_with_colons_together(
        self, words: list[str], line: str, asked: str, given: str, tmp_path: Path, capsys: Printed
    ) -> None:
        script = tmp_path / "script.bash"
        assert main.run(["completion", "bash"]) == 0
        script.write_text(capsys.readouterr().out, "utf-8")
        stub = tmp_path / "infra-gen"
        stub.write_text(
            '#!/bin/sh\nprintf "%s" "$COMP_WORDS" | tr "\\n" "|" >"$0.asked"\n'
            'echo " $COMP_CWORD" >>"$0.asked"\necho h100:1\necho h100:8\n',
            "utf-8",
        )
        stub.chmod(0o755)
        array = " ".join(f"'{word}'" for word in ["infra-gen", *words])
        code = (
            f"source '{script}'; COMP_WORDS=({array}); COMP_CWORD={len(words)};"
            f"COMP_LINE='x{line}'; COMP_POINT=${{#COMP_LINE}}; _infra_gen_completion '{stub}';"
            'echo "${COMPREPLY[*]}"'
        )
        done = subprocess.run(
            ["bash", "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
        )
        assert done.stdout.strip() == given
        assert Path(f"{stub}.asked").read_text("utf-8").strip() == asked


def test_row_keys_are_plain() -> None:
    """They are the JSON schema: adding one is fine, renaming one breaks scripts."""
    assert [one.name for one in fields(rows.Size)] == [
        "word", "nominal_gib", "visible_gib", "usable_gib", "bandwidth_gb_s",
    ]  # fmt: skip
    assert set(filters.APPLIES) == {
        one.name for one in fields(filters.Filters) if one.name != "words"
    }
    with pytest.raises(UsageError, match="unknown kind"):
        filters.kind_named("everything")
