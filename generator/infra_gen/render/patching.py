"""JSON patches (RFC 6902) on rendered YAML and JSON: what a spec changes of what infra-gen wrote.

A file keeps the bytes and comments of everything that a patch does not touch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from infra_gen.render import yamldoc

_YAML = (".yaml", ".yml")


class PatchError(ValueError):
    """A patch that cannot be applied; the message says why.

    Where it names a key that is not there, `name` is that key and `known` are those that are; else
    `hint` may say what is there.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, name: str = "", known: tuple[str, ...] = ()
    ) -> None:
        """Keep what a better patch could be made of."""
        super().__init__(message)
        self.hint = hint
        self.name = name
        self.known = known


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
    pointer, new = operation["path"], operation["op"] in ("add", "copy", "move")
    if "from" in operation:
        _member(path, document, operation["from"])
    if operation["op"] != "move":  # the path of a move is seen from what is left
        there = _member(path, document, pointer, new=new)
    try:
        document = jsonpatch.apply_patch(document, [prepared], in_place=True)
    except jsonpatch.JsonPatchTestFailed as error:
        said = json.dumps(there, ensure_ascii=False, default=str)
        raise PatchError(
            f"{path} no longer says that at {pointer}", hint=f"it says {said:.80} there"
        ) from error
    except (jsonpatch.JsonPatchException, JsonPointerException, TypeError) as error:
        _member(path, document, pointer, new=new)
        raise PatchError(f"{path}: {operation['op']} cannot be done at {pointer}") from error
    if not isinstance(document, dict | list):
        raise PatchError(f"{path} would be no document any more")
    if is_yaml:
        return yamldoc.dump_loaded(document)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _member(path: str, document: Any, pointer: str, *, new: bool = False) -> Any:
    """What `pointer` leads to; None for a member that `new` says is to be made there.

    PatchError names the first member on the way that is not there, never the document.
    """
    at, seen = document, ""
    names = pointer.split("/")[1:]
    for number, escaped in enumerate(names, 1):
        name = escaped.replace("~1", "/").replace("~0", "~")
        made = new and number == len(names)
        where = f"{path}: no member {name!r} at {seen or 'the top'}"
        if isinstance(at, dict):
            if made:
                return None
            if name not in at:
                raise PatchError(where, name=name, known=tuple(str(key) for key in at))
            at = at[name]
        elif isinstance(at, list):
            index = int(name) if re.fullmatch("0|[1-9][0-9]*", name) else len(at) + 1
            if made and (name == "-" or index <= len(at)):
                return None
            if index >= len(at):
                there = f"a list of {len(at)}, counted from 0"
                raise PatchError(where, hint=f"there is {there}; - is behind its end, for add")
            at = at[index]
        else:
            raise PatchError(where, hint="there is a single value, which has no members")
        seen += f"/{escaped}"
    return at


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
