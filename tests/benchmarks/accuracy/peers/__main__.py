"""Ask a peer the rows of the accuracy table, and keep its answers: python .../peers NAME [--venv DIR]

The peer is installed at a pinned version into an environment of its own, outside the repository
(--venv keeps it for the next time), and gets the questions as JSON lines. Its answers are stored in
tests/measurements/accuracy/peer-NAME.json, so that the table is printed without it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[4]
sys.path[:0] = [str(ROOT), str(ROOT / "generator")]

from tests.benchmarks.accuracy import stored, vllm_rows  # noqa: E402
from tests.benchmarks.accuracy.question import Measured  # noqa: E402

from infra_gen.errors import InfraGenError  # noqa: E402
from infra_gen.knowledge.machines import resolve_machine  # noqa: E402
from infra_gen.knowledge.models import resolve_model  # noqa: E402

VERSIONS = {"aiconfigurator": "0.12.0", "llmfit": "1.1.17"}
_PATH = re.compile(r"/\S+/\S*")
SAMPLE, SEED = 150, 20261123  # serving runs of each quantity: a peer may take a second for each


def _sampled(rows: Iterable[Measured]) -> list[Measured]:
    found = list(rows)
    if len(found) <= SAMPLE:
        return found
    return random.Random(SEED).sample(found, SAMPLE)


def rows() -> Iterator[Measured]:
    """What peers are asked: memory and steps whole, a sample of serving."""
    yield from vllm_rows.memory()
    yield from vllm_rows.steps()
    serving = list(vllm_rows.serving())
    for quantity in dict.fromkeys(row.quantity for row in serving):
        yield from _sampled(row for row in serving if row.quantity == quantity)


def _hf_id(model: str) -> str:
    try:
        return resolve_model(model, ROOT).preset.hf_id or model
    except InfraGenError:
        return model


def _visible_gib(hardware: str) -> float | None:
    try:
        return resolve_machine(hardware).visible_gib
    except InfraGenError:
        return None


def questions(asked: Iterable[Measured]) -> Iterator[dict[str, Any]]:
    """Rows in words that any peer can translate."""
    for row in asked:
        yield {
            "key": row.key,
            "quantity": row.quantity,
            "model": _hf_id(row.question.model),
            "hardware": row.question.hardware,
            "visible_gib": _visible_gib(row.question.hardware),
            "quantization": row.question.quantization,
            "settings": dict(row.question.settings),
            "load": row.loads[0] if row.loads else None,
        }


def _environment(name: str, folder: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        wanted = f"{name}=={VERSIONS[name]}"
        subprocess.run([python, "-m", "pip", "install", "--quiet", wanted], check=True)
    return python


def main() -> int:
    """Install, ask, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("name", choices=sorted(VERSIONS))
    parser.add_argument("--venv", type=Path, help="keep the environment here")
    asked = parser.parse_args()
    lines = "\n".join(json.dumps(question) for question in questions(rows()))
    script = Path(__file__).with_name(f"ask_{asked.name}.py")
    plain = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        python = _environment(asked.name, asked.venv or Path(folder) / asked.name)
        done = subprocess.run(
            [python, "-W", "ignore", script], input=lines, text=True, stdout=subprocess.PIPE,
            check=True, env=plain, cwd=folder,
        )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    answered = {_quantity(a) for a in answers if a["value"] is not None}
    document = {
        "what": "derived from the peer's own answers; milliseconds and tokens; null: no answer",
        "peer": asked.name,
        "version": VERSIONS[asked.name],
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "sample": {"serving rows of each quantity": SAMPLE, "seed": SEED},
        "answers": {a["key"]: a["value"] for a in answers if _quantity(a) in answered},
        "refused": _counted(
            a["why"] for a in answers if a["value"] is None and _quantity(a) in answered
        ),
    }
    place = stored.FOLDER / f"{stored.PEERS}{asked.name}.json"
    place.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return 0


def _quantity(answer: dict[str, Any]) -> str:
    """What was asked for: a peer that never answers a kind of question does not claim to."""
    return str(answer["key"]).split(" | ")[0]


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for said in reasons:
        reason = _PATH.sub("...", said)  # where its environment lay is nobody's business
        found[reason] = found.get(reason, 0) + 1
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


if __name__ == "__main__":
    raise SystemExit(main())
