"""The one YAML writer: Python values in, text out, with a comment above any entry.

The text reads the same under YAML 1.1 (PyYAML, older Kubernetes tools) and 1.2 (compose, ruamel):
every string that one of them would take for something else is quoted.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from infra_gen.render.text import comment_lines

if TYPE_CHECKING:
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

_INDENT, _OFFSET = 2, 2
# Words that YAML 1.1 or 1.2 reads as a boolean, null, merge key or default value.
_WORDS = frozenset(
    {"", "~", "null", "y", "n", "yes", "no", "on", "off", "true", "false", "=", "<<"}
)
# Whatever begins like a number, date or time: quoting a few strings too many costs nothing.
_NUMBER_LIKE = re.compile(r"[-+.]?[0-9][0-9A-Fa-fxXoObB_:.,TtZz +-]*\Z|[-+]?\.(inf|nan)\Z", re.I)
# Line breaks of YAML 1.1 that are none in 1.2, and what no plain or literal style can hold.
_NEEDS_ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Noted:
    """A value with the comment that stands above its key or list item.

    A comment that begins with a line break gets an empty line above it.
    """

    value: object
    comment: str


def dump(document: Mapping[str, object], header: str = "") -> str:
    """The document as YAML text, below `header` as comment lines."""
    out = io.StringIO()
    _writer().dump(_map(document, 0), out)
    head = "".join(comment_lines(paragraph) + "\n" for paragraph in _wrap(header).splitlines())
    return (head + "\n" if head else "") + out.getvalue()


def _plain(node: object, indent: int) -> object:
    if isinstance(node, Noted):
        raise TypeError("a comment belongs to an entry of a mapping or list")
    if isinstance(node, str):
        return _string(node)
    if isinstance(node, Mapping):
        return _map(node, indent)
    if isinstance(node, Sequence):
        return _list(node, indent)
    if node is None or isinstance(node, bool | int | float):
        return node
    raise TypeError(f"no YAML for {type(node).__name__}")


def _map(node: Mapping[str, object], indent: int) -> CommentedMap:
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415 - see _writer

    result = CommentedMap()
    for key, entry in node.items():
        value, comment = _split(entry)
        name = _string(key)
        result[name] = _plain(value, indent + _INDENT)
        if comment:
            result.yaml_set_comment_before_after_key(name, before=_wrap(comment), indent=indent)
    if not node:
        result.fa.set_flow_style()
    return result


def _list(node: Sequence[object], indent: int) -> CommentedSeq:
    from ruamel.yaml.comments import CommentedSeq  # noqa: PLC0415 - see _writer

    result = CommentedSeq()
    for index, entry in enumerate(node):
        value, comment = _split(entry)
        result.append(_plain(value, indent + _INDENT))
        if comment:
            result.yaml_set_comment_before_after_key(index, before=_wrap(comment), indent=indent)
    if not node:
        result.fa.set_flow_style()
    return result


def _split(entry: object) -> tuple[object, str]:
    return (entry.value, entry.comment) if isinstance(entry, Noted) else (entry, "")


def _wrap(comment: str) -> str:
    # ruamel writes the marks itself, and an empty line as an empty line.
    printable = _NEEDS_ESCAPES.sub(" ", comment)
    return "\n".join(comment_lines(line, 92, "") for line in printable.splitlines())


def _string(text: str) -> object:
    """`text`, marked with the style that it needs to stay a string in both versions of YAML."""
    from ruamel.yaml.scalarstring import (  # noqa: PLC0415 - see _writer
        DoubleQuotedScalarString,
        LiteralScalarString,
        SingleQuotedScalarString,
    )

    if _NEEDS_ESCAPES.search(text):
        return DoubleQuotedScalarString(text)
    if "\n" in text:
        return LiteralScalarString(text)
    if text.lower() in _WORDS or _NUMBER_LIKE.match(text):
        return SingleQuotedScalarString(text)
    return text


def load(text: str) -> object:
    """A document that `dump` wrote, to be changed and written again by `dump_loaded`."""
    return _writer().load(text)


def dump_loaded(document: object) -> str:
    """A loaded document as text; what was not changed keeps its bytes, comments included."""
    out = io.StringIO()
    _writer().dump(document, out)
    return out.getvalue()


def node(value: object) -> object:
    """A plain value in the form that belongs into a loaded document."""
    return _plain(value, 0)


@cache
def _writer() -> YAML:
    from ruamel.yaml import YAML  # noqa: PLC0415 - 30 ms that commands without rendering need not pay

    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.indent(mapping=_INDENT, sequence=_INDENT + _OFFSET, offset=_OFFSET)
    return yaml
