"""The comments of a YAML text, also those that share a line with something else."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)
_HEAD_OF_BLOCK = re.compile(r"[|>][-+0-9]*[ \t]+(#.*)")


def comments(text: str) -> tuple[str, ...]:
    """The comments in their order, without the space around them. ValueError for what is no YAML.

    A `#` in a value is none: only what lies between the tokens of the text counts.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - 30 ms that `--help` need not pay
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    found: list[str] = []
    at = 0
    try:
        for token in YAML(typ="safe", pure=True).scan(text):
            start, end = token.start_mark.index, token.end_mark.index
            found += _COMMENT.findall(text[at:start]) if start > at else ()
            if head := _HEAD_OF_BLOCK.match(text, start, end):
                found.append(head[1])
            at = max(at, end)
    except YAMLError as error:
        raise ValueError(str(error)) from error
    found += _COMMENT.findall(text[at:])
    return tuple(one.strip() for one in found)
