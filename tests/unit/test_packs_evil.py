"""Packs that try to get out, to take too much, or to be taken for something else."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest
from tests.unit.pack_maker import PROJECT, made_by, template_at, write_pack

from infra_gen.errors import UsageError
from infra_gen.packs import guard
from infra_gen.packs.limits import Limits
from infra_gen.packs.reading import read_folder

QUICK = Limits(seconds=2)
HOOK = "hooks/post_gen_project.py"


def refused(folder: Path, *, trust: bool = False, limits: Limits | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        made_by(folder, trust=trust, limits=limits)
    return caught.value.message


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no pack may change, with a file that none may read."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("hunter2", "utf-8")
    return folder


def untouched(outside: Path) -> bool:
    found = [path.name for path in outside.rglob("*")]
    return found == ["secret"] and (outside / "secret").read_text("utf-8") == "hunter2"


class TestPaths:
    def test_a_folder_name_that_climbs(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"}, {"folder": "../../../evil"})
        assert "writes outside of its folder" in refused(pack)
        assert not (tmp_path / "evil").exists()

    def test_an_absolute_folder_name(self, tmp_path: Path, outside: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"}, {"folder": str(outside / "evil")})
        assert "writes outside of its folder" in refused(pack)
        assert untouched(outside)

    @pytest.mark.parametrize("trust", [False, True])
    def test_a_file_name_that_climbs_or_is_absolute(
        self, tmp_path: Path, outside: Path, trust: bool
    ) -> None:
        for number, name in enumerate(("../../../../evil", f"{outside}/evil")):
            pack = write_pack(tmp_path / f"p{number}", {"{{cookiecutter.n}}": "x"}, {"n": name})
            assert "writes outside of its folder" in refused(pack, trust=trust)
        assert untouched(outside)

    def test_a_conditional_folder_that_becomes_the_root(self, tmp_path: Path) -> None:
        name = "{% if cookiecutter.no %}k8s{% endif %}"
        pack = write_pack(tmp_path / "p", {f"{name}/d.yaml": "x"}, {"no": ""})
        assert refused(pack)
        assert not Path("/d.yaml").exists()

    def test_beside_its_own_folder_but_in_the_room(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"{{cookiecutter.n}}": "x", "b": "y"}, {"n": "../a.txt"})
        assert "writes outside of its folder" in refused(pack)

    def test_copying_without_rendering_cannot_delete_elsewhere(
        self, tmp_path: Path, outside: Path
    ) -> None:
        # cookiecutter removes what lies where such a folder is copied to.
        away = "../" * 20 + str(outside)[1:]
        settings = {"n": away, "_copy_without_render": ["{{cookiecutter.n}}"]}
        pack = write_pack(tmp_path / "p", {"{{cookiecutter.n}}/a": "x"}, settings)
        assert "outside of its folder" in refused(pack)
        assert untouched(outside)

    @pytest.mark.parametrize(
        "name",
        [
            "infra-gen.yaml", "Infra-Gen.Lock", ".infra-gen/base/compose.yaml", ".git/hooks/post-checkout",
            "sub/.GIT/config", ".gitmodules", ".env", "secrets/api-key", "a\nb", "a\u202etxt.exe",
            "x" * 250,
        ],
    )  # fmt: skip
    def test_names_that_are_not_theirs(self, tmp_path: Path, name: str) -> None:
        pack = write_pack(tmp_path / "p", {"{{cookiecutter.n}}": "x"}, {"n": name})
        if "/" in name:  # cookiecutter makes no folders for a name with a slash
            parts = name.split("/")
            pack = write_pack(tmp_path / "q", {"/".join(parts): "x"})
        message = refused(pack)
        assert "may not write" in message or "too long" in message

    def test_two_files_that_are_one_on_a_mac(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"readme": "1", "README": "2"})
        assert "letter case" in refused(pack)

    def test_a_name_that_is_no_text(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"})
        Path(os.fsdecode(os.fsencode(pack / PROJECT) + b"/\xff")).write_text("x", "utf-8")
        with pytest.raises(UsageError):
            made_by(pack)


class TestLinks:
    def test_in_a_pack(self, tmp_path: Path, outside: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"})
        (pack / PROJECT / "link").symlink_to(outside / "secret")
        assert "is a link" in refused(pack)
        (pack / PROJECT / "link").unlink()
        (pack / "templates").symlink_to(outside)
        assert "is a link" in refused(pack)

    def test_made_by_a_hook(self, tmp_path: Path, outside: Path) -> None:
        hook = f"import os\nos.symlink({str(outside / 'secret')!r}, 'link')\n"
        pack = write_pack(tmp_path / "p", {"a": "x"}, beside={HOOK: hook})
        assert "is a link" in refused(pack, trust=True)

    @pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
    def test_special_files(self, tmp_path: Path, kind: str) -> None:
        folder = tmp_path / "made"
        folder.mkdir()
        if kind == "fifo":
            os.mkfifo(folder / "x")
        elif kind == "socket":
            held = socket.socket(socket.AF_UNIX)
            held.bind(str(folder / "x"))
            held.close()
        else:
            (folder / "x").symlink_to("/dev/zero")
        with pytest.raises(UsageError, match=r"no plain file|is a link"):
            read_folder(folder, "pack")


class TestTooMuch:
    def test_loops_without_end(self, tmp_path: Path) -> None:
        loop = "{% for i in range(99999) %}"
        pack = write_pack(tmp_path / "p", {"a": loop * 3 + "{% endfor %}" * 3})
        started = time.monotonic()
        assert "longer than 2 s" in refused(pack, limits=QUICK)
        assert time.monotonic() - started < 6

    def test_a_range_larger_than_memory(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "{% for i in range(10 ** 12) %}x{% endfor %}"})
        assert "Range too big" in refused(pack)

    def test_a_string_larger_than_memory(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "{{ 'x' * 10 ** 11 }}"})
        assert "memory" in refused(pack)

    def test_a_file_of_many_megabytes(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "{{ 'x' * (50 * 1024 * 1024) }}"})
        assert "too large" in refused(pack)

    def test_many_files_that_are_too_much_together(self, tmp_path: Path) -> None:
        files = {f"f{number:03}": "{{ 'x' * 1000000 }}" for number in range(40)}
        assert "5242880 bytes" in refused(write_pack(tmp_path / "p", files))

    def test_a_pack_of_many_files(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {f"f{number}": "x" for number in range(501)})
        assert "more than 500 files" in refused(pack)

    def test_a_folder_of_many_names(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"})
        for number in range(5001):
            (pack / str(number)).touch()
        assert "more than 5000 files" in refused(pack)

    def test_a_hook_that_writes_files_without_end(self, tmp_path: Path) -> None:
        hook = "import itertools\nfor n in itertools.count():\n    open(f'f{n}', 'w').close()\n"
        pack = write_pack(tmp_path / "p", {"a": "x"}, beside={HOOK: hook})
        assert "more than 500 files" in refused(pack, trust=True)

    def test_a_hook_that_fills_the_disk(self, tmp_path: Path) -> None:
        hook = (
            "import itertools\n"
            "for n in itertools.count():\n    open(f'f{n % 400}', 'a').write('x' * 100_000)\n"
        )
        pack = write_pack(tmp_path / "p", {"a": "x"}, beside={HOOK: hook})
        assert "more than 5242880 bytes" in refused(pack, trust=True)

    def test_a_hook_without_end_and_what_it_started(self, tmp_path: Path, outside: Path) -> None:
        child = f"import time; time.sleep(3); open({str(outside / 'late')!r}, 'w')"
        hook = (
            "import subprocess, sys, time\n"
            f"subprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(600)\n"
        )
        pack = write_pack(tmp_path / "p", {"a": "x"}, beside={HOOK: hook})
        assert "longer than 1 s" in refused(pack, trust=True, limits=Limits(seconds=1))
        time.sleep(2.5)
        assert untouched(outside)

    def test_folders_nested_without_end(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"/".join("a" * 60) + "/f": "x"})
        assert "nested too deeply" in refused(pack)

    def test_settings_nested_without_end(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"})
        (pack / "cookiecutter.json").write_text("[" * 100_000, "utf-8")
        assert "not valid JSON" in refused(pack)
        (pack / "cookiecutter.json").write_text('{"a":' * 50 + "1" + "}" * 50, "utf-8")
        assert "nested too deeply" in refused(pack)


class TestCode:
    @pytest.mark.parametrize("where", ["hooks/pre_gen_project.sh", HOOK, "hooks/pre_prompt.py"])
    def test_hooks_need_trust(self, tmp_path: Path, outside: Path, where: str) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"}, beside={where: f"touch {outside}/evil"})
        assert where in refused(pack)
        assert untouched(outside)

    def test_a_hook_runs_with_trust(self, tmp_path: Path) -> None:
        hook = "open('by-hook', 'w').write('{{ cookiecutter._infra_gen.name }}')\n"
        pack = write_pack(tmp_path / "p", {"a": "x"}, beside={HOOK: hook})
        assert made_by(pack, trust=True)["by-hook"].text == "chat"

    def test_a_hook_that_fails_says_what_it_said(self, tmp_path: Path) -> None:
        hook = "import sys\nsys.exit('\\x1b[31mno such team')\n"
        pack = write_pack(tmp_path / "p", {"a": "x"}, beside={HOOK: hook})
        message = refused(pack, trust=True)
        assert "no such team" in message
        assert "\x1b" not in message

    def test_extensions_need_trust(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"}, {"_extensions": ["antigravity.Anything"]})
        assert "_extensions" in refused(pack)

    @pytest.mark.parametrize(
        "expression",
        [
            "''.__class__.__mro__[1].__subclasses__()",
            "cookiecutter.__init__.__globals__",
            "self.__init__.__globals__",
            "lipsum.__globals__['os'].popen('id').read()",
            "cycler.__init__.__globals__.os.system('id')",
            "'{0.__class__}'.format(1)",
            "cookiecutter|attr('__class__')",
            "cookiecutter.update(folder='..')",
        ],
    )
    def test_expressions_stay_in_the_sandbox(self, tmp_path: Path, expression: str) -> None:
        pack = write_pack(tmp_path / "p", {"a": "{{ " + expression + " }}"})
        message = refused(pack)
        assert "unsafe" in message or "undefined" in message.lower() or "SecurityError" in message

    def test_names_are_in_the_sandbox_too(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"}, {"n": "{{ ''.__class__ }}"})
        assert "unsafe" in refused(pack)

    @pytest.mark.parametrize("path", ["/etc/passwd", "../../../../etc/passwd"])
    def test_no_file_of_the_machine_is_included(self, tmp_path: Path, path: str) -> None:
        pack = write_pack(tmp_path / "p", {"a": "{% include '" + path + "' %}"})
        assert "TemplateNotFound" in refused(pack)

    @pytest.mark.parametrize("name", ["loader", "finalize", "extensions", "undefined"])
    def test_jinja_is_not_reconfigured(self, tmp_path: Path, name: str) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"}, {"_jinja2_env_vars": {name: "x"}})
        assert f"{name} may not be set" in refused(pack)

    @pytest.mark.parametrize(
        "text", ["{{ uuid4() }}", "{{ random_ascii_string(9) }}", "{% now 'utc' %}"]
    )
    def test_what_differs_from_run_to_run_is_not_there(self, tmp_path: Path, text: str) -> None:
        message = refused(write_pack(tmp_path / "p", {"a": text}))
        assert "undefined" in message or "unknown tag" in message

    def test_nothing_of_the_environment_is_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        monkeypatch.setenv("COOKIECUTTER_CONFIG", str(tmp_path / "config"))
        hook = "import os\nopen('seen', 'w').write(' '.join(sorted(os.environ)))\n"
        pack = write_pack(tmp_path / "p", {"a": "x"}, beside={HOOK: hook})
        seen = set(made_by(pack, trust=True)["seen"].text.split())
        assert seen <= {"PATH", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONHASHSEED", "TMPDIR", "HOME"}

    def test_the_users_own_cookiecutter_settings_do_not_count(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = tmp_path / "home"
        home.mkdir()
        (home / ".cookiecutterrc").write_text("default_context: {team: mine}\n", "utf-8")
        monkeypatch.setenv("HOME", str(home))
        pack = write_pack(tmp_path / "p", {"a": "{{ cookiecutter.team }}"}, {"team": "ops"})
        assert made_by(pack)["a"].text == "ops"
        assert [path.name for path in home.iterdir()] == [".cookiecutterrc"], (
            "no replay was written"
        )


class TestContents:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"\x89PNG\r\n\x1a\n\x00\x00", "is not UTF-8 text"),
            (b"a\x00b", "is binary"),
            ("gr\u00fc\u00dfe".encode("latin-1"), "is not UTF-8 text"),
            ("\ufeffa".encode(), "byte order mark"),
            ("a".encode("utf-16"), "is not UTF-8 text"),
            (b"a\r\nb\r\n", "line ends"),
        ],
    )
    def test_only_plain_text(self, tmp_path: Path, data: bytes, reason: str) -> None:
        assert reason in refused(write_pack(tmp_path / "p", {"a": data}))

    def test_line_ends_that_the_pack_asks_for(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "1\n2\n"}, {"_new_lines": "\r\n"})
        assert "line ends" in refused(pack)


class TestNotAPack:
    def test_folders_that_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no such folder"):
            template_at(tmp_path / "missing")
        (tmp_path / "empty").mkdir()
        with pytest.raises(UsageError, match="not a cookiecutter template"):
            template_at(tmp_path / "empty")
        (tmp_path / "empty" / "cookiecutter.json").write_text("{}", "utf-8")
        with pytest.raises(UsageError, match="must hold one folder"):
            template_at(tmp_path / "empty")

    def test_two_projects(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"}, beside={"{{cookiecutter.other}}/b": "y"})
        assert "must hold one folder" in refused(pack)

    @pytest.mark.parametrize("text", ["", "[]", "3", '{"a": }'])
    def test_settings_that_are_none(self, tmp_path: Path, text: str) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"})
        (pack / "cookiecutter.json").write_text(text, "utf-8")
        assert "JSON" in refused(pack)

    @pytest.mark.parametrize("text", ["{{ cookiecutter.nope }}", "{% if %}", "{{ nope }}"])
    def test_templates_with_mistakes_name_the_mistake(self, tmp_path: Path, text: str) -> None:
        message = refused(write_pack(tmp_path / "p", {"a": text}))
        assert "cannot be rendered" in message
        assert "infra-gen-pack-" not in message, "no temporary path"

    def test_patterns_that_are_none(self, tmp_path: Path) -> None:
        pack = write_pack(tmp_path / "p", {"a": "x"}, {"_copy_without_render": "a"})
        assert "_copy_without_render" in refused(pack)


class TestGuard:
    def test_a_clash_is_seen_whatever_the_spelling(self) -> None:
        taken = ["compose.yaml", "bin/preflight", "caf\u00e9"]
        paths = ["Compose.YAML", "bin", "compose.yaml/x", "cafe\u0301", "bin/other", "fine"]
        assert guard.clashes(paths, taken) == sorted(paths[:4])

    def test_plain_names_pass(self) -> None:
        for path in (".github/x.yml", "a b", "k8s/\u00fc.yaml", ".envrc", "docs/secrets.md"):
            assert guard.complaint(path) is None

    def test_the_stub_of_a_job_is_valid_json(self, tmp_path: Path) -> None:
        template = template_at(write_pack(tmp_path / "p", {"a": 'q"\n'}))
        assert json.loads(template.copy)["schema"] == 1
