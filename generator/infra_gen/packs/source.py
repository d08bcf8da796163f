"""Where a pack comes from: a folder, or a repository on GitHub at a ref."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from infra_gen.errors import UsageError

HOSTS = {"gh": "https://github.com/"}
_REPOSITORY = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]{0,38})/([A-Za-z0-9_][A-Za-z0-9._-]{0,99})")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_SHAPE = "DIR or gh:OWNER/REPOSITORY@REF"


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository by address. `ref` is a branch, a tag or a whole commit id; None: its default."""

    address: str
    ref: str | None


def repository_of(source: str) -> Repository | None:
    """The repository that `source` names; None when it is a folder. UsageError when it is neither."""
    host, colon, rest = source.partition(":")
    if not colon or "/" in host or "\\" in host:
        return None
    if host not in HOSTS:
        raise UsageError(f"pack {source!r}: {host}: is not known", hint=f"give {_SHAPE}")
    name, at, ref = rest.partition("@")
    found = _REPOSITORY.fullmatch(name)
    if not found or ".." in name or (at and (not _REF.fullmatch(ref) or ".." in ref)):
        raise UsageError(f"pack {source!r} is not {_SHAPE}")
    return Repository(f"{HOSTS[host]}{found[1]}/{found[2].removesuffix('.git')}", ref or None)


def name_of(source: str) -> str:
    """What the pack is called: the last word of its source, as a file's name."""
    repository = repository_of(source)
    last = repository.address.rsplit("/", 1)[1] if repository else PurePath(source).name
    return re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:40].strip("-") or "pack"
