"""The files beside infra-gen's own knowledge that a deployment is rendered from, and their hashes."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from infra_gen.model.spec import SPEC_FILE, HardwareNodes, Spec, is_file_word

_MAX_BYTES = 50_000_000  # no input, and no file of a deployment, comes near


def _profile(spec: Spec) -> str | None:
    """The word for hardware where it names a file."""
    word = spec.hardware.nodes.each if isinstance(spec.hardware, HardwareNodes) else spec.hardware
    return word if isinstance(word, str) and is_file_word(word) else None


def hash_of(place: Path) -> str | None:
    """Hash of a file's bytes, None where there is none, or something without an end or too large."""
    try:
        found = place.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES:
            return None
        return hashlib.sha256(place.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return None


def input_hashes(root: Path, spec: Spec, extended: tuple[str, ...] = ()) -> dict[str, str]:
    """Hash of every input, by its path as seen from `root`; a spec's bases are `extended`.

    What cannot be read is left out: a later comparison then misses it and looks closer.
    """
    wanted = [SPEC_FILE, *extended]
    profile = _profile(spec)
    if profile is not None:
        wanted.append(os.path.expanduser(profile))  # noqa: PTH111 - unknown users stay as they are
    found = {path: hash_of(root / path) for path in wanted}
    return {path: digest for path, digest in sorted(found.items()) if digest}
