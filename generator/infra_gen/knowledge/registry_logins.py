"""Logins for registries, as `docker login` keeps them; each is for its registry alone."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

_LARGEST = 2**20
_HELPER_S = 10
_HUB_KEY = "https://index.docker.io/v1/"


def basic_login(registry: str) -> str | None:
    """`user:password` in base64 for `registry`, None where there is none or it cannot be read."""
    document = _document()
    keys = (_HUB_KEY, "index.docker.io", "docker.io") if registry == "docker.io" else (registry,)
    for key in keys:
        found = _helped(document, key) or _kept(document, key)
        if found:
            return found
    return None


def _document() -> dict[str, Any]:
    folder = os.environ.get("DOCKER_CONFIG")
    try:
        path = (Path(folder) if folder else Path.home() / ".docker") / "config.json"
        with path.open("rb") as stream:
            document = json.loads(stream.read(_LARGEST))
    except (OSError, ValueError, RuntimeError, RecursionError):
        return {}  # no login at all: what is public is had without one
    return document if isinstance(document, dict) else {}


def _kept(document: dict[str, Any], key: str) -> str | None:
    """The login that is kept in the file itself."""
    auths = document.get("auths")
    names = (key, f"https://{key}", f"https://{key}/", f"http://{key}")
    entries = [auths.get(name) for name in names] if isinstance(auths, dict) else []
    for entry in entries:
        auth = entry.get("auth") if isinstance(entry, dict) else None
        if isinstance(auth, str) and _is_login(auth):
            return auth
    return None


def _is_login(text: str) -> bool:
    try:
        return b":" in base64.b64decode(text, validate=True)
    except ValueError:
        return False


def _helped(document: dict[str, Any], key: str) -> str | None:
    """The login that a credential helper keeps: the program that the user named for it."""
    helpers = document.get("credHelpers")
    name = helpers.get(key) if isinstance(helpers, dict) else None
    name = name or document.get("credsStore")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a fixed list of arguments, no shell
            [f"docker-credential-{name}", "get"],
            input=key.encode(), capture_output=True, timeout=_HELPER_S, check=True,
        )  # fmt: skip
        answer = json.loads(done.stdout[:_LARGEST])
        user, secret = answer["Username"], answer["Secret"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(user, str) or not isinstance(secret, str) or user == "<token>":
        return None  # a token of another scheme, which needs the helper's own client
    return base64.b64encode(f"{user}:{secret}".encode()).decode()
