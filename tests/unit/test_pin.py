"""`infra-gen pin`, against stand-ins for registry and Hub on loopback; no test leaves the machine."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from tests.unit.hub_stand_in import COMMIT, Repo, StandIn
from tests.unit.kill_driver import snapshot
from tests.unit.registry_stand_in import LOGIN, RegistryStandIn, Reply, digest, index

from infra_gen import api
from infra_gen.cli.main import run
from infra_gen.cli.options import Asked, spec_from
from infra_gen.knowledge import registry
from infra_gen.knowledge.registry_answers import Reference, reference_of

Printed = pytest.CaptureFixture[str]
DAY = ["--date", "2026-11-23"]
MODEL = "Qwen/Qwen2.5-7B-Instruct"
SHARDS = {"config.json": b"{}", "model-00001-of-00001.safetensors": 15_231_233_024}
ENGINE = "docker.io/vllm/vllm-openai:v0.33.0"


def locked(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((root / "infra-gen.lock").read_text("utf-8"))
    return document


def digests(root: Path) -> dict[str, str | None]:
    return {image["ref"]: image["digest"] for image in locked(root)["images"]}


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def content_of(name: str) -> bytes:
    return index("linux/amd64", "linux/arm64", more=name)


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RegistryStandIn]:
    """A registry that is asked in the place of every other, and has all images of this version."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    server = RegistryStandIn()
    names = [
        ENGINE, "docker.io/vllm/vllm-openai:v0.32.0", "docker.io/prom/prometheus:v3.5.0",
        "docker.io/grafana/grafana:13.2.3", "docker.io/library/caddy:2.11.7",
        "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless",
        "docker.io/ollama/ollama:0.32.15",
    ]  # fmt: skip
    for name in names:
        reference = reference_of(name)
        server.tags[f"{reference.repository}:{reference.tag}"] = content_of(name)
    url = server.url
    monkeypatch.setattr(Reference, "url", property(lambda self: f"{url}/v2/{self.repository}"))
    yield server
    server.close()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    server = StandIn()
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    server.repos[MODEL] = Repo(dict(SHARDS))
    yield server
    server.server.shutdown()
    server.server.server_close()


def make(root: Path, **asked: Any) -> Path:
    flags = {"hardware": "rtx-3090", "users": 2, "model": "qwen2.5-7b-instruct", "name": "chat"}
    built = api.build(spec_from(Asked(**(flags | asked))), root)
    assert not built.errors, built.errors
    api.write_new(built, root)
    return root


def unpinned(root: Path) -> Path:
    """As if its preset had named no commit."""
    document = locked(root)
    document["resolved"]["revision"] = None
    (root / "infra-gen.lock").write_text(json.dumps(document), "utf-8")
    return root


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("unpinned") / "chat")


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """A deployment whose model's preset names no commit. No image has a digest."""
    found = Path(shutil.copytree(pristine, tmp_path / "chat"))
    assert locked(found)["resolved"]["revision"] is None
    assert set(digests(found).values()) == {None}
    return found


