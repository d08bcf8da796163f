"""What registries answer, judged: challenges, tokens, manifests. Pure.

The rules are those of the OCI distribution and image specifications and of Docker's token scheme.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT = ", ".join((*_INDEXES, *_MANIFESTS))
LOOPBACK = ("localhost", "127.0.0.1", "::1")

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class RegistryError(Exception):
    """Why a registry gave no digest, as a sentence without its full stop."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`repository:tag` as registries are asked for it. `registry` is the name that people use."""

    registry: str
    repository: str
    tag: str

    @property
    def host(self) -> str:
        """Where its interface is: that of docker.io is elsewhere."""
        return "registry-1.docker.io" if self.registry == "docker.io" else self.registry

    @property
    def url(self) -> str:
        """The base of its interface. TLS, but on this very machine."""
        name = urlsplit(f"//{self.host}").hostname
        return f"{'http' if name in LOOPBACK else 'https'}://{self.host}/v2/{self.repository}"


def reference_of(name: str) -> Reference:
    """`vllm/vllm-openai:v1` and the like, with or without a registry."""
    repository, _, tag = name.rpartition(":")
    first, slash, rest = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, path = first, rest
    else:
        registry, path = "docker.io", repository
    if registry == "docker.io" and "/" not in path:
        path = f"library/{path}"
    return Reference(registry, path, tag)


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a registry wants to be asked: `basic`, or with a token from `realm`."""

    basic: bool
    realm: str = ""
    service: str = ""

    def token_url(self, reference: Reference) -> str:
        """Where the token is had. It is asked for no more than reading this repository."""
        query = {"service": self.service} if self.service else {}
        query["scope"] = f"repository:{reference.repository}:pull"
        return f"{self.realm}{'&' if '?' in self.realm else '?'}{urlencode(query)}"


def challenge_of(header: str, *, plain: bool) -> Challenge:
    """The challenge in a WWW-Authenticate header; `plain`: the registry itself has no TLS."""
    start = re.search(r"\bbearer\s", header, re.IGNORECASE)
    if not start:
        if re.match(r"\s*basic\b", header, re.IGNORECASE):
            return Challenge(basic=True)
        raise RegistryError("asks for a login of a kind that infra-gen does not know")
    named = {
        match[1].lower(): re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        for match in _PARAMETER.finditer(header[start.end() :])
    }
    realm = named.get("realm", "")
    try:
        parts = urlsplit(realm)
        odd = "@" in parts.netloc or not parts.hostname or parts.fragment
    except ValueError:
        raise RegistryError("sends a login address that is none") from None
    if odd or parts.scheme not in ("https", "http"):
        raise RegistryError("sends a login address that is none")
    if parts.scheme == "http" and not plain:
        raise RegistryError("wants its login without TLS, which infra-gen refuses")
    return Challenge(basic=False, realm=realm, service=named.get("service", ""))


def token_of(body: bytes) -> str:
    """The token in the answer of a token service."""
    document = _document(body, "its login")
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RegistryError("its login answers without a token")
    return token


def stated_digest(headers: Mapping[str, str]) -> str | None:
    """Docker-Content-Digest, None where it is not sent."""
    stated = headers.get("Docker-Content-Digest")
    if stated is None:
        return None
    if not _DIGEST.fullmatch(stated.strip()):
        raise RegistryError("states a digest that is no SHA-256")
    return stated.strip()


def checked_digest(body: bytes, stated: str | None, content_type: str, platform: str) -> str:
    """The digest of the manifest or index in `body`, once it is sure what that is.

    It must be what was `stated`, and an index must hold an image for the `platform`.
    """
    found = f"sha256:{hashlib.sha256(body).hexdigest()}"
    if stated not in (None, found):
        raise RegistryError(f"states the digest {stated}, but what it sends has {found}")
    document = _document(body, "the manifest")
    kind = document.get("mediaType") or content_type.partition(";")[0].strip()
    if document.get("schemaVersion") != 2 or kind not in (*_INDEXES, *_MANIFESTS):
        raise RegistryError(
            "sends no image that infra-gen knows: an old or another kind of manifest"
        )
    if kind in _MANIFESTS:
        if not isinstance(document.get("config"), dict):
            raise RegistryError("sends a manifest without a config")
        return found
    held = _platforms(document.get("manifests"))
    if platform not in {"/".join(one.split("/")[:2]) for one in held}:
        names = ", ".join(held) or "none"
        raise RegistryError(f"has no image for {platform} under this tag (has {names})")
    return found


def _platforms(manifests: object) -> tuple[str, ...]:
    """The platforms of an index; what is attached to its images has none."""
    if not isinstance(manifests, list):
        raise RegistryError("sends an index without manifests")
    found = []
    for entry in manifests:
        platform = entry.get("platform") if isinstance(entry, dict) else None
        if isinstance(platform, dict):
            words = [platform.get(key) for key in ("os", "architecture", "variant")]
            name = "/".join(word for word in words if isinstance(word, str) and word)
            if name != "unknown/unknown" and re.fullmatch(r"[\w./-]{1,60}", name):
                found.append(name)
    return tuple(dict.fromkeys(found))


def _document(body: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise RegistryError(f"{what} is no JSON") from None
    if not isinstance(document, dict):
        raise RegistryError(f"{what} is no JSON object")
    return document
