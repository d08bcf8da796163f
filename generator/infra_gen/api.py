"""The public Python surface: plan, build, write, compare. The command line only parses and prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from infra_gen.engines import registry as engines
from infra_gen.errors import InfraGenError, SpecError, UsageError, did_you_mean
from infra_gen.knowledge import store
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.knowledge.models import resolve_model
from infra_gen.lifecycle import drift, lock_file, spec_file, writing
from infra_gen.model.facts import Facts, ModelFacts
from infra_gen.model.filetree import File, FileTree
from infra_gen.model.finding import Finding
from infra_gen.model.lock import Lock, Resolved
from infra_gen.model.plan import Plan, Point
from infra_gen.model.plan_document import PlanDocument, document_of
from infra_gen.model.spec import LOCK_FILE, SPEC_FILE, Spec
from infra_gen.model.stack import Stack
from infra_gen.plan.evaluate import speed_of
from infra_gen.plan.planner import make_plan
from infra_gen.resources import data_dir
from infra_gen.rules import registry as rules
from infra_gen.rules.deployment import read_deployment
from infra_gen.rules.subject import Subject
from infra_gen.stack.build import build_stack
from infra_gen.targets.command import command_of
from infra_gen.targets.registry import TARGETS

BASE_DIR = f"{writing.STATE_DIR}/base"
_SCHEMA_FILE = f"{writing.STATE_DIR}/spec.schema.json"
_ATTRIBUTES_FILE = f"{writing.STATE_DIR}/.gitattributes"


@dataclass(frozen=True, slots=True)
class Built:
    """One deployment as a value: nothing of it is on disk yet."""

    spec: Spec
    facts: Facts
    plan: Plan
    stack: Stack
    tree: FileTree
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that make a command fail."""
        return tuple(f for f in self.findings if f.counts)


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found in a folder."""

    root: Path
    built: Built | None
    drift: tuple[drift.Drift, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """What `update` did: paths written and deleted, and old -> new of what was planned anew."""

    root: Path
    written: tuple[str, ...]
    deleted: tuple[str, ...]
    kept: tuple[str, ...]
    changes: tuple[tuple[str, str, str], ...]


def gather(spec: Spec, base: Path, pins: Resolved | None) -> tuple[Facts, Facts]:
    """The facts for `spec`, and the same with every model (for naming what would fit).

    Raises UsageError for names that the presets do not hold.
    """
    machine = resolve_machine(spec.hardware)
    if pins and pins.hardware != machine.id:
        machine = resolve_machine(pins.hardware)
    workload = store.workload(spec.load.workload)
    infos = {name: engine_info(name) for name in engines.ENGINES}
    if spec.engine_version:
        name = spec.engine_name
        infos[name] = engine_info(name, spec.engine_version)
    everything = Facts(
        machine=machine,
        models=tuple(ModelFacts(m) for m in store.models()),
        auto_model=True,
        workload=workload,
        engines=infos,
        calibration=store.calibration(),
    )
    wanted = pins.model if pins else spec.model
    if wanted == "auto":
        return everything, everything
    one = replace(everything, models=(resolve_model(wanted, base),), auto_model=False)
    return one, everything


def plan(spec: Spec, base: Path, pins: Resolved | None = None) -> tuple[Plan, Facts]:
    """The plan for `spec`; relative model folders are taken from `base`."""
    facts, everything = gather(spec, base, pins)
    return make_plan(facts, spec, pins, everything), facts


def build(spec: Spec, base: Path, pins: Resolved | None = None) -> Built:
    """Plan, stack, files and findings of `spec`, without touching the disk."""
    planned, facts = plan(spec, base, pins)
    info = facts.engines[planned.engine]
    stack = build_stack(spec, planned, info)
    tree = TARGETS[planned.target].emit(stack)
    files = {path: file.text for path, file in tree.items()}
    found = judge(spec, stack, facts, files)
    return Built(spec, facts, planned, stack, tree, found)


def judge(spec: Spec, stack: Stack, facts: Facts, files: Mapping[str, str]) -> tuple[Finding, ...]:
    """Every rule on `files`, with what the spec allows marked."""
    subject = Subject(
        spec=spec,
        plan=stack.plan,
        stack=stack,
        engine=facts.engines[stack.plan.engine],
        deployment=read_deployment(files),
    )
    return rules.run(subject)


def _with_state(built: Built) -> FileTree:
    """The deployment's files with spec, lock, schema and pristine copies."""
    lock = lock_file.make_lock(
        built.spec, built.plan, built.stack, built.tree, store.knowledge_sha256()
    )
    schema = (data_dir("presets") / "schemas" / "spec.schema.json").read_text("utf-8")
    state = {
        LOCK_FILE: File(lock_file.lock_text(lock)),
        _SCHEMA_FILE: File(schema),
        _ATTRIBUTES_FILE: File("base/** linguist-generated\n"),
    }
    base = {
        f"{BASE_DIR}/{path}": File(file.text)
        for path, file in built.tree.items()
        if file.file_class == "managed"
    }
    return built.tree.merged({**state, **base})


