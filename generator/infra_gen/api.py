"""The public Python surface: plan, build, write, compare. The command line only parses and prints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from infra_gen import packing
from infra_gen.building import Built, build, judge, plan
from infra_gen.catalogue.engine_move import Consequence, Uses, consequences, flags_of
from infra_gen.checking import Checked, check, check_many
from infra_gen.comparing import validate
from infra_gen.errors import UsageError, did_you_mean
from infra_gen.knowledge.engines import engine_info
from infra_gen.lifecycle import ejecting, writing
from infra_gen.lifecycle.loading import load
from infra_gen.model.facts import Facts
from infra_gen.model.filetree import FileTree
from infra_gen.model.lock import Lock
from infra_gen.model.plan import Plan, Point
from infra_gen.model.spec import Spec
from infra_gen.pinning import Outcome, Pinning, Wanted, pin
from infra_gen.plan.under_load import speed_of
from infra_gen.rebuilding import build_at
from infra_gen.recording import new_tree
from infra_gen.rules import registry as rules
from infra_gen.stack.build import build_stack
from infra_gen.stack.explain import explanation, known_names
from infra_gen.targets.command import command_of
from infra_gen.updating import (
    Prepared,
    Updated,
    abort,
    carry_out,
    prepare,
    update,
)

if TYPE_CHECKING:
    from infra_gen.model.plan_document import PlanDocument
    from infra_gen.repository import Bootstrapped, NewRepository

__all__ = [
    "Built",
    "Checked",
    "Outcome",
    "Pinning",
    "Prepared",
    "Updated",
    "Wanted",
    "abort",
    "add_packs",
    "bootstrap",
    "build",
    "build_locked",
    "carry_out",
    "check",
    "check_many",
    "eject",
    "engine_move",
    "explain",
    "judge",
    "load",
    "pin",
    "plan",
    "plan_document",
    "predict",
    "prepare",
    "take_back",
    "update",
    "validate",
    "write_new",
]


def write_new(built: Built, root: Path, bases: tuple[str, ...] | None = None) -> FileTree:
    """Write a new deployment into `root`: all of it, or nothing.

    `bases` is given where the spec lies there already, over those files: it stays as it is.
    Raises UsageError listing every path that is in the way.
    """
    tree = new_tree(built, root, bases)
    writing.write_new(root, tree)
    return tree


def bootstrap(built: Built, wanted: NewRepository) -> Bootstrapped:
    """Write a repository with `built` in it: all of it, or nothing; then start it in git."""
    from infra_gen import repository  # noqa: PLC0415 - only --repo needs it

    return repository.bootstrap(built, wanted)


def build_locked(root: Path, spec: Spec, lock: Lock) -> Built:
    """What `root` should hold, with the lock's choices and packs; errors point at the files."""
    built = build_at(root, spec, lock.resolved, lock.images)
    return packing.with_packs(built, root, lock, reading=True)


def add_packs(built: Built, root: Path, *, trust: bool = False) -> Built:
    """`built`, which will lie in `root`, with the packs of its spec, fetched now."""
    return packing.with_packs(built, root, trust=trust, fetch=True)


def engine_move(root: Path, version: str | None = None) -> tuple[Consequence, ...]:
    """What another version of its engine means for the deployment in `root`, before it is moved.

    `version` is the spec's where it is left out. Empty where that is the version deployed, or where
    nothing says which.
    """
    spec, lock = load(root)
    old = lock.resolved
    wanted = version or spec.engine_version
    if (
        wanted is None
        or spec.engine_name not in (old.engine, "auto")
        or wanted == old.engine_version
    ):
        return ()
    before = build_at(root, spec, old, lock.images)
    argv, env = command_of(before.stack.service("engine"), before.stack)
    uses = Uses(
        flags=flags_of(argv),
        own_flags=flags_of(f"--{name.lstrip('-')}" for name in spec.engine_args),
        variables=frozenset(env),
        texts=tuple(file.text for file in before.tree.values()),
    )
    return consequences(old.engine, old.engine_version, wanted, uses)


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
