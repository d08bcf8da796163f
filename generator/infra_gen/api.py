"""The public Python surface: plan, build, write, compare. The command line only parses and prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from infra_gen import packing
from infra_gen.building import Built, build, judge, plan
from infra_gen.errors import UsageError, did_you_mean
from infra_gen.knowledge.engines import engine_info
from infra_gen.lifecycle import drift, ejecting, spec_file, writing
from infra_gen.model.facts import Facts
from infra_gen.model.filetree import File, FileTree
from infra_gen.model.finding import Finding
from infra_gen.model.lock import Lock
from infra_gen.model.plan import Plan, Point
from infra_gen.model.spec import SPEC_FILE, Spec
from infra_gen.plan.under_load import speed_of
from infra_gen.rules import registry as rules
from infra_gen.stack.build import build_stack
from infra_gen.stack.explain import explanation, known_names
from infra_gen.targets.command import command_of
from infra_gen.updating import (
    Prepared,
    Updated,
    abort,
    build_at,
    carry_out,
    load,
    new_tree,
    prepare,
    update,
)

if TYPE_CHECKING:
    from infra_gen.model.plan_document import PlanDocument
    from infra_gen.repository import Bootstrapped, Wanted

__all__ = [
    "Built",
    "Checked",
    "Prepared",
    "Updated",
    "abort",
    "add_packs",
    "bootstrap",
    "build",
    "build_locked",
    "carry_out",
    "check",
    "eject",
    "explain",
    "judge",
    "load",
    "plan",
    "plan_document",
    "predict",
    "prepare",
    "take_back",
    "update",
    "validate",
    "write_new",
]


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found in a folder. `edited` and `ejected` are yours by the lock, and no drift."""

    root: Path
    built: Built | None
    drift: tuple[drift.Drift, ...]
    findings: tuple[Finding, ...]
    edited: tuple[str, ...] = ()
    ejected: tuple[str, ...] = ()


def write_new(built: Built, root: Path) -> FileTree:
    """Write a new deployment into `root`: all of it, or nothing.

    Raises UsageError listing every path that is in the way.
    """
    tree = new_tree(built)
    writing.write_new(root, tree)
    return tree


def bootstrap(built: Built, wanted: Wanted) -> Bootstrapped:
    """Write a repository with `built` in it: all of it, or nothing; then start it in git."""
    from infra_gen import repository  # noqa: PLC0415 - only --repo needs it

    return repository.bootstrap(built, wanted)


def build_locked(root: Path, spec: Spec, lock: Lock) -> Built:
    """What `root` should hold, with the lock's choices and packs; errors point at the files."""
    return packing.with_packs(build_at(root, spec, lock.resolved), root, lock, reading=True)


def add_packs(built: Built, root: Path, *, trust: bool = False) -> Built:
    """`built`, which will lie in `root`, with the packs of its spec, fetched now."""
    return packing.with_packs(built, root, trust=trust, fetch=True)


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
    kept = tuple(sorted(p for p, f in lock.files.items() if drift.is_kept(root / p, f)))
    ejected = tuple(sorted(p for p, f in lock.files.items() if f.file_class == "ejected"))
    if spec_file.spec_sha256(spec) != lock.spec_sha256:
        found = [drift.Drift(SPEC_FILE, "spec"), *drift.find_edits(root, lock)]
        return Checked(root, None, tuple(found), (), kept, ejected)
    built = build_locked(root, spec, lock)
    found = drift.find_drift(root, built.tree, lock)
    if any(one.kind == "conflict" for one in found):  # what lies between marks is no file yet
        return Checked(root, built, tuple(found), (), kept, ejected)
    findings = judge(built, _disk_files(root, built.tree))
    return Checked(root, built, tuple(found), findings, kept, ejected)


def validate(root: Path) -> Checked:
    """All rules on the files as they are, without comparing."""
    spec, lock = load(root)
    built = build_locked(root, spec, lock)
    findings = judge(built, _disk_files(root, built.tree))
    return Checked(root, built, (), findings)


def eject(root: Path, path: str) -> None:
    """Make a file of the deployment in `root` its owner's."""
    ejecting.eject(root, path, load(root)[1])


def take_back(root: Path, path: str) -> None:
    """Give an ejected file back to infra-gen."""
    ejecting.take_back(root, path, load(root)[1])


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
