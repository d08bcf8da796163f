"""Packs of a deployment: fetched for `new`, from the copy beside the lock ever after, merged in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra_gen.building import Built, RenderedPack, judge
from infra_gen.errors import FindingsError, SpecError, UsageError
from infra_gen.lifecycle.edits import base_text
from infra_gen.lifecycle.journal import STATE_DIR
from infra_gen.lifecycle.spec_document import read_text
from infra_gen.model.filetree import File, FileTree
from infra_gen.model.lock import Lock
from infra_gen.model.names import LOCK_FILE, SPEC_FILE
from infra_gen.model.pack import LockedPack, Pack, PackContext, PackPort, PackService
from infra_gen.model.plan_document import document_of
from infra_gen.packs import guard
from infra_gen.packs.source import name_of
from infra_gen.packs.template import Template, context_of, template_in
from infra_gen.targets.command import command_of

PACKS_DIR = f"{STATE_DIR}/packs"
_MAX_BYTES = 20_000_000


def copy_path(name: str) -> str:
    """Where the copy of a pack lies in its deployment."""
    return f"{PACKS_DIR}/{name}.json"


def with_packs(
    built: Built,
    root: Path,
    lock: Lock | None = None,
    *,
    trust: bool = False,
    fetch: bool = False,
    reading: bool = False,
) -> Built:
    """`built` with the files of the packs that its spec names, judged again.

    A pack that the lock knows is taken from its copy beside it; `fetch` brings all of them anew.
    `reading` is for commands that only compare: nothing is fetched, and a pack that needs trust is
    not run, its files are what it made last. What breaks a rule already is not handed to a pack.
    """
    if not built.spec.packs:
        return built
    if built.errors and not reading:
        raise FindingsError(built.findings, str(root))
    names = _names(built.spec.packs)
    tree, rendered = built.tree, []
    known = {pack.name: pack for pack in lock.packs} if lock else {}
    for pack, name in zip(built.spec.packs, names, strict=True):
        locked = known.get(name)
        if fetch or (not reading and (locked is None or locked.source != pack.source)):
            template, entry = _fetched(pack, name, root)
        else:
            template, entry = _kept(root, name, locked)
        closed = built.errors or (template.needs_trust and not trust)
        if reading and lock and closed:
            files = _made_before(root, entry, lock)
        else:
            files = _rendered(template, pack, context_document(built), trust=trust)
        _refuse_clashes(files, tree, pack)
        tree = tree.merged(files)
        entry = entry.model_copy(update={"files": tuple(sorted(files))})
        rendered.append(RenderedPack(entry, template.copy))
    whole = replace(built, tree=tree, packs=tuple(rendered))
    texts = {path: file.text for path, file in tree.items()}
    return replace(whole, findings=judge(whole, texts))


def _names(packs: tuple[Pack, ...]) -> tuple[str, ...]:
    names = tuple(name_of(pack.source) for pack in packs)
    if len(set(names)) != len(names):
        raise UsageError("two packs have the same name", where="packs", hint="rename one's folder")
    return names


def _fetched(pack: Pack, name: str, root: Path) -> tuple[Template, LockedPack]:
    from infra_gen.packs import fetching  # noqa: PLC0415 - only where packs are

    template, commit = fetching.fetch(pack.source, root)
    entry = LockedPack(name=name, source=pack.source, commit=commit, sha256=template.sha256)
    return template, entry


def _kept(root: Path, name: str, locked: LockedPack | None) -> tuple[Template, LockedPack]:
    place = root / copy_path(name)
    remedy = "restore it from version control, or fetch it again with infra-gen update --packs"
    if locked is None:
        raise SpecError(f"the lock knows no pack {name}", where=str(root / LOCK_FILE), hint=remedy)
    try:
        template = template_in(read_text(place, _MAX_BYTES), str(place))
    except ValueError as error:
        raise SpecError(
            f"the pack's copy is damaged: {error}", where=str(place), hint=remedy
        ) from error
    except SpecError as error:
        raise SpecError(error.message, where=error.where, hint=remedy) from error
    if template.sha256 != locked.sha256:
        raise SpecError("the pack's copy is not what the lock says", where=str(place), hint=remedy)
    return template, locked


def _rendered(
    template: Template, pack: Pack, context: Mapping[str, Any], *, trust: bool
) -> dict[str, File]:
    from infra_gen.packs import running  # noqa: PLC0415 - only where packs are

    where = f"pack {pack.source}"
    variables = context_of(template, pack.answers, context, where)
    return running.render(template, variables, where, trust=trust)


def _made_before(root: Path, entry: LockedPack, lock: Lock) -> dict[str, File]:
    """What a pack that may not be run made last, as the copies and the lock have it."""
    files = {}
    for path in entry.files:
        locked = lock.files.get(path)
        if locked is not None and locked.file_class == "managed":
            files[path] = File(base_text(root, path, locked), locked.executable)
    return files


def _refuse_clashes(files: Mapping[str, File], tree: FileTree, pack: Pack) -> None:
    if not files:
        raise UsageError("it made no file", where=f"pack {pack.source}")
    clashing = guard.clashes(files, (*tree, SPEC_FILE, LOCK_FILE))
    if clashing:
        raise UsageError(
            f"it writes what is part of the deployment already: {', '.join(clashing)}",
            where=f"pack {pack.source}", hint="give its files other names; nothing was written",
        )  # fmt: skip


def context_document(built: Built) -> dict[str, Any]:
    """The plan as a pack reads it: plain values, secrets by name only, no path of this machine."""
    stack = built.stack
    engine = stack.service("engine")
    argv, env = command_of(engine, stack)
    native = built.plan.runtime != "container"
    image = None if native or not engine.image else engine.image.reference
    context = PackContext(
        name=stack.name,
        target=built.plan.target,
        plan=document_of(built.plan, argv, env, image),
        services=tuple(
            PackService(
                name=service.name,
                role=service.role,
                image=None if native or not service.image else service.image.reference,
                ports=tuple(
                    PackPort(name=one.name, container=one.container, host=one.host)
                    for one in service.ports
                ),
                secrets=tuple(secret.name for secret in service.secrets),
            )
            for service in stack.services
        ),
        files=tuple(built.tree),
    )
    return context.model_dump(mode="json", by_alias=True)
