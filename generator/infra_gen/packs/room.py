"""The program that renders a pack, in a process of its own. It imports nothing of infra-gen.

`python -I -B room.py`, the job as JSON on standard input, the folder made on standard output. Three
walls: limits of the system on time, memory and file size; Jinja's sandbox, so that an expression
reaches no Python; and an audit hook that lets this process write below one folder only, read only what
Python itself needs, and start nothing. With trust, the sandbox is gone and hooks may start: what they
do is then the pack's author's word.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PLACES = {  # events of the interpreter, and which of their arguments are paths that change
    "os.mkdir": (0,), "os.rmdir": (0,), "os.remove": (0,), "os.chmod": (0,), "os.chown": (0,),
    "os.utime": (0,), "os.truncate": (0,), "os.rename": (0, 1), "os.link": (0, 1),
    "os.symlink": (0, 1), "os.mkfifo": (0,), "os.mknod": (0,), "os.chflags": (0,),
    "os.setxattr": (0,), "os.removexattr": (0,), "shutil.rmtree": (0,), "shutil.move": (0, 1),
}  # fmt: skip
_STARTS = ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork")
_NEVER = (
    "os.system", "os.forkpty", "os.spawn", "pty.spawn", "ctypes.dlopen", "ctypes.dlsym", "os.kill",
    "os.killpg", "os.symlink", "os.link", "os.putenv", "os.startfile", "webbrowser.open",
)  # fmt: skip


class Refused(Exception):  # noqa: N818 - not an error of ours
    """A pack asked for what it may not have."""


def set_limits(memory: int, seconds: float, file_bytes: int) -> None:
    """Bounds that hooks inherit; where a system knows one not, the watcher outside remains."""
    import resource  # noqa: PLC0415

    wanted = {
        "RLIMIT_AS": memory, "RLIMIT_CPU": int(seconds) + 1, "RLIMIT_FSIZE": 2 * file_bytes,
        "RLIMIT_CORE": 0,
    }  # fmt: skip
    for name, value in wanted.items():
        with suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, name), (value, value))


class Guard:
    """What the audit hook compares with."""

    def __init__(self, below: str, readable: list[str], *, trusted: bool) -> None:
        """Writing is for `below`, reading also for `readable`."""
        self.below = os.path.realpath(below)
        self.readable = [os.path.realpath(path) for path in [below, *readable] if path]
        self.trusted = trusted

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raise Refused for what is not allowed."""
        if event == "open":
            self._opened(*arguments[:3])
        elif event in _PLACES and arguments:
            for number in _PLACES[event]:
                self._written(arguments[number])
        if self.trusted:
            return
        if event in _STARTS or event in _NEVER or event.startswith("socket."):
            raise Refused(f"{event} is not for a pack without --trust")

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int):
            return
        writes = bool(int(flags or 0) & _WRITE_FLAGS) or (
            isinstance(mode, str) and bool(set(mode) & set("wax+"))
        )
        if writes and os.fspath(path) != os.devnull:
            self._written(path)
        elif not self.trusted and not self._inside(path, self.readable):
            raise Refused(f"it reads outside of its folder: {os.fsdecode(path)!a}")

    def _written(self, path: Any) -> None:
        if not isinstance(path, int) and not self._inside(path, [self.below]):
            raise Refused(f"it writes outside of its folder: {os.fsdecode(path)!a}")

    @staticmethod
    def _inside(path: Any, folders: list[str]) -> bool:
        real = os.path.realpath(os.fsdecode(path))
        return any(real == one or real.startswith(one.rstrip("/") + "/") for one in folders)


def make_environment(context: dict[str, Any], *, trusted: bool) -> Any:
    """Jinja for one pack, without what differs from run to run (dates, random text)."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    settings = context.get("cookiecutter", {})
    kind = Environment if trusted else ImmutableSandboxedEnvironment
    names = ["cookiecutter.extensions.JsonifyExtension", "cookiecutter.extensions.SlugifyExtension"]
    if trusted:
        names += [str(one) for one in settings.get("_extensions", [])]
    options = {"keep_trailing_newline": True, **settings.get("_jinja2_env_vars", {})}
    return kind(undefined=StrictUndefined, extensions=names, **options)


def render(job: dict[str, Any]) -> str:
    """Render the template; the folder made."""
    from cookiecutter import (  # type: ignore[import-untyped]  # noqa: PLC0415
        generate,
        hooks,
        prompt,
    )

    trusted = job["trusted"]

    def environment(context: dict[str, Any]) -> Any:
        return make_environment(context, trusted=trusted)

    for module in (generate, hooks, prompt):  # each holds the name for itself
        module.create_env_with_context = environment
    make_environment({}, trusted=False)  # imports what is imported on first use
    generate.is_binary(job["template"] + "/cookiecutter.json")
    guard = Guard(job["below"], [*sys.path, sys.prefix, sys.base_prefix], trusted=trusted)
    sys.addaudithook(guard.hook)
    settings = prompt.prompt_for_config({"cookiecutter": job["variables"]}, no_input=True)
    return str(
        generate.generate_files(
            job["template"], {"cookiecutter": settings}, job["out"], accept_hooks=trusted
        )
    )


def main() -> int:
    """Do the job on standard input."""
    job = json.load(sys.stdin)
    os.umask(0o022)
    sys.path[:] = job["path"]
    answer = os.dup(1)  # for us alone; what a hook prints goes to the log
    os.dup2(2, 1)
    set_limits(job["memory"], job["seconds"], job["file_bytes"])
    try:
        made = render(job)
    except MemoryError:
        sys.stderr.write("it takes more memory than a pack may")
        return 1
    except BaseException as error:  # whatever a pack does wrong is told, not traced
        told = str(error).split(" Context: ")[0]  # cookiecutter would print all it was given
        sys.stderr.write(f"{type(error).__name__}: {told[:1500]}")
        return 1
    os.write(answer, made.encode("utf-8", "surrogateescape"))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # nothing of the pack runs after this