class TestImages:
    @pytest.mark.usefixtures("images")
    def test_every_file_names_the_digest(self, root: Path, capsys: Printed) -> None:
        assert run(["pin", str(root), "--images", *DAY]) == 0
        assert f"{ENGINE}: pinned to {digest(content_of(ENGINE))}" in capsys.readouterr().out
        wanted = f"{ENGINE}@{digest(content_of(ENGINE))}"
        assert f"\nFROM {wanted}\n" in (root / "image/Dockerfile").read_text("utf-8")
        grafana = "docker.io/grafana/grafana:13.2.3"
        compose = (root / "compose.yaml").read_text("utf-8")
        assert f"{grafana}@{digest(content_of(grafana))}" in compose
        readme = (root / "README.md").read_text("utf-8")
        assert f"`{wanted}`, digest pinned" in readme
        assert "its digest is not known" not in readme
        for image in locked(root)["images"]:
            assert image["digest"] == digest(content_of(image["ref"]))
            assert image["verified"] == "2026-11-23"
        assert run(["check", str(root)]) == 0

    @pytest.mark.usefixtures("images")
    def test_twice_is_once(self, root: Path, capsys: Printed) -> None:
        assert run(["pin", str(root), "--images", *DAY]) == 0
        before = snapshot(root)
        capsys.readouterr()
        assert run(["pin", str(root), "--images", "--date", "2027-01-01"]) == 0
        told = capsys.readouterr().out
        assert f"{ENGINE}: still sha256:" in told
        assert "nothing to write" in told
        assert snapshot(root) == before

    def test_later_commands_ask_nobody(self, root: Path, images: RegistryStandIn) -> None:
        run(["pin", str(root), "--images", *DAY])
        images.asked.clear()
        before = digests(root)
        replace_in(root / "infra-gen.yaml", "users: 2", "users: 5")
        assert run(["update", str(root)]) == 0
        assert run(["check", str(root)]) == 0
        assert run(["update", str(root), "--replan"]) == 0
        assert digests(root) == before
        assert None not in before.values()
        assert images.asked == []

    @pytest.mark.usefixtures("images")
    def test_the_render_is_that_of_the_lock_alone(self, root: Path, tmp_path: Path) -> None:
        run(["pin", str(root), "--images", *DAY])
        spec, lock = api.load(root)
        again = api.build_locked(tmp_path, spec, lock)
        for path, file in again.tree.items():
            assert (root / path).read_bytes() == file.data

    @pytest.mark.usefixtures("images")
    def test_another_tag_has_no_digest(self, root: Path, capsys: Printed) -> None:
        run(["pin", str(root), "--images", *DAY])
        choice = "engine: {name: vllm, version: 0.32.0}"
        replace_in(root / "infra-gen.yaml", "engine: auto", choice)
        capsys.readouterr()
        assert run(["update", str(root)]) == 0
        newer = "docker.io/vllm/vllm-openai:v0.32.0"
        assert f"{newer}: no digest is known of this tag" in capsys.readouterr().out
        found = digests(root)
        assert found.pop(newer) is None
        assert None not in found.values()
        assert f"\nFROM {newer}\n" in (root / "image/Dockerfile").read_text("utf-8")
        assert run(["pin", str(root), "--images", *DAY]) == 0
        assert digests(root)[newer] == digest(content_of(newer))

    def test_a_tag_that_moved(self, root: Path, images: RegistryStandIn, capsys: Printed) -> None:
        run(["pin", str(root), "--images", *DAY])
        old = digests(root)
        images.tags["grafana/grafana:13.2.3"] = content_of("other")
        capsys.readouterr()
        assert run(["pin", str(root), "--images", "--date", "2026-12-01"]) == 0
        name = "docker.io/grafana/grafana:13.2.3"
        told = capsys.readouterr().out
        assert f"{name}: moved, was {old[name]}, is {digest(content_of('other'))}" in told
        days = {image["ref"]: image["verified"] for image in locked(root)["images"]}
        assert days.pop(name) == "2026-12-01"
        assert set(days.values()) == {"2026-11-23"}

    def test_what_cannot_be_asked_stays(
        self, root: Path, images: RegistryStandIn, capsys: Printed
    ) -> None:
        run(["pin", str(root), "--images", *DAY])
        before = digests(root)
        images.tags["prom/prometheus:v3.5.0"] = content_of("other")
        images.behave = lambda asked: Reply(500) if "vllm" in asked.path else None
        capsys.readouterr()
        assert run(["pin", str(root), "--images", *DAY]) == 0
        told = capsys.readouterr().out
        assert f"{ENGINE}: stays {before[ENGINE]}: docker.io answers 500" in told
        assert digests(root)[ENGINE] == before[ENGINE]
        assert digests(root) != before

    def test_nobody_answers(self, root: Path, images: RegistryStandIn, capsys: Printed) -> None:
        images.behave = lambda _: Reply(503)
        before = snapshot(root)
        assert run(["pin", str(root), "--images", *DAY]) == 1
        told = capsys.readouterr()
        assert f"{ENGINE}: stays unpinned: docker.io answers 503" in told.out
        assert "nothing could be learned" in told.err
        assert snapshot(root) == before

    @pytest.mark.usefixtures("images")
    def test_a_dry_run_writes_nothing(self, root: Path, capsys: Printed) -> None:
        before = snapshot(root)
        assert run(["pin", str(root), "--images", "--dry-run", *DAY]) == 0
        assert f"+FROM {ENGINE}@sha256:" in capsys.readouterr().out
        assert snapshot(root) == before

    def test_the_platform_of_the_machine_must_be_there(
        self, root: Path, images: RegistryStandIn, capsys: Printed
    ) -> None:
        images.tags["grafana/grafana:13.2.3"] = index("linux/arm64")
        assert run(["pin", str(root), "--images", *DAY]) == 0
        assert "docker.io has no image for linux/amd64" in capsys.readouterr().out
        assert digests(root)["docker.io/grafana/grafana:13.2.3"] is None

    @pytest.mark.usefixtures("images")
    def test_another_platform(self, root: Path, capsys: Printed) -> None:
        run(["pin", str(root), "--images", *DAY])
        capsys.readouterr()
        assert run(["pin", str(root), "--images", "--platform", "linux/s390x", *DAY]) == 1
        assert "has no image for linux/s390x" in capsys.readouterr().out
        assert run(["pin", str(root), "--images", "--platform", "linux/arm64", *DAY]) == 0

    def test_logins_are_not_printed(
        self, root: Path, images: RegistryStandIn, capsys: Printed, tmp_path: Path
    ) -> None:
        images.auth, images.login = "bearer", LOGIN
        config = tmp_path / "docker" / "config.json"
        config.parent.mkdir()
        config.write_text(json.dumps({"auths": {"docker.io": {"auth": LOGIN}}}))
        assert run(["pin", str(root), "--images", *DAY]) == 0
        told = capsys.readouterr()
        assert "nvcr.io wants a login: docker login nvcr.io" in told.out
        assert f"{ENGINE}: pinned to" in told.out
        everything = told.out + told.err + "".join(str(v) for v in snapshot(root).values())
        assert LOGIN not in everything
        assert "s3cret-word" not in everything
        assert "token-for" not in everything

    @pytest.mark.usefixtures("images")
    def test_an_edit_is_kept(self, root: Path) -> None:
        replace_in(root / "README.md", "\n## Not pinned", "\nMy own words.\n\n## Not pinned")
        assert run(["pin", str(root), "--images", *DAY]) == 0
        readme = (root / "README.md").read_text("utf-8")
        assert "My own words." in readme
        assert "digest pinned" in readme
        assert run(["check", str(root)]) == 0

    @pytest.mark.usefixtures("images")
    def test_an_edit_of_the_same_line_conflicts(self, root: Path, capsys: Printed) -> None:
        replace_in(root / "image/Dockerfile", f"\nFROM {ENGINE}\n", "\nFROM my/own:v1\n")
        assert run(["pin", str(root), "--images", "--dry-run", *DAY]) == 2
        capsys.readouterr()
        assert run(["pin", str(root), "--images", *DAY]) == 2
        assert "image/Dockerfile" in capsys.readouterr().err
        assert "FROM my/own:v1" in (root / "image/Dockerfile").read_text("utf-8")

    @pytest.mark.parametrize("bad", ["latest", "sha256:12", "sha256:" + "g" * 64, 5])
    def test_a_lock_with_a_digest_that_is_none(
        self, root: Path, capsys: Printed, bad: object
    ) -> None:
        document = locked(root)
        document["images"][0]["digest"] = bad
        (root / "infra-gen.lock").write_text(json.dumps(document), "utf-8")
        assert run(["check", str(root)]) == 4
        assert "images.0.digest" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "flags", [["--platform", "arm64"], ["--platform", "linux/../x"], ["--date", "yesterday"]]
    )
    def test_bad_flags(self, root: Path, capsys: Printed, flags: list[str]) -> None:
        assert run(["pin", str(root), *flags]) == 1
        assert f"{flags[0]} takes" in capsys.readouterr().err

    def test_no_deployment(self, tmp_path: Path) -> None:
        assert run(["pin", str(tmp_path / "nowhere")]) == 1
        assert run(["pin", str(tmp_path)]) == 4


