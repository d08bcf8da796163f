"""The hash of all that infra-gen knows, by which a lock tells whether its render is of today."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from infra_gen.resources import data_dir

_OF_NO_DEPLOYMENT = ("repo", "check")  # the repository around it, the job on GitLab


@lru_cache(maxsize=1)
def knowledge_sha256() -> str:
    """Hash over everything that planning and rendering read: presets, tables, templates."""
    digest = hashlib.sha256()
    for kind in ("presets", "templates"):
        root = data_dir(kind)
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            if kind == "templates" and path.relative_to(root).parts[0] in _OF_NO_DEPLOYMENT:
                continue
            if kind == "presets" and path.suffix == ".yaml" and path.name != "engine.yaml":
                continue  # what the index holds already
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
