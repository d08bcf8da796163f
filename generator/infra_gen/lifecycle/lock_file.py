"""Reading and writing `infra-gen.lock`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from infra_gen import __version__
from infra_gen.errors import SpecError
from infra_gen.lifecycle.journal import BASE_DIR, STATE_DIR, after_merge
from infra_gen.lifecycle.seal import KeyTwiceError, keys_once, sealed_text
from infra_gen.lifecycle.spec_document import line, parsed, read_text, refuse_conflict_marks
from infra_gen.lifecycle.spec_file import spec_sha256
from infra_gen.model.filetree import FileTree, safe_path
from infra_gen.model.finding import Finding
from infra_gen.model.lock import (
    AllowedFinding,
    Lock,
    LockedFile,
    LockedFinding,
    LockedImage,
    Resolved,
    ResolvedParallelism,
)
from infra_gen.model.names import LOCK_FILE, SPEC_FILE
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Stack

if TYPE_CHECKING:
    from infra_gen.model.names import EngineName, TargetName

_MAX_BYTES = 5_000_000
_MAX_SEARCHED = 200_000  # characters; a parser that knows lines is slow
_REMEDY = "restore it from version control, or run infra-gen new in an empty folder"


def resolved_of(plan: Plan) -> Resolved:
    """What `auto` became."""
    split, limits = plan.parallelism, plan.limits
    return Resolved(
        hardware=plan.machine.id,
        model=plan.model_word,
        revision=plan.weights.revision,
        engine=cast("EngineName", plan.engine),
        engine_version=plan.engine_version,
        quantization=plan.weights.quantization,
        target=cast("TargetName", plan.target),
        parallelism=ResolvedParallelism(
            tensor=split.tensor, layer_split=split.layer_split, replicas=split.replicas
        ),
        context=limits.context,
        max_num_seqs=limits.max_num_seqs,
        max_num_batched_tokens=limits.max_num_batched_tokens,
        memory_fraction=limits.memory_fraction,
        kv_cache_dtype=limits.kv_cache_dtype,
        gpu_layers=limits.placement.gpu_layers,
        cpu_moe_layers=limits.placement.cpu_moe_layers,
    )


def _images(stack: Stack) -> tuple[LockedImage, ...]:
    found = {s.image.name: s.image for s in stack.services if s.image}
    return tuple(
        LockedImage(ref=ref, digest=image.digest, verified=image.pinned_on or image.verified)
        for ref, image in sorted(found.items())
    )


def make_lock(
    spec: Spec,
    plan: Plan,
    stack: Stack,
    tree: FileTree,
    *,
    knowledge: str,
    findings: tuple[Finding, ...],
    inputs: Mapping[str, str],
) -> Lock:
    """The lock for a tree about to be written."""
    return Lock(
        generator=f"infra-gen {__version__}",
        spec_sha256=spec_sha256(spec),
        knowledge_sha256=knowledge,
        inputs=dict(inputs),
        resolved=resolved_of(plan),
        images=_images(stack),
        files={
            path: LockedFile(sha256=f.sha256, file_class=f.file_class, executable=f.executable)
            for path, f in tree.items()
        },
        allowed=tuple(AllowedFinding(rule=a.rule, reason=a.reason) for a in spec.allow),
        findings=tuple(LockedFinding(**asdict(finding)) for finding in findings),
    )


def lock_text(lock: Lock) -> str:
    """The lock as JSON, keys in the record's order, files sorted, sealed."""
    return sealed_text(lock.model_dump(mode="json", by_alias=True))


def read_lock(path: Path) -> Lock:
    """The lock in `path`; SpecError (exit 4) when it is missing, newer or damaged."""
    text = _text_of(path)
    document = _document(path, text)
    schema = document.get("schema") if isinstance(document, Mapping) else None
    if isinstance(schema, int) and schema > 1:
        raise SpecError(
            f"lock schema {schema} is newer than this infra-gen reads (1)",
            where=_place(path, text, ("schema",)), hint="upgrade infra-gen",
        )  # fmt: skip
    try:
        lock = Lock.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        dotted = ".".join(str(part) for part in first["loc"])
        raise SpecError(
            f"{dotted}: {first['msg']}" if dotted else str(first["msg"]),
            where=_place(path, text, first["loc"]), hint=_REMEDY,
        ) from error  # fmt: skip
    for name in lock.files:
        _confined(path, text, ("files", name))
    for number, pack in enumerate(lock.packs):
        for name in pack.files:
            _confined(path, text, ("packs", number, "files", name))
    return lock


def _confined(path: Path, text: str, keys: tuple[int | str, ...]) -> None:
    """SpecError for a file that infra-gen cannot have written: an update might delete it."""
    name = str(keys[-1])
    try:
        first = safe_path(name).partition("/")[0]
        if name in (SPEC_FILE, LOCK_FILE) or first in (STATE_DIR, ".git"):
            raise ValueError(f"{name} is no file of a deployment")
    except ValueError as error:
        raise SpecError(str(error), where=_place(path, text, keys), hint=_REMEDY) from error


def _text_of(path: Path) -> str:
    if not os.path.lexists(path):
        written = (path.parent / BASE_DIR).is_dir()
        raise SpecError(
            "no such file", where=str(path),
            hint="restore it from version control"
            if written
            else f"infra-gen new --spec {path.parent / SPEC_FILE} writes deployment and lock",
        )  # fmt: skip
    return read_text(path, _MAX_BYTES)


def _document(path: Path, text: str) -> Any:
    """The lock as JSON has it. SpecError names the line where it is none."""
    refuse_conflict_marks(
        text, path,
        hint=after_merge(path.parent),
    )  # fmt: skip
    try:
        return json.loads(text, object_pairs_hook=keys_once)
    except RecursionError as error:
        raise SpecError("not a lock: nested too deeply", where=str(path), hint=_REMEDY) from error
    except json.JSONDecodeError as error:
        raise SpecError(
            f"not valid JSON: {error.msg}", where=f"{path}:{error.lineno}", hint=_REMEDY
        ) from error
    except KeyTwiceError as error:
        key = json.dumps(error.key)
        last = max(number for number, line in enumerate(text.splitlines(), 1) if key in line)
        raise SpecError(
            f"{error.key!r} is there twice, as after a merge that kept both sides",
            where=f"{path}:{last}", hint=_REMEDY,
        ) from error  # fmt: skip


def _place(path: Path, text: str, keys: Sequence[int | str]) -> str:
    """file:line of the deepest of `keys`; the file alone where looking would take seconds."""
    if len(text) > _MAX_SEARCHED:
        return str(path)
    try:
        return f"{path}:{line(parsed(text, path), tuple(keys))}"
    except SpecError:
        return str(path)
