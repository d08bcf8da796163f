"""The template environment: unknown names are errors, filters quote."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import jinja2
import pytest

from infra_gen.render import text
from infra_gen.resources import data_dir


@dataclass(frozen=True)
class Empty:
    pass


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        text.render("scripts/launchd/stop.sh.j2", Empty())


def test_every_template_compiles() -> None:
    root = data_dir("templates")
    environment = jinja2.Environment(autoescape=True)
    environment.filters.update(shquote=str, comment=str, cell=str)
    found = sorted(root.rglob("*.j2"))
    assert len(found) > 15
    for path in found:
        environment.parse(path.read_text("utf-8"))


@pytest.mark.parametrize("value", ["", "a", "a b", "it's", "$HOME", "`x`", "a\nb", "*", 5])
def test_shell_words(value: object) -> None:
    assert shlex.split(text.shquote(value)) == [str(value)]


def test_comment_lines_break_no_words() -> None:
    lines = text.comment_lines("--enable-prefix-caching " * 20, 60).splitlines()
    assert all(line.startswith("# ") and len(line) <= 60 for line in lines)
    assert " ".join(line[2:] for line in lines) == ("--enable-prefix-caching " * 20).strip()


def test_cells_stay_in_their_row() -> None:
    assert text.cell("a|b\n c") == "a\\|b c"
