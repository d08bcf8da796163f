"""Three-way merges: lines kept, lines taken, conflicts marked."""

from __future__ import annotations

from infra_gen.lifecycle.merging import Merged, conflict_lines, merge

BASE = "a\nb\nc\nd\ne\nf\n"


def test_a_side_that_did_not_change_gives_way() -> None:
    assert merge(BASE, BASE, "x\n") == Merged("x\n")
    assert merge(BASE, "x\n", BASE) == Merged("x\n")


def test_changes_in_two_places_are_both_kept() -> None:
    assert merge(BASE, "A\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\ne\nF\n") == Merged("A\nb\nc\nd\ne\nF\n")


def test_lines_added_and_removed() -> None:
    ours = "a\nmine\nb\nc\nd\ne\nf\n"
    assert merge(BASE, ours, "a\nb\nc\nd\nf\nnew\n").text == "a\nmine\nb\nc\nd\nf\nnew\n"


def test_the_same_change_on_both_sides_is_no_conflict() -> None:
    both = "a\nb\nX\nd\ne\nf\n"
    assert merge(BASE, both, both) == Merged(both)
    assert merge(BASE, both.replace("a", "A"), both) == Merged(both.replace("a", "A"))


def test_a_conflict_shows_yours_before_and_new() -> None:
    found = merge("a\nb\nc\n", "a\nmine\nc\n", "a\nnew\nc\n")
    assert found.text == (
        "a\n<<<<<<< yours\nmine\n||||||| before\nb\n=======\nnew\n>>>>>>> infra-gen\nc\n"
    )
    assert found.conflicts == (2,)
    assert conflict_lines(found.text) == (2, 4, 8)


def test_what_both_added_alike_stays_outside_the_markers() -> None:
    found = merge("a\nb\n", "a\nsame\nmine\nb\n", "a\nsame\nnew\nb\n")
    assert found.text.startswith("a\nsame\n<<<<<<< yours\nmine\n")


def test_an_edit_of_a_removed_line_is_a_conflict() -> None:
    found = merge(BASE, BASE.replace("c", "C"), BASE.replace("c\n", ""))
    assert found.conflicts == (3,)
    assert "C\n" in found.text


def test_a_last_line_without_an_end_keeps_the_markers_on_lines_of_their_own() -> None:
    found = merge("a\nb", "a\nmine", "a\nnew")
    assert found.text.splitlines()[1:] == [
        "<<<<<<< yours", "mine", "||||||| before", "b", "=======", "new", ">>>>>>> infra-gen",
    ]  # fmt: skip


def test_markers_with_windows_line_ends_are_seen() -> None:
    assert conflict_lines("a\r\n<<<<<<< yours\r\n") == (2,)
    assert conflict_lines("======= a heading\n") == ()


def test_only_line_feeds_end_lines() -> None:
    """Form feeds and the like are letters of a line: an edit keeps them as they are."""
    mine = "a\x0cb\u2028c\rd"
    found = merge("x\nold\ny\n", f"x\n{mine}\ny\n", "x\nnew\ny\n")
    assert f"\n{mine}\n" in found.text
    assert found.conflicts == (2,)
    assert conflict_lines(f"{mine}\n<<<<<<< yours\n") == (2,)