def write_new(built: Built, root: Path) -> FileTree:
    """Write a new deployment into `root`: all of it, or nothing.

    Raises UsageError listing every path that is in the way.
    """
    spec = File(spec_file.spec_text(built.spec), file_class="seeded")
    tree = _with_state(built).merged({SPEC_FILE: spec})
    writing.clean_stages(root.parent, root.name)
    if not root.exists() and not root.is_symlink():
        writing.write_new_folder(root, tree)
        return tree
    if not root.is_dir():
        raise UsageError("exists and is not a folder", where=str(root), hint="choose another name")
    writing.recover(root)
    blocked = writing.in_the_way(root, tree)
    if blocked:
        raise UsageError(
            f"{len(blocked)} of the files to write exist already: {', '.join(blocked)}",
            where=str(root),
            hint="choose another folder; for a deployment made before, use infra-gen update",
        )
    writing.apply_changes(root, tree)
    return tree


def load(root: Path) -> tuple[Spec, Lock]:
    """Spec and lock of the deployment in `root`, after finishing what a killed command left."""
    if not root.is_dir():
        raise UsageError("no such folder", where=str(root))
    writing.recover(root)
    spec = spec_file.read_spec(root / SPEC_FILE)
    lock = lock_file.read_lock(root / LOCK_FILE)
    return spec, lock


def build_locked(root: Path, spec: Spec, lock: Lock) -> Built:
    """What `root` should hold, with the lock's choices; errors point at the files."""
    try:
        return build(spec, root, lock.resolved)
    except UsageError as error:
        where = f"{root / SPEC_FILE}" + (f": {error.where}" if error.where else "")
        raise SpecError(error.message, where=where, hint=error.hint) from error


def _disk_files(root: Path, tree: Mapping[str, File]) -> dict[str, str]:
    found = {}
    for path in tree:
        place = root / path
        if place.is_file():
            found[path] = place.read_bytes().decode("utf-8", errors="replace")
    return found


def check(root: Path) -> Checked:
    """Compare `root` with what spec and lock render, and judge the files as they are."""
    spec, lock = load(root)
    if spec_file.spec_sha256(spec) != lock.spec_sha256:
        return Checked(root, None, (drift.Drift(SPEC_FILE, "spec"),), ())
    built = build_locked(root, spec, lock)
    found = drift.find_drift(root, built.tree, lock)
    findings = judge(spec, built.stack, built.facts, _disk_files(root, built.tree))
    return Checked(root, built, tuple(found), findings)


def validate(root: Path) -> Checked:
    """All rules on the files as they are, without comparing."""
    spec, lock = load(root)
    built = build_locked(root, spec, lock)
    findings = judge(spec, built.stack, built.facts, _disk_files(root, built.tree))
    return Checked(root, built, (), findings)


def _plan_changes(old: Resolved, new: Resolved) -> tuple[tuple[str, str, str], ...]:
    before, after = old.model_dump(), new.model_dump()
    return tuple(
        (key, str(before[key]), str(after[key])) for key in before if before[key] != after[key]
    )


def update(root: Path, *, replan: bool = False, discard_edits: bool = False) -> Updated:
    """Regenerate `root` from its spec.

    Planned anew when the spec changed or `replan` is set, else from the lock. Files edited by hand
    stop the update unless `discard_edits`: then nothing was written. Raises UsageError listing them.
    """
    spec, lock = load(root)
    changed = spec_file.spec_sha256(spec) != lock.spec_sha256
    try:
        built = build(spec, root, None if changed or replan else lock.resolved)
    except UsageError as error:
        where = f"{root / SPEC_FILE}" + (f": {error.where}" if error.where else "")
        raise SpecError(error.message, where=where, hint=error.hint) from error
    if built.errors:
        raise FindingsError(built.findings)
    return _write_update(root, built, lock, discard_edits=discard_edits)


