"""Files of a deployment that its containers read: where they lie, and a hash of what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from infra_gen.model.filetree import File
from infra_gen.model.stack import ConfigMount, Service


@dataclass(frozen=True, slots=True)
class Configs:
    """The files by path, and the folder of the compose file that mounts them (empty: the top)."""

    files: Mapping[str, File]
    folder: str = ""

    def source(self, config: ConfigMount) -> str:
        """The path as the compose file writes it: relative to itself."""
        path = PurePosixPath(config.source)
        inside = path.relative_to(self.folder) if self.folder else path
        return "." if str(inside) == "." else f"./{inside}"

    def sha256(self, service: Service) -> str:
        """A short hash of all that this service reads; what only promtool reads is left out."""
        text = "".join(
            file.text
            for path, file in sorted(self.files.items())
            if _read_by(path, service) and not path.endswith("_test.yml")
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _read_by(path: str, service: Service) -> bool:
    return any(path == one.source or path.startswith(f"{one.source}/") for one in service.configs)
