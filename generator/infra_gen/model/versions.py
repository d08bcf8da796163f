"""Which of two engine versions is the older one: releases by PEP 440, llama.cpp's builds by number."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version


@lru_cache(maxsize=1024)
def version_key(text: str) -> Version:
    """What versions sort by. A tag's `v0.33.0` or `b11669` is its version.

    Raises ValueError for what is no version.
    """
    from packaging.version import Version  # noqa: PLC0415  (4 ms that most commands do not need)

    return Version(text.removeprefix("b"))


def within(version: str, since: str | None, until: str | None) -> bool:
    """Whether `version` is not older than `since` and older than `until`; None: no such end."""
    at = version_key(version)
    return not (since and at < version_key(since)) and not (until and at >= version_key(until))
