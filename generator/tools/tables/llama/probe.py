"""Ask a real llama-server whether it takes what the table says that it takes.

Arguments are read one by one, and `--version` ends the program when its turn comes: so a command
line with `--version` behind it ends well only if all before it was taken. No model is loaded.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tools.tables.records import Record, Snapshot, TableError, spellings

_NONSENSE = "no-such-value"
# They end the program themselves, or their value must exist (a file, a host).
_LEFT_OUT = ("--help", "--version", "--completion-bash", "--cache-list", "--list-devices")
_NEED_SOMETHING = ("path", "json")
_STEP = 1


class Probe(NamedTuple):
    """A command line, variables, and whether the server should take them."""

    words: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    taken: bool


def probes(snapshot: Snapshot) -> Iterator[Probe]:
    """What to ask, from the records."""
    for flag in snapshot["flags"]:
        if flag["name"] in _LEFT_OUT:
            continue
        if flag["kind"] == "value":
            yield from _of_value(flag)
        else:
            yield from (Probe((name,), (), taken=True) for name in spellings(flag))
            yield Probe((flag["name"], "true"), (), taken=False)
    yield Probe((f"--{_NONSENSE}",), (), taken=False)
    yield Probe(("--ctx-size=512",), (), taken=False)
    yield Probe(("--ctx-siz", "512"), (), taken=False)
    underscores = next(row["value"] for row in snapshot["facts"] if row["name"] == "underscores")
    yield Probe(("--ctx_size", "512"), (), taken=underscores)
    yield Probe((), (("LLAMA_ARG_NO_SUCH_NAME", "1"),), taken=True)


def _of_value(flag: Record) -> Iterator[Probe]:
    name = flag["name"]
    if flag["type"] in _NEED_SOMETHING:
        return
    for word in [*flag.get("choices", []), *flag.get("special_values", [])]:
        yield Probe((name, word), (), taken=True)
    if "choices" in flag:
        yield Probe((name, _NONSENSE), (), taken=False)
    if flag["type"] in ("int", "float"):
        yield Probe((name, _NONSENSE), (), taken=False)
        if "env" in flag:
            yield Probe((), ((flag["env"], _NONSENSE),), taken=False)
        yield from (Probe((name, str(value)), (), taken) for value, taken in _numbers(flag))


def _numbers(flag: Record) -> Iterator[tuple[int | float, bool]]:
    if flag.get("default") is not None:
        yield flag["default"], True
    if "minimum" in flag:
        yield from ((flag["minimum"], True), (flag["minimum"] - _STEP, False))
    if "maximum" in flag:
        yield from ((flag["maximum"], True), (flag["maximum"] + _STEP, False))
    if "exclusive_minimum" in flag:
        yield flag["exclusive_minimum"], False


def ask(snapshot: Snapshot, command: Sequence[str], build: str) -> Record:
    """Run every probe with a server of that build; TableError for a server of another."""
    said = _run(command, (), {})
    if f"build {build}," not in said.stdout + said.stderr:
        raise TableError(f"{' '.join(command)}: not build {build}: {said.stdout or said.stderr}")
    asked, unexpected = 0, []
    for probe in probes(snapshot):
        asked += 1
        if (_run(command, probe.words, dict(probe.variables)).returncode == 0) != probe.taken:
            unexpected.append([list(probe.words), dict(probe.variables), probe.taken])
    return {"probes": asked, "unexpected": unexpected}


def _run(
    command: Sequence[str], words: Sequence[str], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *words, "--version"],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C.UTF-8", "HOME": "/nowhere", **variables},
    )
