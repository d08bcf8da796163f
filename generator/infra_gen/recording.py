"""All that a deployment consists of: its files, and beside them lock, schema and pristine copies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from infra_gen import packing
from infra_gen.building import Built
from infra_gen.knowledge.digest import knowledge_sha256
from infra_gen.knowledge.models import MODEL_FILE, document_of
from infra_gen.lifecycle import lock_file, spec_file
from infra_gen.lifecycle.edits import Reconciled
from infra_gen.lifecycle.inputs import input_hashes
from infra_gen.lifecycle.journal import BASE_DIR, STATE_DIR
from infra_gen.model.filetree import File, FileTree
from infra_gen.model.lock import Lock
from infra_gen.model.names import LOCK_FILE, SPEC_FILE
from infra_gen.resources import data_dir

_SCHEMA_FILE = f"{STATE_DIR}/spec.schema.json"
_IGNORE_FILE = f"{STATE_DIR}/.gitignore"
_ATTRIBUTES_FILE = f"{STATE_DIR}/.gitattributes"


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
    judged: Mapping[str, str] | None = None,
) -> FileTree:
    """The deployment's files with lock, schema and pristine copies.

    `inputs` are hashes of the spec and what it names. `found` holds the files with their edits,
    `before` the lock that says which are ejected, `judged` hashes of those among them that the
    findings are about; the findings on others are about the render.
    """
    seen = {path: file.sha256 for path, file in built.tree.items()} | dict(judged or {})
    ejected = {
        path: locked.model_copy(update={"sha256": seen.get(path, locked.sha256)})
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
        _ATTRIBUTES_FILE: File("base/** -text linguist-generated\n"),
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