class FindingsError(InfraGenError):
    """Rules found errors in what would be written: nothing was."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        """Keep the findings for printing."""
        from infra_gen.errors import ExitCode  # noqa: PLC0415

        super().__init__("the deployment breaks rules; nothing was written")
        self.findings = findings
        self.exit_code = ExitCode.FINDINGS


class EditedError(InfraGenError):
    """Files edited by hand are in the way of an update."""

    def __init__(self, root: Path, paths: list[str]) -> None:
        """Name every such file."""
        from infra_gen.errors import ExitCode  # noqa: PLC0415

        super().__init__(
            f"edited by hand: {', '.join(paths)}; nothing was written",
            where=str(root),
            hint="move the edits to compose.override.yaml or engine_args, "
            "or drop them with infra-gen update --discard-edits",
        )
        self.exit_code = ExitCode.DRIFT


def _write_update(root: Path, built: Built, lock: Lock, *, discard_edits: bool) -> Updated:
    tree = _with_state(built)
    edited, write, kept = [], {}, []
    for path, file in tree.items():
        have = drift.disk_sha256(root / path)
        locked = lock.files.get(path)
        if file.file_class == "seeded" and have is not None:
            kept.append(path)
            continue
        mine = path not in built.tree or have in (None, file.sha256, locked and locked.sha256)
        if not mine and not discard_edits:
            edited.append(path)
        elif have != file.sha256 or path in built.tree:
            write[path] = file
    if edited:
        raise EditedError(root, edited)
    write = {p: f for p, f in write.items() if _differs(root / p, f)}
    gone = [
        path
        for path, locked in lock.files.items()
        if path not in tree and drift.disk_sha256(root / path) == locked.sha256
    ]
    stale_base = [f"{BASE_DIR}/{path}" for path in gone if (root / BASE_DIR / path).is_file()]
    if write or gone:
        writing.apply_changes(root, write, [*gone, *stale_base])
    return Updated(
        root=root,
        written=tuple(sorted(p for p in write if p in built.tree)),
        deleted=tuple(sorted(gone)),
        kept=tuple(sorted(kept)),
        changes=_plan_changes(lock.resolved, lock_file.resolved_of(built.plan)),
    )


def _differs(place: Path, file: File) -> bool:
    import os  # noqa: PLC0415

    if drift.disk_sha256(place) != file.sha256:
        return True
    return os.access(place, os.X_OK) != file.executable


def predict(
    planned: Plan, facts: Facts, points: tuple[tuple[int, int, int], ...]
) -> tuple[Point, ...]:
    """Speed of one replica at further (concurrency, input, output) points."""
    return tuple(speed_of(planned, facts).point(*point) for point in points)


def plan_document(spec: Spec, planned: Plan, extra: tuple[Point, ...]) -> PlanDocument:
    """`planned` as the JSON document, with the command line the engine would get."""
    stack = build_stack(spec, planned, engine_info(planned.engine, planned.engine_version))
    performance = replace(planned.performance, points=(*planned.performance.points, *extra))
    service = stack.service("engine")
    argv, env = command_of(service, stack)
    image = service.image.reference if service.image and planned.target != "launchd" else None
    return document_of(replace(planned, performance=performance), argv, env, image)


def explain(built: Built, key: str) -> list[str]:
    """Lines on a decision, a flag of the deployed command, or a flag of the engine's table.

    Raises UsageError with close matches when the key is none of them.
    """
    wanted = key.lstrip("-")
    said = []
    for decision in built.plan.decisions:
        if decision.what in (wanted, wanted.replace("-", "_")):
            said += [f"{decision.what}: {decision.value}", f"  because {decision.because}",
                     f"  source: {decision.source}"]  # fmt: skip
    engine = built.stack.service("engine")
    for arg in engine.argv:
        if arg.flag.lstrip("-") == wanted:
            value = "" if arg.value is None else f" {arg.value}"
            said += [f"{arg.flag}{value}", f"  because {arg.because}"]
    for variable in engine.env:
        if variable.name == wanted:
            said += [f"{variable.name}={variable.value}", f"  because {variable.because}"]
    info = built.facts.engines[built.plan.engine]
    spec = info.table.flag(f"--{wanted}")
    if spec:
        default = f"default {spec.default!r}" if spec.default_known else "default not in the table"
        said.append(f"{info.name} {info.version}: {spec.name} takes {spec.type}, {default}")
    removed = info.table.removed_flags.get(f"--{wanted}")
    if removed:
        instead = f"; instead: {removed.instead}" if removed.instead else ""
        said.append(f"--{wanted} is gone since {info.name} {removed.gone_by or '?'}{instead}")
    if said:
        return said
    known = [d.what for d in built.plan.decisions] + [a.flag.lstrip("-") for a in engine.argv]
    known += [*rules.RULES, *(f.lstrip("-") for f in info.table.flags)]
    raise UsageError(f"nothing is known of {key!r}", hint=did_you_mean(wanted, known))
