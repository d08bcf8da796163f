"""A spec's YAML with its lines, and the specs that it extends."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra_gen.errors import SpecError
from infra_gen.model.names import LOCK_FILE, SPEC_FILE

EXTENDS = "extends"
_MAX_BYTES = 100_000  # a spec is a page; more is a mistake or an attack
_MAX_NODES, _MAX_DEPTH = 5_000, 20  # aliases can make much of little
_MAX_OPEN = 500  # brackets, or dashes on a line: the parser takes seconds to give up on thousands
_MAX_LAYERS = 10  # further than anybody follows by eye


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of a spec. `document` knows the lines of its keys, `plain` is what it says."""

    path: Path
    document: Mapping[str, Any]
    plain: Mapping[str, Any]


def read_layers(path: Path, text: str | None = None) -> tuple[Layer, ...]:
    """The spec in `path` and what it extends, nearest first; `text` stands in for the file's own.

    `extends` is a path as seen from the file that says it. SpecError names file and line.
    """
    layers = [_layer(path, text)]
    while True:
        last = layers[-1]
        base = last.plain.get(EXTENDS)
        if base is None:
            return tuple(layers)
        where = f"{last.path}:{line(last.document, (EXTENDS,))}"
        if not isinstance(base, str) or not base.strip():
            raise SpecError(f"extends: not a file's path, got {base!r:.80}", where=where)
        if not base.isprintable():
            raise SpecError(f"extends: holds a control character, got {base!r:.80}", where=where)
        following = Path(os.path.normpath(last.path.parent / base))
        _check_base(following, layers, where)
        layers.append(_layer(following))


def _check_base(following: Path, layers: Sequence[Layer], where: str) -> None:
    seen = [os.path.realpath(layer.path) for layer in layers]
    if os.path.realpath(following) in seen:
        chain = " -> ".join(str(layer.path) for layer in layers)
        raise SpecError(
            f"extends: goes in a circle: {chain} -> {following}",
            where=where,
            hint="a base must not lead back to what extends it",
        )
    if len(layers) >= _MAX_LAYERS:
        raise SpecError(
            f"extends: more than {_MAX_LAYERS} specs on top of each other",
            where=where,
            hint="put what they share into fewer files",
        )
    if not os.path.isfile(following):  # noqa: PTH113 - for any path, however long or circular
        there = "not a file:" if os.path.lexists(following) else "no such file"
        raise SpecError(
            f"extends: {there} {following}",
            where=where,
            hint="the path is seen from the file that says it",
        )


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """What the layers say together, nearest first.

    As a JSON merge patch (RFC 7396) over its base: mappings key by key, null takes out what a base
    says at that key, of anything else the nearest wins.
    """
    found = dict(layers[-1].plain)
    for layer in reversed(layers[:-1]):
        found = _over(layer.plain, found)
    found.pop(EXTENDS, None)
    return found


def _over(near: Mapping[str, Any], far: Any) -> dict[str, Any]:
    result = dict(far) if isinstance(far, Mapping) else {}
    for key, value in near.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _over(value, result.get(key)) if isinstance(value, Mapping) else value
    return result


def place(layers: Sequence[Layer], keys: tuple[Any, ...]) -> str:
    """file:line of the deepest of `keys`, in the nearest file that has most of them."""
    depths = [_depth(layer.plain, keys) for layer in layers]
    layer = layers[depths.index(max(depths))]
    return f"{layer.path}:{line(layer.document, keys)}"


def _depth(node: Any, keys: tuple[Any, ...]) -> int:
    for count, key in enumerate(keys):
        if isinstance(node, Mapping) and key in node:
            node = node[key]
        elif isinstance(node, list) and str(key).isdigit() and int(key) < len(node):
            node = node[int(key)]
        else:
            return count
    return len(keys)


def read_spec_text(path: Path) -> str:
    """The text of the spec in `path`. SpecError where it is missing, too large or no text."""
    return read_text(path, _MAX_BYTES)


def parsed(text: str, path: Path) -> Mapping[str, Any]:
    """The document that `text` says, with lines. SpecError names `path` and the line."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - 30 ms that `--help` need not pay
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    _refuse_early(text, path)
    try:
        document = YAML(typ="rt").load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line_number = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "unreadable")
        raise SpecError(f"not valid YAML: {problem}", where=f"{path}{line_number}") from error
    except (ValueError, RecursionError) as error:
        raise SpecError(f"not readable: {error}", where=str(path)) from error
    if not isinstance(document, Mapping):
        raise SpecError("the spec is not a mapping of keys", where=str(path))
    return document


def _layer(path: Path, text: str | None = None) -> Layer:
    document = parsed(read_spec_text(path) if text is None else text, path)
    try:
        plain = _plain(document, [_MAX_NODES], _MAX_DEPTH)
    except ValueError as error:
        raise SpecError(str(error), where=str(path)) from error
    return Layer(path, document, plain)


def refuse_conflict_marks(text: str, path: Path, hint: str) -> None:
    """SpecError with the line of the first mark that a merge left."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("<<<<<<< ", ">>>>>>> ", "||||||| ")):
            raise SpecError(
                "a merge conflict is not resolved", where=f"{path}:{number}", hint=hint
            )  # fmt: skip


def _refuse_early(text: str, path: Path) -> None:
    """What the parser would report badly, or only after seconds."""
    refuse_conflict_marks(text, path, hint="keep one side and remove the marks")
    opened = 0
    for number, line in enumerate(text.splitlines(), 1):
        opened += line.count("[") + line.count("{")
        if opened > _MAX_OPEN or line.count("- ") > _MAX_OPEN:
            raise SpecError("nested too deeply for a spec", where=f"{path}:{number}")


def _hint_for_missing(path: Path) -> str:
    """What to do about a spec that is not there: it may have been looked for one level too deep."""
    home = next((one for one in path.parent.parents if (one / LOCK_FILE).is_file()), None)
    if home is not None and path.name == SPEC_FILE:
        return f"the folder is part of the deployment {home}"
    return "infra-gen new writes one"


def read_text(path: Path, limit: int) -> str:
    """The file as UTF-8 text; SpecError when it is missing, above `limit` bytes or not text."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise SpecError("not a regular file", where=str(path))
        if found.st_size > limit:
            raise SpecError("far larger than any spec or lock", where=str(path))
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise SpecError("no such file", where=str(path), hint=_hint_for_missing(path)) from error
    except UnicodeDecodeError as error:
        raise SpecError(f"not UTF-8 text: {error}", where=str(path)) from error
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _plain(node: Any, nodes_left: list[int], depth: int) -> Any:
    """Round-trip containers as plain ones, so that validation sees lists and dicts.

    Raises ValueError once aliases have unfolded to more than any spec holds.
    """
    nodes_left[0] -= 1
    if nodes_left[0] < 0 or depth < 0:
        raise ValueError("aliases unfold to more than any spec holds")
    if isinstance(node, Mapping):
        return {str(k): _plain(v, nodes_left, depth - 1) for k, v in node.items()}
    if isinstance(node, list):
        return [_plain(v, nodes_left, depth - 1) for v in node]
    return node


def line(document: Any, keys: tuple[Any, ...]) -> int:
    """Line of the deepest of `keys` that exists, counted from 1."""
    found = 1
    node = document
    for key in keys:
        position = getattr(node, "lc", None)
        if position is None or not isinstance(node, Mapping | list):
            break
        try:
            place = key if isinstance(node, Mapping) else int(key)
            found = (position.key if isinstance(node, Mapping) else position.item)(place)[0] + 1
            node = node[place]
        except (KeyError, IndexError, TypeError, ValueError):
            break
    return found
