"""A key or token stands in a file of the deployment."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from infra_gen.model.finding import Finding
from infra_gen.rules.contract import Rule
from infra_gen.rules.subject import Subject

RULE = Rule(
    slug="secret-in-file",
    severity="error",
    confidence="high",
    what="Searches every file for tokens of known shape (`hf_...`, `sk-...`) and for literal values "
    "of variables whose name says KEY, TOKEN, SECRET or PASSWORD.",
    why="These files are committed. A token in git is public from then on, in every clone and every "
    "backup, also after it was deleted.",
    bad="environment:\n  VLLM_API_KEY: correct-horse-battery",
    good="environment:\n  VLLM_API_KEY: ${API_KEY:?is not set, README.md says how}",
    fix="Put the value into .env, refer to it by name, and revoke the one that stood here.",
    sources=(
        "https://github.com/stackrox/kube-linter/blob/main/docs/generated/checks.md",
        "https://docs.docker.com/compose/how-tos/environment-variables/best-practices/",
    ),
)
_SHAPES = re.compile(r"\bhf_[A-Za-z0-9]{20,}\b|\bsk-[A-Za-z0-9_-]{20,}")
_NAMED = re.compile(r"""(?<![\w$])["']?([A-Z][A-Z0-9_]*)["']?\s*[:=]\s*["']?([^\s"',;<>]+)""")
_PLIST = re.compile(r"<key>([A-Z][A-Z0-9_]*)</key>\s*<string>([^<]+)</string>")
_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "APIKEY", "PASSPHRASE")
_HINT = re.compile("|".join(("hf_", "sk-", *_WORDS)))
_NO_SECRET = re.compile(r"^(?:[$/.~<{(]|__|true$|false$|null$|none$|\d{1,6}$)", re.IGNORECASE)
_PLAIN = re.compile(r"^[\w+/=.@:!-]+$")  # no format string, no variable inside
_LEAST_BITS = 3.0  # a character; words and paths lie below, random text above


def check(subject: Subject) -> Iterator[Finding]:
    """One finding a line; the message shows how the secret begins and no more."""
    for path, text in subject.deployment.files.items():
        for number, said in _in_text(text):
            yield RULE.finding(path, said, line=number)


@lru_cache(maxsize=512)  # a check judges what it renders and what is on disk: mostly the same text
def _in_text(text: str) -> tuple[tuple[int, str], ...]:
    """(line, message) of every secret in `text`."""
    found: dict[int, str] = {}
    end = -1
    for hint in _HINT.finditer(text):
        if hint.start() < end:
            continue  # another hint on the line that was looked at
        start = text.rfind("\n", 0, hint.start()) + 1
        end = (text.find("\n", hint.start()) + 1 or len(text) + 1) - 1
        said = _in_line(text[start:end])
        if said:
            found[text.count("\n", 0, start) + 1] = said
    for match in _PLIST.finditer(text):
        if _is_secret(match[1], match[2]):
            number = text.count("\n", 0, match.end()) + 1
            found.setdefault(number, _literal(match[1], match[2]))
    return tuple(sorted(found.items()))


def _in_line(line: str) -> str | None:
    shape = _SHAPES.search(line)
    if shape and _bits(shape[0]) >= _LEAST_BITS:
        return f"a token: {_start(shape[0])}"
    for name, value in _NAMED.findall(line):
        if _is_secret(name, value):
            return _literal(name, value)
    return None


def _is_secret(name: str, value: str) -> bool:
    parts = name.split("_")
    if not set(_WORDS) & set(parts) or _NO_SECRET.match(value) or not _PLAIN.match(value):
        return False
    if parts[-2:] == ["API", "KEY"]:  # whatever it is, it guards the server
        return len(value) >= 4
    return len(value) >= 12 and _bits(value) >= _LEAST_BITS


def _literal(name: str, value: str) -> str:
    return f"{name} has a literal value: {_start(value)}"


def _start(value: str) -> str:
    return f"{value[:4]}... ({len(value)} characters)"


def _bits(text: str) -> float:
    """Shannon entropy of a character."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
