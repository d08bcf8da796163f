"""A machine that systemd runs: real units, users, folders and journal, in namespaces of its own.

with Machine(root, binds={"/srv/chat": folder}) as machine:
    machine.run("systemctl", "start", "chat-engine")
"""

from __future__ import annotations

import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.live.sandbox import ProcessFailedError

BOOT_ROOT = Path(__file__).with_name("boot_root")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOUNTS = ("unshare", "--mount", "--propagation", "private")
_UNSHARE = (*_MOUNTS, "--pid", "--fork", "--kill-child", "--ipc", "--uts")


class Machine:
    """From boot to power-off; `root` stays as it is."""

    def __init__(self, root: Path, *, binds: Mapping[str, Path] | None = None) -> None:
        self._group = f"infra-gen-test-{uuid.uuid4().hex}"
        self._command = [*_UNSHARE, str(BOOT_ROOT), self._group, str(root)]
        for inside, path in (binds or {}).items():
            self._command += ["--bind", f"{path.resolve()}:{inside}"]
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is off

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + 60
        while self.state() not in ("running", "degraded"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = self.console
                self._off()
                raise ProcessFailedError(f"the machine did not boot\n{log[-3000:]}")
            time.sleep(0.2)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._off()

    def _off(self) -> None:
        if self._process is None:
            return
        self._process.kill()  # --kill-child: process 1 goes too, and with it the namespace
        self._process.wait()
        self._process = None
        self._log.close()
        # Its processes end a moment later than their first.
        for _ in range(50):
            command = [*_MOUNTS, str(BOOT_ROOT), self._group, "--remove"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise ProcessFailedError(f"the control group {self._group} is still there")

    @property
    def console(self) -> str:
        """What process 1 said."""
        again = Path(f"/proc/self/fd/{self._log.fileno()}")
        return again.read_bytes().decode(errors="replace")

    def _first(self) -> str | None:
        """The number of its process 1, as this machine counts."""
        if self._process is None:
            return None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            found = children.read_text().split()
        except OSError:
            return None
        return found[0] if found else None

    def state(self) -> str:
        """`running` once it has booted."""
        try:
            return self.run("systemctl", "is-system-running", check=False).stdout.strip()
        except ProcessFailedError:
            return "off"

    def run(
        self, *argv: str, check: bool = True, timeout: float = 120, cwd: str = "/", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root; one that fails is an error unless `check` is off."""
        first = self._first()
        if first is None:
            raise ProcessFailedError("the machine is off")
        enter = ["nsenter", "--target", first, "--mount", "--pid", "--cgroup", "--ipc", "--uts"]
        variables = {"PATH": _PATH, "HOME": "/root", **env}
        words = [f"{name}={value}" for name, value in variables.items()]
        done = subprocess.run(
            [*enter, "--", "/usr/bin/env", f"--chdir={cwd}", "-i", *words, *argv],
            text=True, capture_output=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if check and done.returncode:
            raise ProcessFailedError(
                f"{' '.join(argv)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).stdout.strip()

    def journal(self, unit: str) -> str:
        """The log of a unit."""
        return self.run("journalctl", "--unit", unit, "--no-pager", "--output", "cat").stdout

    def wait_until(self, unit: str, state: str, timeout: float = 60) -> None:
        """Wait until a unit is in that state (`active`, `failed`)."""
        deadline = time.monotonic() + timeout
        while self.show(unit, "ActiveState") != state:
            if time.monotonic() > deadline:
                raise ProcessFailedError(
                    f"{unit} is {self.show(unit, 'ActiveState')}, not {state}\n{self.journal(unit)}"
                )
            time.sleep(0.2)
