"""The seal of a lock: a hash over all the rest of it, so that an untouched one is known as such."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra_gen.lifecycle.regular import bytes_of

# How a sealed lock ends, as `sealed_text` writes it: what stands before is what was hashed.
_END = re.compile(rb',\n  "seal": "([0-9a-f]{64})"\n\}\n\Z')


class KeyTwiceError(Exception):
    """A key of the lock that one mapping has twice: JSON would silently take the last."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For JSON's object_pairs_hook: the mapping, or KeyTwiceError."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise KeyTwiceError(next(key for key in keys if keys.count(key) > 1))
    return found


def _hash(document: Mapping[str, object]) -> str:
    rest = {key: value for key, value in document.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, indent=2).encode()).hexdigest()


def sealed_text(document: Mapping[str, object]) -> str:
    """The document as JSON, its seal last."""
    rest = {key: value for key, value in document.items() if key != "seal"}
    return json.dumps({**rest, "seal": _hash(rest)}, indent=2) + "\n"


def _sealed_as_written(data: bytes) -> bool:
    """Whether these are the very bytes that were sealed: a tenth of the work of writing them again."""
    end = _END.search(data, max(0, len(data) - 100))
    if end is None:
        return False
    return hashlib.sha256(data[: end.start()] + b"\n}").hexdigest().encode() == end[1]


def read_sealed(path: Path) -> dict[str, Any] | None:
    """The document of an untouched lock, unchecked; None where it is anything else.

    Other bytes that say the same, such as another system's line ends, are no change.
    """
    data = bytes_of(path)
    try:
        document = json.loads(data, object_pairs_hook=keys_once) if data else None
    except (ValueError, RecursionError, KeyTwiceError):
        return None
    if not data or not isinstance(document, dict):
        return None
    if not _sealed_as_written(data) and document.get("seal") != _hash(document):
        return None
    return document
