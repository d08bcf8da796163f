"""The package as a user gets it: sdist, wheel from the sdist, an empty venv, the main job."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).resolve().parents[2]
LIMIT_BYTES = 3_000_000


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, text=True, capture_output=True, timeout=600,
        check=False, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist and from nothing else."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", out, ROOT, cwd=out)
    sdist = next(out.glob("*.tar.gz"))
    with tarfile.open(sdist) as archive:
        archive.extractall(out / "unpacked", filter="data")
    source = next((out / "unpacked").iterdir())
    run(
        sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out, source, cwd=out
    )
    return next(out.glob("*.whl"))


def data_files(kind: str) -> dict[str, bool]:
    """Every file below templates/ or presets/ with its executable bit."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", kind, cwd=ROOT)
    return {path: os.access(ROOT / path, os.X_OK) for path in listed.splitlines()}


def test_the_wheel_holds_every_data_file(wheel: Path) -> None:
    wanted = {**data_files("templates"), **data_files("presets")}
    assert len(wanted) > 50
    with zipfile.ZipFile(wheel) as archive:
        held = {
            info.filename: bool(info.external_attr >> 16 & 0o100) for info in archive.infolist()
        }
    prefix = "infra_gen/_data/"
    missing = [path for path in wanted if prefix + path not in held]
    assert not missing
    assert not [path for path, bit in wanted.items() if held[prefix + path] != bit]
    assert "infra_gen/py.typed" in held
    assert not [name for name in held if "/tests/" in name or name.startswith(("tests", "tools"))]


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < LIMIT_BYTES


def test_installed_in_an_empty_venv_it_does_the_main_job(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        wheel,
        cwd=tmp_path,
    )
    tool = tmp_path / "venv" / "bin" / "infra-gen"
    run(tool, "new", "chat", "--hardware", "apple-m3", "--users", "5", cwd=tmp_path)
    assert "clean" in run(tool, "check", "chat", cwd=tmp_path)
    assert (tmp_path / "chat" / "bin" / "install").stat().st_mode & 0o100
    installed = run(python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path).lower()
    assert not [name for name in ("numpy", "torch", "pandas") if f"{name}==" in installed]