class TestTargets:
    @pytest.mark.parametrize("target", ["quadlet", "systemd", "compose"])
    @pytest.mark.usefixtures("hub")
    def test_pinned_and_clean(self, tmp_path: Path, images: RegistryStandIn, target: str) -> None:
        root = make(tmp_path / "chat", target=target)
        assert run(["pin", str(root), *DAY]) == 0
        assert run(["check", str(root)]) == 0
        text = "".join(
            path.read_text("utf-8")
            for path in root.rglob("*")
            if path.is_file() and ".infra-gen" not in path.parts
        )
        prometheus = "docker.io/prom/prometheus:v3.5.0"
        assert f"{prometheus}@{digest(content_of(prometheus))}" in text
        if target == "systemd":  # the engine runs without its image
            assert digests(root)[ENGINE] is None
            assert not any("vllm" in asked.path for asked in images.asked)

    def test_on_a_mac_what_measures_is_pinned(
        self, tmp_path: Path, images: RegistryStandIn
    ) -> None:
        root = make(tmp_path / "chat", hardware="apple-m3-16gb", model="qwen3-4b")
        assert locked(root)["resolved"]["target"] == "launchd"
        images.tags["grafana/grafana:13.2.3"] = index("linux/amd64")
        assert run(["pin", str(root), "--images", *DAY]) == 0
        assert run(["check", str(root)]) == 0
        prometheus = "docker.io/prom/prometheus:v3.5.0"
        assert digests(root)[prometheus] == digest(content_of(prometheus))
        assert digests(root)["docker.io/grafana/grafana:13.2.3"] is None  # not for this processor

    def test_images_in_a_file_have_no_digest(
        self, root: Path, images: RegistryStandIn, capsys: Printed
    ) -> None:
        run(["pin", str(root), "--images", *DAY])
        append(root / "infra-gen.yaml", "offline: {model_path: /models/qwen}\n")
        capsys.readouterr()
        images.asked.clear()
        assert run(["update", str(root)]) == 0
        assert set(digests(root).values()) == {None}
        assert run(["pin", str(root), *DAY]) == 0
        told = capsys.readouterr().out
        assert (
            f"{ENGINE}: not asked: it is brought in a file, and docker load keeps no digest" in told
        )
        assert images.asked == []

    def mirrored(self, root: Path, images: RegistryStandIn) -> str:
        mirror = f"offline: {{mirror: {images.host}/copies, model_path: /models/qwen}}\n"
        append(root / "infra-gen.yaml", mirror)
        assert run(["update", str(root)]) == 0
        return f"{images.host}/copies/vllm/vllm-openai:v0.33.0"

    def test_a_mirror_is_asked_first(
        self, root: Path, images: RegistryStandIn, capsys: Printed
    ) -> None:
        name = self.mirrored(root, images)
        for tag, content in list(images.tags.items()):
            images.tags[f"copies/{tag}"] = content
        assert run(["pin", str(root), *DAY]) == 0
        assert f"{name}: pinned to {digest(content_of(ENGINE))}\n" in capsys.readouterr().out
        assert all("/copies/" in asked.path for asked in images.asked)
        assert run(["check", str(root)]) == 0

    def test_a_mirror_without_the_copy(
        self, root: Path, images: RegistryStandIn, capsys: Printed
    ) -> None:
        name = self.mirrored(root, images)
        assert run(["pin", str(root), *DAY]) == 0
        told = capsys.readouterr().out
        note = f"({images.host} has no such tag: asked of docker.io)"
        assert f"{name}: pinned to {digest(content_of(ENGINE))} {note}" in told
        readme = (root / "README.md").read_text("utf-8")
        assert "imagetools create" in readme
        assert f"{ENGINE}@{digest(content_of(ENGINE))} {name}" in readme


