"""A pack as a value: the files that cookiecutter needs, its settings, and what in it needs trust."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from infra_gen.errors import UsageError
from infra_gen.model.filetree import File, FileTree

SETTINGS = "cookiecutter.json"
CONTEXT_KEY = "_infra_gen"
_JINJA = {
    "trim_blocks", "lstrip_blocks", "block_start_string", "block_end_string",
    "variable_start_string", "variable_end_string", "comment_start_string", "comment_end_string",
    "line_statement_prefix", "line_comment_prefix", "keep_trailing_newline",
}  # fmt: skip
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Template:
    """The files of a pack, and its `cookiecutter.json`."""

    files: Mapping[str, File]
    settings: Mapping[str, Any]

    @property
    def needs_trust(self) -> tuple[str, ...]:
        """What in it runs code: its hooks, and extensions of Jinja that it imports."""
        hooks = tuple(path for path in self.files if path.startswith("hooks/"))
        extensions = self.settings.get("_extensions")
        return (*hooks, *((f"_extensions: {extensions}",) if extensions else ()))

    @property
    def copy(self) -> str:
        """The pack as the one file that is kept beside the lock.

        One file, because a `.gitignore` among the pack's own would hide its neighbours.
        """
        files = {
            path: {"executable": file.executable, "lines": file.text.split("\n")}
            for path, file in self.files.items()
        }
        return json.dumps({"schema": 1, "files": files}, indent=1, ensure_ascii=False) + "\n"

    @property
    def sha256(self) -> str:
        """Hash of the copy."""
        return hashlib.sha256(self.copy.encode()).hexdigest()


def is_part(path: str) -> bool:
    """Whether cookiecutter reads that file of a template's repository."""
    top = PurePosixPath(path).parts[0]
    return top in ("templates", "hooks") or path == SETTINGS or is_project(top)


def is_project(name: str) -> bool:
    """Whether the folder of that name is the one that is rendered."""
    return "cookiecutter" in name and "{{" in name and "}}" in name


def template_of(files: Mapping[str, File], where: str) -> Template:
    """The pack made of these files. UsageError when it is no cookiecutter template."""
    if SETTINGS not in files:
        raise UsageError(
            f"no {SETTINGS}: not a cookiecutter template", where=where,
            hint="see docs/how-to/packs.md for what a pack holds",
        )  # fmt: skip
    folders = {PurePosixPath(p).parts[0] for p in files if "/" in p}
    projects = sorted(name for name in folders if is_project(name))
    if len(projects) != 1:
        found = ", ".join(projects) or "none"
        raise UsageError(f"it must hold one folder {{{{cookiecutter.NAME}}}}: {found}", where=where)
    return Template(FileTree(files).files, _settings(files[SETTINGS].text, f"{where}/{SETTINGS}"))


def _settings(text: str, where: str) -> dict[str, Any]:
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not valid JSON: {error}", where=where) from error
    if not isinstance(settings, dict):
        raise UsageError("not a JSON object", where=where)
    if _depth(settings) > _DEEPEST:
        raise UsageError("nested too deeply", where=where)
    variables = settings.get("_jinja2_env_vars", {})
    odd = set(variables) - _JINJA if isinstance(variables, dict) else {"it is no object"}
    if odd:
        raise UsageError(
            f"_jinja2_env_vars: {', '.join(sorted(odd))} may not be set", where=where,
            hint="allowed: " + ", ".join(sorted(_JINJA)),
        )  # fmt: skip
    patterns = settings.get("_copy_without_render", [])
    if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
        raise UsageError("_copy_without_render: not a list of patterns", where=where)
    return settings


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(one) for one in inner), default=0)


def template_in(copy: str, where: str) -> Template:
    """The pack that `Template.copy` gave; ValueError when it is damaged."""
    try:
        document = json.loads(copy)
        files = {
            path: File("\n".join(one["lines"]), one["executable"] is True)
            for path, one in document["files"].items()
        }
        return template_of(FileTree(files), where)
    except (TypeError, KeyError, AttributeError, RecursionError, UsageError) as error:
        raise ValueError(str(error)) from error


def context_of(
    template: Template, answers: Mapping[str, str], document: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """What cookiecutter is given: the pack's own variables, the answers, and the plan.

    Nobody is asked: a variable without an answer has its default.
    """
    variables = dict(template.settings)
    for key, answer in answers.items():
        variables[key] = _answered(key, answer, variables, where)
    variables.pop(CONTEXT_KEY, None)
    return {CONTEXT_KEY: dict(document), **variables}  # first, so that defaults can use it


def _answered(key: str, answer: str, variables: Mapping[str, Any], where: str) -> Any:
    asked = sorted(name for name in variables if not name.startswith("_"))
    if key not in asked:
        known = ", ".join(asked) or "nothing"
        raise UsageError(f"the pack asks for no {key!r}", where=where, hint=f"it asks for {known}")
    default = variables[key]
    if isinstance(default, list):
        if answer not in default:
            choices = ", ".join(str(one) for one in default)
            raise UsageError(f"{key}: {answer!r} is no choice", where=where, hint=choices)
        return [answer, *(one for one in default if one != answer)]
    if isinstance(default, bool):
        if answer not in ("true", "false"):
            raise UsageError(f"{key}: {answer!r} is neither true nor false", where=where)
        return answer == "true"
    if isinstance(default, dict):
        raise UsageError(f"{key} is a mapping and cannot be answered", where=where)
    return answer
