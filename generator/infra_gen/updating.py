"""Regenerating a deployment that exists: what was planned, edits kept, conflicts told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra_gen import packing
from infra_gen.building import Built, judge
from infra_gen.errors import ConflictError, EditedError, FindingsError, UsageError
from infra_gen.lifecycle import edits, lock_file, spec_file, undo, writing
from infra_gen.lifecycle.adopting import Adopted
from infra_gen.lifecycle.changes import Changes, find_changes
from infra_gen.lifecycle.edits import Reconciled
from infra_gen.lifecycle.inputs import input_hashes
from infra_gen.lifecycle.journal import STATE_DIR, fingerprint
from infra_gen.lifecycle.loading import load
from infra_gen.lifecycle.untouched import newer_than_this
from infra_gen.model.lock import Lock, Resolved
from infra_gen.model.names import SPEC_FILE
from infra_gen.rebuilding import Fresh, rebuilt
from infra_gen.recording import with_state
from infra_gen.rewriting import Rewritten, rewritten


@dataclass(frozen=True, slots=True)
class Updated:
    """What `update` did, or would do.

    Paths written and deleted, and old -> new of what was planned anew. `edited` keep an edit;
    `conflicts` have lines where edit and render contradict each other. `unpinned` are images that
    the lock had by digest and that are another tag now. `hides`: see Rewritten. `records` are
    infra-gen's own files among what changed, `line_ends` the edits that are CRLF and nothing else,
    `newer` the infra-gen that wrote the lock where this one is older.
    """

    root: Path
    written: tuple[str, ...]
    deleted: tuple[str, ...]
    kept: tuple[str, ...]
    left: tuple[str, ...]
    changes: tuple[tuple[str, str, str], ...]
    edited: tuple[str, ...] = ()
    conflicts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    adopted: Adopted = field(default_factory=Adopted)
    unpinned: tuple[str, ...] = ()
    hides: str | None = None
    records: tuple[str, ...] = ()
    line_ends: tuple[str, ...] = ()
    newer: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """An update as a value: what it would write, and what it starts from."""

    root: Path
    built: Built
    lock: Lock
    found: Reconciled
    changes: Changes
    asked: Rewritten

    def report(self) -> Updated:
        """What carrying it out does."""
        deployment, generator = self.built.tree, self.lock.generator
        changed = {*self.changes.write, *self.changes.delete}
        return Updated(
            root=self.root,
            written=tuple(sorted(p for p in self.changes.write if p in {SPEC_FILE, *deployment})),
            deleted=tuple(p for p in self.changes.delete if p in self.lock.files),
            kept=self.changes.kept,
            left=self.changes.left,
            changes=(
                *_plan_changes(self.lock.resolved, lock_file.resolved_of(self.built.plan)),
                *_image_changes(self.lock, self.built),
            ),
            edited=tuple(sorted(self.found.edited)),
            conflicts=self.found.conflicts,
            adopted=self.asked.adopted,
            unpinned=_unpinned(self.lock, self.built),
            hides=self.asked.hides,
            records=tuple(sorted(changed - {SPEC_FILE, *deployment, *self.lock.files})),
            line_ends=self.found.line_ends,
            newer=generator if newer_than_this(generator) else None,
        )


def _unpinned(lock: Lock, built: Built) -> tuple[str, ...]:
    """Images that have no digest although the lock had one for their repository."""
    known = {image.ref.rpartition(":")[0] for image in lock.images if image.digest}
    return tuple(i.name for i in built.stack.images if not i.digest and i.repository in known)


def _image_changes(lock: Lock, built: Built) -> tuple[tuple[str, str, str], ...]:
    """Repositories whose tag is another: (repository, old tag, new tag)."""
    old = dict(image.ref.rsplit(":", 1) for image in lock.images)
    return tuple(
        (image.repository, old[image.repository], image.tag)
        for image in built.stack.images
        if old.get(image.repository, image.tag) != image.tag
    )


def _word(value: object) -> str:
    return "none" if value is None else str(value)


def _plan_changes(old: Resolved, new: Resolved) -> tuple[tuple[str, str, str], ...]:
    before, after = old.model_dump(), new.model_dump()
    return tuple(
        (key, _word(before[key]), _word(after[key])) for key in before if before[key] != after[key]
    )


def prepare(
    root: Path,
    *,
    replan: bool = False,
    discard_edits: bool = False,
    engine_version: str | None = None,
    adopt: bool = False,
    fresh: Fresh | None = None,
    trust: bool = False,
    packs: bool = False,
) -> Prepared:
    """The update of `root` from its spec, without writing.

    `engine_version` is written into the spec first, and with `adopt` what edits say as patches.

    From the lock; when the spec changed, what it leaves to infra-gen stays as it was chosen as long
    as that holds the new load; with `replan` everything is chosen anew. `fresh` replaces digests
    and the commit of the lock. Raises ConflictError while conflicts of an earlier update are open,
    EditedError for edits that lines cannot say, FindingsError when rules forbid the result.
    """
    _, lock = load(root)
    still = {} if discard_edits else edits.open_conflicts(root, lock)
    if still:
        raise ConflictError(str(root), still, undoable=bool(undo.leftovers(root)))
    asked = rewritten(root, lock, engine_version=engine_version, adopt=adopt)
    spec, bases = spec_file.spec_and_bases(root / SPEC_FILE, asked.text)
    built = rebuilt(root, spec, lock, fresh or Fresh(), replan=replan)
    built = packing.with_packs(built, root, lock, trust=trust, fetch=packs)
    dropped = built.tree if discard_edits else asked.adopted.files
    found = edits.reconcile(root, built.tree, lock, dropped)
    _refuse(root, found)
    built, judged = _judged(built, found)
    if built.errors:
        raise FindingsError(built.findings, str(root))
    inputs = input_hashes(root, spec, bases)
    inputs |= {path: file.sha256 for path, file in asked.files.items()}
    tree = with_state(built, inputs, found, lock, judged).merged(asked.files)
    changes = find_changes(root, tree, lock)
    return Prepared(root, built, lock, found, changes, asked)


def _judged(built: Built, found: Reconciled) -> tuple[Built, Mapping[str, str]]:
    """Findings on the files as they will lie there, and hashes of the ejected ones among them.

    An ejected file that breaks a rule stops no update, for it is not infra-gen's: then the findings
    are those without it, no hash is given, and every check judges it anew.
    """
    if found.conflicts:
        return built, {}
    texts = {path: file.text for path, file in found.files.items()}
    yours = {path: file.data.decode("utf-8", "replace") for path, file in found.ejected.items()}
    if any(texts[path] != text for path, text in yours.items()):
        with_yours = replace(built, findings=judge(built, texts | yours))
        if not with_yours.errors:
            return with_yours, {path: file.sha256 for path, file in found.ejected.items()}
    return replace(built, findings=judge(built, texts)) if found.edited else built, {}


def _refuse(root: Path, found: Reconciled) -> None:
    if found.foreign:
        raise UsageError(
            f"files that infra-gen did not write are in the way: {', '.join(found.foreign)}",
            where=str(root),
            hint="move or rename them; nothing was written",
        )
    if found.blocked:
        raise EditedError(
            str(root),
            found.blocked,
            why="edited by hand into what is no text",
            hint="make them yours with infra-gen eject, or drop them with "
            "infra-gen update --discard-edits",
        )


def carry_out(prepared: Prepared) -> Updated:
    """Write an update; with conflicts, what it replaced is kept for `abort`."""
    root, found = prepared.root, prepared.changes
    write, delete = dict(found.write), found.delete
    seen = dict(found.seen)
    left = undo.leftovers(root)
    if prepared.found.conflicts:
        kept = undo.copies(root, write, delete, prepared.found.conflicts)
        write |= kept
        left = tuple(path for path in left if path not in kept)
        seen |= {path: fingerprint(root / path) for path in kept}
    seen |= {path: fingerprint(root / path) for path in left}
    if write or delete or left:
        writing.apply_changes(root, write, (*delete, *left), seen)
    return prepared.report()


def update(
    root: Path,
    *,
    replan: bool = False,
    discard_edits: bool = False,
    engine_version: str | None = None,
) -> Updated:
    """Regenerate `root` from its spec, keeping edits; see `prepare` for what stops it."""
    return carry_out(
        prepare(root, replan=replan, discard_edits=discard_edits, engine_version=engine_version)
    )


def abort(root: Path) -> tuple[str, ...]:
    """Take an update with conflicts back. Returns the paths restored."""
    if not root.is_dir():
        raise UsageError("no such folder", where=str(root))
    writing.recover(root)
    back = undo.undoing(root)
    writing.apply_changes(root, back.write, back.delete, back.seen)
    return tuple(sorted(path for path in back.write if not path.startswith(STATE_DIR)))
