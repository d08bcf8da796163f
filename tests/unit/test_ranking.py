"""`plan` without hardware: which machines carry a load, in which order, at which price."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from infra_gen import api, ranking
from infra_gen.cli.main import run
from infra_gen.cli.options import Asked, spec_from
from infra_gen.errors import UsageError
from infra_gen.knowledge.machines import resolve_machine
from infra_gen.knowledge.offers import COUNTS, Wanted, offers
from infra_gen.knowledge.prices import PriceTable, read_prices
from infra_gen.model.offer import shape_of
from infra_gen.model.ranking_document import RankingDocument
from infra_gen.plan.choose import AUTO_TPOT_MS
from infra_gen.plan.places import Placed, Ranking, order
from infra_gen.plan.search import MOST_MACHINES
from infra_gen.searching import ATTENTION_MS

AWS = Wanted(provider="aws")
Show = Callable[..., tuple[int, str, str]]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    def shown(*words: str) -> tuple[int, str, str]:
        code = run(["plan", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return shown


def ranked(
    wanted: Wanted = AWS,
    prices: PriceTable | None = None,
    limit: int | None = None,
    **asked: object,
) -> Ranking:
    given = {"users": 50, "model": "qwen3-32b", **asked}
    spec = ranking.for_readers(spec_from(Asked(hardware="any", **given)))  # type: ignore[arg-type]
    return ranking.rank(spec, Path(), wanted, prices, limit)


def words(found: Ranking) -> list[str]:
    return [place.offer.machine.id for place in found.placed]


class TestOffers:
    def test_every_word_names_the_same_machine_again(self) -> None:
        for offer in offers(Wanted()):
            machine = offer.machine
            assert resolve_machine(machine.id) == machine
            assert machine.devices in COUNTS or offer.provider

    def test_instances_are_named_with_the_devices_that_they_have(self) -> None:
        by_word = {offer.machine.id: offer for offer in offers(Wanted())}
        assert "p5.48xlarge" in by_word["h100:8"].rented_as
        assert "p5.48xlarge" not in by_word
        for word in by_word["l40s"].rented_as:
            assert shape_of(resolve_machine(word)) == shape_of(resolve_machine("l40s"))

    def test_every_instance_is_offered_somewhere(self) -> None:
        said = {o.machine.id for o in offers(AWS)}
        said |= {name for o in offers(AWS) for name in o.rented_as}
        assert {"p5.48xlarge", "g6e.xlarge", "g6e.16xlarge", "g5.12xlarge"} <= said

    @pytest.mark.parametrize(
        ("wanted", "word", "other"),
        [
            (Wanted(vendor="amd"), "mi300x:8", "h100"),
            (Wanted(provider="gcp"), "a2-highgpu-1g", "p5.48xlarge"),
            (Wanted(max_devices=2), "h100:2", "h100:4"),
        ],
    )
    def test_filters(self, wanted: Wanted, word: str, other: str) -> None:
        found = {offer.machine.id for offer in offers(wanted)}
        assert word in found
        assert other not in found

    @pytest.mark.parametrize(
        "wanted", [Wanted(vendor="nvdia"), Wanted(provider="lambda"), Wanted(max_devices=0)]
    )
    def test_wrong_filters_are_told(self, wanted: Wanted) -> None:
        with pytest.raises(UsageError):
            offers(wanted)


class TestOrder:
    def test_fewer_devices_first_then_fewer_machines_then_less_memory(self) -> None:
        found = ranked()
        assert len(found.placed) > 5
        keys = [
            (p.devices, p.machines, p.machines * p.offer.machine.devices * p.offer.machine.visible_gib)
            for p in found.placed
        ]  # fmt: skip
        assert keys == sorted(keys)

    def test_a_limit_cuts_the_same_order(self) -> None:
        assert words(ranked(limit=3)) == words(ranked())[:3]
        few = ranked(Wanted(vendor="amd"), limit=4, model="llama-3.1-8b", users=60)
        assert words(few) == words(ranked(Wanted(vendor="amd"), model="llama-3.1-8b", users=60))[:4]

    def test_all_of_them_carry_the_load(self) -> None:
        for place in ranked(tpot_ms=60.0).placed:
            peak = place.found.performance.peak
            assert peak is not None
            assert peak.tpot_ms is not None
            assert peak.tpot_ms <= 60
            assert (place.users_supported or 0) >= 50

    def test_without_a_target_people_can_read_along(self) -> None:
        for place in ranked(users=100).placed:
            peak = place.found.performance.peak
            assert peak is not None
            assert peak.tpot_ms is not None
            assert peak.tpot_ms <= AUTO_TPOT_MS

    @pytest.mark.parametrize(
        ("workload", "given", "target"),
        [
            ("chat", None, AUTO_TPOT_MS),
            ("chat", 20.0, 20.0),
            ("batch", None, None),
            ("embed", None, None),
        ],
    )
    def test_the_target_of_people_who_read(
        self, workload: str, given: float | None, target: float | None
    ) -> None:
        asked = Asked(hardware="any", users=5, workload=workload, tpot_ms=given)
        found = ranking.for_readers(spec_from(asked)).load
        assert found.tpot_ms == target
        assert found.ttft_ms == (ATTENTION_MS if target else None)

    def test_models_that_write_nothing(self) -> None:
        found = ranked(model="qwen3-embedding-8b", workload="embed", users=20, limit=3)
        assert len(found.placed) == 3

    def test_harder_targets_never_take_less(self) -> None:
        free, hard = ranked(limit=1).placed[0], ranked(limit=1, tpot_ms=15.0).placed[0]
        assert order(free) <= order(hard)

    def test_more_users_never_take_less(self) -> None:
        least = [ranked(limit=1, users=n).placed[0] for n in (5, 50, 200, 800)]
        assert all(order(few) <= order(many) for few, many in pairwise(least))


class TestSeveralMachines:
    def test_they_share_the_load(self) -> None:
        several = [p for p in ranked(users=600).placed if p.machines > 1]
        assert several
        for place in several:
            assert place.machines <= MOST_MACHINES
            assert (place.users_supported or 0) >= 600

    def test_the_most_devices_are_of_all_together(self) -> None:
        found = ranked(Wanted(provider="aws", max_devices=4), users=200)
        assert found.placed
        assert all(place.devices <= 4 for place in found.placed)

    def test_what_is_too_little_says_how_far(self) -> None:
        found = ranked(users=5000)
        told = [miss.told for miss in found.missed if miss.why == "load"]
        assert told
        assert any("of 5000 users" in one for one in told)


@pytest.mark.parametrize("tpot", [190.0, 25.0])
def test_a_place_is_what_plan_says_of_that_hardware(tpot: float | None) -> None:
    for place in ranked(tpot_ms=tpot, limit=6, users=120).placed:
        asked = Asked(
            hardware=place.offer.machine.id, nodes=place.machines, users=120, model="qwen3-32b",
            ttft_ms=ATTENTION_MS, tpot_ms=tpot,
        )  # fmt: skip
        planned, _ = api.plan(spec_from(asked), Path())
        same = place.found.performance.peak
        assert planned.limits == place.found.limits
        assert planned.weights.quantization == place.found.candidate.weights.quantization
        assert planned.performance.users_supported == place.users_supported
        assert planned.performance.peak == same
        assert not planned.nearest


class TestPrices:
    def prices(self, tmp_path: Path, text: str, name: str = "prices.yaml") -> PriceTable:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return read_prices(path)

    def test_the_lower_price_comes_first_and_the_unknown_last(self, tmp_path: Path) -> None:
        table = self.prices(
            tmp_path, "currency: EUR\nprices: {h100: 2.5, l40s: 9, g6e.xlarge: 1}\n"
        )
        found = ranked(Wanted(vendor="nvidia"), table, limit=12)
        known = [p.price_per_hour for p in found.placed if p.price_per_hour is not None]
        assert known == sorted(known)
        assert found.placed[0].offer.machine.id == "g6e.xlarge"
        unknown = [p.price_per_hour is None for p in found.placed]
        assert unknown == sorted(unknown)

    def test_a_price_is_of_one_device_and_of_the_whole_of_a_counted_word(
        self, tmp_path: Path
    ) -> None:
        table = self.prices(tmp_path, 'currency: USD\nprices: {H100: 2, "8xh100": 12}\n')
        assert table.of(resolve_machine("h100")) == 2
        assert table.of(resolve_machine("h100:4")) == 8
        assert table.of(resolve_machine("h100:8")) == 12
        assert table.of(resolve_machine("p5.48xlarge")) is None

    def test_several_machines_cost_several_times(self, tmp_path: Path) -> None:
        table = self.prices(tmp_path, "currency: USD\nprices: {g6e.xlarge: 1.5}\n")
        found = ranked(AWS, table, users=200)
        place = next(p for p in found.placed if p.offer.machine.id == "g6e.xlarge")
        assert place.machines > 1
        assert place.price_per_hour == 1.5 * place.machines

    def test_csv_says_the_same(self, tmp_path: Path) -> None:
        rows = "hardware,price_per_hour,currency\nh100,2.5,USD\np5.48xlarge,55,USD\n"
        table = self.prices(tmp_path, rows, "prices.csv")
        yaml = self.prices(tmp_path, "currency: USD\nprices: {h100: 2.5, p5.48xlarge: 55}\n")
        assert table == yaml

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("prices: {h100: 1}\n", "currency"),
            ("currency: usd\nprices: {h100: 1}\n", "currency"),
            ("currency: USD\nprices: {}\n", "prices"),
            ("currency: USD\nprices: {h100: -1}\n", "prices.h100"),
            ("currency: USD\nprices: {h100: .nan}\n", "prices.h100"),
            ("currency: USD\nprices: {h100: cheap}\n", "prices.h100"),
            ("currency: USD\nprices: {h100: true}\n", "prices.h100"),
            ("currency: USD\nprices: {h1000: 1}\n", "did you mean"),
            ("currency: USD\nprices: {h100: 1, h100-sxm: 2}\n", "same machine"),
            ("currency: USD\nprices: {h100: 1, h100: 2}\n", "not valid YAML"),
            ("currency: USD\nprice: {h100: 1}\n", "price"),
            ("- h100\n", "not a mapping"),
            ("currency: USD\nprices: [", "not valid YAML"),
        ],
    )
    def test_wrong_yaml_is_told(self, tmp_path: Path, text: str, told: str) -> None:
        with pytest.raises(UsageError) as error:
            self.prices(tmp_path, text)
        said = "\n".join(error.value.lines())
        assert told in said
        assert "prices.yaml" in said

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "first line"),
            ("hardware,price\nh100,1\n", "first line"),
            ("hardware,price_per_hour,currency\n", "currency"),
            ("hardware,price_per_hour,currency\nh100,1,USD\nl4,1,EUR\n", "two currencies"),
            ("hardware,price_per_hour,currency\nh100,much,USD\n", "is no number"),
            ("hardware,price_per_hour,currency\nh100,1,USD\nh100,2,USD\n", "two prices"),
            ("hardware,price_per_hour,currency\nh100,1\n", "currency"),
            ("hardware,price_per_hour,currency\nh100,1,USD,x\n", "three columns"),
            ("hardware,price_per_hour,currency\nh100,inf,USD\n", "prices.h100"),
        ],
    )
    def test_wrong_csv_is_told(self, tmp_path: Path, text: str, told: str) -> None:
        with pytest.raises(UsageError, match=told):
            self.prices(tmp_path, text, "prices.csv")

    def test_other_files_are_told(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.yaml", tmp_path):
            with pytest.raises(UsageError, match="no such file"):
                read_prices(path)
        with pytest.raises(UsageError, match=r"\.yaml or \.csv"):
            self.prices(tmp_path, "{}", "prices.json")
        (tmp_path / "latin.csv").write_bytes(b"\xff\xfe\xfa")
        with pytest.raises(UsageError, match="UTF-8"):
            read_prices(tmp_path / "latin.csv")


class TestCommand:
    def test_the_table(self, show: Show) -> None:
        code, out, _ = show("--users", "50", "--model", "qwen3-32b", "--provider", "aws")
        assert code == 0
        assert out.startswith("Hardware that carries 50 users of Qwen3 32B (chat, at most 10000 ms")
        assert "quantization" in out
        assert (
            "infra-gen plan --hardware g7.2xlarge --users 50 --model qwen3-32b --ttft-ms 10000"
            in out
        )
        assert "an hour" not in out

    def test_the_next_command_plans_the_first_place(self, show: Show) -> None:
        asked = ("--users", "300", "--model", "qwen3-32b", "--tpot-ms", "40", "--provider", "aws")
        _, out, _ = show(*asked)
        line = next(one.strip() for one in out.splitlines() if "infra-gen plan" in one)
        code, planned, _ = show(*line.removeprefix("infra-gen plan ").split())
        assert code == 0
        assert "What would carry the load" not in planned

    def test_the_document(self, show: Show) -> None:
        code, out, _ = show(
            "--users", "50", "--model", "qwen3-32b", "--provider", "aws", "--limit", "3", "--json"
        )
        assert code == 0
        found = RankingDocument.model_validate_json(out)
        assert len(found.ranking) == 3
        assert found.currency is None
        assert found.load.users == 50
        assert all((place.users_supported or 0) >= 50 for place in found.ranking)
        assert json.loads(out)["schema"] == 1

    def test_nothing_carries_it(self, show: Show) -> None:
        code, out, err = show(
            "--users", "900000", "--model", "qwen3-32b", "--provider", "aws", "--json"
        )
        assert code == 5
        assert RankingDocument.model_validate_json(out).ranking == ()
        assert "no hardware carries 900000 users" in err
        assert "carries" in err.split("hint:")[1]

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            (("--users", "5"), "--model must be named"),
            (("--users", "5", "--model", "auto"), "--model must be named"),
            (("--model", "qwen3-8b"), "neither --hardware nor --users"),
            (("--prices", "p.yaml"), "neither --hardware nor --users"),
            (("--limit", "3"), "neither --hardware nor --users"),
            (("--users", "5", "--model", "qwen3-9b-typo"), "unknown model"),
            (("--users", "0", "--model", "qwen3-8b"), "at least one person"),
            (("--users", "5", "--model", "qwen3-8b", "--nodes", "2"), "--nodes needs --hardware"),
            (("--users", "5", "--model", "qwen3-8b", "--point", "1:2:3"), "--point needs"),
            (("--users", "5", "--model", "qwen3-8b", "--limit", "0"), "--limit 0"),
            (("--users", "5", "--model", "qwen3-8b", "--engine", "vllm", "--set", "foo=1"), "foo"),
            (("--users", "5", "--model", "qwen3-8b", "--vendor", "nvdia"), "--vendor 'nvdia'"),
            (("--users", "5", "--model", "qwen3-8b", "--max-devices", "0"), "--max-devices 0"),
            (("--users", "5", "--model", "qwen3-8b", "--prices", "none.yaml"), "no such file"),
            (("--users", "5", "--model", "qwen3-8b", "--context", "9999k"), "beyond"),
            (("--users", "5", "--model", "qwen3-8b", "--quantization", "fp9"), "unknown quantiz"),
            (("--users", "5", "--model", "qwen3-8b", "--workload", "embed"), "is made to generate"),
            (
                ("--users", "5", "--model", "qwen3-8b", "--vendor", "amd", "--provider", "aws"),
                "no hardware is what is asked for",
            ),
            (("--hardware", "h100", "--vendor", "nvidia"), "--vendor is for ranking"),
            (("--hardware", "h100", "--limit", "3"), "--limit is for ranking"),
            (("some-folder", "--max-devices", "3"), "--max-devices is for ranking"),
            (("some-folder", "--users", "3"), "exclude each other"),
        ],
    )
    def test_bad_input(self, show: Show, asked: tuple[str, ...], told: str) -> None:
        code, out, err = show(*asked)
        assert code == 1
        assert told in err
        assert not out


def test_a_place_of_an_unpriced_offer_has_no_price() -> None:
    place: Placed = ranked(limit=1).placed[0]
    assert place.price_per_hour is None
