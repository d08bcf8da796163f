"""Measure what a real vLLM reports and reaches for one model and one set of flags.

usage: measure.py RUN.json       RUN: {"name", "model", "args": {...}, "grid": [[requests, in, out], ...]}

`model` is a folder with a config.json; weights are random ("dummy"), so memory and dense speed are
real, while the routing of a mixture of experts is even. Prints the engine's own log, then one line
`RESULT {json}`. A point of the grid is timed twice, once warm: all requests with one output token each
(`prefill_s`), then with `out` (`total_s`); `decode_step_ms` is the difference for each further token.

Several may be started at once: the import overlaps, the GPU is taken by one after another.
"""

from __future__ import annotations

import fcntl
import json
import random
import sys
import time
from pathlib import Path
from typing import Any


def prompts(rng: random.Random, count: int, tokens: int) -> list[dict[str, list[int]]]:
    """Prompts of random tokens, so that no two share a beginning."""
    return [
        {"prompt_token_ids": [rng.randrange(1000, 30000) for _ in range(tokens)]}
        for _ in range(count)
    ]


def main() -> None:
    """One run."""
    run: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    from vllm import LLM, SamplingParams  # type: ignore[import-not-found]  # noqa: PLC0415

    with Path("/tmp/measure.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        engine = LLM(
            model=run["model"], load_format="dummy", skip_tokenizer_init=True, **run["args"]
        )
        startup_s = time.monotonic() - began
        rng = random.Random(0)

        def timed(count: int, tokens: int, out: int) -> float:
            sampling = SamplingParams(
                max_tokens=out, ignore_eos=True, temperature=1.0, detokenize=False
            )
            asked = prompts(rng, count, tokens)
            start = time.monotonic()
            engine.generate(asked, sampling, use_tqdm=False)
            return time.monotonic() - start

        timed(2, 512, 4)
        points = []
        for count, tokens, out in run["grid"]:
            timed(count, tokens, 2)  # kernels for this shape are compiled on first use
            prefill_s = timed(count, tokens, 1)
            total_s = timed(count, tokens, out)
            step_ms = (total_s - prefill_s) / (out - 1) * 1e3
            point = {
                "requests": count, "input_tokens": tokens, "output_tokens": out,
                "prefill_s": round(prefill_s, 4), "total_s": round(total_s, 4),
                "decode_step_ms": round(step_ms, 3),
            }  # fmt: skip
            print("POINT " + json.dumps(point), flush=True)
            points.append(point)
        found = {**run, "model": Path(run["model"]).name, "startup_s": round(startup_s, 1)}
        print("RESULT " + json.dumps({**found, "points": points}), flush=True)


if __name__ == "__main__":
    main()
