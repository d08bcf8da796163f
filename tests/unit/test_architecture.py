"""The shape of the package: who may import whom, who may touch the disk, how large things are."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import infra_gen

ROOT = Path(infra_gen.__file__).parent
MODULES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
MODULES = {name: path for name, path in MODULES.items() if not name.startswith("_data/")}

# Beside itself and the version, what each part may import.
ALLOWED: dict[str, set[str]] = {
    "model": {"errors"},
    "plan": {"model", "errors"},
    "knowledge": {"model", "errors", "resources"},
    "engines": {"model", "errors"},
    "stack": {"model", "engines", "errors"},
    "render": {"resources"},
    "targets": {"model", "render"},
    "rules": {"model", "errors", "resources"},
    "lifecycle": {"model", "errors", "render"},
    "packs": {"model", "errors"},
    "published.py": set(),
    "git.py": set(),
    "packing.py": {"building", "model", "errors", "lifecycle", "packs", "targets"},
    "repository.py": {
        "building", "recording", "published", "git", "model", "errors", "resources", "lifecycle",
        "packs",
    },
    "errors.py": set(),
    "resources.py": set(),
    "__init__.py": set(),
    "__main__.py": {"cli"},
    "building.py": {
        "model", "errors", "knowledge", "plan", "engines", "stack", "targets", "rules", "render",
        "searching",
    },
    "searching.py": {"model", "knowledge", "plan", "targets"},
    "ranking.py": {"building", "errors", "model", "knowledge", "plan", "searching"},
    "rebuilding.py": {"building", "model", "errors", "lifecycle"},
    "pinning.py": {"updating", "rebuilding", "building", "model", "errors", "knowledge", "stack"},
    "recording.py": {"building", "packing", "model", "resources", "knowledge", "lifecycle"},
    "rewriting.py": {"rebuilding", "model", "lifecycle"},
    "updating.py": {
        "recording", "rebuilding", "rewriting", "building", "packing", "model", "errors", "lifecycle",
    },
    "checking.py": {"comparing", "errors", "knowledge", "lifecycle", "model"},
    "comparing.py": {
        "building", "packing", "rebuilding", "checking", "knowledge", "lifecycle", "model",
    },
    "api.py": {
        "updating", "recording", "checking", "comparing", "catalogue", "rebuilding", "pinning", "building",
        "model", "errors", "resources", "knowledge",
        "plan", "packing", "repository", "engines", "stack", "targets", "rules", "lifecycle",
    },
    "detect": {"errors", "knowledge", "render"},
    "catalogue": {"model", "errors", "knowledge", "plan", "targets", "rules"},
    "cli": {
        "api", "checking", "errors", "lifecycle", "model", "rules", "detect", "catalogue", "resources",
        "ranking",
        "packs", "published", "git", "repository",
    },
}  # fmt: skip
# Type checkers read these imports, Python does not.
TYPES_ONLY = {("errors.py", "model")}

WRITERS = {
    "lifecycle/disk.py",  # what the next one is made of
    "lifecycle/writing.py",
    "detect/saving.py",  # one file into a folder that is no deployment
    "packs/running.py",  # a pack into a temporary folder, where it is rendered
}
READERS = WRITERS | {
    "checking.py",  # whether a folder vanished
    "comparing.py",  # the files that rules judge
    "cli/completion.py",  # names of presets, without validating one
    "cli/reports.py",  # whether the place of an error is a file
    "cli/options.py",  # whether --model names a folder
    "detect/commands.py",  # asks the machine's own tools and /proc, /sys
    "knowledge/tables.py",
    "knowledge/gguf_file.py",
    "knowledge/safetensors_files.py",
    "knowledge/gguf_header.py",
    "knowledge/hub.py",
    "knowledge/prices.py",
    "knowledge/registry_logins.py",  # logins that docker keeps for the user
    "knowledge/profiles.py",
    "knowledge/hf_config.py",
    "knowledge/models.py",
    "knowledge/digest.py",
    "knowledge/store.py",
    "lifecycle/adopting.py",
    "lifecycle/changes.py",
    "lifecycle/discovery.py",
    "lifecycle/drift.py",
    "lifecycle/edits.py",
    "lifecycle/ejecting.py",
    "lifecycle/journal.py",
    "lifecycle/loading.py",  # whether there is a deployment
    "lifecycle/lock_file.py",
    "lifecycle/placing.py",  # which specs have a deployment already
    "lifecycle/spec_document.py",
    "lifecycle/regular.py",
    "lifecycle/undo.py",
    "lifecycle/untouched.py",
    "packs/fetching.py",  # a folder with a pack, or a clone of one
    "packs/reading.py",  # what a pack holds, and what it made
    "packs/watching.py",  # how large a folder grows
    "git.py",  # the nearest folder that exists, for git to run in
    "packing.py",  # the copy of a pack beside the lock
    "render/text.py",  # Jinja's loader
    "resources.py",
    "recording.py",  # the spec's JSON Schema
    "updating.py",  # whether there is a deployment
    "rules/checks/metric_unknown.py",  # lists of metric names, part of the presets
    "rules/checks/unreadable_file.py",  # compose's own schema, part of the presets
}
WRITES = {
    "write_text", "write_bytes", "mkdir", "makedirs", "unlink", "rmdir", "rmtree", "rename",
    "symlink_to", "touch", "chmod", "mkdtemp", "mkstemp", "copyfile", "copytree", "fsync",
}  # fmt: skip
READS = {
    "open", "read_text", "read_bytes", "is_file", "is_dir", "exists", "lexists", "stat", "iterdir",
    "glob", "rglob", "is_symlink", "FileSystemLoader", "listdir", "scandir",
}  # fmt: skip


def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text("utf-8"))


def part_of(name: str) -> str:
    return name.split("/", maxsplit=1)[0]


def imported(node: ast.AST) -> Iterator[str]:
    """Dotted names of infra_gen that an import brings in."""
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        if node.module == "infra_gen":
            yield from (f"infra_gen.{alias.name}" for alias in node.names)
        else:
            yield node.module
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)


def own_part(dotted: str) -> str | None:
    parts = dotted.split(".")
    if parts[0] != "infra_gen" or len(parts) < 2 or parts[1].startswith("__"):
        return None
    return parts[1]


def forbidden_imports(name: str, tree: ast.Module) -> list[str]:
    part = part_of(name)
    allowed = ALLOWED[part] | {part.removesuffix(".py")}
    found = []
    for node in ast.walk(tree):
        for dotted in imported(node):
            target = own_part(dotted)
            if target and target not in allowed and (part, target) not in TYPES_ONLY:
                found.append(f"{name} imports {dotted}")
    return found


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_one_way(name: str) -> None:
    assert part_of(name) in ALLOWED, f"{name}: say in ALLOWED what it may import"
    assert forbidden_imports(name, tree_of(name)) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("plan/x.py", "from infra_gen.knowledge import store"),
        ("model/x.py", "import infra_gen.plan.load"),
        ("targets/x.py", "from infra_gen import api"),
        ("rules/x.py", "def f():\n    from infra_gen.cli import show"),
    ],
)
def test_a_wrong_import_is_seen(name: str, source: str) -> None:
    assert forbidden_imports(name, ast.parse(source))


def test_relative_imports_are_not_used() -> None:
    relative = [
        name
        for name in MODULES
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_only_the_command_line_imports_typer() -> None:
    users = {
        part_of(name)
        for name in MODULES
        for node in ast.walk(tree_of(name))
        for dotted in imported(node)
        if dotted.split(".")[0] in ("typer", "click")
    }
    assert users == {"cli"}


def disk_calls(tree: ast.Module, names: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            word = called.attr if isinstance(called, ast.Attribute) else None
            word = called.id if isinstance(called, ast.Name) else word
            if word in names:
                found.add(word)
            # str.replace takes two arguments, dataclasses.replace is a plain name.
            alone = len(node.args) == 1 and not node.keywords
            if word == "replace" and alone and isinstance(called, ast.Attribute):
                found.add("replace")
    return found & (names | {"replace"})


@pytest.mark.parametrize("name", sorted(set(MODULES) - WRITERS))
def test_only_one_module_writes(name: str) -> None:
    assert disk_calls(tree_of(name), WRITES) == set()


@pytest.mark.parametrize("name", sorted(set(MODULES) - READERS))
def test_only_the_named_modules_read(name: str) -> None:
    assert disk_calls(tree_of(name), READS) == set()


def test_open_for_writing_is_only_in_the_writer() -> None:
    modes = {
        (name, node.args[-1].value)
        for name in MODULES
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", None)) == "open"
        and node.args
        and isinstance(node.args[-1], ast.Constant)
    }
    assert {name for name, mode in modes if set(str(mode)) & set("wax+")} <= WRITERS


def test_the_lists_name_real_modules() -> None:
    assert set(MODULES) >= READERS
    assert all(disk_calls(tree_of(name), READS | WRITES) for name in READERS)


@pytest.mark.parametrize("name", MODULES)
def test_modules_and_functions_stay_small(name: str) -> None:
    text = MODULES[name].read_text("utf-8")
    assert len(text.splitlines()) <= 300
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 50
    ]
    assert long == []


HEAVY = ("pydantic", "jinja2", "ruamel", "cookiecutter", "jsonschema", "requests", "rich", "yaml")


def test_start_up_imports_nothing_heavy() -> None:
    code = (
        "import sys, infra_gen.cli.main\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules or any(k.startswith(m + '.') "
        "for k in sys.modules)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert done.stdout.strip() == "[]"
