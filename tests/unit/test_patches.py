"""Patches of rendered files: applied, refused, and made from edits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.kill_driver import snapshot

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.errors import SpecError
from infra_gen.lifecycle.comments import comments
from infra_gen.lifecycle.spec_edit import with_patches
from infra_gen.lifecycle.spec_file import read_spec
from infra_gen.render.patching import PatchError, difference, patched, says_the_same

Printed = pytest.CaptureFixture[str]
COMPOSE = "compose.yaml"
TEXT = "# top\na:\n  # why b\n  b: 1\n  c: 'on'\nl:\n  - x\n"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


class TestPatched:
    @pytest.mark.parametrize(
        ("operation", "wanted"),
        [
            ({"op": "replace", "path": "/a/b", "value": 2}, TEXT.replace("b: 1", "b: 2")),
            ({"op": "add", "path": "/a/d", "value": "off"}, TEXT.replace("'on'\n", "'on'\n  d: 'off'\n")),
            ({"op": "add", "path": "/l/-", "value": "z"}, TEXT + "  - z\n"),
            ({"op": "remove", "path": "/a/c"}, TEXT.replace("  c: 'on'\n", "")),
            ({"op": "test", "path": "/a/b", "value": 1}, TEXT),
        ],
    )  # fmt: skip
    def test_the_rest_keeps_its_bytes(self, operation: dict[str, Any], wanted: str) -> None:
        assert patched("x.yaml", TEXT, operation) == wanted

    @pytest.mark.parametrize(
        ("path", "operation", "words"),
        [
            ("x.yaml", {"op": "replace", "path": "/a/z", "value": 1}, "z"),
            ("x.yaml", {"op": "remove", "path": "/l/7"}, "7"),
            ("x.yaml", {"op": "test", "path": "/a/b", "value": 2}, "no longer says"),
            ("x.yaml", {"op": "test", "path": "/a/z", "value": 2}, "^x.yaml: no member 'z' at /a$"),
            ("x.yaml", {"op": "add", "path": "/q/z", "value": 2}, "no member 'q' at the top$"),
            ("x.yaml", {"op": "add", "path": "/l/2", "value": 2}, "no member '2' at /l$"),
            ("x.yaml", {"op": "add", "path": "/l/01", "value": 2}, "no member '01' at /l$"),
            ("x.yaml", {"op": "remove", "path": "/l/-"}, "no member '-' at /l$"),
            ("x.yaml", {"op": "add", "path": "/a/c/0", "value": 2}, "no member '0' at /a/c$"),
            ("x.yaml", {"op": "copy", "from": "/a/z", "path": "/y"}, "no member 'z' at /a$"),
            (
                "x.yaml",
                {"op": "move", "from": "/a", "path": "/a/z"},
                "move cannot be done|no member",
            ),
            ("x.yaml", {"op": "move", "from": "/l/0", "path": "/l/1"}, "no member '1' at /l$"),
            ("x.yaml", {"op": "remove", "path": "/a/b~1c"}, "no member 'b/c' at /a$"),
            ("x.yaml", {"op": "replace", "path": "", "value": "text"}, "no document"),
            ("README.md", {"op": "remove", "path": "/a"}, "no YAML or JSON"),
        ],
    )
    def test_what_does_not_fit(self, path: str, operation: dict[str, Any], words: str) -> None:
        with pytest.raises(PatchError, match=words):
            patched(path, TEXT, operation)

    def test_a_difference_leads_from_one_to_the_other(self) -> None:
        after = "a: {b: 3}\nl: [x, y]\n"
        text = TEXT
        for operation in difference("x.yaml", TEXT, after):
            text = patched("x.yaml", text, operation)
        assert says_the_same("x.yaml", text, after)

    def test_json_stays_json(self) -> None:
        assert patched("x.json", '{"a": 1}', {"op": "replace", "path": "/a", "value": "ü"}) == (
            '{\n  "a": "ü"\n}\n'
        )


class TestInASpec:
    def with_patch(self, root: Path, patch: str) -> None:
        edit(root / "infra-gen.yaml", "patches: []", f"patches:\n  - {patch}")

    def test_it_is_rendered_and_checked(self, chat: Path) -> None:
        self.with_patch(
            chat, "{file: compose.yaml, op: add, path: /services/prometheus/labels, value: {a: b}}"
        )
        assert run(["update", str(chat)]) == 0
        assert "    labels:\n      a: b\n" in (chat / COMPOSE).read_text("utf-8")
        assert run(["check", "--full", str(chat)]) == 0

    def test_rules_judge_the_result(self, chat: Path) -> None:
        image = (
            "{file: compose.yaml, op: replace, path: /services/prometheus/image, value: a:latest}"
        )
        self.with_patch(chat, image)
        before = snapshot(chat)
        assert run(["update", str(chat)]) == 3
        assert snapshot(chat) == before

    @pytest.mark.parametrize(("image", "code"), [("build", 0), ("official", 3)])
    def test_the_tag_of_what_is_built_here_is_only_a_name(
        self, chat: Path, image: str, code: int, capsys: Printed
    ) -> None:
        """The page on patches says so: what the engine is built on is in image/Dockerfile."""
        edit(chat / "infra-gen.yaml", "image: build", f"image: {image}")
        self.with_patch(
            chat, "{file: compose.yaml, op: replace, path: /services/engine/image, value: a:latest}"
        )
        assert run(["update", str(chat)]) == code
        assert ("image-not-pinned" in capsys.readouterr().out) == bool(code)

    @pytest.mark.parametrize(
        ("patch", "words"),
        [
            ("{file: compse.yaml, op: remove, path: /a}", "did you mean compose.yaml?"),
            ("{file: compose.yaml, op: remove, path: /a}", "patches.0"),
            ("{file: README.md, op: remove, path: /a}", "no YAML or JSON"),
            ("{file: compose.yaml, op: delete, path: /a}", "patches.0.op"),
            ("{file: compose.yaml, op: add, path: /a}", "value: add needs it"),
            ("{file: compose.yaml, op: move, path: /a}", "move and copy need it"),
            (
                "{file: compose.yaml, op: remove, path: a}",
                "patches.0.path: a JSON pointer begins with /",
            ),
            ("{file: compose.yaml, op: remove, path: /a~2}", "~ is written ~0"),
            (
                "{file: compose.yaml, op: remove, path: /services/engin/image}",
                "compose.yaml: no member 'engin' at /services\n  hint: did you mean engine?",
            ),
            (
                "{file: compose.yaml, op: test, path: /services/engine/init, value: false}",
                "hint: it says true there",
            ),
            ("{file: compose.yaml, op: remove, path: /a, vlaue: 3}", "vlaue"),
        ],
    )
    def test_a_patch_that_cannot_be(
        self, chat: Path, patch: str, words: str, capsys: Printed
    ) -> None:
        self.with_patch(chat, patch)
        before = snapshot(chat)
        assert run(["update", str(chat)]) == 4
        said = capsys.readouterr().err
        assert words in said
        lines = (chat / "infra-gen.yaml").read_text("utf-8").splitlines()
        assert f"infra-gen.yaml:{lines.index('patches:') + 2}: " in said
        assert snapshot(chat) == before


class TestAdopt:
    def test_an_edit_becomes_a_patch(self, chat: Path, capsys: Printed) -> None:
        edit(chat / COMPOSE, "    restart: unless-stopped", "    restart: always")
        mine = (chat / COMPOSE).read_text("utf-8")
        assert run(["update", str(chat), "--adopt"]) == 0
        assert "adopted into infra-gen.yaml: compose.yaml" in capsys.readouterr().out
        (patch,) = read_spec(chat / "infra-gen.yaml").patches
        assert (patch.file, patch.op, patch.value) == (COMPOSE, "replace", "always")
        assert says_the_same(COMPOSE, (chat / COMPOSE).read_text("utf-8"), mine)
        found = api.check(chat)
        assert (found.drift, found.edited) == ((), ())

    def test_a_second_one_is_added(self, chat: Path) -> None:
        edit(chat / COMPOSE, "    restart: unless-stopped", "    restart: always")
        api.carry_out(api.prepare(chat, adopt=True))
        edit(chat / COMPOSE, "    restart: unless-stopped", "    restart: always")
        api.carry_out(api.prepare(chat, adopt=True))
        assert len(read_spec(chat / "infra-gen.yaml").patches) == 2
        assert api.check(chat, full=True).drift == ()

    def test_an_edit_kept_before_can_be_adopted(self, chat: Path) -> None:
        edit(chat / COMPOSE, "    restart: unless-stopped", "    restart: always")
        api.update(chat)
        assert api.check(chat).edited == (COMPOSE,)
        api.carry_out(api.prepare(chat, adopt=True))
        assert api.check(chat).edited == ()

    def test_what_a_patch_cannot_say_stays_an_edit(self, chat: Path, capsys: Printed) -> None:
        edit(chat / COMPOSE, "    restart: unless", "    # my reason\n    restart: unless")
        edit(chat / "README.md", "\n", "\nMy own words.\n")
        assert run(["update", str(chat), "--adopt"]) == 0
        said = capsys.readouterr().out
        assert "not adopted: compose.yaml: a patch cannot say the comment '# my reason'" in said
        assert "not adopted: README.md: README.md is no YAML or JSON" in said
        assert api.check(chat).edited == ("README.md", COMPOSE)

    @pytest.mark.parametrize(
        ("old", "new", "why"),
        [
            (
                "restart: unless-stopped",
                "restart: always  # INC-4711",
                "say the comment '# INC-4711'",
            ),
            (
                "restart: unless-stopped",
                "restart: always # a\n    cpus: 2",
                "say the comment '# a'",
            ),
        ],
    )
    def test_no_comment_is_lost(
        self, chat: Path, capsys: Printed, old: str, new: str, why: str
    ) -> None:
        edit(chat / COMPOSE, old, new)
        mine = (chat / COMPOSE).read_text("utf-8")
        assert run(["update", str(chat), "--adopt"]) == 0
        assert f"not adopted: compose.yaml: a patch cannot {why}" in capsys.readouterr().out
        assert (chat / COMPOSE).read_text("utf-8") == mine

    @pytest.mark.parametrize("above", ["", "  # Shows the dashboards.\n"])
    def test_an_entry_taken_out(self, chat: Path, above: str) -> None:
        """ruamel keeps the comment above it and drops that of the next: a lie in the second case."""
        text = (chat / COMPOSE).read_text("utf-8")
        start, end = (
            text.index("  # Shows the dashboards.\n"),
            text.index("  # Measures the GPUs.\n"),
        )
        rest = text[start:end].removeprefix("  # Shows the dashboards.\n").rstrip("\n") + "\n"
        edit(chat / COMPOSE, above + rest, "")
        refused = api.carry_out(api.prepare(chat, adopt=True)).adopted.refused
        assert (COMPOSE in refused) is bool(above)

    def test_a_second_comment_of_the_same_words_is_one_too(self, chat: Path) -> None:
        edit(chat / COMPOSE, "services:\n", "services:\n  # Shows the dashboards.\n")
        edit(chat / COMPOSE, "restart: unless-stopped", "restart: always")
        refused = api.carry_out(api.prepare(chat, adopt=True)).adopted.refused
        assert "cannot say the comment '# Shows the dashboards.'" in refused[COMPOSE]

    def test_no_comment_comes_back(self, chat: Path, capsys: Printed) -> None:
        text = (chat / COMPOSE).read_text("utf-8")
        gone = next(one for one in text.splitlines() if one.startswith("    # "))
        edit(chat / COMPOSE, gone + "\n", "")
        edit(chat / COMPOSE, "restart: unless-stopped", "restart: always")
        mine = (chat / COMPOSE).read_text("utf-8")
        assert run(["update", str(chat), "--adopt"]) == 0
        assert f"that the comment {gone.strip()!r} is gone" in capsys.readouterr().out
        assert (chat / COMPOSE).read_text("utf-8") == mine

    def test_patches_of_a_base_stay(self, chat: Path, capsys: Printed) -> None:
        base = chat.parent / "base.yaml"
        base.write_text(
            "patches:\n  - {file: compose.yaml, op: add, path: /services/engine/labels, value: {a: b}}\n",
            "utf-8",
        )
        edit(chat / "infra-gen.yaml", "patches: []", "extends: ../base.yaml")
        assert run(["update", str(chat)]) == 0
        edit(chat / "monitoring/prometheus.yml", "scrape_interval: 15s", "scrape_interval: 10s")
        before = snapshot(chat)
        assert run(["diff", str(chat), "--adopt"]) == 2
        said = capsys.readouterr().out
        assert "would be adopted into infra-gen.yaml: monitoring/prometheus.yml" in said
        assert "base.yaml:1" in said
        assert snapshot(chat) == before
        assert run(["update", str(chat), "--adopt"]) == 0
        said = capsys.readouterr().out
        assert "wrote infra-gen.yaml\n" in said
        assert "base.yaml:1" in said
        assert "a: b" in (chat / COMPOSE).read_text("utf-8")
        assert len(read_spec(chat / "infra-gen.yaml").patches) == 2
        assert api.check(chat, full=True).drift == ()

    def test_nothing_to_adopt(self, chat: Path) -> None:
        before = snapshot(chat)
        assert run(["update", str(chat), "--adopt"]) == 0
        assert snapshot(chat) == before


class TestSpecEdit:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("a: 1\n", 'a: 1\npatches:\n  - {"file": "x"}\n'),
            ("a: 1", 'a: 1\npatches:\n  - {"file": "x"}\n'),
            ("patches: []\na: 1\n", 'patches:\n  - {"file": "x"}\na: 1\n'),
            (
                "patches:\n  - {file: y} # c\n\na: 1\n",
                'patches:\n  - {file: y} # c\n  - {"file": "x"}\n\na: 1\n',
            ),
            (
                "patches:\n- {file: y}\n\n# why\n- file: z\n# end\n",
                'patches:\n- {file: y}\n\n# why\n- file: z\n- {"file": "x"}\n# end\n',
            ),
            ("patches: [] # none\n", 'patches: # none\n  - {"file": "x"}\n'),
        ],
    )
    def test_they_go_to_the_end(self, tmp_path: Path, text: str, wanted: str) -> None:
        path = tmp_path / "infra-gen.yaml"
        path.write_text(text, "utf-8")
        assert with_patches(path, [{"file": "x"}]).text == wanted

    def test_those_of_a_base_are_written_out_too(self, tmp_path: Path) -> None:
        base, path = tmp_path / "base.yaml", tmp_path / "infra-gen.yaml"
        base.write_text("a: 1\npatches:\n  - {file: y, op: remove}\n", "utf-8")
        path.write_text("extends: base.yaml\n", "utf-8")
        edit = with_patches(path, [{"file": "x"}])
        assert edit.text == (
            'extends: base.yaml\npatches:\n  - {"file": "y", "op": "remove"}\n  - {"file": "x"}\n'
        )
        assert edit.hides == f"{base}:2"

    def test_a_form_that_cannot_be_added_to(self, tmp_path: Path) -> None:
        path = tmp_path / "infra-gen.yaml"
        path.write_text("a: 1\npatches: [{file: y}]\n", "utf-8")
        with pytest.raises(SpecError, match="cannot be added in place") as error:
            with_patches(path, [{"file": "x"}])
        assert str(error.value.where).endswith("infra-gen.yaml:2")
        assert '{"file": "x"}' in str(error.value.hint)


class TestComments:
    def test_only_what_is_one(self) -> None:
        text = """# top
