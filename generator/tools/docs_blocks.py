"""Examples in hand-written pages, run for real.

A page is a session in an empty folder. These comments steer it; each stands alone on a line:

    <!-- run -->                 run the `$ ` lines of the fence below, write their output there
    <!-- run code=2 -->          the last command must end with that exit code (0 otherwise)
    <!-- run only="Memory|Load" --> keep only paragraphs that begin so (`first`: the first one)
    <!-- run lines=12 -->        keep only the first lines; `...` stands for what is left out
    <!-- file PATH -->           put that file of the session into the fence below (only=, lines=)
    <!-- edit PATH "old" "new" --> change a file, as the text tells the reader to do
                                 (backslash and n: a new line)
    <!-- write PATH -->          write the fence below to a file
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra_gen.cli.main import run as infra_gen

_DIRECTIVE = re.compile(r"^<!-- (run|file|edit|write)( .*)? -->$")
_FENCE = "```"
_ENVIRONMENT = {"NO_COLOR": "1", "CI": "1", "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
_HOME = "/home/you"


class ExampleError(Exception):
    """An example that does not do what its page says."""


@dataclass(slots=True)
class Options:
    """What a comment asks for beside its kind."""

    words: list[str]
    only: list[str]
    lines: int | None
    code: int


def _options(text: str) -> Options:
    named = {"only": "", "lines": "", "code": "0"}
    words = []
    for word in shlex.split(text):
        key, equals, value = word.partition("=")
        if equals and key in named:
            named[key] = value
        else:
            words.append(word)
    only = [start for start in named["only"].split("|") if start]
    return Options(words, only, int(named["lines"] or 0) or None, int(named["code"]))


def elided(text: str, options: Options) -> list[str]:
    """`text` as lines, with `...` for what the page leaves out."""
    if options.only:
        shown: list[str] = []
        for number, paragraph in enumerate(text.strip("\n").split("\n\n")):
            wanted = any(
                paragraph.startswith(start) or (start == "first" and not number)
                for start in options.only
            )
            if wanted:
                shown.append(paragraph)
            elif not shown or shown[-1] != "...":
                shown.append("...")
        return "\n\n".join(shown).splitlines()
    lines = text.rstrip("\n").splitlines()
    if options.lines and len(lines) > options.lines:
        return [*lines[: options.lines], "..."]
    return lines


class Session:
    """The commands of one page, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        """Start in `folder`."""
        self.root = folder
        self.folder = folder
        self.code = 0

    def path(self, name: str) -> Path:
        """A file of the session."""
        return self.folder / name

    def command(self, line: str) -> str:
        """Run one line as a reader would; what it prints."""
        line, _, target = (part.strip() for part in line.partition(" > "))
        words = shlex.split(line.replace("$PWD", str(self.folder)))
        if words == ["echo", "$?"]:
            return f"{self.code}\n"
        if words[0] == "cd":
            self.folder = (self.folder / words[1]).resolve()
            return ""
        errors = io.StringIO() if target else None  # else they stand where they came
        ours = words[0] == "infra-gen"
        printed = self._infra_gen(words[1:], errors) if ours else self._program(words)
        if errors:
            self.path(target).write_text(printed, "utf-8")
            printed = errors.getvalue()
        return printed.replace(str(self.root), _HOME)

    def _infra_gen(self, arguments: list[str], errors: io.StringIO | None) -> str:
        printed = io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(errors or printed),
        ):
            self.code = infra_gen(arguments)
        return printed.getvalue()

    def _program(self, words: list[str]) -> str:
        if words[0] not in ("cat", "grep", "ls", "python3"):
            raise ExampleError(f"an example may not run {words[0]}")
        program = sys.executable if words[0] == "python3" else words[0]
        done = subprocess.run(
            [program, *words[1:]], cwd=self.folder, text=True, capture_output=True, check=False
        )
        self.code = done.returncode
        return done.stdout + done.stderr

    def run(self, lines: list[str], options: Options) -> list[str]:
        """The lines of a console fence, output included."""
        shown = []
        commands = [line for line in lines if line.startswith("$ ")]
        for line in commands:
            shown.append(line)
            shown += elided(self.command(line[2:]), options)
        if self.code != options.code:
            said = "\n".join(shown[-5:])
            raise ExampleError(f"it ended with {self.code}, not {options.code}:\n{said}")
        return shown


def _fence_end(lines: list[str], start: int) -> int:
    """Index of the line that closes the fence opened at `start`."""
    if start >= len(lines) or not lines[start].startswith(_FENCE):
        raise ExampleError(f"no fence follows line {start}")
    return lines.index(_FENCE, start + 1)


def _body(session: Session, kind: str, options: Options, inside: list[str]) -> list[str]:
    if kind == "run":
        return session.run(inside, options)
    place = session.path(options.words[0])
    if kind == "file":
        return elided(place.read_text("utf-8"), options)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(inside) + "\n", "utf-8")
    return inside


def _edit(session: Session, options: Options) -> None:
    name, old, new = (word.replace("\\n", "\n") for word in options.words)
    place = session.path(name)
    text = place.read_text("utf-8")
    if old not in text:
        raise ExampleError(f"{name} does not hold {old!r}")
    place.write_text(text.replace(old, new, 1), "utf-8")


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def rewritten(text: str) -> str:
    """The page with every example's output as it is now."""
    if not any(_DIRECTIVE.match(line) for line in text.splitlines()):
        return text
    with tempfile.TemporaryDirectory() as folder, _environment():
        return _rewritten(text, Session(Path(folder).resolve()))


def _rewritten(text: str, session: Session) -> str:
    lines, out, at = text.splitlines(), [], 0
    while at < len(lines):
        line = lines[at]
        out.append(line)
        at += 1
        found = _DIRECTIVE.match(line)
        if not found:
            continue
        kind, options = found.group(1), _options(found.group(2) or "")
        try:
            if kind == "edit":
                _edit(session, options)
                continue
            end = _fence_end(lines, at)
            out += [lines[at], *_body(session, kind, options, lines[at + 1 : end]), _FENCE]
        except (ExampleError, OSError, ValueError) as error:
            raise ExampleError(f"line {at}: {line}: {error}") from error
        at = end + 1
    return "\n".join(out) + "\n"
