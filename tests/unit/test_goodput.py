"""The page on goodput says what the requests say, and says nothing else."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tools import goodput_result
from tools.goodput_result import Request, Window, document, windows

TARGETS = {"ttft_ms": 1000.0, "tpot_ms": 50.0}


@cache
def everything() -> Sequence[Window]:
    return windows(document())


def of(run: str, users: int) -> list[Window]:
    found = [window for window in everything() if (window.run, window.users) == (run, users)]
    assert found
    return found


def test_a_request_is_timed_from_sending_to_its_last_token() -> None:
    request = Request(sent_s=1.0, first_s=1.5, last_s=3.5, tokens=41)
    assert request.ttft_ms == pytest.approx(500)
    assert request.tpot_ms == pytest.approx(50)
    assert request.within(TARGETS)
    assert not Request(1.0, 2.1, 2.2, 41).within(TARGETS)  # the first token came late
    assert not Request(1.0, 1.5, 3.6, 41).within(TARGETS)  # the further ones did
    assert Request(1.0, 1.5, 1.5, 1).within(TARGETS)  # there was only a first one


def test_percentiles_are_by_the_nearest_rank() -> None:
    assert goodput_result.percentile([4, 1, 3, 2], 0.5) == 2
    assert goodput_result.percentile(range(1, 101), 0.95) == 95
    assert goodput_result.percentile([7], 0.95) == 7


def test_a_window_counts_what_ended_in_it() -> None:
    run = next(run for run in document()["runs"] if run["run"] == "8b-default")
    start, end = run["windows"][0]["from_s"], run["windows"][0]["to_s"]
    with (goodput_result.FOLDER / "requests/8b-default.csv").open(encoding="utf-8") as file:
        lasts = [float(row["last_s"]) for row in csv.DictReader(file) if row["user"] != "-1"]
    assert of("8b-default", 300)[0].ended == sum(start <= last < end for last in lasts)


def test_a_request_that_was_cut_is_no_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requests").mkdir()
    head = "user,input,asked,status,written,sent_s,first_s,last_s\n"
    (tmp_path / "requests/x.csv").write_text(head + "1,5,9,200,8,0,1,2\n")
    monkeypatch.setattr(goodput_result, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="refused or cut"):
        goodput_result.requests("x")


def test_every_run_has_its_requests_and_no_file_is_without_a_run() -> None:
    files = {path.stem for path in (goodput_result.FOLDER / "requests").glob("*.csv")}
    loaded = {run["run"] for run in document()["runs"] if run["windows"]}
    assert {name for name in files if not name.endswith("-gauges")} == loaded


class TestWhatThePageSays:
    """The sentences under "What it says", one by one."""

    def test_the_planned_load_is_kept_by_all(self) -> None:
        for run, users in (("8b-ours", 300), ("8b-default", 300), ("30b-default", 150)):
            assert all(window.good == window.ended for window in of(run, users))
        (ours,) = of("30b-ours", 150)
        assert ours.ended - ours.good == 1

    def test_ours_was_slower_with_the_same_draws(self) -> None:
        found = document()
        by = {run["run"]: run for run in found["runs"]}
        span = by["8b-default-earlier"]["windows"][0]
        ours, default, again = (
            goodput_result.measured(by[run], span, found["targets"])
            for run in ("8b-ours", "8b-default", "8b-default-earlier")
        )
        assert 1.11 < ours.tpot_ms[0] / default.tpot_ms[0] < 1.13
        assert abs(again.tpot_ms[0] / default.tpot_ms[0] - 1) < 0.02
        assert 1.8 < ours.ttft_ms[1] / default.ttft_ms[1] < 2.0
        assert 1.08 < of("8b-ours", 300)[0].tpot_ms[0] / of("8b-default", 300)[0].tpot_ms[0] < 1.1
        (large,), (plain,) = of("30b-ours", 150), of("30b-default", 150)
        assert 1.06 < large.tpot_ms[0] / plain.tpot_ms[0] < 1.08
        assert 1.6 < large.ttft_ms[1] / plain.ttft_ms[1] < 1.8

    def test_twice_the_users_waited_for_places(self) -> None:
        for run, users, places in (("8b-ours", 600, 40), ("30b-ours", 300, 32)):
            for window in of(run, users):
                assert window.good <= 0.03 * window.ended + 1
                assert window.ttft_ms[0] > 8000
                assert places - 1 <= (window.running or 0) <= places
                assert (window.waiting or 0) > places
        for run, users in (("8b-default", 600), ("8b-aiconfigurator", 600), ("30b-default", 300)):
            assert all(window.good >= 0.97 * window.ended for window in of(run, users))

    def test_planned_for_them_ours_keeps_nearly_all(self) -> None:
        pairs = zip(of("8b-ours-600", 600), of("8b-aiconfigurator", 600), strict=True)
        for ours, other in pairs:
            share, theirs = ours.good / ours.ended, other.good / other.ended
            assert 0.955 < share < 0.975
            assert 0 < theirs - share < 0.015

    def test_the_starts_were_within_their_budget_and_the_cache_as_planned(self) -> None:
        planned = [run for run in document()["runs"] if "planned" in run]
        assert len(planned) == 4
        for run in planned:
            assert run["ready_s"] < run["planned"]["startup_budget_s"] / 2
            assert abs(run["planned"]["kv_tokens"] / run["kv_tokens"] - 1) < 0.006