a: "x # no" # yes
b: |  # head
  text # no

  # no
# after
c: plain#no
d: [1, # in flow
  2]
e: 'it''s
  # no'
"""
        assert comments(text) == ("# top", "# yes", "# head", "# after", "# in flow")
        assert comments(text.replace("\n", "\r\n")) == comments(text)

    def test_what_is_no_yaml(self) -> None:
        with pytest.raises(ValueError, match="found"):
            comments("a: 'x")


def test_what_the_spec_changed_is_not_taken_back_by_adopting_an_edit(chat: Path) -> None:
    """Old render plus edit, seen from the new render, would be a patch against the spec's change."""
    compose, spec = chat / "compose.yaml", chat / "infra-gen.yaml"
    text = compose.read_text("utf-8")
    compose.write_text(text.replace("  prometheus:\n", "  prometheus:\n    cpus: 2\n", 1), "utf-8")
    spec.write_text(spec.read_text("utf-8").replace("users: 2", "users: 30", 1), "utf-8")
    done = api.carry_out(api.prepare(chat, adopt=True))
    assert "changed too" in done.adopted.refused["compose.yaml"]
    assert done.edited == ("compose.yaml",)
    done = api.carry_out(api.prepare(chat, adopt=True))
    assert done.adopted.files == ("compose.yaml",)
    assert "cpus: 2" in compose.read_text("utf-8")
