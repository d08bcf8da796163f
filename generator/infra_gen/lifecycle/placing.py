"""Specs that were written by hand, and the folders that their deployments go into.

Names. Two specs of one command may not lead to the same folder. Nor may two folders side by side, one
of them new, have specs that each say the same name: on one host they would take each other's
containers, volumes and ports, and a copy whose name nobody changed looks like that. The same
deployment in several places is said by a name that both get from a base (`extends`), or by folders
apart (`eu/chat`, `us/chat`). `check` does not compare names: no spec says on which host it runs, and
fleets repeat names for each region and stage.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infra_gen.errors import InfraGenError, SpecError, UsageError
from infra_gen.lifecycle.discovery import find_deployments
from infra_gen.lifecycle.spec_document import place, read_layers
from infra_gen.lifecycle.spec_file import bases_of, spec_of
from infra_gen.model.names import LOCK_FILE, SPEC_FILE
from infra_gen.model.spec import Spec


@dataclass(frozen=True, slots=True)
class Placed:
    """A spec and the folder of its deployment.

    `bases` are the files that it extends, as seen from its own folder; `name_at` is file:line of its
    name, `own_name` whether its own file says it.
    """

    path: Path
    root: Path
    spec: Spec
    bases: tuple[str, ...]
    name_at: str
    own_name: bool

    @property
    def here(self) -> bool:
        """Whether the spec lies in that folder under its proper name: then it stays as it is."""
        return self.path.name == SPEC_FILE and _same(self.path.parent, self.root)


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def specs_among(words: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The specs that files and folders stand for, each once, and those that need nothing.

    A folder stands for every spec below it that has no deployment yet; the others need nothing.
    UsageError for a folder without any spec.
    """
    found: dict[str, Path] = {}
    there: dict[str, Path] = {}
    for word in words:
        if not word.is_dir():
            found.setdefault(os.path.realpath(word), word)
            continue
        below = list(find_deployments(word))
        if not below:
            raise UsageError(f"no {SPEC_FILE} in this folder or below", where=str(word))
        for folder in below:
            kind = there if _deployed(folder) else found
            kind.setdefault(os.path.realpath(folder / SPEC_FILE), folder / SPEC_FILE)
    return tuple(found.values()), tuple(there[real] for real in there if real not in found)


def _deployed(folder: Path) -> bool:
    return os.path.lexists(folder / LOCK_FILE)


def files_and_folder(words: Sequence[Path]) -> tuple[tuple[Path, ...], Path | None]:
    """Further specs, as a shell makes them of `deploy/*/infra-gen.yaml`, and the DIR to write.

    UsageError for more than one DIR.
    """
    files = tuple(word for word in words if word.is_file())
    folders = [word for word in words if word not in files]
    if len(folders) > 1:
        raise UsageError(f"one DIR can be written, got {', '.join(map(str, folders))}")
    return files, folders[0] if folders else None


def placed(path: Path, into: Path | None, *, alone: bool) -> Placed:
    """The spec in `path`, and its folder: `into`, or a folder of its name there unless `alone`.

    Without `into` it is the spec's own folder when it is called infra-gen.yaml, else ./NAME.
    SpecError where the spec is wrong, UsageError where its own folder is a deployment already.
    """
    layers = read_layers(path)
    spec = spec_of(layers)
    if into is not None:
        root = into if alone else into / spec.name
    elif path.name != SPEC_FILE:
        root = Path(spec.name)
    elif _deployed(path.parent):
        raise UsageError(
            f"belongs to a deployment already: {LOCK_FILE} lies beside it",
            where=str(path),
            hint=f"infra-gen update {path.parent} regenerates it; a DIR makes another one",
        )
    else:
        root = path.parent
    own_name = "name" in layers[0].plain
    return Placed(path, root, spec, bases_of(layers), place(layers, ("name",)), own_name)


def refuse_twins(new: Sequence[Placed], there: Sequence[Path] = ()) -> None:
    """SpecError, naming both, for two of one folder or a name that was copied along.

    `there` are specs that have a deployment already.
    """
    before = []
    for path in there:
        with suppress(InfraGenError):  # `check` says what is wrong with it
            before.append(placed(path, path.parent, alone=True))
    for first, second in _pairs([*before, *new]):
        if second in before:
            continue
        if _same(first.root, second.root):
            raise SpecError(
                f"name: {second.spec.name!r} would be written into {second.root}, as that of "
                f"{first.name_at}",
                where=second.name_at,
                hint="give each its own name; nothing was written",
            )
        raise SpecError(
            f"name: {second.spec.name!r} is the name at {first.name_at} too; on one host they would "
            "take each other's containers, volumes and ports",
            where=second.name_at,
            hint="give each its own name, or say it in a base that both extend when they are one "
            "deployment for several hosts; nothing was written",
        )


def _pairs(all_placed: Sequence[Placed]) -> Iterator[tuple[Placed, Placed]]:
    """Those that cannot be together, the earlier one first."""
    roots: dict[str, Placed] = {}
    names: dict[tuple[str, str], Placed] = {}
    for one in all_placed:
        root = os.path.realpath(one.root)
        before = roots.setdefault(root, one)
        if before is not one:
            yield before, one
        if one.own_name:
            before = names.setdefault((str(Path(root).parent), one.spec.name), one)
            if before is not one:
                yield before, one
