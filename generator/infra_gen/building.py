"""From a spec to a deployment as a value: facts, plan, stack, files, findings. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infra_gen.engines import registry as engines
from infra_gen.errors import SpecError, UsageError, did_you_mean
from infra_gen.knowledge import store
from infra_gen.knowledge.constraints import constraints_of
from infra_gen.knowledge.engines import engine_info
from infra_gen.knowledge.models import resolve_model, stored_model
from infra_gen.knowledge.profiles import machine_of
from infra_gen.model.engine import EngineInfo
from infra_gen.model.facts import Facts, ModelFacts
from infra_gen.model.filetree import FileTree
from infra_gen.model.finding import Finding
from infra_gen.model.lock import LockedImage, Resolved
from infra_gen.model.machine import Machine
from infra_gen.model.names import LOCK_FILE
from infra_gen.model.offer import Offer
from infra_gen.model.pack import LockedPack
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Stack
from infra_gen.model.target import TargetKind
from infra_gen.plan.places import Ranking
from infra_gen.plan.planner import check_wishes, make_plan
from infra_gen.render.patching import PatchError, can_be_patched, patched
from infra_gen.rules import registry as rules
from infra_gen.rules.deployment import read_deployment
from infra_gen.rules.subject import Subject
from infra_gen.searching import nearest_hardware, search_of
from infra_gen.stack.build import build_stack
from infra_gen.stack.digests import pinned
from infra_gen.targets.registry import TARGETS


@dataclass(frozen=True, slots=True)
class RenderedPack:
    """A pack that became part of the tree: its entry in the lock, and the copy kept beside it."""

    locked: LockedPack
    copy: str


@dataclass(frozen=True, slots=True)
class Built:
    """One deployment as a value: nothing of it is on disk yet."""

    spec: Spec
    facts: Facts
    plan: Plan
    stack: Stack
    tree: FileTree
    findings: tuple[Finding, ...]
    packs: tuple[RenderedPack, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that make a command fail."""
        return tuple(f for f in self.findings if f.counts)


@contextmanager
def _told_by(pins: Resolved | None, base: Path) -> Iterator[None]:
    """An unknown name is the user's slip, unless the lock states it: then the lock is wrong."""
    try:
        yield
    except UsageError as error:
        if pins is None:
            raise
        raise SpecError(
            error.message,
            where=f"{base / LOCK_FILE}: resolved",
            hint="infra-gen update --replan plans anew",
        ) from error


def _target(spec: Spec, machine: Machine, pins: Resolved | None) -> TargetKind:
    """The target asked for or locked; else the first that runs on the machine's system."""
    wanted = pins.target if pins else spec.target
    if wanted != "auto":
        return TARGETS[wanted].kind
    return next(t.kind for t in TARGETS.values() if t.kind.problem(machine.os) is None)


