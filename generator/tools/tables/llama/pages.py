"""A build of llama.cpp whose sources cannot be had: the pages of its server, beside an older build.

A help page lacks limits and some defaults, so what it shares with the build before it is taken from
there; only flags that are new or spelt otherwise are read from the page. `given` is a folder with
`help.txt` and `version.txt` (what `llama-server --help` and `--version` print) and `artefact.json`
with the name and SHA-256 of the package that the server came in.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from infra_gen.catalogue.engine_records import snapshot
from infra_gen.knowledge.tables import table_document
from tools.tables.llama.help import TOMBSTONE, help_entries, llama_flag
from tools.tables.records import Artefact, Record, Snapshot, TableError, by_name, spellings

METHOD = "help and version pages of the running server, beside the sources of the build before it"
_HELP, _VERSION, _NOTE = "help.txt", "version.txt", "artefact.json"


def are_pages(given: Path) -> bool:
    """Whether the folder holds pages of a server."""
    return (given / _HELP).is_file()


def build_of(given: Path) -> str:
    """The build that the server says it is."""
    text = (given / _VERSION).read_text("utf-8")
    match = re.search(r"build (\d+)", text) or re.search(r"version: (\d+) \(", text)
    if match is None:
        raise TableError(f"{given / _VERSION}: no build number")
    return match[1]


def found(given: Path) -> Artefact:
    """The pages as an artefact."""
    told = json.loads((given / _NOTE).read_text("utf-8"))
    return Artefact(build_of(given), told["name"], told["sha256"], given, METHOD)


def read(artefact: Artefact) -> Snapshot:
    """The build before it in the table, with the flags that the page shows."""
    versions = table_document("llama.cpp")["versions"]
    older = [version for version in versions if int(version) < int(artefact.version)]
    if not older:
        raise TableError(f"{artefact.version}: the table has no build before it")
    return merged(snapshot("llama.cpp", older[-1]), (artefact.path / _HELP).read_text("utf-8"))


def merged(before: Snapshot, help_page: str) -> Snapshot:
    """That snapshot with the flags of the page; what the page does not show is gone."""
    known = {text: flag for flag in before["flags"] for text in spellings(flag)}
    flags: list[Record] = []
    for head, body in help_entries(help_page):
        if TOMBSTONE not in body:
            shown = llama_flag(head, body)
            old = next((known[text] for text in spellings(shown) if text in known), None)
            same = old is not None and set(spellings(old)) == set(spellings(shown))
            flags.append(old if old is not None and same else shown)
    twins = {flag["env"]: flag for flag in flags if "env" in flag}
    gone = {flag["env"] for flag in before["flags"] if "env" in flag} - set(twins)
    env = {row["name"]: row for row in before["env"] if row["name"] not in gone}
    for name, flag in twins.items():
        env.setdefault(name, _variable(name, flag))
    return {**before, "flags": by_name(flags), "env": by_name(env.values())}


def _variable(name: str, flag: Record) -> Record:
    row = {"name": name, "type": flag["type"], "flag": flag["name"]}
    if "default" in flag:
        return row | {"default": flag["default"]}
    return row | {"default_known": False}
