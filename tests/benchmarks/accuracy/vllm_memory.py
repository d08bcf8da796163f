"""How far planned vLLM memory is from what vLLM reported, by quantity and by part of the data.

    python tests/benchmarks/accuracy/vllm_memory.py [--rows]

Reads tests/measurements/vllm/*.json, asks the planner as `infra-gen plan` would, and prints n,
median, 90th percentile and largest absolute error, the bias, and the largest excess, in per cent.
`fitted` are the runs that the constants were read off (generator/tools/fit_vllm_memory.py says
which); `held out` are the others: other models on the same card, and other cards and versions.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "generator"))

from infra_gen import api  # noqa: E402
from infra_gen.cli.options import Asked, spec_from  # noqa: E402
from infra_gen.errors import DoesNotFitError, UsageError  # noqa: E402
from infra_gen.knowledge import store  # noqa: E402
from infra_gen.knowledge.machines import resolve_machine  # noqa: E402
from infra_gen.model.plan import GIB, Memory  # noqa: E402
from infra_gen.plan.sizing.vllm_memory import constants_of  # noqa: E402
from infra_gen.plan.sizing.vllm_memory_release import batch_default  # noqa: E402

MEASURED = ROOT / "tests/measurements/vllm"
FILES = ("h100-0.25.0.json", "startup-logs.json")
# The constants were read off these; everything else is only compared.
FITTED = frozenset({"llama8b-l", "qwen8b-b2k", "oss20b", "nemo30b", "qwen30b"})


@dataclass(frozen=True, slots=True)
class Error:
    """One number of one run: the planned value against the reported one, as a share."""

    run: str
    quantity: str
    reported: float
    planned: float

    @property
    def share(self) -> float:
        """Above zero where too much was planned."""
        return self.planned / self.reported - 1


def rows(key: str = "rows") -> Iterator[dict[str, Any]]:
    """Every row of both tables; `out_of_memory` for runs that failed."""
    for name in FILES:
        yield from json.loads((MEASURED / name).read_text("utf-8")).get(key, ())


def started_with(row: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of a run; a batch that nobody set is the engine's own, not one for a load."""
    constants = constants_of(store.calibration())
    default = batch_default(constants, row["version"], resolve_machine(row["hardware"]))
    batch = {
        "max-num-seqs": default.max_num_seqs,
        "max-num-batched-tokens": default.max_num_batched_tokens,
    }
    settings = batch | row["settings"]
    if row.get("given_cache"):
        settings["kv-cache-memory-bytes"] = int(row["kv_gib"] * GIB)
    return settings


def planned(row: Mapping[str, Any]) -> tuple[Memory, bool]:
    """What the planner says of a run, and whether it fits. UsageError where it refuses."""
    settings = started_with(row)
    asked = Asked(
        hardware=row["hardware"],
        model=row["preset"],
        engine="vllm",
        engine_version=row["version"],
        quantization=row.get("quantization"),
        set_args=tuple(f"{name}={value}" for name, value in settings.items()),
    )
    try:
        return api.plan(spec_from(asked), ROOT)[0].memory, True
    except DoesNotFitError as refused:
        if refused.refused is None:
            raise UsageError(str(refused)) from refused
        return refused.refused.memory, False


def errors(row: Mapping[str, Any]) -> Iterator[Error]:
    """Weights, cache in GiB, and capacity in tokens, as far as the run states them."""
    memory, _ = planned(row)
    run = str(row["run"])
    if "weights_gib" in row:
        yield Error(run, "weights", row["weights_gib"], memory.weights_gib)
    given = bool(row.get("given_cache"))
    if "kv_gib" in row and not given:
        yield Error(run, "cache GiB", row["kv_gib"], memory.kv_cache_gib)
    context = row["settings"].get("max-model-len")
    quantity = "tokens" if given else "capacity"
    if "max_concurrency" in row and context and not given:
        tokens = row["max_concurrency"] * context
        yield Error(run, quantity, tokens, memory.max_concurrency_at_context * context)
    elif "kv_tokens" in row:
        yield Error(run, quantity, row["kv_tokens"], memory.kv_cache_tokens)


def summary(found: list[Error]) -> str:
    """One line of the table."""
    sizes = sorted(abs(error.share) for error in found)
    tail = sizes[min(len(sizes) - 1, round(0.9 * (len(sizes) - 1)))]
    shares = [error.share for error in found]
    numbers = (statistics.median(sizes), tail, sizes[-1], statistics.mean(shares), max(shares))
    return f"{len(found):4d} " + " ".join(f"{100 * number:8.2f}" for number in numbers)


def main() -> int:
    """Print the tables."""
    found, refused = [], []
    for row in rows():
        try:
            found += errors(row)
        except UsageError as error:
            refused.append(f"{row['run']}: {error}")
    if "--rows" in sys.argv:
        for error in found:
            values = f"{error.reported:12.2f} {error.planned:12.2f} {100 * error.share:7.2f} %"
            print(f"{error.run:26} {error.quantity:10} {values}")
    print(f"{'part':10} {'quantity':10}    n   median      p90      max     bias     over")
    for part in ("fitted", "held out"):
        for quantity in ("weights", "cache GiB", "capacity", "tokens"):
            chosen = [
                e
                for e in found
                if e.quantity == quantity and (e.run in FITTED) == (part == "fitted")
            ]
            if chosen:
                print(f"{part:10} {quantity:10} {summary(chosen)}")
    failed = list(rows("out_of_memory"))
    wrong = [row["run"] for row in failed if planned(row)[1]]
    print(f"\nran out of memory: {len(failed)}, planned as fitting: {len(wrong)} {wrong or ''}")
    print(f"refused by the planner: {len(refused)} {refused or ''}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