class TestModels:
    @pytest.mark.usefixtures("hub")
    def test_the_commit_is_written_down(self, root: Path, capsys: Printed) -> None:
        assert "a moving name" in (root / "README.md").read_text("utf-8")
        assert run(["pin", str(root), "--models"]) == 0
        assert f"{MODEL}: pinned to {COMMIT}\n" in capsys.readouterr().out
        assert locked(root)["resolved"]["revision"] == COMMIT
        assert f"--revision={COMMIT}" in (root / "compose.yaml").read_text("utf-8")
        assert f"revision={COMMIT}" in (root / "bin/fetch-model").read_text("utf-8")
        assert "a moving name" not in (root / "README.md").read_text("utf-8")
        assert run(["check", str(root)]) == 0

    def test_later_commands_keep_it(self, root: Path, hub: StandIn) -> None:
        run(["pin", str(root), "--models"])
        hub.asked.clear()
        replace_in(root / "infra-gen.yaml", "users: 2", "users: 5")
        for command in (["update"], ["update", "--replan"], ["check"]):
            assert run([*command, str(root)]) == 0
            assert locked(root)["resolved"]["revision"] == COMMIT
        assert hub.asked == []

    @pytest.mark.usefixtures("hub")
    def test_another_model_has_another_commit(self, root: Path) -> None:
        run(["pin", str(root), "--models"])
        replace_in(root / "infra-gen.yaml", "model: qwen2.5-7b-instruct", "model: qwen3-8b")
        assert run(["update", str(root)]) == 0
        assert locked(root)["resolved"]["revision"] not in (COMMIT, None)

    def test_a_pinned_one_is_asked_on_demand_and_stays(
        self, root: Path, hub: StandIn, capsys: Printed
    ) -> None:
        run(["pin", str(root), "--models"])
        hub.asked.clear()
        capsys.readouterr()
        newer = "f" * 40
        hub.repos[MODEL].info = {"sha": newer}
        assert run(["pin", str(root), "--models"]) == 0
        told = capsys.readouterr().out
        note = f"(the newest commit is {newer}, with weights of the same size)"
        assert f"{MODEL}: still {COMMIT} {note}" in told
        assert hub.asked
        assert locked(root)["resolved"]["revision"] == COMMIT

    def test_each_flag_asks_its_own(
        self, root: Path, hub: StandIn, images: RegistryStandIn
    ) -> None:
        run(["pin", str(root), "--images", *DAY])
        assert hub.asked == []
        images.asked.clear()
        run(["pin", str(root), "--models"])
        assert images.asked == []
        assert hub.asked

    def test_one_of_the_two_is_enough(
        self, root: Path, hub: StandIn, images: RegistryStandIn, capsys: Printed
    ) -> None:
        images.behave = lambda _: Reply(500)
        assert run(["pin", str(root), *DAY]) == 0
        assert f"{MODEL}: pinned to {COMMIT}" in capsys.readouterr().out
        hub.repos[MODEL].api_status = 500
        run(["pin", str(root), *DAY])
        assert f"{MODEL}: not asked: pinned already" in capsys.readouterr().out

    def test_other_sizes_are_said(self, tmp_path: Path, hub: StandIn, capsys: Printed) -> None:
        root = unpinned(make(tmp_path / "chat", model="qwen3-8b"))
        hub.repos["Qwen/Qwen3-8B"] = Repo({"model.safetensors": 20_000_000_000})
        assert run(["pin", str(root), "--models"]) == 0
        assert "(its weights are 20.00 GB, the plan is made for 16.38)" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("trouble", "told"),
        [
            ({"api_status": 401}, "the model is gated"),
            ({"api_status": 429}, "too many requests"),
            ({"api_status": 500}, "the Hub answers 500"),
            ({"info": {"sha": "main"}}, "a commit that is none"),
            ({"info": {"siblings": 5}}, "an answer that is none"),
        ],
    )
    def test_trouble(
        self, root: Path, hub: StandIn, capsys: Printed, trouble: dict[str, Any], told: str
    ) -> None:
        hub.repos[MODEL] = Repo(dict(SHARDS), **trouble)
        before = snapshot(root)
        assert run(["pin", str(root), "--models"]) == 1
        assert f"{MODEL}: stays unpinned: " in (out := capsys.readouterr().out)
        assert told in out
        assert snapshot(root) == before

    @pytest.mark.parametrize("body", [b"{broken", b"[]", b"null", b"\xff"])
    def test_no_json(self, root: Path, hub: StandIn, capsys: Printed, body: bytes) -> None:
        hub.answer = lambda request: hub.send(request, 200, body, {})  # type: ignore[method-assign]
        assert run(["pin", str(root), "--models"]) == 1
        assert "the Hub gives an answer that is none" in capsys.readouterr().out

    def test_an_address_that_is_none(
        self, root: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://[broken")
        assert run(["pin", str(root), "--models"]) == 1
        assert f"{MODEL}: stays unpinned: the Hub" in capsys.readouterr().out

    def test_slow(
        self, root: Path, hub: StandIn, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("infra_gen.knowledge.hub.TIMEOUT_S", 0.3)
        hub.repos[MODEL].delay_s = 2
        assert run(["pin", str(root), "--models"]) == 1
        assert "does not answer within" in capsys.readouterr().out

    def test_offline(
        self, root: Path, hub: StandIn, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        assert run(["pin", str(root), "--models"]) == 1
        assert "HF_HUB_OFFLINE is set" in capsys.readouterr().out
        assert hub.asked == []

    def test_without_the_library(
        self, root: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
        monkeypatch.setitem(sys.modules, "huggingface_hub.constants", None)
        assert run(["pin", str(root), "--models"]) == 1
        assert "needs the huggingface_hub package" in capsys.readouterr().out

    def test_files_that_are_gone(self, tmp_path: Path, hub: StandIn, capsys: Printed) -> None:
        root = unpinned(make(tmp_path / "chat", model="qwen3-8b", engine="llama.cpp"))
        hub.repos["Qwen/Qwen3-8B-GGUF"] = Repo({"other.gguf": 9})
        assert run(["pin", str(root), "--models"]) == 1
        assert "the newest commit has no Qwen3-8B-" in capsys.readouterr().out

    def test_ollama_knows_no_commits(self, tmp_path: Path, hub: StandIn, capsys: Printed) -> None:
        root = make(tmp_path / "chat", model="qwen3-8b", engine="ollama")
        assert run(["pin", str(root), "--models"]) == 0
        assert "Ollama downloads by name, and knows no commits" in capsys.readouterr().out
        assert hub.asked == []

    @pytest.mark.parametrize("bad", ["main", "abc", "f" * 41, "$(id)"])
    def test_a_lock_with_a_commit_that_is_none(self, root: Path, capsys: Printed, bad: str) -> None:
        document = locked(root)
        document["resolved"]["revision"] = bad
        (root / "infra-gen.lock").write_text(json.dumps(document), "utf-8")
        assert run(["check", str(root)]) == 4
        assert "resolved.revision" in capsys.readouterr().err


def test_all_images_are_asked_at_once(
    root: Path, images: RegistryStandIn, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    """One that does not answer keeps nobody waiting twice, and the order is that of the names."""
    monkeypatch.setattr(registry, "LIMIT_S", 1.0)
    images.behave = lambda asked: Reply(delay_s=3) if "vllm" in asked.path else None
    assert run(["pin", str(root), "--images", *DAY]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split(": ")[0] for line in lines if "docker.io/" in line or "nvcr.io/" in line]
    assert names == sorted(names)
    assert any(
        f"{ENGINE}: stays unpinned: docker.io does not answer within 1 s" in x for x in lines
    )


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "pin.md"
FENCE = re.compile(r"^```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def sessions(page: str) -> list[str]:
    return [block for block in FENCE.findall(page) if block.startswith("$ infra-gen")]


def replayed(root: Path, images: RegistryStandIn, capsys: Printed) -> list[str]:
    """The page's commands in order, with what happens between them; what each block should be."""
    blocks = sessions(PAGE.read_text("utf-8"))
    between: list[Callable[[], object]] = [
        lambda: setattr(images, "refused", "/nvidia/"),
        lambda: setattr(images, "refused", ""),
        lambda: replace_in(
            root / "infra-gen.yaml", "engine: auto", "engine: {name: vllm, version: 0.32.0}"
        ),
        lambda: setattr(images, "refused", "/"),
    ]
    assert len(blocks) == len(between)
    found = []
    for block, happens in zip(blocks, between, strict=True):
        happens()
        command = block.splitlines()[0]
        capsys.readouterr()
        code = run([*command.removeprefix("$ infra-gen ").split()])
        told = capsys.readouterr()
        asks_code = f"$ echo $?\n{int(code)}\n" if "$ echo $?" in block else ""
        found.append(f"{command}\n{told.out}{told.err}{asks_code}")
    return found


def test_the_page_shows_what_is_printed(
    root: Path,
    images: RegistryStandIn,
    hub: StandIn,
    capsys: Printed,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """With --update-golden the page is written anew."""
    assert hub
    monkeypatch.chdir(root.parent)
    url = images.url

    def asked_at(self: Reference) -> str:
        gone = images.refused and images.refused in f"/{self.repository}"
        return f"{'http://127.0.0.1:1' if gone else url}/v2/{self.repository}"

    monkeypatch.setattr(Reference, "url", property(asked_at))
    page = PAGE.read_text("utf-8")
    real = replayed(root, images, capsys)
    told = "".join(real)
    shown = sorted(set(re.findall(r"sha256:[0-9a-f]{64}", page)))
    if request.config.getoption("--update-golden"):
        for block, text in zip(sessions(page), real, strict=True):
            page = page.replace(block, text, 1)
        engine = digest(content_of(ENGINE))
        page = re.sub(rf"({re.escape(ENGINE)}@)sha256:[0-9a-f]{{64}}", rf"\g<1>{engine}", page)
        page = re.sub(r'("digest": ")sha256:[0-9a-f]{64}', rf"\g<1>{engine}", page)
        PAGE.write_text(page, "utf-8")
        return
    assert sessions(page) == real
    assert [one for one in shown if one not in told] == []
