"""The documentation says what the code does: generated pages, examples, links, the worked example."""

from __future__ import annotations

import itertools
import re
import tempfile
from pathlib import Path

import pytest

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.cli.options import Asked, spec_from
from infra_gen.engines.registry import ENGINES
from infra_gen.knowledge import store
from infra_gen.knowledge.engines import engine_info
from infra_gen.model.calibration import known
from infra_gen.model.names import ENGINE_NAMES, TARGET_NAMES
from infra_gen.model.plan import Plan, Point
from infra_gen.model.spec import Spec
from infra_gen.plan.sizing.registry import SIZINGS
from infra_gen.rules.registry import RULES
from infra_gen.stack.proxy import VERSION as CADDY_VERSION
from infra_gen.targets.registry import TARGETS
from tools import docs, docs_alerts, docs_blocks, docs_cli, docs_example

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")],
    key=lambda path: path.relative_to(ROOT).as_posix(),
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return plain.strip().replace(" ", "-")


def anchors(path: Path) -> set[str]:
    text = FENCE.sub("", text_of(path))
    return {anchor(line.lstrip("#").strip()) for line in text.splitlines() if line.startswith("#")}


class TestGenerated:
    def test_pages_and_examples_are_current(self) -> None:
        stale = docs.stale(docs.outputs())
        assert not stale, f"run `make docs`: {', '.join(stale)}"

    def test_every_command_is_documented(self) -> None:
        page = text_of(ROOT / "docs/reference/cli.md")
        readme = text_of(ROOT / "README.md")
        assert len(docs_cli.command_names()) >= 6
        for name in docs_cli.command_names():
            assert f"## infra-gen {name}\n" in page
            anchor = f"infra-gen-{name.replace(' ', '-')}"
            assert f"[`{name}`](docs/reference/cli.md#{anchor})" in readme

    def test_every_option_of_plan_is_documented(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "200")
        run(["plan", "--help"])
        shown = set(re.findall(r"(--[a-z][a-z-]+)\b", capsys.readouterr().out.split("Options:")[1]))
        page = text_of(ROOT / "docs/reference/cli.md")
        section = page.split("## infra-gen plan\n")[1].split("\n## ")[0]
        assert shown <= set(re.findall(r"`(--[a-z-]+)`", section))

    def test_every_spec_key_is_in_the_reference(self) -> None:
        page = text_of(ROOT / "docs/reference/spec.md")
        assert all(f"| `{key}` |" in page for key in Spec.model_fields)

    @pytest.mark.parametrize(
        ("kind", "page"),
        [
            ("hardware", "hardware"),
            ("instances", "hardware"),
            ("models", "models"),
            ("workloads", "workloads"),
        ],
    )
    def test_every_preset_is_in_the_reference(self, kind: str, page: str) -> None:
        text = text_of(ROOT / f"docs/reference/{page}.md")
        assert [name for name in store.names(kind) if f"\n| `{name}` |" not in text] == []

    def test_nobody_sees_a_control_character(self) -> None:
        assert [path for path in PAGES if "\b" in text_of(path)] == []


class TestNames:
    def test_registries_and_pages_hold_the_same_engines(self) -> None:
        known = set(ENGINE_NAMES)
        assert known == set(ENGINES) == set(SIZINGS) == set(docs_alerts.EXAMPLES)
        titles = {name: engine_info(name).facts.title for name in known}
        for page in ("reference/engines", "reference/alerts"):
            text = text_of(ROOT / f"docs/{page}.md")
            assert all(f"\n## {title}\n" in text for title in titles.values()), page
        choosing = text_of(ROOT / "docs/explanation/choosing-an-engine.md")
        assert all(engine_info(name).version in choosing for name in known)

    def test_registries_and_pages_hold_the_same_targets(self) -> None:
        assert set(TARGETS) == set(TARGET_NAMES)
        run_page = text_of(ROOT / "docs/explanation/what-was-run.md")
        head = run_page.split("## Engine by target")[1].strip().splitlines()[0].lower()
        for name in TARGET_NAMES:
            assert f"`{name}`" in text_of(ROOT / "docs/reference/spec.md")
            assert name in head, "a column that says what was run on it"


