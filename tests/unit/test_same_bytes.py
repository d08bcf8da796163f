"""The same bytes under every hash seed, language, umask, folder, time zone, home and core count."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.kill_driver import Snapshot, snapshot

import infra_gen

PACKAGE = str(Path(infra_gen.__file__).parents[1])

# Runs in a process of its own, in the surroundings to try: several engines and targets, an update
# over an edit, a check of so many folders that processes share them, and a plan.
JOURNEY = """
import contextlib, io, json, os, shutil, sys
from pathlib import Path
from infra_gen.cli.main import run

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])

def said(*words):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        code = run(list(words))
    return f"{code}\\n{text.getvalue()}".encode()

made = {
    "vllm": ["-H", "2x4090", "-u", "40", "-m", "qwen3-32b"],
    "apple": ["-H", "apple-m3", "-u", "5"],
    "cpu": ["-H", "cpu", "-u", "1", "--target", "systemd"],
    "ollama": ["-H", "rtx-3090", "-u", "2", "--engine", "ollama", "--target", "quadlet"],
}
for name, words in made.items():
    if said("new", name, *words)[:1] != b"0":  # no assert: -O drops those
        sys.exit(name)
spec, readme = Path("vllm/infra-gen.yaml"), Path("vllm/README.md")
spec.write_bytes(spec.read_bytes().replace(b"users: 40", b"users: 20"))
readme.write_bytes(readme.read_bytes().replace(b"\\n", b"\\nMine: \\xc3\\xa4\\xc4\\xb0\\xc4\\xb1.\\n", 1))
Path("update.out").write_bytes(said("update", "vllm"))
for number in range(32):
    name = list(made)[number % 4]
    shutil.copytree(name, f"many/{number}-{name}")
for number in (1, 8, 30):
    place = next(Path("many").glob(f"{number}-*")) / "README.md"
    place.write_bytes(place.read_bytes() + b"edited\\n")
Path("check.out").write_bytes(said("check", "--format", "json"))
Path("plan.out").write_bytes(said("plan", "--json", "-H", "h100:2", "-u", "50"))
"""


@dataclass(frozen=True)
class Surroundings:
    """Where and how a process runs; a row of these tries every pair of neighbours once."""

    seed: str
    language: str
    utf8: str
    umask: int
    zone: str
    cores: int
    flags: tuple[str, ...] = ()


ROWS = {
    "plain": Surroundings("0", "C.UTF-8", "1", 0o022, "UTC", 2),
    "no language": Surroundings("4711", "C", "0", 0o077, "Pacific/Kiritimati", 1),
    "optimised": Surroundings("random", "C.UTF-8", "0", 0o002, "America/St_Johns", 1, ("-O",)),
    "German": Surroundings("1", "de_DE.UTF-8", "1", 0o077, "UTC", 2, ("-O",)),
    "Turkish": Surroundings("99", "tr_TR.UTF-8", "0", 0o000, "Asia/Kathmandu", 2),
}


def journey(folder: Path, one: Surroundings) -> Snapshot:
    """What the journey leaves in a folder of its own, deep or not, with a home of its own."""
    here = folder / "deep" / "er" if one.cores == 1 else folder / "here"
    here.mkdir(parents=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    done = subprocess.run(
        [sys.executable, *one.flags, "-c", JOURNEY, str(one.cores)],
        cwd=here,
        umask=one.umask,
        check=False,
        capture_output=True,
        text=True,
        env={
            **kept, "PYTHONPATH": PACKAGE, "PYTHONHASHSEED": one.seed, "LC_ALL": one.language,
            "LANG": one.language, "PYTHONUTF8": one.utf8, "TZ": one.zone, "HOME": str(folder),
            "COLUMNS": str(40 * one.cores), "PYTHONDONTWRITEBYTECODE": "1",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Folders and files that the journey itself made have modes of the umask.
    return {p: v for p, v in snapshot(here).items() if not p.endswith(".out") and p != "many"} | {
        p.name: (0, p.read_bytes()) for p in here.glob("*.out")
    }


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    found = journey(tmp_path_factory.mktemp("plain"), ROWS["plain"])
    assert len(found) > 1000
    assert (found["check.out"][1] or b"").startswith(b"2\n")
    assert (found["update.out"][1] or b"").startswith(b"0\n")
    assert (found["plan.out"][1] or b"").startswith(b"0\n")
    return found


@pytest.mark.parametrize("name", [name for name in ROWS if name != "plain"])
def test_the_same_bytes(name: str, plain: Snapshot, tmp_path: Path) -> None:
    found = journey(tmp_path, ROWS[name])
    assert [path for path in {*found, *plain} if found.get(path) != plain.get(path)] == []
