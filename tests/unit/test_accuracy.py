"""The accuracy benchmark: its numbers of merit, its questions, and that the stored result is of today."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.benchmarks.accuracy import (
    ask,
    collect,
    folds,
    reading,
    report,
    stored,
    tables,
    vllm_rows,
)
from tests.benchmarks.accuracy.question import Measured, Question, settings
from tests.benchmarks.accuracy.score import Scored, merit, quantile

from infra_gen.knowledge import store
from infra_gen.model.calibration_speed import EngineSpeed
from tools import docs_accuracy, docs_calibration, docs_markdown, docs_scatter

QUESTION = Question(
    hardware="h100", model="llama-3.1-8b-instruct", engine="vllm", version="0.25.0",
    settings=settings(max_num_seqs=256, max_model_len=16384),
)  # fmt: skip
LOAD = (8, 1024, 128)


def scored(measured: float, predicted: float | None, band: float | None = None) -> Scored:
    return Scored(("vllm", "weights", "fitted"), "run", "", measured, predicted, band)


class TestMerit:
    def test_errors_are_shares_of_what_was_measured(self) -> None:
        found = merit([scored(10, 11, 0.2), scored(10, 8, 0.1), scored(10, None)])
        assert (found.rows, found.answered) == (3, 2)
        assert found.cover == pytest.approx(2 / 3)
        assert found.median == pytest.approx(0.15)
        assert found.largest == pytest.approx(0.2)
        assert found.bias == pytest.approx(-0.05)
        assert found.over == pytest.approx(0.1)
        assert found.inside == 0.5

    def test_nothing_answered(self) -> None:
        found = merit([scored(10, None)])
        assert (found.cover, found.median, found.inside) == (0.0, None, None)

    def test_under_predictions_are_never_over(self) -> None:
        assert merit([scored(10, 9), scored(10, 8)]).over == 0.0

    def test_quantile_is_the_nearest_rank(self) -> None:
        assert quantile(range(1, 11), 0.9) == 9
        assert quantile([5.0], 0.9) == 5.0
        assert quantile([2.0, 1.0], 0.5) == 1.0


class TestQuestion:
    def test_words_are_those_of_the_command_line(self) -> None:
        words = " ".join(QUESTION.words((LOAD,)))
        assert words == (
            "plan --json --hardware h100 --model llama-3.1-8b-instruct --engine vllm "
            "--engine-version 0.25.0 --set max-num-seqs=256 --set max-model-len=16384 --point 8:1024:128"
        )

    def test_switches_are_lower_case_and_nothing_is_left_out_silently(self) -> None:
        assert settings(enable_expert_parallel=True, tensor_parallel_size=None) == (
            ("enable-expert-parallel", "true"),
        )

    def test_a_process_answers_the_same(self) -> None:
        here, there = ask.answer(QUESTION, (LOAD,)), ask.process_answer(QUESTION, (LOAD,))
        assert not isinstance(here, str)
        assert here == there

    def test_a_refusal_is_its_first_line(self) -> None:
        found = ask.answer(Question(hardware="h100", model="no-such-model", engine="vllm"))
        assert isinstance(found, str)
        assert "unknown model 'no-such-model'" in found

    def test_what_does_not_fit_is_an_answer_too(self) -> None:
        found = ask.answer(Question(hardware="3060", model="llama-3.3-70b-instruct", engine="vllm"))
        assert not isinstance(found, str)
        assert found["fits"] is False


def row(quantity: str, *loads: tuple[int, int, int]) -> Measured:
    return Measured("vllm", quantity, "run", 1.0, QUESTION, loads)


class TestReading:
    DOCUMENT: ClassVar[dict[str, Any]] = {
        "memory": {
            "per_device": {"weights_gib": 15.0, "kv_cache_gib": 50.0, "activation_gib": 1.0},
            "kv_cache_tokens": 400_000,
            "max_concurrency_at_context": 25.0,
        },
        "performance": {
            "points": [
                {"concurrency": 8, "input_tokens": 1024, "output_tokens": 128, "tpot_ms": 9.0,
                 "ttft_ms": None, "prefill_ms": 80.0, "decode_step_ms": 7.0},
                {"concurrency": 8, "input_tokens": 512, "output_tokens": 128, "tpot_ms": 8.0,
                 "ttft_ms": 30.0, "prefill_ms": 50.0, "decode_step_ms": 6.0},
            ]
        },
    }  # fmt: skip

    def test_memory(self) -> None:
        assert reading.predicted(self.DOCUMENT, row("weights")) == 15.0
        assert reading.predicted(self.DOCUMENT, row("total memory")) == 66.0
        assert reading.predicted(self.DOCUMENT, row("KV capacity")) == 25.0 * 16384

    def test_times_are_read_at_the_load_of_the_row(self) -> None:
        assert reading.predicted(self.DOCUMENT, row("decode step", LOAD)) == 7.0
        assert reading.predicted(self.DOCUMENT, row("serving TPOT", (8, 512, 128))) == 8.0
        assert reading.predicted(self.DOCUMENT, row("prefill", LOAD, (8, 512, 128))) == 30.0

    def test_what_the_plan_does_not_say_is_none(self) -> None:
        assert reading.predicted(self.DOCUMENT, row("TTFT at low load", LOAD)) is None
        assert reading.predicted(self.DOCUMENT, row("decode step", (9, 9, 9))) is None


class TestRows:
    def test_every_row_has_a_value_a_source_and_a_reason(self) -> None:
        rows = collect.measured()
        assert len(rows) > 1500
        assert all(found.value > 0 and found.source for found in rows)
        assert [found.run for found in rows if not found.fitted and not found.why_not] == []

    def test_every_run_of_the_serving_table_is_asked(self) -> None:
        count = sum(1 for _ in tables.lines_of("serving/inferencex-vllm.csv"))
        asked = [found for found in vllm_rows.serving() if found.quantity == "serving TPOT"]
        assert len(asked) == count > 800

    def test_starts_that_ran_out_of_memory_are_not_planned_as_fitting(self) -> None:
        found = collect.out_of_memory()
        assert found
        assert [run for run, fits in found if fits is True] == []

    def test_tables_name_no_folder_of_anybody(self) -> None:
        for path in tables.MEASURED.rglob("*"):
            if path.suffix in (".csv", ".json"):
                text = path.read_text("utf-8")
                assert not any(mark in text for mark in ("/Users/", "/home/", "/tmp/")), path


class TestHeldOut:
    @pytest.fixture(scope="class")
    @staticmethod
    def found() -> list[folds.Fold]:
        return [
            folds.loaded(held) for held in json.loads(stored.FOLDS_FILE.read_text("utf-8"))["folds"]
        ]

    def test_other_constants_hold_only_inside(self, found: list[folds.Fold]) -> None:
        fold = next(held for held in found if held.engine == "vllm" and "h100" in held.left_out)
        usual = ask.answer(QUESTION, (LOAD,))
        with ask.constants(fold.table):
            other = ask.answer(QUESTION, (LOAD,))
        assert other != usual
        assert ask.answer(QUESTION, (LOAD,)) == usual

    def test_every_model_and_gpu_is_left_out_once(self, found: list[folds.Fold]) -> None:
        for engine in folds.ENGINES:
            fitted = [m for m in collect.measured() if m.engine == engine and m.fitted]
            wanted = {m.model for m in fitted if reading.is_speed(m)}
            names = [
                n for f in found if (f.engine, f.split) == (engine, "model") for n in f.left_out
            ]
            assert len(names) == len(set(names))
            assert wanted <= set(names)

    def test_a_fold_tests_only_what_it_left_out(self, found: list[folds.Fold]) -> None:
        rows = [m for m in collect.measured() if m.fitted]
        for fold in found:
            tested = [m for m in rows if fold.tests(m)]
            names = {m.model if fold.split == "model" else m.gpu for m in tested}
            assert names <= set(fold.left_out)


class TestStored:
    def test_the_result_belongs_to_todays_constants_and_measurements(self) -> None:
        assert stored.problem() is None, "run `make accuracy`"

    def test_a_changed_constant_is_noticed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "presets" / "calibration"
        folder.mkdir(parents=True)
        (folder / "a.yaml").write_text("value: 1\n")
        monkeypatch.setattr(stored, "ROOT", tmp_path)
        before = stored.sha256_of(("presets/calibration",))
        (folder / "a.yaml").write_text("value: 2\n")
        assert stored.sha256_of(("presets/calibration",)) != before

    def test_a_missing_result_is_a_problem(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stored, "RESULT_FILE", tmp_path / "none.json")
        assert stored.problem() == "there is no stored result"

    def test_peers_say_who_they_are(self) -> None:
        found = stored.peers()
        assert {peer["peer"] for peer in found} >= {"aiconfigurator"}
        assert all(peer["version"] and peer["date"] and peer["answers"] for peer in found)


class TestPages:
    def test_the_table_is_on_the_page(self) -> None:
        page = docs_accuracy.accuracy_page()
        for record in stored.result()["table"]:
            assert f"| {record['quantity']} | {record['part']} | {record['rows']} |" in page

    def test_every_constant_is_on_the_page(self) -> None:
        page = docs_calibration.calibration_page()
        assert "| `driver_context_share` |" in page
        assert "| `graphs.full_mib` |" in page
        for name in store.names("calibration/speed"):
            table = store.load("calibration/speed", name, EngineSpeed)
            for kernels in table.kernels:
                assert f"| {kernels.hardware} | {kernels.precision} | {kernels.weights:g} |" in page
            for times in table.times:
                assert f"| {times.hardware} | {docs_markdown.number(times.step_us)} |" in page
        assert "assumed: no run at hand" in page

    def test_pictures_are_drawings_and_always_the_same(self) -> None:
        drawn = docs_accuracy.pictures()
        assert drawn == docs_accuracy.pictures()
        for text in drawn.values():
            assert ET.fromstring(text).tag.endswith("svg")

    def test_dots_lie_on_the_diagonal_where_plan_and_run_agree(self) -> None:
        exact = docs_scatter.svg("t", "ms", [docs_scatter.Dots("d", "#000", [[1, 1], [100, 100]])])
        frame = 420  # the length of both axes
        assert f"M62.0 {34 + frame}.0a2" in exact
        assert f"M{62 + frame}.0 34.0a2" in exact

    def test_a_picture_without_dots_is_a_frame(self) -> None:
        assert ET.fromstring(docs_scatter.svg("t", "ms", [])) is not None


class TestReport:
    def test_percentages_and_dashes(self) -> None:
        lines = list(report.text(report.table([scored(10, 11), scored(10, None)])))
        assert lines[1].split()[:3] == ["vllm", "weights", "fitted"]
        assert "50.0" in lines[1]
        assert "10.0" in lines[1]

    def test_refusals_are_counted(self) -> None:
        rows = [Scored(("e", "q", "p"), "r", "", 1.0, None, why="no") for _ in range(3)]
        assert report.refusals(rows) == {"no": 3}
