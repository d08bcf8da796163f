"""What an update was asked to write into the spec, before it renders from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra_gen.lifecycle import spec_file
from infra_gen.lifecycle.adopting import Adopted, adoptable
from infra_gen.lifecycle.spec_edit import with_engine_version, with_patches
from infra_gen.model.filetree import File
from infra_gen.model.lock import Lock
from infra_gen.model.names import SPEC_FILE
from infra_gen.rebuilding import build_at


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The spec's new text, None where it stays; what of the edits it says as patches.

    `hides` is file:line of what a base says and the new text covers from now on.
    """

    text: str | None = None
    hides: str | None = None
    adopted: Adopted = field(default_factory=Adopted)

    @property
    def files(self) -> Mapping[str, File]:
        """The spec as a file, where it is written."""
        return {} if self.text is None else {SPEC_FILE: File(self.text)}


def rewritten(root: Path, lock: Lock, *, engine_version: str | None, adopt: bool) -> Rewritten:
    """The spec of `root` with that version of its engine, or with its edits as patches.

    SpecError where its form does not let it be changed in place.
    """
    spec = root / SPEC_FILE
    if engine_version is not None:
        edit = with_engine_version(spec, lock.resolved.engine, engine_version)
        return Rewritten(edit.text, edit.hides)
    if not adopt:
        return Rewritten()
    before = build_at(root, spec_file.read_spec(spec), lock.resolved, lock.images)
    adopted = adoptable(root, before.tree, lock)
    if not adopted.patches:
        return Rewritten(adopted=adopted)
    edit = with_patches(spec, adopted.patches)
    return Rewritten(edit.text, edit.hides, adopted)
