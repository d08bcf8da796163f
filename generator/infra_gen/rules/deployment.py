"""A deployment as its files state it: what rules judge.

Compose files, property lists and systemd units are read into the same records, so a rule never
asks which target it looks at, and a file edited by hand is judged like a generated one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra_gen.rules.reading.compose import compose_services, is_compose_file
from infra_gen.rules.reading.dockerfile import is_dockerfile, read_dockerfile
from infra_gen.rules.reading.ini import Values
from infra_gen.rules.reading.plist import is_plist, plist_service
from infra_gen.rules.reading.quadlet import is_quadlet, quadlet_services, quadlet_values
from infra_gen.rules.reading.unit import is_unit, unit_service
from infra_gen.rules.reading.yaml_text import Document, UnreadableError, parse_yaml
from infra_gen.rules.service import Dockerfile, Service, Unreadable

__all__ = ["Deployment", "Service", "Unreadable", "read_deployment"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """All services that the files state, and the raw files."""

    files: Mapping[str, str]
    services: tuple[Service, ...]
    unreadable: tuple[Unreadable, ...] = ()
    documents: Mapping[str, Document] = field(default_factory=dict)
    dockerfiles: Mapping[str, Dockerfile] = field(default_factory=dict)

    @property
    def engine(self) -> Service | None:
        """The service that runs the engine."""
        return next((s for s in self.services if s.name == "engine"), None)

    def document(self, file: str) -> Any:
        """The parsed YAML of `file`, None when it is missing, broken or no YAML."""
        found = self.documents.get(file)
        return found.value if found else None

    def dockerfile_of(self, service: Service) -> Dockerfile | None:
        """The Dockerfile that makes the service's image, also when another service builds it."""
        if service.build:
            return self.dockerfiles.get(service.build)
        builders = (s for s in self.services if s.build and s.image and s.image == service.image)
        other = next(builders, None)
        return self.dockerfiles.get(other.build) if other and other.build else None

    def is_built_here(self, service: Service) -> bool:
        """Whether the image is made from a Dockerfile of this tree and never pulled."""
        return service.build is not None or self.dockerfile_of(service) is not None

    def environment(self, service: Service) -> dict[str, str]:
        """What the program sees: the Dockerfile's variables under those of the service."""
        dockerfile = self.dockerfile_of(service)
        return {**(dockerfile.env if dockerfile else {}), **service.env}

    def line_of(self, file: str, needle: str) -> int | None:
        """The first line of `file` that holds `needle`, counted from 1."""
        for number, line in enumerate(self.files.get(file, "").splitlines(), 1):
            if needle in line:
                return number
        return None

    def line_at(self, file: str, path: str) -> int | None:
        """The line of a dotted path in a YAML file, or of the nearest key above it."""
        document = self.documents.get(file)
        while document and path:
            if path in document.lines:
                return document.lines[path]
            path = path.rpartition(".")[0]
        return None

    def line_of_word(self, service: Service, word: str) -> int | None:
        """The line where `word` stands in the service's command, comments left out."""
        first = self.line_at(service.file, f"{service.key_path}.command") or 1
        pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
        lines = self.files.get(service.file, "").splitlines()
        for number, line in enumerate(lines[first - 1 :], first):
            if line.lstrip().startswith(("#", "<!--")):
                continue
            if pattern.search(line) and ("<string>" in line or not is_plist(service.file)):
                return number
        return None


def is_for_others(path: str) -> bool:
    """Whether no rule looks into that YAML: workflows, and promtool's tests of alert rules."""
    return path.startswith(".github/") or path.endswith("_test.yml")


def read_deployment(files: Mapping[str, str]) -> Deployment:
    """The services in `files` (path to text)."""
    services: list[Service] = []
    broken: list[Unreadable] = []
    documents: dict[str, Document] = {}
    dockerfiles: dict[str, Dockerfile] = {}
    quadlets: dict[str, Values] = {}
    for path, text in sorted(files.items()):
        try:
            if path.endswith((".yaml", ".yml")) and not is_for_others(path):
                documents[path] = parse_yaml(text)
                if is_compose_file(path):
                    services += compose_services(documents[path].value, path)
            elif is_plist(path):
                services.append(plist_service(text, path))
            elif is_unit(path):
                services.append(unit_service(text, path))
            elif is_quadlet(path):
                quadlets[path] = quadlet_values(text)
            elif is_dockerfile(path):
                dockerfiles[path] = read_dockerfile(text, path)
        except UnreadableError as error:
            broken.append(Unreadable(path, error.line, error.problem))
    found, unreadable = quadlet_services(quadlets)
    services += found
    broken += unreadable
    return Deployment(files, tuple(services), tuple(broken), documents, dockerfiles)
