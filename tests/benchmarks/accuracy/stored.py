"""The stored result, and whether it still belongs to the constants and measurements of today."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "tests/measurements/accuracy"
RESULT_FILE = FOLDER / "result.json"
FOLDS_FILE = FOLDER / "folds.json"
PEERS = "peer-"
# What a result follows from beside the code: change any of it, and the table has to be made again.
INPUTS = (
    "presets/calibration",
    "tests/measurements/llama.cpp",
    "tests/measurements/serving",
    "tests/measurements/speed",
    "tests/measurements/vllm",
)
_KINDS = (".csv", ".json", ".py", ".yaml")


def sha256_of(places: Iterable[str] = INPUTS) -> str:
    """Hash over those files, and the data and code below those folders, by path and text."""
    digest = hashlib.sha256()
    for place in places:
        found = ROOT / place
        for path in [found] if found.is_file() else sorted(found.rglob("*")):
            if path.suffix in _KINDS:
                digest.update(path.relative_to(ROOT).as_posix().encode())
                digest.update(path.read_text("utf-8").encode())
    return digest.hexdigest()


def result() -> dict[str, Any]:
    """The stored result; empty where none was made."""
    if not RESULT_FILE.is_file():
        return {}
    loaded: dict[str, Any] = json.loads(RESULT_FILE.read_text("utf-8"))
    return loaded


def peers() -> list[dict[str, Any]]:
    """Stored answers of peers, each with its name, version and date."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob(f"{PEERS}*.json"))]


def problem() -> str | None:
    """Why the stored result does not hold any more, or None."""
    if not RESULT_FILE.is_file():
        return "there is no stored result"
    if result().get("sha256") != sha256_of():
        return "constants or measurements changed since the stored result was made"
    return None
