"""JSON patches (RFC 6902) on rendered YAML and JSON: what a spec changes of what infra-gen wrote.

A file keeps the bytes and comments of everything that a patch does not touch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra_gen.render import yamldoc

_YAML = (".yaml", ".yml")


class PatchError(ValueError):
    """A patch that cannot be applied; the message says why."""


def can_be_patched(path: str) -> bool:
    """Whether the file is a document that a pointer can lead into."""
    return path.endswith((*_YAML, ".json"))


def patched(path: str, text: str, operation: Mapping[str, Any]) -> str:
    """`text` of the file `path` with one operation applied. PatchError where it does not fit."""
    import jsonpatch  # noqa: PLC0415 - only where a spec has patches
    from jsonpointer import JsonPointerException  # noqa: PLC0415

    is_yaml = path.endswith(_YAML)
    if not can_be_patched(path):
        raise PatchError(f"{path} is no YAML or JSON")
    document: Any = yamldoc.load(text) if is_yaml else json.loads(text)
    prepared = dict(operation)
    if is_yaml and "value" in prepared and operation["op"] != "test":
        prepared["value"] = yamldoc.node(prepared["value"])
    try:
        document = jsonpatch.apply_patch(document, [prepared], in_place=True)
    except jsonpatch.JsonPatchTestFailed as error:
        raise PatchError(f"{path} no longer says that at {operation['path']}") from error
    except (jsonpatch.JsonPatchException, JsonPointerException) as error:
        raise PatchError(f"{path}: {error}") from error
    if not isinstance(document, dict | list):
        raise PatchError(f"{path} would be no document any more")
    if is_yaml:
        return yamldoc.dump_loaded(document)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def difference(path: str, before: str, after: str) -> list[dict[str, Any]]:
    """Operations that lead from one text to a text that says the same as the other.

    PatchError where a text is no document.
    """
    import jsonpatch  # noqa: PLC0415

    if not can_be_patched(path):
        raise PatchError(f"{path} is no YAML or JSON")
    try:
        old, new = (_plain(path, text) for text in (before, after))
    except Exception as error:
        raise PatchError(f"{path} cannot be read: {error}") from error
    operations: list[dict[str, Any]] = jsonpatch.make_patch(old, new).patch
    return operations


def says_the_same(path: str, one: str, other: str) -> bool:
    """Whether two texts of a file mean the same, comments and layout aside."""
    return bool(_plain(path, one) == _plain(path, other))


def _plain(path: str, text: str) -> Any:
    if not path.endswith(_YAML):
        return json.loads(text)
    from ruamel.yaml import YAML  # noqa: PLC0415 - see yamldoc

    return YAML(typ="safe", pure=True).load(text)
