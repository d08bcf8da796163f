"""Files that the program which reads them would refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from infra_gen.model.finding import Finding
from infra_gen.resources import data_dir
from infra_gen.rules.contract import Rule
from infra_gen.rules.deployment import is_for_others
from infra_gen.rules.reading.caddyfile import is_caddyfile, read_caddyfile
from infra_gen.rules.reading.compose import is_compose_file
from infra_gen.rules.reading.yaml_text import UnreadableError, parse_yaml
from infra_gen.rules.subject import Subject

if TYPE_CHECKING:
    from jsonschema import Draft7Validator
    from jsonschema.exceptions import ValidationError

RULE = Rule(
    slug="unreadable-file",
    severity="error",
    confidence="high",
    what="Reports YAML, JSON, property lists, units and Caddyfiles that do not parse, and Compose "
    "files that do not match the Compose specification's JSON Schema.",
    why="Docker, launchd, systemd and Caddy refuse such a file as a whole, so nothing starts. An "
    "unknown key is most often a typo of a known one, and what it should have set is not set.",
    bad="services:\n  engine:\n    shm-size: 2g",
    good="services:\n  engine:\n    shm_size: 2g",
    fix="Correct the line that is named, then run `docker compose config -q` or `plutil -lint`.",
    sources=(
        "https://github.com/compose-spec/compose-spec/blob/main/schema/compose-spec.json",
        "https://www.apple.com/DTDs/PropertyList-1.0.dtd",
    ),
)
_MOST = 3  # one mistake often gives many errors; the first few name it


def check(subject: Subject) -> Iterator[Finding]:
    """Files that do not parse, then what the schema says of those that do."""
    deployment = subject.deployment
    for one in deployment.unreadable:
        yield RULE.finding(one.file, f"does not parse: {one.problem}", line=one.line)
    for path, text in deployment.files.items():
        if path.endswith(".json"):
            yield from _json(path, text)
        elif is_for_others(path) and path not in subject.pristine:
            yield from _yaml(path, text)
        elif is_caddyfile(path):
            yield from _caddyfile(path, text)
        elif _needs_schema(subject, path):
            yield from _compose(subject, path)


def _needs_schema(subject: Subject, path: str) -> bool:
    """Not for what was just rendered: loading the schema costs more than all other rules."""
    is_compose = path in subject.deployment.documents and is_compose_file(path)
    return is_compose and path not in subject.pristine


def _json(path: str, text: str) -> Iterator[Finding]:
    try:
        json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", None)
        yield RULE.finding(path, f"does not parse: {error}", line=line)


def _yaml(path: str, text: str) -> Iterator[Finding]:
    try:
        parse_yaml(text)
    except UnreadableError as error:
        yield RULE.finding(path, f"does not parse: {error.problem}", line=error.line)


def _caddyfile(path: str, text: str) -> Iterator[Finding]:
    try:
        read_caddyfile(text)
    except UnreadableError as error:
        yield RULE.finding(path, f"does not parse: {error.problem}", line=error.line)


@cache
def _validator() -> Draft7Validator:
    from jsonschema import Draft7Validator  # noqa: PLC0415

    schema = (data_dir("presets") / "schemas" / "compose-spec.json").read_text("utf-8")
    return Draft7Validator(json.loads(schema))


def _compose(subject: Subject, path: str) -> Iterator[Finding]:
    for keys, said in _breaches(subject.deployment.files[path]):
        line = subject.deployment.line_at(path, keys)
        yield RULE.finding(path, f"no Compose file: {said}", line=line, key_path=keys or None)


@lru_cache(maxsize=128)  # a check judges what it renders and what is on disk: mostly the same text
def _breaches(text: str) -> tuple[tuple[str, str], ...]:
    """(dotted key, what the schema says) of the first breaches."""
    document = parse_yaml(text).value
    errors = sorted(
        _validator().iter_errors(document), key=lambda error: list(map(str, error.path))
    )
    precise = [_deepest(error) for error in errors[:_MOST]]
    return tuple((".".join(map(str, one.absolute_path)), _said(one)) for one in precise)


def _deepest(error: ValidationError) -> ValidationError:
    """Inside anyOf and oneOf: the alternative that came furthest."""
    while error.context:
        error = max(
            error.context, key=lambda one: (len(one.absolute_path), one.validator != "type")
        )
    return error


def _said(error: ValidationError) -> str:
    said = str(error.message)
    return said if len(said) <= 160 else said[:157] + "..."
