"""`check` on GitHub: annotations of a pull request, and a job summary as Markdown."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infra_gen.cli.reports import Entry, entries, shown

if TYPE_CHECKING:
    from infra_gen.api import Checked

_LEVEL = {"error": "error", "warning": "warning", "info": "notice"}
# GitHub shows so many annotations of one level for a step and drops the others without a word
# (actions/toolkit, docs/problem-matchers.md).
_ANNOTATIONS = 10
# A step's summary over 1 MiB is not shown at all (docs.github.com, workflow commands, step isolation
# and limits).
_SUMMARY_BYTES = 500_000
_ROWS = 100
_DIFF_LINES = 200
_MARKDOWN = re.compile(r"[\\`*_\[\]|~]")


def _escaped(text: str, *, value: bool = False) -> str:
    """A workflow command's text; in a property, its separators too."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if value else text


def _command(one: Entry) -> str:
    places = [("file", one.file), ("line", str(one.line or 1)), ("title", one.code)]
    said = ",".join(f"{key}={_escaped(value, value=True)}" for key, value in places)
    fix = f"\nfix: {one.fix}" if one.fix else ""
    return f"::{_LEVEL[one.severity]} {said}::{_escaped(one.said + fix)}"


def _plain(one: Entry) -> str:
    """A line of the log that the runner takes for no command of its own."""
    fix = f" (fix: {one.fix})" if one.fix else ""
    said = f"{one.file}:{one.line or 1}: {one.severity}: {one.said}{fix} [{one.code}]"
    return "- " + " ".join(said.split()).replace("##[", "## [")


def _spread(found: Sequence[Entry]) -> list[Entry]:
    """The first entry of each deployment before the second of any."""
    count: Counter[str] = Counter()
    ranked = []
    for one in found:
        count[one.deployment] += 1
        ranked.append((count[one.deployment], one))
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])]


def commands(found: Sequence[Entry]) -> list[str]:
    """Workflow commands, as many as GitHub shows; what is more stays in the log as plain lines."""
    lines = []
    for severity, level in _LEVEL.items():
        alike = _spread([one for one in found if one.severity == severity])
        most = len(alike) if len(alike) <= _ANNOTATIONS else _ANNOTATIONS - 1
        lines += [_command(one) for one in alike[:most]]
        rest = alike[most:]
        if rest:
            said = f"{len(rest)} more, in the log of this step and in the job summary"
            lines.append(f"::{level} title=infra-gen check::{said}")
            lines += [_plain(one) for one in rest]
    return lines


def _text(said: str) -> str:
    """Text for a table's cell: no HTML, no Markdown, one line."""
    one_line = html.escape(" ".join(said.split())[:300], quote=False)
    return _MARKDOWN.sub(lambda found: f"&#{ord(found.group())};", one_line)


def _row(found: Sequence[Entry], code: int) -> str:
    first = found[0]
    place = f"{first.file}:{first.line}" if first.line else first.file
    said = (first.deployment, str(code), str(len(found)), f"{place}: {first.message}", first.fix)
    return "| " + " | ".join(_text(cell or "") for cell in said) + " |"


def _diffs(checked: Checked, base: Path) -> str:
    """What differs in one deployment, to be folded open; empty where no diff shows it."""
    lines = "".join(one.diff for one in checked.drift).splitlines()
    if not lines:
        return ""
    if len(lines) > _DIFF_LINES:
        lines = [*lines[:_DIFF_LINES], f"... {len(lines) - _DIFF_LINES} more lines"]
    inside = html.escape("\n".join(lines), quote=False)
    title = html.escape(shown(checked.root, base), quote=False)
    return f"<details><summary>Diffs in {title}</summary>\n<pre>\n{inside}\n</pre>\n</details>\n"


def _parts(all_checked: Sequence[Checked], code: int, *, strict: bool, base: Path) -> Iterator[str]:
    """Heading, table and diffs; each can be left out without harm to the ones before."""
    failing = [one for one in all_checked if one.exit_code(strict=strict)]
    total = f"{len(all_checked)} deployment{'' if len(all_checked) == 1 else 's'}"
    if failing:
        yield f"### infra-gen: {len(failing)} of {total} failed the check (exit code {code})\n"
    else:
        yield f"### infra-gen: {total} checked, none failed\n"
    warned = [one for one in all_checked if not one.exit_code(strict=strict)]
    rows = []
    for checked in (*failing, *warned):
        found = entries(checked, strict=strict, base=base)
        if found:
            rows.append(_row(found, checked.exit_code(strict=strict)))
    if rows:
        head = ["| Deployment | Exit code | Problems | First of them | To mend |", "|---" * 5 + "|"]
        yield "\n" + "\n".join([*head, *rows[:_ROWS]]) + "\n"
    if len(rows) > _ROWS:
        yield f"\n{len(rows) - _ROWS} more are in the log of this step.\n"
    for checked in (*failing, *warned):
        diffs = _diffs(checked, base)
        if diffs:
            yield "\n" + diffs


def summary(all_checked: Sequence[Checked], code: int, *, strict: bool, base: Path) -> str:
    """The job summary, cut between two parts where it would grow too long to be shown."""
    size, kept, left_out = 0, [], 0
    for part in _parts(all_checked, code, strict=strict, base=base):
        size += len(part.encode())
        if size <= _SUMMARY_BYTES:
            kept.append(part)
        else:
            left_out += 1
    if left_out:
        kept.append("\nMore diffs did not fit in here; `infra-gen check` prints them.\n")
    return "".join(kept)
