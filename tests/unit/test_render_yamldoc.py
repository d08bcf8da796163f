"""The YAML writer: read back the same under YAML 1.1 and 1.2, comments where they belong."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from infra_gen.render.yamldoc import Noted, dump


def read_both(text: str) -> Any:
    """The document as PyYAML (1.1) reads it, after checking that ruamel (1.2) reads the same."""
    old = yaml.safe_load(text)
    new = YAML(typ="safe", pure=True).load(io.StringIO(text))
    assert old == new
    return old


TRICKY = [
    "", " ", "~", "null", "Null", "yes", "No", "on", "OFF", "y", "N", "true", "=", "<<", "-", "- a",
    "12:30", "1:2:3", "190:20:30", "0755", "0o17", "0x1f", "0b1", "1_000", "1e3", "1.5E+3", ".5",
    "+1", "-0", ".inf", "-.INF", ".nan", "2020-01-01", "2020-01-01T10:00:00Z", "a: b", "a #b", "#a",
    "a\nb", "a\n", "\na", " a\n b\n", "a\n\n", "\t", "a\tb", "tail ", "'", '"', "\\", "%a", "@a",
    "`a", "!a", "&a", "*a", "? a", "{a", "[a", "a\u2028b", "a\x85b", "\ufeff", "é", "🙂", "a\r\nb",
    "${X:-}", "127.0.0.1:80:80", "10m", "1h30m", "--- a", "...", "a: \nb", "1.", "0.0.0.0", "123456e7",
]  # fmt: skip


@pytest.mark.parametrize("text", TRICKY)
def test_strings_stay_strings_as_value_item_and_key(text: str) -> None:
    document = {"value": text, "items": [text, [text]], "inner": {text: text}}
    assert read_both(dump(document)) == document


characters = st.characters(blacklist_categories=("Cs",))
scalars = (
    st.text(characters, max_size=12)
    | st.sampled_from(TRICKY)
    | st.integers(-(10**12), 10**12)
    | st.booleans()
    | st.none()
)
documents = st.dictionaries(
    st.text(characters, min_size=1, max_size=8),
    st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(characters, min_size=1, max_size=8), inner, max_size=4)
        ),
        max_leaves=8,
    ),
    max_size=5,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(documents)
@example({"a": [[], {}, [[]], [{}], {"b": []}]})
def test_any_document_reads_back(document: dict[str, Any]) -> None:
    assert read_both(dump(document)) == document


@settings(max_examples=100, deadline=None, derandomize=True)
@given(documents, st.text(characters, max_size=60))
def test_comments_change_no_value(document: dict[str, Any], comment: str) -> None:
    def noted(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: Noted(noted(entry), comment) for key, entry in value.items()}
        if isinstance(value, list):
            return [Noted(noted(entry), comment) for entry in value]
        return value

    assert read_both(dump(noted(document), comment)) == document


def test_layout() -> None:
    document = {
        "name": "chat",
        "services": Noted(
            {
                "engine": Noted(
                    {"command": ["vllm", Noted("--port=8000", "Explicit.")]}, "\nFirst."
                ),
                "other": {"text": "one\ntwo\n", "port": "8000"},
            },
            "Two of them.",
        ),
    }
    assert dump(document, "Head.\nMore.") == (
        "# Head.\n# More.\n\n"
        "name: chat\n"
        "# Two of them.\n"
        "services:\n"
        "\n  # First.\n"
        "  engine:\n"
        "    command:\n"
        "      - vllm\n"
        "      # Explicit.\n"
        "      - --port=8000\n"
        "  other:\n"
        "    text: |\n"
        "      one\n"
        "      two\n"
        "    port: '8000'\n"
    )


def test_long_strings_are_not_folded_and_long_comments_are() -> None:
    text = dump({"a": Noted("word " * 200, "word " * 60)})
    assert max(len(line) for line in text.splitlines() if line.startswith("#")) < 100
    assert sum(line.startswith("a:") for line in text.splitlines()) == 1
    assert len(text.splitlines()) == 1 + text.count("# ")


def test_the_same_twice() -> None:
    document = {"a": Noted([1, {"b": None}], "why")}
    assert dump(document) == dump(document)


def test_what_yaml_has_no_form_for() -> None:
    with pytest.raises(TypeError):
        dump({"a": object()})
    with pytest.raises(TypeError):
        dump({"a": Noted(Noted(1, "x"), "y")})
