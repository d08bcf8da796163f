"""Merges of random texts: no line is lost, and the order of the sides does not matter."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from infra_gen.lifecycle.merging import conflict_lines, merge

LINES = st.lists(st.sampled_from("abcdefgh"), max_size=12)


def text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@given(LINES, LINES, LINES)
def test_no_line_is_lost_that_the_other_side_did_not_remove(
    base: list[str], ours: list[str], new: list[str]
) -> None:
    merged = Counter(merge(text(base), text(ours), text(new)).text.split())
    for mine, other in ((ours, new), (new, ours)):
        removed = Counter(base) - Counter(other)
        assert not Counter(mine) - removed - merged


@given(LINES, LINES, LINES)
def test_a_conflict_is_told_where_it_is(base: list[str], ours: list[str], new: list[str]) -> None:
    found = merge(text(base), text(ours), text(new))
    lines = found.text.splitlines()
    assert all(lines[number - 1] == "<<<<<<< yours" for number in found.conflicts)
    assert len(conflict_lines(found.text)) == 3 * len(found.conflicts)


@given(LINES, LINES, LINES)
def test_both_orders_agree_on_whether_it_merges(
    base: list[str], ours: list[str], new: list[str]
) -> None:
    one, other = (
        merge(text(base), text(ours), text(new)),
        merge(text(base), text(new), text(ours)),
    )
    assert bool(one.conflicts) == bool(other.conflicts)
    if not one.conflicts:
        assert one.text == other.text


@given(LINES, LINES)
def test_an_update_that_changes_nothing_keeps_every_edit(base: list[str], ours: list[str]) -> None:
    assert merge(text(base), text(ours), text(base)).text == text(ours)


@given(LINES, LINES, LINES)
def test_a_second_update_changes_nothing_more(
    base: list[str], ours: list[str], new: list[str]
) -> None:
    once = merge(text(base), text(ours), text(new))
    assert merge(text(new), once.text, text(new)).text == once.text
