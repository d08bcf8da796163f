"""Settings below headings in brackets, as systemd units and Quadlet's files have them."""

from __future__ import annotations

import re

from infra_gen.rules.reading.yaml_text import UnreadableError

_SECTION = re.compile(r"\[([^\]]+)\]$")

Values = dict[tuple[str, str], list[str]]
"""Every value of a key, by section and key."""


def ini_values(text: str, joint: str) -> Values:
    """The settings in `text`; `joint` stands for a backslash and the end of its line.

    Raises UnreadableError for a line that is neither a heading nor a setting.
    """
    found: Values = {}
    section, joined, first = "", "", 0
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.strip()
        if plain.startswith(("#", ";")) or (not plain and not joined):
            continue  # comments may stand between the lines of one value too
        first = first or number
        if plain.endswith("\\"):
            joined += plain[:-1] + joint
            continue
        whole, place, joined, first = joined + plain, first, "", 0
        heading = _SECTION.match(whole)
        if heading:
            section = heading[1]
            continue
        key, equals, value = whole.partition("=")
        if not equals or not section:
            raise UnreadableError(f"neither a section nor a setting: {whole[:60]}", place)
        values = found.setdefault((section, key.strip()), [])
        if value.strip():
            values.append(value.strip())
        else:
            values.clear()  # an empty value takes back those before it
    return found
