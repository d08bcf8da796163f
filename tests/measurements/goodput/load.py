"""Virtual users of one chat workload against one OpenAI-compatible server: a closed loop.

usage: load.py URL LOAD.json OUT
LOAD: {"workload": {...}, "levels": [{"users", "warm_s", "windows_s": [...]}], "seed"}

Each user thinks (exponential, mean `think_s`), sends a prompt of random tokens that shares no beginning
with another, reads the answer to its end and thinks again. Lengths are log-normal by median and 95th
percentile, cut at `most_input` and `most_output`. A level adds users to those before it; after `warm_s`
its windows are measured one behind the other. User n makes the same draws in every run, so two
configurations are asked for the same.

Writes OUT.csv (one line a request that ended; times from the start of the load),
OUT-gauges.csv (the server's own gauges, once in two seconds) and OUT-levels.json (the windows).
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

_Z95 = 1.6448536269514722  # standard normal quantile at 0.95
_SAMPLE_S = 2.0
_GAUGES = (
    "num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "num_preemptions_total",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and for which model."""

    host: str
    port: int
    model: str


@dataclass(slots=True)
class Run:
    """One load: its clock and its open files."""

    server: Server
    workload: dict[str, float]
    requests: TextIO
    samples: TextIO
    began: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self.began


def length(rng: random.Random, median: float, p95: float, most: float) -> int:
    """Tokens: log-normal by median and 95th percentile, at least 1 and at most `most`."""
    sigma = math.log(p95 / median) / _Z95
    return max(1, min(int(most), round(median * math.exp(sigma * rng.gauss(0, 1)))))


async def fetch(server: Server, path: str) -> bytes:
    """The body of a GET."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2]


async def ask(run: Run, user: int, prompt: list[int], out: int) -> None:
    """One streamed completion, written down when it has ended."""
    body = json.dumps(
        {
            "model": run.server.model, "prompt": prompt, "max_tokens": out, "ignore_eos": True,
            "temperature": 1.0, "stream": True, "stream_options": {"include_usage": True},
        }
    ).encode()  # fmt: skip
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: {run.server.host}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sent = run.now()
    reader, writer = await asyncio.open_connection(run.server.host, run.server.port)
    writer.write(head.encode() + body)
    status = int((await reader.readline()).split()[1])
    first = last = math.nan
    written = 0
    async for line in reader:
        if not line.startswith(b"data: {"):
            continue
        if b'"choices":[]' in line:  # the last piece: what was used
            written = int(json.loads(line[6:])["usage"]["completion_tokens"])
            continue
        last = run.now()
        first = last if math.isnan(first) else first
    writer.close()
    run.requests.write(
        f"{user},{len(prompt)},{out},{status},{written},{sent:.3f},{first:.3f},{last:.3f}\n"
    )


async def live(run: Run, user: int, seed: int) -> None:
    """One person, for ever."""
    rng, work = random.Random(f"{seed}-{user}"), run.workload
    while True:
        await asyncio.sleep(rng.expovariate(1 / work["think_s"]))
        tokens = length(rng, work["input_p50"], work["input_p95"], work["most_input"])
        out = length(rng, work["output_p50"], work["output_p95"], work["most_output"])
        await ask(run, user, rng.choices(range(1000, 30000), k=tokens), out)


async def sample(run: Run) -> None:
    """The server's gauges, for ever."""
    while True:
        began = run.now()
        found = dict.fromkeys(_GAUGES, "")
        for line in (await fetch(run.server, "/metrics")).decode().splitlines():
            name = line.partition("{")[0].removeprefix("vllm:")
            if name in found:
                found[name] = line.rpartition(" ")[2]
        run.samples.write(",".join([f"{began:.2f}", *found.values()]) + "\n")
        await asyncio.sleep(_SAMPLE_S - (run.now() - began) % _SAMPLE_S)


async def drive(run: Run, levels: list[dict[str, Any]], seed: int) -> list[dict[str, float]]:
    """All levels; the windows that were measured. The first failed task ends the load."""
    windows: list[dict[str, float]] = []
    tasks = [asyncio.create_task(sample(run))]

    async def measure() -> None:
        for level in levels:
            known = len(tasks) - 1
            tasks.extend(
                asyncio.create_task(live(run, user, seed)) for user in range(known, level["users"])
            )
            await asyncio.sleep(level["warm_s"])
            for seconds in level["windows_s"]:
                start = run.now()
                await asyncio.sleep(seconds)
                windows.append({"users": level["users"], "from_s": start, "to_s": run.now()})

    measuring = asyncio.create_task(measure())
    while not measuring.done():
        await asyncio.wait([measuring], timeout=1)
        for task in tasks:
            if task.done():
                measuring.cancel()
                task.result()
    for task in tasks:
        task.cancel()
    await measuring
    return windows


async def main() -> None:
    """One load."""
    url, load, out = sys.argv[1], json.loads(Path(sys.argv[2]).read_text("utf-8")), sys.argv[3]
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    listed = await fetch(Server(host, int(port), ""), "/v1/models")
    server = Server(host, int(port), json.loads(listed)["data"][0]["id"])
    with (
        Path(f"{out}.csv").open("w", encoding="utf-8") as requests,
        Path(f"{out}-gauges.csv").open("w", encoding="utf-8") as samples,
    ):
        requests.write("user,input,asked,status,written,sent_s,first_s,last_s\n")
        samples.write(",".join(["at_s", *_GAUGES]) + "\n")
        run = Run(server, load["workload"], requests, samples)
        await ask(run, -1, list(range(1000, 1016)), 4)  # connections, first-use compilation
        run.began = time.monotonic()
        windows = await drive(run, load["levels"], load.get("seed", 0))
    Path(f"{out}-levels.json").write_text(json.dumps(windows), "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