class TestLinks:
    @pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
    def test_relative_links_lead_somewhere(self, path: Path) -> None:
        text = CODE.sub("", FENCE.sub("", text_of(path)))
        broken = []
        for target in LINK.findall(text):
            if target.startswith(("http://", "https://", "mailto:")):
                continue
            name, _, part = target.partition("#")
            found = (path.parent / name).resolve() if name else path
            if not found.exists() or (part and part not in anchors(found)):
                broken.append(target)
        assert not broken

    def test_the_index_leads_to_every_page(self) -> None:
        index = ROOT / "docs/index.md"
        linked = {(index.parent / target).resolve() for target in LINK.findall(text_of(index))}
        missing = [
            path.relative_to(ROOT).as_posix()
            for path in PAGES
            if "rules" not in path.parts and path != index and path.resolve() not in linked
        ]
        assert not missing

    def test_rules_that_pages_name_exist(self) -> None:
        for path in PAGES:
            for slug in re.findall(r"rule: ([a-z-]+)$", text_of(path), re.MULTILINE):
                assert slug in RULES, f"{path.name}: {slug}"


class TestReadme:
    def test_lists_every_file_of_the_tree(self) -> None:
        root = ROOT / "tests/golden/2x4090-40-users/expected"
        listing = text_of(ROOT / "README.md").split("| Path |")[1].split("\n\n")[0]
        named = set(re.findall(r"`([\w./-]+)`", listing))
        written = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
        assert named - {"infra-gen.yaml", ".infra-gen/"} == written

    def test_the_two_commands_are_in_the_makefile(self) -> None:
        makefile = text_of(ROOT / "Makefile")
        for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
            for target in re.findall(r"^make (\w+)|`make (\w+)`", text_of(page), re.MULTILINE):
                assert f"\n{''.join(target)}:" in makefile


class TestRecipes:
    def test_at_most_eight_steps(self) -> None:
        recipes = text_of(ROOT / "CONTRIBUTING.md").split("## Recipes")[1].split("\n## ")[0]
        for recipe in recipes.split("\n### ")[1:]:
            steps = re.findall(r"^(\d+)\. ", recipe, re.MULTILINE)
            assert len(steps) <= 8, recipe.splitlines()[0]

    def test_files_that_are_named_exist(self) -> None:
        text = text_of(ROOT / "CONTRIBUTING.md")
        places = (ROOT, ROOT / "generator/infra_gen")
        for name in re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|yaml|md|json))`", text):
            assert any((place / name).exists() for place in places), name


class TestExamples:
    def test_output_is_filled_in_and_cut(self) -> None:
        page = "<!-- run lines=1 -->\n```console\n$ infra-gen --version\nold\n```\nafter\n"
        filled = docs_blocks.rewritten(page)
        assert "$ infra-gen --version\ninfra-gen " in filled
        assert "old" not in filled
        assert filled.endswith("```\nafter\n")

    def test_an_exit_code_that_is_not_announced_is_an_error(self) -> None:
        page = "<!-- run -->\n```console\n$ infra-gen plan --hardware nothing-like-it\n```\n"
        with pytest.raises(docs_blocks.ExampleError, match="ended with 1, not 0"):
            docs_blocks.rewritten(page)
        assert "hint:" in docs_blocks.rewritten(page.replace("run", "run code=1", 1))

    def test_an_edit_that_finds_nothing_is_an_error(self) -> None:
        page = '<!-- write a.txt -->\n```text\none\n```\n<!-- edit a.txt "two" "three" -->\n'
        with pytest.raises(docs_blocks.ExampleError, match="does not hold"):
            docs_blocks.rewritten(page)

    def test_other_programs_are_not_run(self) -> None:
        with pytest.raises(docs_blocks.ExampleError, match="may not run rm"):
            docs_blocks.rewritten("<!-- run -->\n```console\n$ rm -rf x\n```\n")

    def test_every_console_block_of_a_reader_is_run(self) -> None:
        for name in docs.pages_with_examples(ROOT):
            lines = text_of(ROOT / name).splitlines()
            for before, line in itertools.pairwise(lines):
                if line.strip() == "```console":
                    assert before.startswith("<!-- run"), f"{name}: {before!r}"


