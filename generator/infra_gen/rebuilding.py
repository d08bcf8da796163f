"""What a deployment that exists should be now: from its lock, or chosen anew where it must be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra_gen.building import Built, build
from infra_gen.errors import InfraGenError
from infra_gen.lifecycle import lock_file, spec_file
from infra_gen.model.lock import Lock, LockedImage, Resolved
from infra_gen.model.names import SPEC_FILE
from infra_gen.model.spec import Spec


@dataclass(frozen=True, slots=True)
class Fresh:
    """What registries and the Hub say today, to be put in the place of what the lock says."""

    images: tuple[LockedImage, ...] = ()
    revision: str | None = None


def build_at(
    root: Path, spec: Spec, pins: Resolved | None, images: tuple[LockedImage, ...]
) -> Built:
    """What `root` should hold, with the digests of the lock's `images`; errors point at its spec."""
    with spec_file.blamed(root / SPEC_FILE):
        return build(spec, root, pins, images)


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


def rebuilt(root: Path, spec: Spec, lock: Lock, fresh: Fresh, *, replan: bool) -> Built:
    """The deployment as it should be now: from the lock, or chosen anew where it must be."""
    asked = {image.ref for image in fresh.images}
    images = (*(image for image in lock.images if image.ref not in asked), *fresh.images)
    pins: Resolved | None = lock.resolved
    if replan:
        pins = None
    elif spec_file.spec_sha256(spec) != lock.spec_sha256:
        pins = _replanned(root, spec, lock.resolved)
    if pins is lock.resolved and fresh.revision:
        pins = pins.model_copy(update={"revision": fresh.revision})
    built = build_at(root, spec, pins, images)
    if pins is not None and pins.revision:
        return built
    commit = fresh.revision or _kept_commit(built, lock.resolved)
    if commit is None or built.plan.weights.revision:
        return built
    pins = lock_file.resolved_of(built.plan).model_copy(update={"revision": commit})
    return build_at(root, spec, pins, images)


def _kept_commit(built: Built, old: Resolved) -> str | None:
    """The commit that the lock had for these very files, which no preset names.

    What was read from the Hub has its commit from there.
    """
    new = lock_file.resolved_of(built.plan)
    same = (new.model, new.engine, new.quantization) == (old.model, old.engine, old.quantization)
    from_preset = built.facts.auto_model or built.facts.models[0].is_preset
    return old.revision if same and from_preset else None
