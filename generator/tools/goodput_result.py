"""What the loads of tests/measurements/goodput came to, window by window."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "tests/measurements/goodput"


@dataclass(frozen=True, slots=True)
class Request:
    """One request that ended; seconds since the load began."""

    sent_s: float
    first_s: float
    last_s: float
    tokens: int

    @property
    def ttft_ms(self) -> float:
        """From sending to the first token."""
        return (self.first_s - self.sent_s) * 1e3

    @property
    def tpot_ms(self) -> float | None:
        """Mean time of each further token; None where there is none."""
        if self.tokens < 2:
            return None
        return (self.last_s - self.first_s) * 1e3 / (self.tokens - 1)

    def within(self, targets: Mapping[str, float]) -> bool:
        """Whether it met both targets."""
        return self.ttft_ms <= targets["ttft_ms"] and (self.tpot_ms or 0.0) <= targets["tpot_ms"]


@dataclass(frozen=True, slots=True)
class Window:
    """One window of one run. `running` and `waiting`: on average, None where it was not sampled."""

    run: str
    model: str
    configuration: str
    planned_for: int | None
    users: int
    ended: int
    seconds: float
    good: int
    tokens_per_s: float
    ttft_ms: tuple[float, float]
    tpot_ms: tuple[float, float]
    running: float | None
    waiting: float | None

    @property
    def goodput(self) -> float:
        """Requests a second that met both targets."""
        return self.good / self.seconds


def document() -> dict[str, Any]:
    """The runs: command lines, starts, windows."""
    found: dict[str, Any] = json.loads((FOLDER / "h100-0.25.0.json").read_text("utf-8"))
    return found


def requests(run: str) -> list[Request]:
    """Those of a run that were answered in full; ValueError where one was not."""
    with (FOLDER / f"requests/{run}.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["user"]) >= 0]
    if any(row["status"] != "200" or row["written"] != row["asked"] for row in rows):
        raise ValueError(f"{run}: a request was refused or cut")
    return [
        Request(
            float(row["sent_s"]), float(row["first_s"]), float(row["last_s"]), int(row["written"])
        )
        for row in rows
    ]


def percentile(numbers: Iterable[float], share: float) -> float:
    """By the nearest rank."""
    ordered = sorted(numbers)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _sampled(run: str, window: Mapping[str, float], name: str) -> float | None:
    path = FOLDER / f"requests/{run}-gauges.csv"
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        seen = [
            float(row[name])
            for row in csv.DictReader(file)
            if window["from_s"] <= float(row["at_s"]) < window["to_s"]
        ]
    return sum(seen) / len(seen)


def measured(
    run: Mapping[str, Any], window: Mapping[str, float], targets: Mapping[str, float]
) -> Window:
    """What ended in a window of a run."""
    ended = [
        request
        for request in requests(run["run"])
        if window["from_s"] <= request.last_s < window["to_s"]
    ]
    seconds = window["to_s"] - window["from_s"]
    first = [request.ttft_ms for request in ended]
    each = [request.tpot_ms for request in ended if request.tpot_ms is not None]
    return Window(
        run=run["run"],
        model=run["model"],
        configuration=run["configuration"],
        planned_for=run.get("planned_for"),
        users=int(window["users"]),
        ended=len(ended),
        seconds=seconds,
        good=sum(request.within(targets) for request in ended),
        tokens_per_s=sum(request.tokens for request in ended) / seconds,
        ttft_ms=(percentile(first, 0.5), percentile(first, 0.95)),
        tpot_ms=(percentile(each, 0.5), percentile(each, 0.95)),
        running=_sampled(run["run"], window, "num_requests_running"),
        waiting=_sampled(run["run"], window, "num_requests_waiting"),
    )


def windows(found: Mapping[str, Any]) -> Sequence[Window]:
    """All windows in the order of the runs; without runs that were cut off."""
    return [
        measured(run, window, found["targets"])
        for run in found["runs"]
        if "cut_off" not in run
        for window in run["windows"]
    ]