class TestWorkedExample:
    """Plain arithmetic beside the planner: what both say must agree."""

    @pytest.fixture(scope="class")
    @staticmethod
    def plan() -> Plan:
        asked = Asked(
            hardware="2x4090",
            users=docs_example.USERS,
            model="qwen3-32b",
            quantization="awq-int4",
        )
        spec = spec_from(asked)
        return api.plan(spec, Path())[0]

    @pytest.fixture(scope="class")
    @staticmethod
    def steps() -> dict[str, float]:
        return {symbol: step.value for symbol, step in docs_example.steps().items()}

    def point(self, plan: Plan, concurrency: int) -> Point:
        return next(p for p in plan.performance.points if p.concurrency == concurrency)

    def test_memory(self, plan: Plan, steps: dict[str, float]) -> None:
        assert plan.weights.quantization == "awq-int4"
        assert steps["f"] == plan.limits.memory_fraction
        assert steps["W"] == pytest.approx(plan.memory.weights_gib)
        assert steps["A"] == pytest.approx(plan.memory.activation_gib)
        assert steps["R"] == pytest.approx(plan.memory.runtime_gib)
        assert steps["G"] == pytest.approx(plan.memory.cuda_graph_gib)
        assert steps["KV"] == pytest.approx(plan.memory.kv_cache_gib)
        assert steps["b"] == plan.memory.kv_bytes_per_token
        assert steps["C"] == plan.limits.context
        assert steps["n"] == pytest.approx(plan.memory.max_concurrency_at_context)
        assert steps["B"] == pytest.approx(steps["n"] * steps["C"] / 16)
        assert steps["T"] == pytest.approx(plan.memory.kv_cache_tokens, abs=1)
        assert plan.limits.max_num_seqs == docs_example.USERS
        assert steps[f"cache({docs_example.USERS})"] <= steps["T"]

    def test_speed(self, plan: Plan, steps: dict[str, float]) -> None:
        one = self.point(plan, 1)
        peak = plan.performance.peak_concurrency
        assert steps["P"] == peak
        assert steps["prefill(1)"] == pytest.approx(one.prefill_ms)
        assert steps["step(1)"] == pytest.approx(one.decode_step_ms)
        assert steps["TTFT(1)"] == pytest.approx(one.ttft_ms)
        busy = self.point(plan, peak)
        assert steps[f"TPOT({peak})"] == pytest.approx(busy.tpot_ms)
        assert steps[f"TTFT({peak})"] == pytest.approx(busy.ttft_ms)

    def test_the_version_is_the_planned_one(self, plan: Plan) -> None:
        assert plan.engine_version == docs_example.VERSION

    def test_constants_in_the_text_are_the_calibrations(self) -> None:
        page = " ".join(text_of(ROOT / "docs/explanation/sizing.md").split())
        held = store.calibration()
        start = {name: f"{known(fact):g}" for name, fact in held.engine_init_s.items()}
        assert f"vLLM {start['vllm']} s, llama.cpp" in page
        assert f"TGI {start['tgi']} s, Ollama {start['ollama']} s" in page
        assert f"`bytes / {known(held.load_gb_s['gpu']):g} GB/s` with a GPU" in page
        assert f"{known(held.load_gb_s['cpu']):g} without" in page


def test_pages_do_not_name_places_of_one_machine() -> None:
    scratch = f"{tempfile.gettempdir()}/tmp"
    for path in PAGES:
        text = text_of(path)
        assert str(ROOT) not in text, path
        assert scratch not in text, path


VERSIONS_IN_PROSE = {"vllm": "0.33.0", "llama.cpp": "11669", "tgi": "3.3.7", "ollama": "0.32.15"}


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_versions_in_prose_are_the_pinned_ones(engine: str) -> None:
    assert engine in VERSIONS_IN_PROSE, "a new engine: write down the version that the prose names"
    version = VERSIONS_IN_PROSE[engine]
    assert engine_info(engine).version == version, "change the prose that names the old version"


def test_the_proxys_version_in_prose_is_the_pinned_one() -> None:
    for page in ("how-to/expose", "explanation/what-was-run"):
        assert CADDY_VERSION in text_of(ROOT / f"docs/{page}.md")
