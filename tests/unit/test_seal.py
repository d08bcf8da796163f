"""The seal of a lock: read by its bytes where they are as written, by what they say elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra_gen.lifecycle import seal

DOCUMENT = {"schema": 1, "files": {"a": {"sha256": "é\u2028"}}, "findings": []}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "infra-gen.lock"
    path.write_text(seal.sealed_text(DOCUMENT), "utf-8")
    return path


def test_a_sealed_document_is_read_without_being_written_again(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal, "_hash", lambda _: pytest.fail("written again"))
    found = seal.read_sealed(lock)
    assert found is not None
    assert {key: value for key, value in found.items() if key != "seal"} == DOCUMENT


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: json.dumps(json.loads(text)),
        lambda text: json.dumps({"seal": json.loads(text)["seal"], **DOCUMENT}, indent=2) + "\n",
    ],
    ids=["line ends", "no end of line", "one line", "seal first"],
)
def test_other_bytes_that_say_the_same_are_no_change(lock: Path, rewritten: object) -> None:
    assert callable(rewritten)
    lock.write_bytes(rewritten(lock.read_text("utf-8")).encode())
    assert seal.read_sealed(lock) is not None


@settings(deadline=None)
@given(at=st.integers(min_value=0), to=st.integers(min_value=0, max_value=255))
def test_a_changed_byte_is_a_change(
    tmp_path_factory: pytest.TempPathFactory, at: int, to: int
) -> None:
    """Whatever still passes for sealed says the very same."""
    data = bytearray(seal.sealed_text(DOCUMENT).encode())
    data[at % len(data)] = to
    path = tmp_path_factory.getbasetemp() / "changed.lock"
    path.write_bytes(data)
    found = seal.read_sealed(path)
    if found is not None:
        assert {key: value for key, value in found.items() if key != "seal"} == DOCUMENT


@pytest.mark.parametrize("text", ["", "{}", "[]", "7", "{", "\x00", "[" * 100_000])
def test_what_is_no_sealed_document(lock: Path, text: str) -> None:
    lock.write_text(text, "utf-8")
    assert seal.read_sealed(lock) is None


def test_no_file(tmp_path: Path) -> None:
    assert seal.read_sealed(tmp_path / "none") is None
