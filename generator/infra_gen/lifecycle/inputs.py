"""The files beside infra-gen's own knowledge that a deployment is rendered from, and their hashes."""

from __future__ import annotations

import os
from pathlib import Path

from infra_gen.lifecycle.regular import hash_of
from infra_gen.model.names import SPEC_FILE
from infra_gen.model.spec import HardwareNodes, Spec, is_file_word


def _profile(spec: Spec) -> str | None:
    """The word for hardware where it names a file."""
    word = spec.hardware.nodes.each if isinstance(spec.hardware, HardwareNodes) else spec.hardware
    return word if isinstance(word, str) and is_file_word(word) else None


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
