"""copier and cruft in an environment of their own, and projects of theirs like deployments of ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks.fleet.deployments import files_of, git

VERSIONS = {"copier": "9.19.1", "cruft": "2.16.0", "cookiecutter": "2.7.1"}
# The line of the README that a newer template, and whoever edits by hand, changes.
LINE, NEWER, EDITED = "## Change it", "## How to change it", "## Changing it here"
_NAME = "chat-00"  # the deployment that the template is made of


def environment() -> dict[str, str]:
    """What processes see: git without the user's configuration, no proxy for anything."""
    nobody = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost"}
    nobody |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@localhost"}
    nobody |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    plain = {key: text for key, text in os.environ.items() if key != "PYTHONPATH"}
    return {**plain, **nobody}


def installed() -> Path:
    """The folder with the peers' programs; they are installed there once."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "infra-gen" / "fleet-peers" / "-".join(VERSIONS.values())
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        wanted = [f"{name}=={version}" for name, version in VERSIONS.items()]
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *wanted], check=True)
        (folder / "ready").touch()
    return folder / "bin"


def _template(data: bytes, variable: str) -> bytes:
    """A template that renders `data` again where the variable is the name it was made for."""
    text = data.decode()
    pieces = (f"{{% raw %}}{piece}{{% endraw %}}" if piece else "" for piece in text.split(_NAME))
    return f"{{{{ {variable} }}}}".join(pieces).encode()


def _put(place: Path, data: bytes, like: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    shutil.copymode(like, place)


def _commit(folder: Path, tag: str) -> None:
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", tag)
    git(folder, "tag", tag)


class Templates:
    """A copier and a cookiecutter template, each a git repository, of what `deployment` shows."""

    def __init__(self, top: Path, deployment: Path) -> None:
        self.copier, self.cruft = top / "copier", top / "cruft"
        inside = self.cruft / "{{ cookiecutter.name }}"
        for folder in (self.copier, self.cruft):
            folder.mkdir(parents=True)
            git(folder, "init", "--quiet", "--initial-branch", "main")
        for name, data in files_of(deployment).items():
            like = deployment / name
            _put(self.copier / "template" / f"{name}.jinja", _template(data, "name"), like)
            _put(inside / name, _template(data, "cookiecutter.name"), like)
        questions = f"_subdirectory: template\nname: {{type: str, default: {_NAME}}}\n"
        (self.copier / "copier.yml").write_text(questions)
        answers = self.copier / "template" / "{{ _copier_conf.answers_file }}.jinja"
        answers.write_text("{{ _copier_answers|to_nice_yaml -}}\n")
        (self.cruft / "cookiecutter.json").write_text(json.dumps({"name": _NAME}))
        for folder in (self.copier, self.cruft):
            _commit(folder, "1.0.0")

    def move_on(self) -> None:
        """A second release that writes one line of the README differently."""
        inside = self.cruft / "{{ cookiecutter.name }}"
        for place in (self.copier / "template" / "README.md.jinja", inside / "README.md"):
            place.write_text(place.read_text().replace(LINE, NEWER))
        for folder in (self.copier, self.cruft):
            _commit(folder, "2.0.0")


def make_projects(top: Path, templates: Templates, bin_dir: Path, names: list[str]) -> None:
    """`top/copier/NAME` and `top/cruft/NAME`, each committed to git."""
    env = environment()
    (top / "cruft").mkdir(parents=True)

    def make(name: str) -> None:
        goal = top / "copier" / name
        asked = [
            "--defaults",
            "--quiet",
            "--data",
            f"name={name}",
            str(templates.copier),
            str(goal),
        ]
        subprocess.run([bin_dir / "copier", "copy", *asked], env=env, check=True)
        context = ["--no-input", "--extra-context", json.dumps({"name": name})]
        where = ["--output-dir", str(top / "cruft"), str(templates.cruft)]
        subprocess.run([bin_dir / "cruft", "create", *context, *where], env=env, check=True)
        commit_all(goal)
        commit_all(top / "cruft" / name)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, names))


def commit_all(project: Path) -> None:
    """All of the project as it is, in its git repository."""
    if not (project / ".git").exists():
        git(project, "init", "--quiet", "--initial-branch", "main")
    git(project, "add", "--all", "--force")
    git(project, "commit", "--quiet", "--message", "as it is")
