"""llmfit, asked through its command line: how many sessions' cache a card holds. Own environment.

Only one device is asked for: with several it adds their memory up, and so it does with their cache.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_QUANTS = {
    "bf16": "BF16",
    "fp8": "FP8",
    "fp8-block": "FP8",
    "mxfp4": "MXFP4",
    "awq-int4": "AWQ-4bit",
}
_CONTEXT = 8192  # where a run does not say its own


def _answer(asked: dict[str, Any]) -> tuple[float | None, str]:
    given = asked["settings"]
    if not asked["quantity"].startswith("KV"):
        return None, "not asked: only how many sessions fit"
    if ":" in asked["hardware"] or asked["visible_gib"] is None:
        return None, "several devices"
    context = int(given.get("max-model-len", _CONTEXT))
    words = [Path(sys.executable).with_name("llmfit"), "--memory", f"{asked['visible_gib']}G"]
    words += ["--ram", "256G", "--json", "concurrency", asked["model"], "--context", str(context)]
    kind = asked["quantization"] or given.get("quantization")
    words += ["--quant", _QUANTS.get(kind, "BF16")]
    words += ["--kv-quant", "fp8" if "fp8" in given.get("kv-cache-dtype", "") else "fp16"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    try:
        found = json.loads(done.stdout)["estimate"]
        session = found["ladder"][0]
        tokens = found["kv_budget_gb"] / session["per_session_kv_gb"] * session["effective_context"]
    except (ValueError, KeyError, IndexError, TypeError, ZeroDivisionError):
        return None, (done.stderr.strip().splitlines() or ["no estimate"])[-1][:120]
    return tokens, ""


def main() -> None:
    """Answer every line."""
    for line in sys.stdin:
        asked = json.loads(line)
        value, why = _answer(asked)
        print(json.dumps({"key": asked["key"], "value": value, "why": why}))


if __name__ == "__main__":
    main()
