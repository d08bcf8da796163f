"""`check` for machines: what GitHub shows and drops, what code scanning needs, how large they grow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from infra_gen.checking import Checked, Problem
from infra_gen.cli import reports, reports_github, reports_sarif
from infra_gen.cli.main import run
from infra_gen.errors import ExitCode
from infra_gen.lifecycle.drift import EXPLANATIONS, Drift
from infra_gen.model.finding import Finding
from infra_gen.rules.registry import RULES

Printed = pytest.CaptureFixture[str]


def finding(message: str, line: int | None = None, file: str = "compose.yaml") -> Finding:
    return Finding("privileges-not-dropped", "error", "high", file, message, "Do it.", line)


def entries(checked: Checked) -> list[reports.Entry]:
    return reports.entries(checked, strict=False)


def results(*all_checked: Checked) -> list[dict[str, Any]]:
    found = [one for checked in all_checked for one in entries(checked)]
    (log,) = json.loads(reports_sarif.sarif(found))["runs"]
    one: list[dict[str, Any]] = log["results"]
    return one


def fleet(count: int, diff: str = "") -> list[Checked]:
    drift = Drift("README.md", "edited", diff)
    return [Checked(Path(f"d/{number:04}"), (drift,)) for number in range(count)]


class TestPlaces:
    def test_an_edit_is_at_the_first_line_that_differs(
        self, chat: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
    ) -> None:
        monkeypatch.chdir(chat.parent)
        lines = (chat / "README.md").read_text("utf-8").splitlines(keepends=True)
        lines[30] = "mine\n"
        (chat / "README.md").write_text("".join(lines), "utf-8")
        assert run(["check", chat.name, "--format", "github"]) == 2
        assert "README.md,line=31," in capsys.readouterr().out

    def test_paths_begin_at_the_top_of_the_repository(
        self, chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
    ) -> None:
        """GitHub reads them so, wherever the command runs."""
        (tmp_path / "repo/.git").mkdir(parents=True)
        shutil.copytree(chat, tmp_path / "repo/a b/chat")
        (tmp_path / "repo/a b/chat/README.md").write_text("mine\n", "utf-8")
        monkeypatch.chdir(tmp_path / "repo/a b")
        run(["check", "--format", "github"])
        assert "file=a b/chat/README.md," in capsys.readouterr().out
        run(["check", "--format", "sarif"])
        assert '"uri": "a%20b/chat/README.md"' in capsys.readouterr().out
        run(["check", "--format", "json"])
        below = json.loads(capsys.readouterr().out)["deployments"][0]["problems"][0]
        assert below["file"] == "chat/README.md"
        monkeypatch.chdir(tmp_path / "repo")
        run(["check", "--format", "json"])
        above = json.loads(capsys.readouterr().out)["deployments"][0]["problems"][0]
        assert above["file"] == "a b/chat/README.md"
        assert above["fingerprint"] == below["fingerprint"]

    def test_an_error_without_a_file_is_at_the_spec(self, chat: Path) -> None:
        problem = Problem(ExitCode.DOES_NOT_FIT, "too small", None, None)
        (entry,) = entries(Checked(chat, error=problem))
        assert entry.file.endswith("chat/infra-gen.yaml")


class TestCommands:
    def test_nothing_breaks_out_of_a_command(self) -> None:
        evil = "100%, a: b\r\n::error::x"
        checked = Checked(Path("a,b:c%d"), findings=(finding(evil, 3),))
        (line,) = reports_github.commands(entries(checked))
        assert line == (
            "::error file=a%2Cb%3Ac%25d/compose.yaml,line=3,title=privileges-not-dropped::"
            "100%25, a: b%0D%0A::error::x%0Afix: Do it."
        )

    def test_what_github_would_drop_stays_in_the_log(self) -> None:
        found = [one for checked in fleet(25) for one in entries(checked)]
        lines = reports_github.commands(found)
        shown = [line for line in lines if line.startswith("::")]
        assert len(shown) == 10
        assert shown[-1] == (
            "::error title=infra-gen check::16 more, in the log of this step and in the job summary"
        )
        assert len(lines) == 26
        assert lines[-1].startswith("- d/0024/README.md:1: error: edited by hand")

    def test_ten_are_all_shown(self) -> None:
        found = [one for checked in fleet(10) for one in entries(checked)]
        assert all(" file=" in line for line in reports_github.commands(found))

    def test_one_deployment_does_not_hide_the_others(self) -> None:
        many = Checked(Path("a"), findings=tuple(finding(f"n {n}", n + 1) for n in range(50)))
        found = [*entries(many), *(one for checked in fleet(3) for one in entries(checked))]
        shown = [line for line in reports_github.commands(found) if line.startswith("::")]
        assert sum("file=d/" in line for line in shown) == 3

    def test_a_line_of_the_log_is_no_command(self) -> None:
        evil = "x\n::error::y ##[error]z"
        many = Checked(Path("a"), findings=tuple(finding(evil, n + 1) for n in range(20)))
        for line in reports_github.commands(entries(many)):
            assert "##[" not in line or line.startswith("::")
            assert "\n" not in line


class TestSummary:
    def summary(self, all_checked: list[Checked], code: int) -> str:
        return reports_github.summary(all_checked, code, strict=False, base=Path())

    def test_clean(self) -> None:
        said = self.summary([Checked(Path("a")), Checked(Path("b"))], 0)
        assert said == "### infra-gen: 2 deployments checked, none failed\n"

    def test_what_fails_comes_first_and_warnings_are_told(self) -> None:
        stale = Checked(Path("a"), (Drift("README.md", "stale"),))
        said = self.summary([stale, Checked(Path("b")), *fleet(1)], 2)
        assert said.startswith("### infra-gen: 1 of 3 deployments failed the check (exit code 2)\n")
        rows = [line for line in said.splitlines() if line.startswith("| ")]
        assert rows[1:] == [
            "| d/0000 | 2 | 1 | d/0000/README.md: edited by hand | infra-gen update d/0000 |",
            f"| a | 0 | 1 | a/README.md: {EXPLANATIONS['stale']} | infra-gen update a |",
        ]

    def test_text_stays_text(self) -> None:
        said = self.summary([Checked(Path("a|b"), findings=(finding("<b> *x* `y`\n| z"),))], 3)
        assert "a&#124;b/compose.yaml: &lt;b&gt; &#42;x&#42; &#96;y&#96; &#124; z" in said

    def test_a_diff_cannot_close_its_block(self) -> None:
        said = self.summary(fleet(1, diff="@@ -1 +1 @@\n-</pre>\n\n+<x>\n"), 2)
        assert said.count("</pre>") == 1
        assert "-&lt;/pre&gt;\n\n+&lt;x&gt;" in said

    @pytest.mark.parametrize("count", [1_000, 10_000])
    def test_is_bounded(self, count: int) -> None:
        """GitHub shows nothing of a summary over 1 MiB."""
        diff = "@@ -1,9 +1,9 @@\n" + "-<&>" * 200 + "\n+" + "é" * 500 + "\n"
        said = self.summary(fleet(count, diff), 2)
        assert len(said.encode()) < 600_000
        assert f"{count - 100} more are in the log of this step" in said
        assert said.endswith("`infra-gen check` prints them.\n")
        assert said.count("<details>") == said.count("</details>") > 50

    def test_a_long_diff_is_cut(self) -> None:
        said = self.summary(fleet(1, "@@ -1 +1 @@\n" + "-x\n" * 1000), 2)
        assert "... 801 more lines" in said


class TestSarif:
    def test_every_code_has_what_github_requires(self) -> None:
        kinds = [Drift("a", kind) for kind in EXPLANATIONS]
        rules = tuple(Finding(slug, "info", "high", "a", "m", "f") for slug in RULES)
        errors = [
            Checked(Path(), error=Problem(code, "m", None, None))
            for code in (ExitCode.USAGE, ExitCode.BAD_SPEC, ExitCode.DOES_NOT_FIT)
        ]
        found = [
            one for checked in (Checked(Path(), tuple(kinds), rules), *errors)
            for one in entries(checked)
        ]  # fmt: skip
        (log,) = json.loads(reports_sarif.sarif(found))["runs"]
        descriptors = log["tool"]["driver"]["rules"]
        assert len(descriptors) == len(kinds) + len(rules) + len(errors)
        for rule in descriptors:
            for key in ("shortDescription", "fullDescription", "help"):
                assert 0 < len(rule[key]["text"]) <= 1024
        for result in log["results"]:
            assert descriptors[result["ruleIndex"]]["id"] == result["ruleId"]
            assert result["message"]["text"]

    def test_fingerprints_follow_the_trouble_and_not_the_line(self) -> None:
        before = results(Checked(Path("a"), findings=(finding("x", 3), finding("x", 9))))
        moved = results(Checked(Path("a"), findings=(finding("x", 13), finding("x", 19))))
        prints = [one["partialFingerprints"] for one in before]
        assert prints == [one["partialFingerprints"] for one in moved]
        others = (
            Checked(Path("a"), findings=(finding("y"), finding("x", file="b.yaml"))),
            Checked(Path("b"), findings=(finding("x"),)),
            Checked(Path("a"), (Drift("compose.yaml", "edited"),)),
        )
        everything = prints + [one["partialFingerprints"] for one in results(*others)]
        assert len({one["primaryLocationLineHash"] for one in everything}) == 6

    def test_more_than_github_takes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reports_sarif, "_RESULTS", 2)
        stale = Checked(Path("a"), (Drift("x", "stale"), Drift("y", "stale"), Drift("z", "mode")))
        (log,) = json.loads(reports_sarif.sarif(entries(stale)))["runs"]
        assert [one["level"] for one in log["results"]] == ["error", "warning"]
        (notification,) = log["invocations"][0]["toolExecutionNotifications"]
        assert notification["message"]["text"].startswith("1 more results are left out")
