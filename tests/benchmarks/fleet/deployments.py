"""Deployments to check: every golden case under many names and loads, as `infra-gen new` writes them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from infra_gen import api
from infra_gen.errors import InfraGenError
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.model.spec import Spec

GOLDEN = Path(__file__).parents[2] / "golden"
PEER_CASE = "2x4090-40-users"  # what peers get a template of
_DISTINCT = 100
_A_FOLDER = 100


def _cases() -> list[Path]:
    found = sorted(GOLDEN.glob("*/infra-gen.yaml"))
    return [path.parent for path in found if not path.parent.name.startswith("refused")]


def _written(spec: Spec, base: Path, root: Path) -> bool:
    """Whether the deployment could be made; a profile that the spec names lies in `base`."""
    try:
        built = api.build(spec, base)
        if built.errors:
            return False
        api.write_new(built, root)
    except InfraGenError:
        return False
    return True


def _variants(case: Path) -> Iterator[Spec]:
    """The case under other names, each for other users as long as they fit."""
    spec = read_spec(case / "infra-gen.yaml")
    for number in range(1, _DISTINCT):
        load = spec.load
        if load.users is not None:
            load = load.model_copy(update={"users": load.users + number % 7})
        yield spec.model_copy(update={"name": f"chat-{number:02d}", "load": load})


def make_distinct(top: Path, count: int = _DISTINCT) -> list[Path]:
    """`count` deployments below `top`, no two alike, of all cases in turn."""
    made: list[Path] = []
    for variants in cycle([_variants(case) for case in _cases()]):
        if len(made) == count:
            break
        root = top / f"{len(made):03d}"
        if _written(next(variants), root, root):
            made.append(root)
    return made


def make_alike(top: Path, count: int) -> list[Path]:
    """`count` deployments of one case below `top`, by their names."""
    case = GOLDEN / PEER_CASE
    spec = read_spec(case / "infra-gen.yaml")
    names = [f"chat-{number:02d}" for number in range(count)]
    roots = [top / name for name in names]
    for name, root in zip(names, roots, strict=True):
        if not _written(spec.model_copy(update={"name": name}), root, root):
            raise SystemExit(f"{case.name} cannot be made any more")
    return roots


def make_fleet(top: Path, distinct: list[Path], size: int) -> None:
    """`size` folders below `top`: the distinct ones and copies of them, a hundred in a folder."""
    for number, root in enumerate(islice(cycle(distinct), size)):
        shutil.copytree(root, top / f"{number // _A_FOLDER:03d}" / f"{number:05d}")


def files_of(root: Path) -> dict[str, bytes]:
    """What a user sees of a deployment: all but infra-gen's own state."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith((".infra-gen/", "infra-gen.", ".git/")):
            found[name] = path.read_bytes()
    return found


def git(folder: Path, *words: str) -> None:
    """A git command in `folder`, as nobody in particular and without the user's configuration."""
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
