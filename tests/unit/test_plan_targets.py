"""A latency that the user wrote: what is tried for it, and what is said when it cannot be met."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from infra_gen import api, building
from infra_gen.building import gather
from infra_gen.cli.main import run
from infra_gen.cli.options import Asked, spec_from
from infra_gen.lifecycle import lock_file
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.model.plan import Limits, Plan
from infra_gen.plan import load
from infra_gen.plan.candidates import candidates
from infra_gen.plan.evaluate import complete, outline
from infra_gen.plan.under_load import LoadModel

GOLDEN = Path(__file__).parents[1] / "golden"


def plan(**asked: object) -> Plan:
    return api.plan(spec_from(Asked(**asked)), Path())[0]  # type: ignore[arg-type]


def peak_tpot(found: Plan) -> float:
    peak = found.performance.peak
    assert peak is not None
    assert peak.tpot_ms is not None
    return peak.tpot_ms


def loaded(slots: int | None, users: int = 40, **asked: object) -> LoadModel:
    given = {"hardware": "4090", "model": "llama-3.1-8b", "users": users, **asked}
    spec = spec_from(Asked(**given))  # type: ignore[arg-type]
    facts, _ = gather(spec, Path(), None)
    first = next(c for c in candidates(facts, spec, None) if not c.illegal)
    found = outline(first, facts, spec)
    assert found.loaded is not None
    return LoadModel(facts, spec, first, found.memory, found.limits, slots=slots)


class TestWhatIsTried:
    def test_more_devices_for_one_copy(self) -> None:
        free = plan(hardware="h100:8", model="llama-3.3-70b", users=40, quantization="fp8")
        fast = plan(
            hardware="h100:8", model="llama-3.3-70b", users=40, quantization="fp8", tpot_ms=13.0
        )
        assert fast.parallelism.tensor > free.parallelism.tensor
        assert peak_tpot(fast) <= 13
        assert fast.performance.meets_tpot

    def test_another_quantization(self) -> None:
        free = plan(hardware="h100", model="llama-3.1-8b", users=50)
        fast = plan(hardware="h100", model="llama-3.1-8b", users=50, tpot_ms=6.0)
        assert free.weights.quantization == "bf16"
        assert fast.weights.bytes < free.weights.bytes
        assert peak_tpot(fast) <= 6

    def test_fewer_requests_at_once_while_the_others_wait(self) -> None:
        asked = {"hardware": "4090", "model": "llama-3.1-8b", "users": 40, "quantization": "fp8"}
        free, fast = plan(**asked), plan(**asked, tpot_ms=20.0)
        assert fast.limits.max_num_seqs < free.performance.peak_concurrency
        assert peak_tpot(free) > 20 >= peak_tpot(fast)
        assert (fast.performance.users_supported or 0) >= 40
        peak = fast.performance.peak
        assert peak is not None
        assert peak.concurrency > fast.limits.max_num_seqs
        said = fast.decision("concurrency")
        assert said is not None
        assert "longer than 20 ms a token, so further requests wait" in said.because

    def test_a_time_to_the_first_token_bounds_the_waiting(self) -> None:
        asked = {"hardware": "4090", "model": "llama-3.1-8b", "users": 40, "tpot_ms": 20.0}
        waits = plan(**asked).performance.peak
        assert waits is not None
        assert waits.ttft_ms is not None
        assert waits.ttft_ms > 500
        strict = plan(**asked, ttft_ms=500.0)
        assert (strict.performance.users_supported or 0) < 40

    def test_the_users_own_number_stays(self) -> None:
        found = plan(
            hardware="4090", model="llama-3.1-8b", users=40, engine="vllm", tpot_ms=20.0,
            set_args=("max-num-seqs=48",),
        )  # fmt: skip
        assert found.limits.max_num_seqs == 48

    def test_more_targets_never_carry_more(self) -> None:
        carried = [
            plan(
                hardware="h100", model="llama-3.1-8b", users=400, quantization="bf16", tpot_ms=target
            ).performance.users_supported
            for target in (40.0, 20.0, 12.0, 9.0, 5.0)
        ]  # fmt: skip
        assert carried == sorted(carried, key=lambda n: -(n or 0))
        assert carried[-1] == 0


class TestPlacesForMoreThanAreExpected:
    """Measured: with places for the planned peak alone, twice the users waited beside an idle card."""

    def test_as_many_as_the_targets_carry(self) -> None:
        few, many = (
            plan(
                hardware="h100", model="llama-3.1-8b", users=users, engine="vllm",
                quantization="bf16", ttft_ms=1000.0, tpot_ms=50.0,
            )
            for users in (300, 600)
        )  # fmt: skip
        assert few.limits.max_num_seqs > 3 * few.performance.peak_concurrency
        most = few.performance.points[-1]
        assert most.concurrency == few.limits.max_num_seqs
        assert 40 < (most.tpot_ms or 0) <= 50
        # The same card carries the same people, whoever were counted on.
        pair = few.performance.users_supported or 0, many.performance.users_supported or 0
        assert abs(pair[0] - pair[1]) <= 0.02 * pair[1]

    def test_as_many_as_the_cache_carries_where_there_is_no_target(self) -> None:
        found = plan(hardware="2x4090", model="qwen3-32b", users=60, quantization="awq-int4")
        facts, _ = gather(spec_from(Asked(hardware="2x4090", users=60)), Path(), None)
        need = load.cache_tokens_needed(
            facts.workload, found.limits.max_num_seqs, found.limits.context
        )
        assert need <= found.memory.kv_cache_tokens
        more = load.cache_tokens_needed(
            facts.workload, found.limits.max_num_seqs + 16, found.limits.context
        )
        assert more > found.memory.kv_cache_tokens

    @pytest.mark.parametrize("users", [1, 5, 8, 9, 50])
    def test_never_more_than_people(self, users: int) -> None:
        found = plan(hardware="h100", model="llama-3.1-8b", users=users, engine="vllm")
        assert found.limits.max_num_seqs <= max(8, -(-users // 8) * 8)

    def test_the_users_own_number_stays(self) -> None:
        found = plan(
            hardware="h100", model="llama-3.1-8b", users=300, engine="vllm",
            set_args=("max-num-seqs=48",),
        )  # fmt: skip
        assert found.limits.max_num_seqs == 48

    @pytest.mark.parametrize("engine", ["tgi", "llama.cpp"])
    def test_not_where_a_place_is_paid_for(self, engine: str) -> None:
        found = plan(hardware="h100", model="llama-3.1-8b", users=100, engine=engine)
        assert found.limits.max_num_seqs < found.performance.peak_concurrency + 8

    def test_a_peak_that_ends_on_a_multiple_of_eight_costs_no_quantization(self) -> None:
        """300 users peak at 40: with 40 places one of them waits, which is no reason for FP8."""
        found = plan(hardware="h100", model="llama-3.1-8b", users=300, engine="vllm")
        assert found.weights.quantization == "bf16"


class TestWhatIsSaid:
    def test_hardware_that_cannot_names_what_would(self) -> None:
        found = plan(hardware="h100", model="llama-3.3-70b", users=100, tpot_ms=25.0)
        assert (found.performance.users_supported or 0) < 100
        same, other = found.nearest[:2]
        assert same.startswith("--hardware h100:")
        assert other.startswith("--hardware ")
        assert not other.startswith("--hardware h100:")

    @pytest.mark.parametrize("place", [0, 1])
    def test_what_is_named_carries_it(self, place: int) -> None:
        found = plan(hardware="h100", model="llama-3.3-70b", users=100, tpot_ms=25.0)
        words = found.nearest[place].split(" (")[0].split()
        asked = dict(zip(words[::2], words[1::2], strict=True))
        better = plan(
            hardware=asked["--hardware"], nodes=int(asked.get("--nodes", 1)), users=100,
            model="llama-3.3-70b", tpot_ms=25.0,
        )  # fmt: skip
        assert (better.performance.users_supported or 0) >= 100
        assert better.performance.meets_tpot
        assert not better.nearest

    def test_numbers_say_why(self) -> None:
        found = plan(hardware="h100", model="llama-3.3-70b", users=100, tpot_ms=5.0)
        assert any("5 ms are asked for" in one.why_not for one in found.alternatives)

    def test_new_names_it_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        code = run(["new", "out", "--hardware", "4090", "--model", "qwen3-32b", "--users", "400"])
        said = capsys.readouterr()
        assert code == 3
        assert "what would carry the load: --hardware rtx-4090" in said.err
        assert not (tmp_path / "out").exists()


class TestWaiting:
    def test_slots_that_are_never_full_change_nothing(self) -> None:
        free, bounded = loaded(None), loaded(500)
        assert [free.residence_s(n) for n in (1, 9, 30)] == [
            bounded.residence_s(n) for n in (1, 9, 30)
        ]
        assert free.peak(40) == bounded.peak(40)

    def test_twice_as_many_as_slots_take_twice_as_long(self) -> None:
        model = loaded(8)
        once, twice = model.residence_s(8), model.residence_s(16)
        assert once is not None
        assert twice == pytest.approx(2 * once)

    def test_waiting_is_before_the_first_token(self) -> None:
        model = loaded(8)
        full, over = model.point(8), model.point(12)
        residence = model.residence_s(8)
        assert full.ttft_ms is not None
        assert residence is not None
        assert over.tpot_ms == full.tpot_ms
        assert over.output_tokens_per_s == full.output_tokens_per_s
        assert over.ttft_ms == pytest.approx(full.ttft_ms + residence / 2 * 1e3)

    def test_users_supported_is_the_largest_number_that_is_carried(self) -> None:
        for targets in ({}, {"tpot_ms": 25.0}, {"tpot_ms": 25.0, "ttft_ms": 900.0}):
            model = loaded(16, **targets)
            most = model.users_supported(16)
            assert most > 0
            assert model.carries(most, 16)
            assert not model.carries(most + 1, 16)

    def test_without_targets_nobody_waits(self) -> None:
        model = loaded(16)
        assert model.peak(model.users_supported(16)) <= 16

    @pytest.mark.parametrize("concurrency", [1, 4, 30, 200])
    @pytest.mark.parametrize("residence", [0.5, 8.0, 1000.0])
    def test_users_at_is_the_inverse_of_the_busy_percentile(
        self, concurrency: int, residence: float
    ) -> None:
        workload = loaded(None).workload
        probability = residence / (residence + (workload.think_s.value or 0))
        users = load.users_at(concurrency, workload, residence, 1_000_000)
        assert load.busy_p95(users, probability) <= concurrency
        assert load.busy_p95(users + 1, probability) > concurrency
        assert load.users_at(concurrency, workload, residence, 3) <= 3

    def test_an_outline_never_promises_less_than_the_plan(self) -> None:
        spec = spec_from(Asked(hardware="h100:2", model="llama-3.3-70b", users=150))
        facts, _ = gather(spec, Path(), None)
        for candidate in candidates(facts, spec, None):
            if candidate.illegal:
                continue
            rough = outline(candidate, facts, spec)
            exact = complete(rough, facts)
            assert rough.fits == exact.fits
            if exact.carries:
                assert rough.carries


SPECS = sorted(
    path.parent.name
    for path in GOLDEN.glob("*/infra-gen.yaml")
    if not path.parent.name.startswith("refused")
)
FLAGS: dict[str, dict[str, tuple[str, ...]]] = {
    "vllm": {
        "context": ("--max-model-len",),
        "max_num_seqs": ("--max-num-seqs",),
        "max_num_batched_tokens": ("--max-num-batched-tokens",),
        "memory_fraction": ("--gpu-memory-utilization",),
    },
    "tgi": {"context": ("--max-total-tokens",), "memory_fraction": ("--cuda-memory-fraction",)},
    "llama.cpp": {"max_num_seqs": ("--parallel",)},
}


def planned_limit(limits: Limits, name: str) -> float:
    value = getattr(limits, name)
    assert isinstance(value, int | float)
    return float(value)


@pytest.mark.parametrize("name", SPECS)
def test_the_deployed_limits_are_the_planned_ones(name: str) -> None:
    spec = read_spec(GOLDEN / name / "infra-gen.yaml")
    built = api.build(spec, GOLDEN / name)
    document = api.plan_document(spec, built.plan, ())
    written = dict(
        word.split("=", 1) for word in document.launch.argv if word.startswith("--") and "=" in word
    )
    argv = list(document.launch.argv)
    written |= {
        flag: value for flag, value in pairwise(argv) if flag.startswith("--") and "=" not in flag
    }
    limits, engine = built.plan.limits, built.plan.engine
    for key, flags in FLAGS.get(engine, {}).items():
        for flag in flags:
            if flag in written:
                assert float(written[flag]) == planned_limit(limits, key), flag
    if engine == "llama.cpp":
        assert float(written["--ctx-size"]) == limits.context * limits.max_num_seqs
    if engine == "vllm":
        assert set(FLAGS["vllm"]["context"]) <= set(written)
        assert "--max-num-seqs" in written
    lock = lock_file.resolved_of(built.plan)
    assert (lock.context, lock.max_num_seqs) == (limits.context, limits.max_num_seqs)
    assert lock.max_num_batched_tokens == limits.max_num_batched_tokens
    assert lock.memory_fraction == limits.memory_fraction
    assert str(limits.max_num_seqs) in built.tree["README.md"].text


@pytest.mark.parametrize("tpot", [20.0, None])
def test_a_lock_gives_the_same_numbers_again(tpot: float | None) -> None:
    spec = spec_from(Asked(hardware="4090", model="llama-3.1-8b", users=40, tpot_ms=tpot))
    first, _ = api.plan(spec, Path())
    again = building.plan(spec, Path(), lock_file.resolved_of(first))[0]
    assert again.limits == first.limits
    assert again.performance == first.performance
    assert again.memory == first.memory
