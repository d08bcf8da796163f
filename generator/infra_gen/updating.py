"""Regenerating a deployment that exists: what was planned, edits kept, conflicts told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra_gen import packing
from infra_gen.building import Built, judge
from infra_gen.errors import ConflictError, EditedError, FindingsError, UsageError
from infra_gen.knowledge.digest import knowledge_sha256
from infra_gen.knowledge.models import MODEL_FILE, document_of
from infra_gen.lifecycle import edits, lock_file, spec_file, undo, writing
from infra_gen.lifecycle.adopting import Adopted, adoptable
from infra_gen.lifecycle.changes import Changes, find_changes
from infra_gen.lifecycle.edits import BASE_DIR, Reconciled
from infra_gen.lifecycle.inputs import input_hashes
from infra_gen.lifecycle.journal import STATE_DIR, fingerprint
from infra_gen.lifecycle.spec_edit import with_engine_version, with_patches
from infra_gen.model.filetree import File, FileTree
from infra_gen.model.lock import Lock, Resolved
from infra_gen.model.names import LOCK_FILE, SPEC_FILE
from infra_gen.model.spec import Spec
from infra_gen.rebuilding import Fresh, build_at, rebuilt
from infra_gen.resources import data_dir

_SCHEMA_FILE = f"{STATE_DIR}/spec.schema.json"
_IGNORE_FILE = f"{STATE_DIR}/.gitignore"
_ATTRIBUTES_FILE = f"{STATE_DIR}/.gitattributes"


@dataclass(frozen=True, slots=True)
class Updated:
    """What `update` did, or would do.

    Paths written and deleted, and old -> new of what was planned anew. `edited` keep an edit;
    `conflicts` have lines where edit and render contradict each other. `unpinned` are images that
    the lock had by digest and that are another tag now.
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """An update as a value: what it would write, and what it starts from."""

    root: Path
    built: Built
    lock: Lock
    found: Reconciled
    changes: Changes
    adopted: Adopted

    def report(self) -> Updated:
        """What carrying it out does."""
        deployment = self.built.tree
        return Updated(
            root=self.root,
            written=tuple(sorted(p for p in self.changes.write if p in deployment)),
            deleted=tuple(p for p in self.changes.delete if p in self.lock.files),
            kept=self.changes.kept,
            left=self.changes.left,
            changes=(
                *_plan_changes(self.lock.resolved, lock_file.resolved_of(self.built.plan)),
                *_image_changes(self.lock, self.built),
            ),
            edited=tuple(sorted(self.found.edited)),
            conflicts=self.found.conflicts,
            adopted=self.adopted,
            unpinned=_unpinned(self.lock, self.built),
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


def _model_document(built: Built) -> dict[str, File]:
    """The model beside the lock where the presets do not hold it."""
    if built.facts.auto_model:
        return {}
    model = built.facts.models[0]
    if model.is_preset:
        return {}
    text = json.dumps(document_of(model), indent=2, ensure_ascii=False)
    return {MODEL_FILE: File(text + "\n")}


def with_state(
    built: Built,
    inputs: Mapping[str, str],
    found: Reconciled | None = None,
    before: Lock | None = None,
) -> FileTree:
    """The deployment's files with lock, schema and pristine copies.

    `inputs` are hashes of the spec and what it names. `found` holds the files with their edits,
    `before` the lock that says which are ejected.
    """
    ejected = {
        path: locked
        for path, locked in (before.files if before else {}).items()
        if locked.file_class == "ejected"
    }
    rendered = {path: file for path, file in built.tree.items() if path not in ejected}
    model = _model_document(built)
    lock = lock_file.make_lock(
        built.spec,
        built.plan,
        built.stack,
        FileTree(rendered),
        knowledge=knowledge_sha256(),
        findings=built.findings,
        inputs={**inputs, **{path: file.sha256 for path, file in model.items()}},
    ).with_files(found.edited if found else {}, ejected)
    lock = lock.model_copy(update={"packs": tuple(pack.locked for pack in built.packs)})
    schema = (data_dir("presets") / "schemas" / "spec.schema.json").read_text("utf-8")
    state = {
        LOCK_FILE: File(lock_file.lock_text(lock)),
        _SCHEMA_FILE: File(schema),
        _IGNORE_FILE: File(
            "# Left by a killed command or an open conflict for the next command.\n"
            "/pending/\n/journal.json\n/undo/\n"
        ),
        _ATTRIBUTES_FILE: File("base/** linguist-generated\n"),
        **model,
        **{packing.copy_path(p.locked.name): File(p.copy) for p in built.packs},
    }
    base = {
        f"{BASE_DIR}/{path}": File(file.text)
        for path, file in rendered.items()
        if file.file_class == "managed"
    }
    on_disk = found.files if found else rendered
    return FileTree({path: on_disk[path] for path in rendered}).merged({**state, **base})


def new_tree(built: Built, root: Path, bases: tuple[str, ...] | None = None) -> FileTree:
    """All that a new deployment in `root` consists of.

    The spec is part of it, unless its owner wrote it there: over `bases`, which may be none.
    """
    if bases is not None:
        return with_state(built, input_hashes(root, built.spec, bases))
    spec = File(spec_file.spec_text(built.spec), file_class="seeded")
    inputs = {**input_hashes(root, built.spec), SPEC_FILE: spec.sha256}
    return with_state(built, inputs).merged({SPEC_FILE: spec})


def load(root: Path) -> tuple[Spec, Lock]:
    """Spec and lock of the deployment in `root`, after finishing what a killed command left."""
    writing.recover(root)
    if not root.is_dir():
        raise UsageError("no such folder", where=str(root))
    spec = spec_file.read_spec(root / SPEC_FILE)
    lock = lock_file.read_lock(root / LOCK_FILE)
    return spec, lock


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
        raise ConflictError(str(root), still)
    text, adopted = None, Adopted()
    if engine_version is not None:
        text = with_engine_version(root / SPEC_FILE, lock.resolved.engine, engine_version)
    elif adopt:
        before = build_at(root, spec_file.read_spec(root / SPEC_FILE), lock.resolved, lock.images)
        adopted = adoptable(root, before.tree, lock)
        text = with_patches(root / SPEC_FILE, adopted.patches) if adopted.patches else None
    spec, bases = spec_file.spec_and_bases(root / SPEC_FILE, text)
    built = rebuilt(root, spec, lock, fresh or Fresh(), replan=replan)
    built = packing.with_packs(built, root, lock, trust=trust, fetch=packs)
    dropped = built.tree if discard_edits else adopted.files
    found = edits.reconcile(root, built.tree, lock, dropped)
    _refuse(root, found)
    if found.edited and not found.conflicts:
        texts = {path: file.text for path, file in found.files.items()}
        built = replace(built, findings=judge(built, texts))
    if built.errors:
        raise FindingsError(built.findings, str(root))
    inputs = input_hashes(root, spec, bases)
    rewritten = {} if text is None else {SPEC_FILE: File(text)}
    inputs |= {path: file.sha256 for path, file in rewritten.items()}
    tree = with_state(built, inputs, found, lock).merged(rewritten)
    changes = find_changes(root, tree, lock)
    return Prepared(root, built, lock, found, changes, adopted)


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
