"""Compare what is read from llama.cpp's sources with what its own programs say.

Two pages tell the options: a server's `--help`, and the table that llama-gen-docs writes into the
server's README.md, which may be older than the source beside it. A server's /metrics tells the
metrics, and the server itself which values it takes. Run by a maintainer, with pages saved before
(BUILD=FILE, where the file's name says what printed it) and with a way to run a server
(BUILD=COMMAND):

    python -m tools.tables.llama.parity --scratch FOLDER --date DATE --out FILE
        --help-page 11146=help.txt --metrics-page 11146=metrics.txt --readme 9771 8390
        --server 11146=/usr/bin/llama-server
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tools.tables.llama.cpp_formats import MISSING
from tools.tables.llama.defaults import printed_default
from tools.tables.llama.extractor import EXTRACTOR
from tools.tables.llama.flags import Options, options_of
from tools.tables.llama.names import Files
from tools.tables.llama.probe import ask
from tools.tables.records import Artefact, Record, Snapshot, TableError

_README = "README.md of the same source"
_COLUMN = 40  # where the explanations of a help page begin
_NAME = re.compile(r"(--?[A-Za-z][\w.-]*)(?:,\s*|\s+|$)")
_ROW = re.compile(r"^\| `(-[^`]*)` \| (.*) \|$", re.MULTILINE)
_METRIC = re.compile(r"^# TYPE (llamacpp:\w+) (\w+)$", re.MULTILINE)
_WORDS = {"enabled": True, "disabled": False, "true": True, "false": False}
# Differences that were looked into, by what differs.
_WHY = {
    "--rpc": "until b11218 a page shows it only where the program was built with RPC",
    "--threads": "Debian prints <num_cpus> for -1",
    "--min-p": "the page rounds 0.05 to one digit",
    "--top-p": "the page rounds 0.95 to one digit",
    "--draft-p-min": "the page rounds 0.75 to one digit",
    "--perf": "the page prints the opposite field, no_perf",
    "--reasoning-format": "the page's text says auto; the field begins as deepseek",
    "--prefill-assistant": "the page tells it in a sentence",
    "--no-prefill-assistant": "the page tells it in a sentence, of the opposite",
    "--no-webui": "the page tells the state of the Web UI, not of the switch",
    "--no-slots": "the page tells the state of the slots, not of the switch",
    "--sleep-idle-seconds": "the page tells it in a sentence",
    "--yarn-orig-ctx": "the page tells what 0 means",
}
_NOTES = (
    "A page named after another build is the nearest that could be had: its differences are also "
    "what changed in between.",
    "README.md is written by hand-started llama-gen-docs, so it may be older than its source.",
)
_NOTHING = ("none", "unset", "unused", "disabled", "no tools", "empty", "")


class Entry(NamedTuple):
    """One option as a page tells it: its spellings, and the text that explains it on one line."""

    names: tuple[str, ...]
    text: str


def help_entries(page: str) -> Iterator[Entry]:
    """The entries of a help page."""
    head, body = "", [""]
    for line in [*page.splitlines(), "-"]:
        if line.startswith("-") and not line.startswith("-----"):
            if head:
                yield _entry(head, " ".join(body))
            short = len(line) <= _COLUMN or line[_COLUMN - 1] != " " or line[_COLUMN].isspace()
            head, first = (line, "") if short else (line[:_COLUMN], line[_COLUMN:])
            body = [first]
        elif line.startswith(" "):
            body.append(line)


def readme_entries(page: str) -> Iterator[Entry]:
    """The rows of the tables in the server's README.md."""
    for head, text in _ROW.findall(page):
        yield _entry(head.replace("\\|", "|"), text.replace("<br/>", " ").replace("\\|", "|"))


def _entry(head: str, text: str) -> Entry:
    names: list[str] = []
    rest = head.strip()
    while match := _NAME.match(rest):
        names.append(match[1])
        rest = rest[match.end() :]
    return Entry(tuple(names), " ".join(text.split()))


def source_entries(options: Options) -> dict[tuple[str, ...], str]:
    """The options of the source as a page would tell them, those that are refused too."""
    found: dict[tuple[str, ...], str] = {}
    for option in options.parser.options:
        env = f" (env: {option.env})" if option.env else ""
        text = " ".join((options.defaults.help_of(option) + env).split())
        found[(*option.names, *option.negatives)] = text
    return found


def compare(options: Options, flags: Sequence[Record], page: Sequence[Entry]) -> Record:
    """Count what is the same, and list what is not."""
    ours = source_entries(options)
    known = {name for names in ours for name in names}
    told = {name for entry in page for name in entry.names}
    texts = {entry.names: entry.text for entry in page if entry.names in ours}
    return {
        "spellings": len(known),
        "only_in_page": sorted(told - known),
        "only_in_source": sorted(known - told),
        "texts": len(texts),
        "texts_differing": sorted(
            names[-1] for names, text in texts.items() if not _same(ours[names], text)
        ),
        **_defaults(flags, {name: entry.text for entry in page for name in entry.names}),
    }