class _Engines(Mapping[str, EngineInfo]):
    """Every engine by name; its table is read when somebody asks for it."""

    def __init__(self, versions: Mapping[str, str | None]) -> None:
        self._versions = versions

    def __getitem__(self, name: str) -> EngineInfo:
        return engine_info(name, self._versions[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._versions)

    def __len__(self) -> int:
        return len(self._versions)


def _engines(spec: Spec, pins: Resolved | None) -> Mapping[str, EngineInfo]:
    """The engines, one of them at the version that is asked for or locked."""
    versions: dict[str, str | None] = dict.fromkeys(engines.ENGINES)
    if pins:
        versions[pins.engine] = pins.engine_version
    elif spec.engine_version is not None:
        versions[spec.engine_name] = spec.engine_version
    for name, version in versions.items():
        if version is not None:
            engine_info(name, version)  # UsageError for one that the tables do not hold
    return _Engines(versions)


def _models(spec: Spec, base: Path, pins: Resolved | None) -> tuple[ModelFacts, ...] | None:
    """The model asked for or locked, None when `auto` may choose.

    What was read elsewhere than in the presets lies beside the lock, so that a check needs neither
    the network nor the files.
    """
    if pins:
        kept = stored_model(base, pins.model)
        return (kept or resolve_model(pins.model, base, pins.revision),)
    return None if spec.model == "auto" else (resolve_model(spec.model, base),)


def gather(spec: Spec, base: Path, pins: Resolved | None) -> tuple[Facts, Facts]:
    """The facts for `spec`, and the same with every model (for naming what would fit).

    Raises UsageError for names that the presets do not hold, SpecError when `pins` holds them.
    """
    with _told_by(pins, base):
        machine = machine_of(spec, base, pins.hardware if pins else None)
    return _facts(spec, base, pins, machine)


def _facts(spec: Spec, base: Path, pins: Resolved | None, machine: Machine) -> tuple[Facts, Facts]:
    workload = store.workload(spec.load.workload)
    with _told_by(pins, base):
        infos = _engines(spec, pins)
        models = _models(spec, base, pins)
    everything = Facts(
        machine=machine,
        models=tuple(ModelFacts(m) for m in store.models()),
        auto_model=True,
        workload=workload,
        engines=infos,
        target=_target(spec, machine, pins),
        calibration=store.calibration(),
    )
    if models is None:
        return everything, everything
    return replace(everything, models=models, auto_model=False), everything


def plan(
    spec: Spec, base: Path, pins: Resolved | None = None, *, load_stated: bool = True
) -> tuple[Plan, Facts]:
    """The plan for `spec`; relative model folders are taken from `base`.

    Not `load_stated`: the engine keeps its own limits instead of those that the users need.
    """
    planned, facts, _ = _stacked(spec, base, pins, load_stated=load_stated)
    return planned, facts


def rank(
    spec: Spec,
    base: Path,
    offered: tuple[Offer, ...],
    most_devices: int | None,
    limit: int | None,
) -> Ranking:
    """The first `limit` offers that carry the load of `spec`, whose own hardware counts for nothing.

    `offered` is not empty; `most_devices` bounds what several machines have together.
    """
    facts, _ = _facts(spec, base, None, offered[0].machine)
    check_wishes(facts, spec)
    found = search_of(facts, spec, most_devices).rank(offered, limit)
    if spec.engine_args and found.placed:  # flags that the engine does not have are refused
        word = found.placed[0].offer.machine.id
        _stacked(spec.model_copy(update={"hardware": word}), base, None)
    return found


def _stacked(
    spec: Spec, base: Path, pins: Resolved | None, *, load_stated: bool = True
) -> tuple[Plan, Facts, Stack]:
    """The plan with its stack, which refuses engine_args that the engine's version does not have."""
    facts, everything = (replace(f, load_stated=load_stated) for f in gather(spec, base, pins))
    planned = make_plan(facts, spec, pins, everything, lambda: nearest_hardware(facts, spec))
    return planned, facts, build_stack(spec, planned, facts.engines[planned.engine])


def build(
    spec: Spec,
    base: Path,
    pins: Resolved | None = None,
    images: tuple[LockedImage, ...] = (),
) -> Built:
    """Plan, stack, files and findings of `spec`, without touching the disk.

    `images` are those of the lock: the digest of one that is still used is written down.
    """
    _check_allowed(spec)
    built = _rendered(spec, base, pins, images)
    _check_published(built.plan)
    files = {path: file.text for path, file in built.tree.items()}
    return replace(built, findings=judge(built, files))


def _check_allowed(spec: Spec) -> None:
    """A rule allowed by a name that no rule has would stay an error without a word."""
    for entry in spec.allow:
        if entry.rule not in rules.RULES:
            raise UsageError(
                f"allow names the unknown rule {entry.rule!r}",
                where="allow",
                hint=did_you_mean(entry.rule, rules.RULES),
            )


def _check_published(planned: Plan) -> None:
    """Weights that can be sized from shapes alone cannot be deployed."""
    if planned.weights.unpublished:
        raise UsageError(
            f"no {planned.weights.quantization} weights of {planned.model_name} are known",
            where="quantization",
            hint="name the repository or folder that has them as the model; `infra-gen plan` sizes "
            "them from the model's shapes",
        )


def _rendered(
    spec: Spec, base: Path, pins: Resolved | None, images: tuple[LockedImage, ...]
) -> Built:
    """The deployment, not judged."""
    planned, facts, stack = _stacked(spec, base, pins)
    stack = pinned(stack, images)
    tree = _patched(TARGETS[planned.target].emit(stack), spec)
    return Built(spec, facts, planned, stack, tree, ())


def _patched(tree: FileTree, spec: Spec) -> FileTree:
    """The tree with the spec's patches, one after the other."""
    files = dict(tree.files)
    for number, patch in enumerate(spec.patches):
        where = f"patches.{number}"
        if patch.file not in files:
            documents = [path for path in files if can_be_patched(path)]
            hint = did_you_mean(patch.file, documents)
            raise UsageError(f"no such file: {patch.file}", where=where, hint=hint)
        operation = patch.model_dump(by_alias=True, exclude_unset=True, exclude={"file"})
        try:
            text = patched(patch.file, files[patch.file].text, operation)
        except PatchError as error:
            known = did_you_mean(error.name, error.known) if error.known else error.hint
            raise UsageError(str(error), where=where, hint=known) from error
        files[patch.file] = replace(files[patch.file], text=text)
    return FileTree(files) if spec.patches else tree


def judge(built: Built, files: Mapping[str, str]) -> tuple[Finding, ...]:
    """Every rule on `files` (path to text), with what the spec allows marked."""
    tree = built.tree
    pristine = frozenset(path for path in files if path in tree and tree[path].text == files[path])
    subject = Subject(
        spec=built.spec,
        plan=built.plan,
        stack=built.stack,
        engine=built.facts.engines[built.plan.engine],
        deployment=read_deployment(files),
        pristine=pristine,
        model=built.facts.preset(built.plan.model_id),
        constraints=constraints_of(built.plan.engine),
    )
    return rules.run(subject)
