"""Reading and writing `infra-gen.lock`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from infra_gen import __version__
from infra_gen.errors import SpecError
from infra_gen.lifecycle.seal import sealed_text
from infra_gen.lifecycle.spec_document import read_text
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
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Stack

if TYPE_CHECKING:
    from infra_gen.model.names import EngineName, TargetName

_MAX_BYTES = 5_000_000


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
    text = read_text(path, _MAX_BYTES)
    remedy = "restore it from version control, or run infra-gen new in an empty folder"
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise SpecError("not a lock: nested too deeply", where=str(path), hint=remedy) from error
    except json.JSONDecodeError as error:
        raise SpecError(
            f"not valid JSON: {error.msg}", where=f"{path}:{error.lineno}", hint=remedy
        ) from error
    if isinstance(document, Mapping):
        schema = document.get("schema")
        if isinstance(schema, int) and schema > 1:
            raise SpecError(
                f"lock schema {schema} is newer than this infra-gen reads (1)",
                where=str(path), hint="upgrade infra-gen",
            )  # fmt: skip
    try:
        lock = Lock.model_validate(document)
        for name in (*lock.files, *(path for pack in lock.packs for path in pack.files)):
            safe_path(name)
    except ValidationError as error:
        first = error.errors()[0]
        dotted = ".".join(str(part) for part in first["loc"])
        raise SpecError(f"{dotted}: {first['msg']}", where=str(path), hint=remedy) from error
    except ValueError as error:
        raise SpecError(str(error), where=str(path), hint=remedy) from error
    return lock
