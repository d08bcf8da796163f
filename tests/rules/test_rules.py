"""Every rule on the cases in cases/<slug>.yaml: silent on the base, and outspoken on the edit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from ruamel.yaml import YAML
from tests.rules.bases import BASES, built, findings, subject_of

from infra_gen.model.finding import Confidence, Severity
from infra_gen.model.names import SPEC_FILE
from infra_gen.rules import checks, registry
from infra_gen.rules.registry import RULES

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES: dict[str, list[dict[str, Any]]] = {
    path.stem: YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    for path in sorted((HERE / "cases").glob("*.yaml"))
}
EACH = [
    pytest.param(slug, case, id=f"{slug}: {case['why']}")
    for slug, cases in CASES.items()
    for case in cases
]


@pytest.mark.parametrize(("slug", "case"), EACH)
def test_the_base_is_good(slug: str, case: dict[str, Any]) -> None:
    assert findings(slug, {"base": case["base"]}) == []


@pytest.mark.parametrize(("slug", "case"), EACH)
def test_the_edit_is_judged_as_written(slug: str, case: dict[str, Any]) -> None:
    expected = case["expect"]
    found = findings(slug, case)
    assert len(found) == expected["count"], [one.message for one in found]
    if not found:
        return
    first = found[0]
    for part in (
        [expected["message"]] if isinstance(expected["message"], str) else expected["message"]
    ):
        assert part in first.message
    assert first.rule == slug
    assert first.file == expected.get("file", first.file)
    if "at" in expected:
        lines = subject_of(case).deployment.files[first.file].splitlines()
        assert first.line is not None
        assert expected["at"] in lines[first.line - 1]
    if "key" in expected:
        assert first.key_path == expected["key"]


@pytest.mark.parametrize("base", BASES)
def test_a_new_deployment_has_no_errors_or_warnings(base: str) -> None:
    found = [f for f in built(base).findings if f.severity != "info"]
    assert found == []


def test_every_rule_has_a_bad_case_and_every_case_a_rule() -> None:
    assert list(CASES) == list(RULES)
    for slug, cases in CASES.items():
        assert any(case["expect"]["count"] > 0 for case in cases), slug


def test_every_module_is_registered_in_order() -> None:
    folder = Path(checks.__path__[0])
    modules = sorted(p.stem for p in folder.glob("*.py") if p.stem != "__init__")
    assert [slug.replace("-", "_") for slug in RULES] == modules
    assert list(RULES) == sorted(RULES)


@pytest.mark.parametrize("slug", RULES)
def test_a_rule_says_everything(slug: str) -> None:
    rule = RULES[slug].RULE
    assert rule.slug == slug
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", slug)
    assert RULES[slug].__name__.rpartition(".")[2] == slug.replace("-", "_")  # type: ignore[attr-defined]
    assert rule.severity in get_args(Severity)
    assert rule.confidence in get_args(Confidence)
    for text in (rule.what, rule.why, rule.bad, rule.good, rule.fix):
        assert text.strip() == text != ""
    assert rule.bad != rule.good
    for sentence in (rule.what, rule.why, rule.fix):
        assert sentence.endswith(".")
    assert rule.sources
    for source in rule.sources:
        assert re.fullmatch(r"https://\S+|[\w.-]+/[\w.-]+#\d+", source), source


@pytest.mark.parametrize(("slug", "case"), EACH)
def test_a_finding_is_fit_to_print(slug: str, case: dict[str, Any]) -> None:
    subject = subject_of(case)
    for one in findings(slug, case):
        assert one.file in subject.deployment.files or one.file == SPEC_FILE
        assert one.message.strip() == one.message != ""
        assert "\n" not in one.message
        assert not one.message.endswith(".")


def test_what_the_spec_allows_is_kept_with_its_reason() -> None:
    case = {
        "base": "cpu",
        "edits": [{"file": "compose.yaml", "regex": rf"^  {name}:\n((?:    .*\n|\n)*?)    restart: .*\n",
                   "new": rf"  {name}:\n\1    restart: 'no'\n"} for name in ("engine", "prometheus")],
    }  # fmt: skip
    subject = subject_of(case)
    spec = subject.spec.model_validate(
        {
            **subject.spec.model_dump(),
            "allow": [{"rule": "restart-missing", "reason": "a test machine"}],
        }
    )
    from dataclasses import replace  # noqa: PLC0415

    found = registry.run(replace(subject, spec=spec))
    assert [(one.rule, one.allowed, one.counts) for one in found] == [
        ("restart-missing", "a test machine", False),
        ("restart-missing", "a test machine", False),
    ]


def test_the_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "generator/tools/rule_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
