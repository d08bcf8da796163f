"""Digests of images and commits of models, asked where they are published and kept in the lock.

What cannot be asked keeps what it has: every item says for itself what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Literal

from infra_gen.building import Built
from infra_gen.errors import UsageError
from infra_gen.knowledge import hub
from infra_gen.knowledge.deadline import all_at_once
from infra_gen.knowledge.hub_repository import RepoFile, weight_files
from infra_gen.knowledge.registry import digest_of
from infra_gen.knowledge.registry_answers import RegistryError, reference_of
from infra_gen.knowledge.registry_logins import basic_login
from infra_gen.model.lock import LockedImage
from infra_gen.model.plan import Weights
from infra_gen.model.stack import Download, Image
from infra_gen.rebuilding import Fresh
from infra_gen.stack.digests import carried_as_files
from infra_gen.updating import Prepared, prepare

_NOTICEABLE = 0.01  # the sizes of presets may leave out the headers of files

State = Literal["pinned", "moved", "same", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one image or model.

    `value` is the digest or commit from now on, `before` what was written down until now. `note`
    says why there is none, or what else should be known.
    """

    name: str
    state: State
    value: str | None = None
    before: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pinning:
    """Every outcome, images first, and the update that writes them (None: nothing is new)."""

    outcomes: tuple[Outcome, ...]
    prepared: Prepared | None

    @property
    def in_vain(self) -> bool:
        """Whether there was something to ask and nobody answered."""
        asked = [one.state for one in self.outcomes if one.state != "skipped"]
        return bool(asked) and all(state == "failed" for state in asked)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to ask for. `again`: models too that are pinned to a commit already.

    `platform`: what an index must hold an image for; None: what the deployment's machine runs.
    """

    images: bool = True
    models: bool = True
    again: bool = False
    platform: str | None = None


def pin(root: Path, wanted: Wanted, day: date) -> Pinning:
    """Ask for the digests and the commit of the deployment in `root`; nothing is written yet.

    `day` is what the lock will say of digests that are new. Raises what `prepare` raises.
    """
    prepared = prepare(root)
    built = prepared.built
    locked = {one.ref: one for one in prepared.lock.images}
    outcomes = [*_images(built, wanted, locked)] if wanted.images else []
    fresh_images = tuple(
        LockedImage(ref=one.name, digest=one.value, verified=day.isoformat())
        for one in outcomes
        if one.state in ("pinned", "moved")
    )
    model = _model(built, again=wanted.again) if wanted.models else None
    commit = model.value if model and model.state == "pinned" else None
    outcomes += [model] if model else []
    if not fresh_images and commit is None:
        return Pinning(tuple(outcomes), None)
    fresh = Fresh(fresh_images, commit)
    return Pinning(tuple(outcomes), prepare(root, fresh=fresh))


def _images(built: Built, wanted: Wanted, locked: Mapping[str, LockedImage]) -> list[Outcome]:
    named = {image.name: image for image in built.stack.images}
    if carried_as_files(built.stack):
        why = "it is brought in a file, and docker load keeps no digest"
        return [Outcome(name, "skipped", note=why) for name in sorted(named)]
    platform = wanted.platform or built.plan.machine.platform

    def asked(name: str) -> Outcome:
        before = locked[name].digest if name in locked else None
        # Another platform than before was never looked for under the digest that is known.
        return _image(named[name], platform, before, look=wanted.platform is not None)

    return all_at_once([partial(asked, name) for name in sorted(named)])


def _image(image: Image, platform: str, before: str | None, *, look: bool) -> Outcome:
    """Asked of its registry; of a mirror that does not answer, of the one that it mirrors."""
    names = [image.name, *([f"{image.upstream}:{image.tag}"] if image.upstream else [])]
    reasons: list[str] = []
    for name in names:
        reference = reference_of(name)
        try:
            found = digest_of(reference, platform, None if look else before, basic_login)
        except RegistryError as error:
            reasons.append(f"{reference.registry} {error}")
            continue
        note = f"{'; '.join(reasons)}: asked of {reference.registry}" if reasons else ""
        if found == before:
            return Outcome(image.name, "same", found, before, note)
        return Outcome(image.name, "moved" if before else "pinned", found, before, note)
    return Outcome(image.name, "failed", before, before, "; ".join(reasons))


def _model(built: Built, *, again: bool) -> Outcome | None:
    """The model's repository; None where nothing is downloaded."""
    stack = built.stack
    download = stack.service("fetch").download if stack.has("fetch") else None
    if download is None or built.plan.weights.repo is None:
        return None
    before = built.plan.weights.revision
    if download.tool == "ollama":
        why = "Ollama downloads by name, and knows no commits"
        return Outcome(download.repo, "skipped", note=why)
    if before and not again:
        why = "pinned already; --models asks whether there is a newer one"
        return Outcome(download.repo, "skipped", before, before, why)
    return _asked_hub(download, built.plan.weights, before)


def _asked_hub(download: Download, weights: Weights, before: str | None) -> Outcome:
    """A commit that is pinned stays: sizes and hashes were read from it."""
    try:
        found = hub.newest(download.repo)
        note = _differs(weights, found.files)
    except UsageError as error:
        return Outcome(download.repo, "failed", before, before, error.message)
    if before is None:
        return Outcome(download.repo, "pinned", found.commit, None, note)
    if before == found.commit:
        return Outcome(download.repo, "same", before, before, note)
    newer = f"the newest commit is {found.commit}"
    told = f"{newer}: {note}" if note else f"{newer}, with weights of the same size"
    return Outcome(download.repo, "same", before, before, told)


def _differs(weights: Weights, files: Mapping[str, RepoFile]) -> str:
    """How the files of the repository differ from those planned with; UsageError where some lack."""
    names = weight_files(files)
    if weights.files:
        by_pattern: list[Callable[[str], bool]] = [_like(pattern) for pattern in weights.files]
        lacking = [
            pattern
            for pattern, fits in zip(weights.files, by_pattern, strict=True)
            if not any(fits(name) for name in files)
        ]
        if lacking:
            raise UsageError(f"the newest commit has no {', '.join(lacking)}")
        names = tuple(name for name in files if any(fits(name) for fits in by_pattern))
    if weights.basis != "checkpoint" or not names:
        return ""
    sizes = [files[name].size for name in names]
    total = sum(size for size in sizes if size is not None)
    if None in sizes or abs(total - weights.bytes) <= weights.bytes * _NOTICEABLE:
        return ""
    return f"its weights are {total / 1e9:.2f} GB, the plan is made for {weights.bytes / 1e9:.2f}"


def _like(pattern: str) -> Callable[[str], bool]:
    return lambda name: fnmatchcase(name, pattern)
