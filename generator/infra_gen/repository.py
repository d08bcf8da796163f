"""`new --repo`: the files of a repository around its first deployment, and its start in git."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from infra_gen import __version__, git, published
from infra_gen.building import Built
from infra_gen.errors import UsageError
from infra_gen.lifecycle import writing
from infra_gen.model.filetree import FileTree
from infra_gen.model.spec import DEPLOYMENTS
from infra_gen.packs.reading import read_folder
from infra_gen.packs.running import render
from infra_gen.packs.template import is_part, template_of
from infra_gen.recording import new_tree
from infra_gen.resources import data_dir

LICENCES = ("none", "apache-2.0", "mit")
_OWNER = re.compile(r"[A-Za-z0-9@._/+-]+( [A-Za-z0-9@._/+-]+)*")
_WHERE = "templates/repo"
_MESSAGE = "Start with what infra-gen wrote"


@dataclass(frozen=True, slots=True)
class NewRepository:
    """What the repository is to be: who reviews (GitHub or GitLab names), under which licence.

    `keep`: files that exist already stay as they are, and the others are written; else they stop it.
    """

    root: Path
    owner: str = ""
    licence: str = "none"
    keep: bool = False
    commit: bool = False

    def folder(self, name: str) -> Path:
        """Where a deployment of that name lies in it."""
        return self.root / DEPLOYMENTS / name


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """Files written around and inside the deployment, and those left because they existed.

    `git` says what was done in git, `committed` whether that ended with a commit.
    """

    around: tuple[str, ...]
    inside: tuple[str, ...]
    kept: tuple[str, ...]
    git: str
    committed: bool


def check_wanted(wanted: NewRepository) -> None:
    """UsageError for what cannot be, before anything is planned."""
    if wanted.licence not in LICENCES:
        raise UsageError(
            f"--licence {wanted.licence!r} is unknown", hint="one of " + ", ".join(LICENCES)
        )
    if wanted.owner and not _OWNER.fullmatch(wanted.owner):
        raise UsageError(
            f"--owner {wanted.owner!r}: not names as CODEOWNERS has them",
            hint="@org/team, or several with spaces between",
        )
    top = git.top_of(wanted.root)
    if top is not None and top != wanted.root.resolve():
        raise UsageError(
            f"is a folder of the git repository {top}", where=str(wanted.root),
            hint="CI files are read at a repository's top: give that, or infra-gen new without --repo",
        )  # fmt: skip
    if wanted.commit and not git.installed():
        raise UsageError("--commit needs git, which is not installed")


def repository_files(wanted: NewRepository, deployment: str) -> FileTree:
    """The files around the deployments, as the template makes them."""
    template = template_of(read_folder(data_dir("templates") / "repo", _WHERE, is_part), _WHERE)
    licences = [wanted.licence, *(one for one in LICENCES if one != wanted.licence)]
    variables = {
        **json.loads(template.files["cookiecutter.json"].text),
        "name": wanted.root.resolve().name,
        "deployment": deployment,
        "owner": wanted.owner,
        "licence": licences,
        "infra_gen": published.REPOSITORY,
        "infra_gen_tag": published.TAG,
        "infra_gen_version": __version__,
    }
    # Names are text for the page, never a template of their own.
    text = {k: v for k, v in variables.items() if isinstance(v, str) and not k.startswith("_")}
    odd = [value for value in text.values() if "{{" in value or "{%" in value or "{#" in value]
    if odd:
        raise UsageError(f"{odd[0]!r} cannot name a repository", where=str(wanted.root))
    return FileTree(render(template, variables, _WHERE))


def bootstrap(built: Built, wanted: NewRepository) -> Bootstrapped:
    """Write repository and deployment: all of it, or nothing. Then git, where it is needed."""
    name = built.spec.name
    around = repository_files(wanted, name)
    kept: list[str] = []
    if wanted.keep:
        kept = writing.in_the_way(wanted.root, around)
        around = FileTree({path: file for path, file in around.items() if path not in kept})
    deployment = new_tree(built, wanted.root / DEPLOYMENTS / name)
    inside = {f"{DEPLOYMENTS}/{name}/{path}": file for path, file in deployment.items()}
    tree = around.merged(inside)
    try:
        writing.write_new(wanted.root, tree)
    except UsageError as error:
        if "exist already" in error.message:
            error.hint = (
                "nothing was written; --keep-existing leaves files of yours as they are and writes "
                "the others"
            )
        raise
    return Bootstrapped(tuple(around), tuple(inside), tuple(kept), *_start(wanted, tuple(tree)))


def _start(wanted: NewRepository, paths: tuple[str, ...]) -> tuple[str, bool]:
    """`git init` where there is no repository, a commit when asked.

    In words, also what failed; and whether there is a commit.
    """
    if not git.installed():
        return "git is not installed: run git init in it later", False
    said = "the repository was there already"
    if git.top_of(wanted.root) is None:
        done = git.call(wanted.root, "-c", "init.defaultBranch=main", "init", "--quiet")
        if done.returncode:
            return f"git init failed: {done.stderr.strip()}", False
        said = "made a git repository"
    if not wanted.commit:
        return f"{said}; nothing was committed", False
    for words in (("add", "--", *paths), ("commit", "--quiet", "-m", _MESSAGE, "--", *paths)):
        done = git.call(wanted.root, *words)
        if done.returncode:
            told = (done.stderr or done.stdout).strip()
            return f"{said}; git {words[0]} failed, so nothing was committed: {told}", False
    return f"{said}; committed {len(paths)} files", True
