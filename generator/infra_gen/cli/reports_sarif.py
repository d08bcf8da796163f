"""`check` for code scanning: a SARIF 2.1.0 log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from infra_gen import __version__, published
from infra_gen.cli.reports import Entry
from infra_gen.lifecycle.drift import EXPLANATIONS
from infra_gen.rules.registry import RULES

_LEVEL = {"error": "error", "warning": "warning", "info": "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME = f"https://github.com/{published.REPOSITORY}"
_DOCS = f"{_HOME}/blob/{published.TAG}/docs"
# GitHub refuses a file with more results in a run (docs.github.com, SARIF support).
_RESULTS = 25_000
_ERRORS = {
    "usage": "The deployment could not be read.",
    "bad-spec": "The spec or the lock is wrong.",
    "does-not-fit": "The locked plan no longer fits.",
}


def _descriptor(code: str) -> dict[str, Any]:
    """What a reader of an alert is told of its kind."""
    if code in RULES:
        rule = RULES[code].RULE
        short, full, fix = rule.what, rule.why, rule.fix
        uri = f"{_DOCS}/reference/rules/{code}.md"
    else:
        drift = {f"drift-{kind}": f"A file: {said}." for kind, said in EXPLANATIONS.items()}
        short = full = drift.get(code) or _ERRORS.get(code, "The check could not be made.")
        fix = "Run infra-gen check there: it prints what differs and what mends it."
        uri = f"{_DOCS}/how-to/check-in-ci.md"
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("-")),
        "shortDescription": {"text": short[:1024]},
        "fullDescription": {"text": full[:1024]},
        "help": {"text": fix},
        "helpUri": uri,
    }


def _result(one: Entry, index: int) -> dict[str, Any]:
    location: dict[str, Any] = {
        "artifactLocation": {"uri": quote(one.file), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": one.line or 1},
    }
    message = one.said if one.said.endswith(".") else f"{one.said}."
    return {
        "ruleId": one.code,
        "ruleIndex": index,
        "level": _LEVEL[one.severity],
        "message": {"text": f"{message} {one.fix}" if one.fix else message},
        "locations": [{"physicalLocation": location}],
        # The one name that GitHub reads.
        "partialFingerprints": {"primaryLocationLineHash": one.fingerprint},
    }


def sarif(found: Sequence[Entry]) -> str:
    """The log; beyond what GitHub takes, the gravest results and a word about the others."""
    kept = sorted(found, key=lambda one: list(_LEVEL).index(one.severity))[:_RESULTS]
    codes = sorted({one.code for one in kept})
    driver = {
        "name": "infra-gen",
        "version": __version__,
        "informationUri": _HOME,
        "rules": [_descriptor(code) for code in codes],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, codes.index(one.code)) for one in kept],
    }
    if len(found) > len(kept):
        said = f"{len(found) - len(kept)} more results are left out: {_RESULTS} is the most."
        notification = {"level": "warning", "message": {"text": said}}
        run["invocations"] = [
            {"executionSuccessful": True, "toolExecutionNotifications": [notification]}
        ]
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)
