"""What must hold for every machine and model: said once, tried on a few hundred of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import DoesNotFitError, InfraGenError, UsageError
from infra_gen.knowledge import store
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.model.filetree import safe_path
from infra_gen.model.hardware import DevicePreset
from infra_gen.model.llm import Architecture, ModelPreset
from infra_gen.model.plan import Plan
from infra_gen.targets.command import command_of

NO_FILES = "has no known checkpoint"
USERS = (1, 5, 40, 300)
LEAKS = re.compile(r"\bNone\b|:latest\b|/root/|/home/[a-z]|<infra_gen\.|object at 0x")


def machine_words() -> list[str]:
    """Every preset in every memory size, and several of those that come in several."""
    words = []
    for name in store.names("hardware"):
        preset = store.load("hardware", name, DevicePreset)
        words += [f"{name}-{option.gib}gb" for option in preset.memory_options] or [name]
        words += [f"{name}:{n}" for n in (2, 4, 8) if n <= preset.max_per_node]
    return words


def combinations() -> Iterator[tuple[str, str, int]]:
    """Each machine with `auto` and with two models, in turn, so that all models meet many."""
    models = store.names("models")
    for number, machine in enumerate(machine_words()):
        yield machine, "auto", USERS[number % 4]
        yield machine, models[number % len(models)], USERS[(number + 1) % 4]
        yield machine, models[(7 * number + 3) % len(models)], USERS[(number + 2) % 4]


CASES = list(combinations())


def workload_of(model: str) -> str:
    """A workload of the kind of work that the model is made for."""
    if model == "auto":
        return "chat"
    task = store.load("models", model, ModelPreset).task
    return {"generate": "chat"}.get(task, task)


def plan_of(machine: str, model: str, users: int) -> Plan | None:
    """The plan, or None when it was refused for want of memory (exit 5) or files (1, 5)."""
    asked = Asked(hardware=machine, model=model, users=users, workload=workload_of(model))
    spec = spec_from(asked)
    try:
        return api.plan(spec, Path())[0]
    except DoesNotFitError:
        return None
    except UsageError as error:
        if NO_FILES in error.message:  # nobody published files that the machine's engine reads
            return None
        raise


def architecture(plan: Plan) -> Architecture:
    return store.load("models", plan.model_id, ModelPreset).architecture


def test_there_is_enough_to_try() -> None:
    assert len(machine_words()) > 90
    assert len(CASES) > 250


@pytest.mark.parametrize("chunk", range(6))
def test_plans_are_deterministic_and_fit(chunk: int) -> None:
    planned = 0
    for case in CASES[chunk::6]:
        plan = plan_of(*case)
        assert plan == plan_of(*case), case
        if plan is None:
            continue
        planned += 1
        memory, machine = plan.memory, plan.machine
        assert memory.planned_gib + machine.reserved_gib <= machine.visible_gib + 0.01, case
        assert memory.planned_gib <= machine.usable_gib + 0.01, case
        encoder = all(group.kind == "none" for group in architecture(plan).layer_groups)
        assert memory.kv_cache_gib > 0 or encoder, case
        assert memory.max_concurrency_at_context >= 1, case
        assert plan.parallelism.devices_per_replica <= machine.devices, case
        fraction = plan.limits.memory_fraction
        if fraction is not None:
            assert 0 < fraction <= 1, case
            assert fraction * machine.visible_gib + machine.reserved_gib <= machine.visible_gib
    assert planned > 20


def same_in_both_yamls(text: str) -> bool:
    """YAML 1.1 (PyYAML) and 1.2 (ruamel) read the same values."""
    return bool(yaml.safe_load(text) == YAML(typ="safe", pure=True).load(text))


@pytest.mark.parametrize("chunk", range(6))
def test_trees(chunk: int) -> None:
    seen = 0
    for machine, model, users in CASES[chunk::6][::3]:
        asked = Asked(hardware=machine, model=model, users=users, workload=workload_of(model))
        spec = spec_from(asked)
        try:
            built = api.build(spec, Path())
        except (DoesNotFitError, UsageError) as error:
            assert isinstance(error, DoesNotFitError) or NO_FILES in error.message  # noqa: PT017
            continue
        seen += 1
        table = built.facts.engines[built.plan.engine].table
        argv, env = command_of(built.stack.service("engine"), built.stack)
        for word in argv:
            if word.startswith("--"):
                assert table.flag(word.partition("=")[0]), (machine, model, word)
        for name in env:
            assert name in table.env or not name.startswith(table.env_prefixes), (machine, name)
        for path, file in built.tree.items():
            assert safe_path(path) == path
            assert not LEAKS.search(file.text), (path, LEAKS.search(file.text))
            if path.endswith((".yaml", ".yml")):
                assert same_in_both_yamls(file.text), (machine, path)
        carried = built.plan.performance.users_supported
        over = carried is not None and carried < users
        assert over == any(f.rule == "users-over-capacity" for f in built.errors), machine
        assert all(f.rule == "users-over-capacity" for f in built.errors), built.errors
    assert seen > 5


@pytest.mark.parametrize("engine", ["vllm", "llama.cpp"])
@pytest.mark.parametrize("model", ["qwen3-8b", "gemma-3-12b-it", "deepseek-v2-lite-chat"])
def test_memory_grows_with_context_and_with_users(engine: str, model: str) -> None:
    def cache(users: int, context: int) -> tuple[float, float]:
        asked = Asked(
            hardware="h100", model=model, engine=engine, users=users, context=str(context)
        )
        plan = api.plan(spec_from(asked), Path())[0]
        one = plan.memory.kv_cache_gib / plan.memory.max_concurrency_at_context
        return one, float(plan.limits.max_num_seqs)

    by_context = [cache(4, context)[0] for context in (2048, 4096, 8192, 16384)]
    assert by_context == sorted(by_context)
    assert by_context[0] < by_context[-1]
    by_users = [cache(users, 4096)[1] for users in (1, 60, 600)]
    assert by_users == sorted(by_users)
    assert by_users[0] < by_users[-1]


def test_every_machine_word_resolves_and_unknown_ones_do_not() -> None:
    for word in machine_words():
        assert resolve_machine(word).usable_gib > 0, word
        with pytest.raises(InfraGenError):
            resolve_machine(f"{word}-nonesuch")
