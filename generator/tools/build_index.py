"""Writes presets/index.json and the JSON Schemas from the YAML presets and the records.

Run as `make index` after any change below presets/; a test compares the result with what is
committed. usage: python generator/tools/build_index.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from infra_gen.errors import PresetError
from infra_gen.knowledge.store import KINDS, OF_ENGINES, file_digest, read_preset, validated
from infra_gen.model.calibration import Calibration
from infra_gen.model.calibration_memory import VllmMemory
from infra_gen.model.calibration_speed import EngineSpeed
from infra_gen.model.constraint import Constraints
from infra_gen.model.engine_facts import EngineFacts
from infra_gen.model.hardware import DevicePreset, InstancePreset
from infra_gen.model.llm import ModelPreset
from infra_gen.model.lock import Lock
from infra_gen.model.offer import Prices
from infra_gen.model.pack import PackContext
from infra_gen.model.plan_document import PlanDocument
from infra_gen.model.ranking_document import RankingDocument
from infra_gen.model.spec import Spec
from infra_gen.model.table_document import TableDocument
from infra_gen.model.workload import Workload
from infra_gen.resources import data_dir

SCHEMAS: dict[str, type[BaseModel]] = {
    "spec": Spec,
    "lock": Lock,
    "plan": PlanDocument,
    "ranking": RankingDocument,
    "prices": Prices,
    "pack-context": PackContext,
    "hardware": DevicePreset,
    "instance": InstancePreset,
    "model": ModelPreset,
    "workload": Workload,
    "calibration": Calibration,
    "calibration-speed": EngineSpeed,
    "calibration-memory": VllmMemory,
    "engine": EngineFacts,
    "table": TableDocument,
}


def build_index(presets: Path) -> dict[str, Any]:
    """Every preset by kind and id, plus aliases and digests of the files.

    Raises PresetError for a file that is wrong, and when two presets share a name.
    """
    index: dict[str, Any] = {kind: {} for kind in [*KINDS, *OF_ENGINES]}
    aliases: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    digests: dict[str, dict[str, str]] = {kind: {} for kind in [*KINDS, *OF_ENGINES]}
    for kind, record in KINDS.items():
        for path in sorted((presets / kind).glob("*.yaml")):
            document = read_preset(path)
            index[kind][path.stem] = validated(record, document, path).model_dump(
                mode="json", exclude_defaults=True
            )
            digests[kind][path.stem] = file_digest(path)
            for alias in document.get("aliases", ()):
                if alias in aliases[kind] or alias in index[kind]:
                    raise PresetError(f"aliases: {alias!r} names two presets", where=str(path))
                aliases[kind][alias] = path.stem
    for path in sorted((presets / "engines").glob("*/engine.yaml")):
        facts = validated(EngineFacts, read_preset(path), path)
        index["engines"][path.parent.name] = facts.model_dump(
            mode="json", exclude_defaults=True, by_alias=True
        )
        digests["engines"][path.parent.name] = file_digest(path)
    for path in sorted((presets / "engines").glob("*/constraints.yaml")):
        engine, document = path.parent.name, read_preset(path)
        if validated(Constraints, document, path).engine != engine:
            raise PresetError(f"engine: is not {engine}", where=str(path))
        index["constraints"][engine] = document
        digests["constraints"][engine] = file_digest(path)
    index["aliases"], index["digests"] = aliases, digests
    return index


def outputs(presets: Path) -> dict[Path, str]:
    """Every generated file with its text."""
    made = {
        presets / "index.json": json.dumps(
            build_index(presets), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        + "\n"
    }
    for name, record in SCHEMAS.items():
        schema = record.model_json_schema(by_alias=True)
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        text = json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        folder = "engines" if record is TableDocument else "schemas"  # beside what it describes
        made[presets / folder / f"{name}.schema.json"] = text
    return made


def main() -> int:
    """Write what changed; with --check only say so."""
    stale = []
    try:
        made = outputs(data_dir("presets"))
    except PresetError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return error.exit_code
    for path, text in made.items():
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        stale.append(path)
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    for path in stale:
        print(("stale: " if "--check" in sys.argv else "wrote ") + path.name)
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
