"""What a deployment is read from: its spec and its lock."""

from __future__ import annotations

from pathlib import Path

from infra_gen.errors import UsageError
from infra_gen.lifecycle.lock_file import read_lock
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.lifecycle.writing import recover
from infra_gen.model.lock import Lock
from infra_gen.model.names import LOCK_FILE, SPEC_FILE
from infra_gen.model.spec import Spec


def load(root: Path) -> tuple[Spec, Lock]:
    """Spec and lock of the deployment in `root`, after finishing what a killed command left."""
    recover(root)
    if not root.is_dir():
        raise UsageError("no such folder", where=str(root))
    spec = read_spec(root / SPEC_FILE)
    lock = read_lock(root / LOCK_FILE)
    return spec, lock