def _same(source: str, page: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in source.split(MISSING))
    return re.fullmatch(pattern, page) is not None


def _defaults(flags: Sequence[Record], texts: Mapping[str, str]) -> Record:
    """Defaults by the code, beside the ones that the page prints."""
    compared, differing = 0, []
    for flag in flags:
        printed = printed_default(texts.get(flag["name"], ""))
        if printed is None or "default" not in flag:
            continue
        compared += 1
        if not _agrees(flag, printed):
            differing.append([flag["name"], printed, flag["default"]])
    return {"defaults": compared, "defaults_differing": differing}


def _agrees(flag: Record, printed: str) -> bool:
    default = flag["default"]
    if default is None:
        return printed in _NOTHING
    if isinstance(default, bool):
        return _WORDS.get(printed) is default
    if isinstance(default, int | float):
        return re.fullmatch(r"-?\d+(\.\d+)?", printed) is not None and float(printed) == default
    return str(default).startswith(printed)  # a comma ends what is read of the page


def compare_metrics(snapshot: Snapshot, page: str) -> Record:
    """The metrics of a fresh server; those with labels only come with the first request."""
    shown = dict(_METRIC.findall(page))
    ours = {row["name"]: row["type"] for row in snapshot["metrics"]}
    always = {row["name"] for row in snapshot["metrics"] if not row.get("conditional")}
    return {
        "metrics": len(ours),
        "only_in_page": sorted(set(shown) - set(ours)),
        "only_in_source": sorted(always - set(shown)),
        "types_differing": sorted(n for n, kind in shown.items() if ours.get(n, kind) != kind),
    }


def _pages(rows: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for row in rows:
        build, _, path = row.partition("=")
        yield build, Path(path)


def _row(artefact: Artefact, page: str, found: Record) -> Record:
    return {"build": artefact.version, "artefact": artefact.name, "page": page, **found}


def measure(words: argparse.Namespace) -> dict[str, Any]:
    """Compare every page that was asked for."""
    rows: list[Record] = []

    def source(build: str) -> tuple[Artefact, Snapshot, Options]:
        artefact = EXTRACTOR.fetch(build, words.given, words.scratch)
        return artefact, EXTRACTOR.read(artefact), options_of(Files(artefact.path))

    for build, path in _pages(words.help_page):
        artefact, snapshot, options = source(build)
        found = compare(options, snapshot["flags"], list(help_entries(path.read_text("utf-8"))))
        rows.append(_row(artefact, f"llama-server --help, {path.stem}", found))
    for build in words.readme:
        artefact, snapshot, options = source(build)
        page = Files(artefact.path).text("tools/server/README.md", "examples/server/README.md")
        found = compare(options, snapshot["flags"], list(readme_entries(page)))
        rows.append(_row(artefact, _README, found))
    for build, path in _pages(words.metrics_page):
        artefact, snapshot, _ = source(build)
        found = compare_metrics(snapshot, path.read_text("utf-8"))
        rows.append(_row(artefact, f"/metrics, {path.stem}", found))
    for row in words.server:
        build, _, command = row.partition("=")
        artefact, snapshot, _ = source(build)
        rows.append(_row(artefact, "the server itself", ask(snapshot, shlex.split(command), build)))
    return {
        "engine": "llama.cpp",
        "date": words.date,
        "notes": _NOTES,
        "because": _WHY,
        "comparisons": rows,
    }


def _unexplained(rows: Sequence[Record]) -> Iterator[str]:
    """What differs from a page or server of the same build and is not in the list of reasons."""
    for row in rows:
        names = [n for key in ("only_in_page", "only_in_source") for n in row.get(key, ())]
        names += row.get("texts_differing", ())
        if row["page"] != _README and "-build-" not in row["page"]:
            yield from (f"{row['build']} {name}" for name in names if name not in _WHY)
        yield from (f"{row['build']} {probe}" for probe in row.get("unexpected", ()))


def main() -> int:
    """Read the command line, compare, write; 1 where something differs and nobody knows why."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="given", type=Path)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--date", required=True)
    parser.add_argument("--out", type=Path, required=True)
    for name in ("--help-page", "--metrics-page", "--readme", "--server"):
        parser.add_argument(name, nargs="*", default=[])
    words = parser.parse_args()
    try:
        measured = measure(words)
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    odd = list(_unexplained(measured["comparisons"]))
    words.out.parent.mkdir(parents=True, exist_ok=True)
    words.out.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    print(f"{len(measured['comparisons'])} comparisons; unexplained: {', '.join(odd) or 'none'}")
    return int(bool(odd))


if __name__ == "__main__":
    sys.exit(main())
