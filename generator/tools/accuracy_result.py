"""The stored result of tests/benchmarks/accuracy, for the pages that show it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parents[2] / "tests/measurements/accuracy/result.json"


def stored() -> dict[str, Any]:
    """The result; empty where none was made yet."""
    if not RESULT.is_file():
        return {}
    loaded: dict[str, Any] = json.loads(RESULT.read_text("utf-8"))
    return loaded
