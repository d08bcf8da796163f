"""Run a real program with the files that its container would see, and nothing left behind."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

ENTER_ROOT = Path(__file__).with_name("enter_root")
CONTAINER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ProcessFailedError(Exception):
    """A program that ended, or did not do what was waited for, with the end of its log."""


@dataclass(frozen=True)
class Sandbox:
    """A view of the file system: the programs of `root`, and what is bound."""

    root: Path
    binds: Mapping[str, Path] = field(default_factory=dict)
    """Path inside to the file or folder of this machine that is seen there."""
    env: Mapping[str, str] = field(default_factory=dict)
    """The whole environment of the program, apart from PATH and HOME."""
    cwd: str = "/"
    user: str = "0:0"
    """As in compose's `user:`, in numbers."""

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` inside; its process becomes that of argv."""
        enter = ["unshare", "--mount", "--propagation", "private", str(ENTER_ROOT), str(self.root)]
        for inside, path in self.binds.items():
            enter += ["--bind", f"{path.resolve()}:{inside}"]
        return [*enter, "--chdir", self.cwd, "--user", self.user, "--", *argv]

    @property
    def environment(self) -> dict[str, str]:
        """What a container runtime would set, and what the deployment sets."""
        return {"PATH": CONTAINER_PATH, "HOME": "/root", **self.env}

    def run(self, argv: Sequence[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, such as a health check beside a server."""
        return subprocess.run(
            self.command(argv),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


class Server:
    """A process in a sandbox, from start to SIGTERM; use it in a `with` statement."""

    def __init__(self, sandbox: Sandbox, argv: Sequence[str]) -> None:
        self.sandbox = sandbox
        self.argv = list(argv)
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._text = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process, without waiting for anything."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process = subprocess.Popen(
            self.sandbox.command(self.argv),
            env=self.sandbox.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def stop(self, timeout: float = 15) -> int | None:
        """SIGTERM, as a container runtime sends it; returns the exit status.

        A process that has not ended in time is killed, and has the status -9.
        """
        if self._process is None:
            return None
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._log is not None:
            self._text = self.log
            self._log.close()
            self._log = None
        return self._process.returncode

    @property
    def returncode(self) -> int | None:
        """The exit status, or None while the process runs."""
        return None if self._process is None else self._process.poll()

    @property
    def log(self) -> str:
        """All that the process wrote so far, standard error included."""
        if self._log is None:
            return self._text
        # Opened anew: the process shares the position in ours and would go on writing there.
        again = Path(f"/proc/self/fd/{self._log.fileno()}")
        return again.read_bytes().decode(errors="replace")

    def wait_exit(self, timeout: float = 60) -> int:
        """Wait for a process that is expected to end by itself, as on a bad flag."""
        if self._process is None:
            raise ProcessFailedError("not started")
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.failed(f"still running after {timeout:.0f} s") from None

    def wait_until(self, what: str, check: Callable[[], bool], timeout: float = 60) -> None:
        """Poll until a check holds; fails at once when the process ends meanwhile."""
        deadline = time.monotonic() + timeout
        while not check():
            if self.returncode is not None:
                raise self.failed(f"ended with {self.returncode} before it was {what}")
            if time.monotonic() > deadline:
                raise self.failed(f"not {what} within {timeout:.0f} s")
            time.sleep(0.1)

    def failed(self, message: str) -> ProcessFailedError:
        """An error that shows the end of the log, where the reason mostly is."""
        tail = "\n".join(self.log.splitlines()[-30:])
        return ProcessFailedError(f"{self.argv[0]}: {message}\n{tail}")
