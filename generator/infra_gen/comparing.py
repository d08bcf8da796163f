"""One deployment in full: what spec and lock render now, beside the files as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from infra_gen import packing
from infra_gen.building import Built, judge
from infra_gen.checking import Checked
from infra_gen.knowledge.digest import knowledge_sha256
from infra_gen.lifecycle import drift, spec_file
from infra_gen.lifecycle.loading import load
from infra_gen.lifecycle.untouched import GENERATOR, newer_than_this
from infra_gen.model.filetree import File
from infra_gen.model.finding import Finding
from infra_gen.model.lock import Lock
from infra_gen.model.names import LOCK_FILE, SPEC_FILE
from infra_gen.model.spec import Spec
from infra_gen.rebuilding import build_at


def _disk_files(root: Path, tree: Mapping[str, File]) -> dict[str, str]:
    found = {}
    for path in tree:
        place = root / path
        if place.is_file():
            found[path] = place.read_bytes().decode("utf-8", errors="replace")
    return found


def _built(root: Path, spec: Spec, lock: Lock) -> Built:
    built = build_at(root, spec, lock.resolved, lock.images)
    return packing.with_packs(built, root, lock, reading=True)


def _judged(root: Path, built: Built) -> tuple[Finding, ...]:
    """All rules on the files as they are; as rendered, they were judged already."""
    files = _disk_files(root, built.tree)
    if files == {path: file.text for path, file in built.tree.items()}:
        return built.findings
    return judge(built, files)


def compare(root: Path) -> Checked:
    """Drift and findings of `root`; errors of the user's are raised."""
    spec, lock = load(root)
    kept = tuple(sorted(p for p, f in lock.files.items() if drift.is_kept(root / p, f)))
    ejected = tuple(sorted(p for p, f in lock.files.items() if f.file_class == "ejected"))
    newer = [drift.Drift(LOCK_FILE, "newer")] if newer_than_this(lock.generator) else []
    if spec_file.spec_sha256(spec) != lock.spec_sha256:
        changed = (drift.Drift(SPEC_FILE, "spec"), *drift.find_edits(root, lock), *newer)
        return Checked(root, changed, (), kept, ejected)
    built = _built(root, spec, lock)
    moved = lock.generator != GENERATOR or lock.knowledge_sha256 != knowledge_sha256()
    found = (*drift.find_drift(root, built.tree, lock, moved=moved), *newer)
    if any(one.kind == "conflict" for one in found):  # what lies between marks is no file yet
        return Checked(root, found, (), kept, ejected)
    return Checked(root, found, _judged(root, built), kept, ejected)


def validate(root: Path) -> Checked:
    """All rules on the files as they are, without comparing."""
    spec, lock = load(root)
    return Checked(root, (), _judged(root, _built(root, spec, lock)))
