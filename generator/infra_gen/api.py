"""The public Python surface: plan, build, write, compare. The command line only parses and prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from infra_gen.building import Built, build, judge, plan
from infra_gen.errors import (
    EditedError,
    FindingsError,
    InfraGenError,
    UsageError,
    did_you_mean,
)
from infra_gen.knowledge import store
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.models import MODEL_FILE, document_of
from infra_gen.lifecycle import drift, lock_file, spec_file, writing
from infra_gen.lifecycle.changes import BASE_DIR, find_changes
from infra_gen.model.facts import Facts
from infra_gen.model.filetree import File, FileTree
from infra_gen.model.finding import Finding
from infra_gen.model.lock import Lock, Resolved
from infra_gen.model.plan import Plan, Point
from infra_gen.model.spec import LOCK_FILE, SPEC_FILE, Spec
from infra_gen.plan.under_load import speed_of
from infra_gen.resources import data_dir
from infra_gen.rules import registry as rules
from infra_gen.stack.build import build_stack
from infra_gen.stack.explain import explanation, known_names
from infra_gen.targets.command import command_of

if TYPE_CHECKING:
    from infra_gen.model.plan_document import PlanDocument

__all__ = [
    "Built",
    "Checked",
    "Updated",
    "build",
    "build_locked",
    "check",
    "explain",
    "judge",
    "load",
    "plan",
    "plan_document",
    "predict",
    "update",
    "validate",
    "write_new",
]

_SCHEMA_FILE = f"{writing.STATE_DIR}/spec.schema.json"
_IGNORE_FILE = f"{writing.STATE_DIR}/.gitignore"
_ATTRIBUTES_FILE = f"{writing.STATE_DIR}/.gitattributes"


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found in a folder."""

    root: Path
    built: Built | None
    drift: tuple[drift.Drift, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """What `update` did: paths written and deleted, and old -> new of what was planned anew."""

    root: Path
    written: tuple[str, ...]
    deleted: tuple[str, ...]
    kept: tuple[str, ...]
    left: tuple[str, ...]
    changes: tuple[tuple[str, str, str], ...]


def _model_document(built: Built) -> dict[str, File]:
    """The model beside the lock where the presets do not hold it."""
    if built.facts.auto_model:
        return {}
    model = built.facts.models[0]
    if model.is_preset:
        return {}
    text = json.dumps(document_of(model), indent=2, ensure_ascii=False)
    return {MODEL_FILE: File(text + "\n")}


def _with_state(built: Built) -> FileTree:
    """The deployment's files with spec, lock, schema and pristine copies."""
    lock = lock_file.make_lock(
        built.spec, built.plan, built.stack, built.tree, store.knowledge_sha256()
    )
    schema = (data_dir("presets") / "schemas" / "spec.schema.json").read_text("utf-8")
    state = {
        LOCK_FILE: File(lock_file.lock_text(lock)),
        _SCHEMA_FILE: File(schema),
        _IGNORE_FILE: File(
            "# Left by a killed command for the next one.\n/pending/\n/journal.json\n"
        ),
        _ATTRIBUTES_FILE: File("base/** linguist-generated\n"),
        **_model_document(built),
    }
    base = {
        f"{BASE_DIR}/{path}": File(file.text)
        for path, file in built.tree.items()
        if file.file_class == "managed"
    }
    return built.tree.merged({**state, **base})


def write_new(built: Built, root: Path) -> FileTree:
    """Write a new deployment into `root`: all of it, or nothing.

    Raises UsageError listing every path that is in the way.
    """
    spec = File(spec_file.spec_text(built.spec), file_class="seeded")
    tree = _with_state(built).merged({SPEC_FILE: spec})
    writing.write_new(root, tree)
    return tree


def load(root: Path) -> tuple[Spec, Lock]:
    """Spec and lock of the deployment in `root`, after finishing what a killed command left."""
    if not root.is_dir():
        raise UsageError("no such folder", where=str(root))
    writing.recover(root)
    spec = spec_file.read_spec(root / SPEC_FILE)
    lock = lock_file.read_lock(root / LOCK_FILE)
    return spec, lock


def build_locked(root: Path, spec: Spec, lock: Lock) -> Built:
    """What `root` should hold, with the lock's choices; errors point at the files."""
    return _build_at(root, spec, lock.resolved)


def _build_at(root: Path, spec: Spec, pins: Resolved | None) -> Built:
    with spec_file.blamed(root / SPEC_FILE):
        return build(spec, root, pins)


def _disk_files(root: Path, tree: Mapping[str, File]) -> dict[str, str]:
    found = {}
    for path in tree:
        place = root / path
        if place.is_file():
            found[path] = place.read_bytes().decode("utf-8", errors="replace")
    return found


def check(root: Path) -> Checked:
    """Compare `root` with what spec and lock render, and judge the files as they are."""
    spec, lock = load(root)
    if spec_file.spec_sha256(spec) != lock.spec_sha256:
        return Checked(root, None, (drift.Drift(SPEC_FILE, "spec"),), ())
    built = build_locked(root, spec, lock)
    found = drift.find_drift(root, built.tree, lock)
    findings = judge(built, _disk_files(root, built.tree))
    return Checked(root, built, tuple(found), findings)


def validate(root: Path) -> Checked:
    """All rules on the files as they are, without comparing."""
    spec, lock = load(root)
    built = build_locked(root, spec, lock)
    findings = judge(built, _disk_files(root, built.tree))
    return Checked(root, built, (), findings)


def _replanned(root: Path, spec: Spec, old: Resolved) -> Resolved | None:
    """New numbers for `spec` with the old engine, model and quantization; None if they fail it."""
    same_model = spec.model in ("auto", old.model)
    kept = {
        "model": old.model if spec.model == "auto" else spec.model,
        "engine": old.engine if spec.engine == "auto" else spec.engine,
        "quantization": (
            old.quantization if spec.quantization == "auto" and same_model else spec.quantization
        ),
    }
    try:
        built = build(spec.model_copy(update=kept), root)
    except InfraGenError:
        return None
    return None if built.errors else lock_file.resolved_of(built.plan)


def _word(value: object) -> str:
    return "none" if value is None else str(value)


def _plan_changes(old: Resolved, new: Resolved) -> tuple[tuple[str, str, str], ...]:
    before, after = old.model_dump(), new.model_dump()
    return tuple(
        (key, _word(before[key]), _word(after[key])) for key in before if before[key] != after[key]
    )


def update(root: Path, *, replan: bool = False, discard_edits: bool = False) -> Updated:
    """Regenerate `root` from its spec.

    From the lock; when the spec changed, what it leaves to infra-gen stays as it was chosen as long
    as that holds the new load; with `replan` everything is chosen anew. Files edited by hand stop
    the update unless `discard_edits`: then nothing was written. Raises EditedError listing them.
    """
    spec, lock = load(root)
    pins: Resolved | None = lock.resolved
    if replan:
        pins = None
    elif spec_file.spec_sha256(spec) != lock.spec_sha256:
        pins = _replanned(root, spec, lock.resolved)
    built = _build_at(root, spec, pins)
    if built.errors:
        raise FindingsError(built.findings)
    return _write_update(root, built, lock, discard_edits=discard_edits)


def _write_update(root: Path, built: Built, lock: Lock, *, discard_edits: bool) -> Updated:
    found = find_changes(root, _with_state(built), built.tree, lock)
    if found.foreign:
        raise UsageError(
            f"files that infra-gen did not write are in the way: {', '.join(found.foreign)}",
            where=str(root),
            hint="move or rename them; nothing was written",
        )
    if found.edited and not discard_edits:
        raise EditedError(str(root), found.edited)
    if found.write or found.delete:
        writing.apply_changes(root, found.write, found.delete, found.seen)
    return Updated(
        root=root,
        written=tuple(sorted(p for p in found.write if p in built.tree)),
        deleted=tuple(p for p in found.delete if p in lock.files),
        kept=found.kept,
        left=found.left,
        changes=_plan_changes(lock.resolved, lock_file.resolved_of(built.plan)),
    )


def predict(
    planned: Plan, facts: Facts, points: tuple[tuple[int, int, int], ...]
) -> tuple[Point, ...]:
    """Speed of one replica at further (concurrency, input, output) points."""
    return tuple(speed_of(planned, facts).point(*point) for point in points)


def plan_document(spec: Spec, planned: Plan, extra: tuple[Point, ...]) -> PlanDocument:
    """`planned` as the JSON document, with the command line the engine would get."""
    from infra_gen.model.plan_document import document_of  # noqa: PLC0415 - only --json needs it

    stack = build_stack(spec, planned, engine_info(planned.engine, planned.engine_version))
    performance = replace(planned.performance, points=(*planned.performance.points, *extra))
    service = stack.service("engine")
    argv, env = command_of(service, stack)
    image = service.image.reference if service.image and planned.runtime == "container" else None
    return document_of(replace(planned, performance=performance), argv, env, image)


def explain(built: Built, key: str) -> list[str]:
    """Lines on a decision, a flag of the deployed command, or a flag of the engine's table.

    Raises UsageError with close matches when the key is none of them.
    """
    info = built.facts.engines[built.plan.engine]
    found = explanation(built.stack, info, key)
    if found:
        return found
    names = [*known_names(built.stack, info), *rules.RULES]
    raise UsageError(f"nothing is known of {key!r}", hint=did_you_mean(key.lstrip("-"), names))
