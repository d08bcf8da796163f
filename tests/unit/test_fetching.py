"""bin/fetch-model of a Hugging Face repository, run for real against a stand-in of the Hub."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.hub_stand_in import COMMIT, Repo, StandIn
from tests.unit.target_stacks import vllm_stack

from infra_gen.targets.fetching import fetch_script

NAME = "maker/tiny"
PLACE = "models--maker--tiny"
FILES: dict[str, bytes | int] = {
    "config.json": b"{}",
    "model.safetensors": b"weights" * 10,
    "pytorch_model.bin": b"the same weights again",
    "onnx/model.onnx": b"and again",
}


@pytest.fixture
def hub() -> Iterator[StandIn]:
    stand_in = StandIn()
    stand_in.repos[NAME] = Repo(dict(FILES))
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()


def fetch(
    hub: StandIn, folder: Path, *words: str, files: tuple[str, ...] = (), path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the script with the Python of these tests, which has huggingface_hub."""
    service = vllm_stack().service("fetch")
    assert service.download
    wanted = replace(service.download, repo=NAME, revision=COMMIT, files=files, bytes=100)
    script = folder / "fetch-model"
    script.write_text(
        fetch_script(replace(service, download=wanted), "/models", compose=True).text, "utf-8"
    )
    environment = {
        "PATH": path or f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HF_HUB_CACHE": str(folder / "hub"),
        "HF_HOME": str(folder / "home"),
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HOME": str(folder),
    }
    return subprocess.run(
        ["sh", str(script), *words], env=environment, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip


def names(folder: Path) -> set[str]:
    root = folder / "hub" / PLACE / "snapshots" / COMMIT
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_brings_one_copy_of_the_weights_and_remembers_it(hub: StandIn, tmp_path: Path) -> None:
    done = fetch(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == {"config.json", "model.safetensors"}
    asked = len(hub.asked)
    assert "is complete" in fetch(hub, tmp_path).stdout
    assert len(hub.asked) == asked


def test_a_commit_is_found_by_its_name(hub: StandIn, tmp_path: Path) -> None:
    """As programs look for it that know refs/ alone."""
    fetch(hub, tmp_path)
    assert (tmp_path / "hub" / PLACE / "refs" / COMMIT).read_text("utf-8") == COMMIT


def test_named_files_alone(hub: StandIn, tmp_path: Path) -> None:
    done = fetch(hub, tmp_path, files=("pytorch_model.bin", "*.json"))
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == {"config.json", "pytorch_model.bin"}


def test_a_repository_without_weights_is_no_success(hub: StandIn, tmp_path: Path) -> None:
    hub.repos[NAME] = Repo({"config.json": b"{}", "pytorch_model.bin": b"not wanted"})
    for _ in range(2):  # no mark is left that would pass the second time
        done = fetch(hub, tmp_path)
        assert done.returncode != 0
        assert "could not load it" in done.stderr


def test_weights_of_another_commit_do_not_count(hub: StandIn, tmp_path: Path) -> None:
    older = tmp_path / "hub" / PLACE / "snapshots" / ("0" * 40)
    older.mkdir(parents=True)
    (older / "model.safetensors").write_bytes(b"weights of another commit")
    hub.repos[NAME] = Repo({"config.json": b"{}"})
    done = fetch(hub, tmp_path)
    assert done.returncode == 1
    assert "could not load it" in done.stderr


def test_without_the_library_it_says_what_is_missing(hub: StandIn, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "mkdir", "du", "df", "awk", "cut"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    done = fetch(hub, tmp_path, path=str(tools))
    assert done.returncode == 1
    assert "no Python here has huggingface_hub" in done.stderr
    assert hub.asked == []


def test_force_asks_again(hub: StandIn, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    asked = len(hub.asked)
    assert fetch(hub, tmp_path, "--force").returncode == 0
    assert len(hub.asked) > asked


def test_a_hub_that_refuses_is_a_failure(hub: StandIn, tmp_path: Path) -> None:
    hub.repos[NAME] = Repo(dict(FILES), api_status=401, error_code="GatedRepo")
    assert fetch(hub, tmp_path).returncode != 0
