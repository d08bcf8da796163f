"""Deployments to spoil: made once, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from infra_gen import api
from infra_gen.cli.options import Asked, spec_from

MakeChat = Callable[..., Path]


@pytest.fixture(scope="session")
def pristine_chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen3-8B for two people on one card, as `infra-gen new` writes it. Never change it."""
    root = tmp_path_factory.mktemp("pristine") / "chat"
    spec = spec_from(Asked(hardware="rtx-3090", users=2, model="qwen3-8b", name="chat"))
    built = api.build(spec, root)
    assert not built.errors, built.errors
    api.write_new(built, root)
    return root


@pytest.fixture
def make_chat(pristine_chat: Path, tmp_path: Path) -> MakeChat:
    """Copies of the deployment below tmp_path, by name."""

    def make(name: str = "chat") -> Path:
        return Path(shutil.copytree(pristine_chat, tmp_path / name))

    return make


@pytest.fixture
def chat(make_chat: MakeChat) -> Path:
    """A clean deployment of its own."""
    return make_chat()
