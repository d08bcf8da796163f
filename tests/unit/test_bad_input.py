"""What people get wrong on the command line and in their files: told clearly, nothing written."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from infra_gen.cli.main import run
from infra_gen.knowledge import store
from infra_gen.model.llm import ModelPreset

H100 = ["--hardware", "h100"]
SPEC = "version: 1\nname: chat\nhardware: h100\n"
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def everything(root: Path) -> dict[str, bytes | None]:
    """Each path below root with its bytes; links and folders count too."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else None
        for path in sorted(root.rglob("*"))
    }


def refused(printed: Printed, arguments: list[str], code: int, *words: str) -> None:
    """The command fails with that code, says each of `words`, and leaves the folder as it was."""
    before = everything(Path())
    assert run(arguments) == code
    said = printed.readouterr()
    for word in words:
        assert word in said.err + said.out
    assert "Traceback" not in said.err
    assert everything(Path()) == before


FLAGS_AND_WORDS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "hardware typo": (["-H", "rtx-4900"], ("rtx-4900", "did you mean", "rtx-4090")),
    "hardware unknown": (["-H", "zzzzzz"], ("unknown hardware", "names are known")),
    "hardware empty": (["-H", ""], ("hardware",)),
    "count twice": (["-H", "2x4090:2"], ("count twice", "2x4090")),
    "no devices": (["-H", "0xh100"], ("names 0 devices",)),
    "no devices, suffix": (["-H", "h100:0"], ("names 0 devices",)),
    "too many": (["-H", "9xh100"], ("at most 8", "several machines", "nodes")),
    "too many, digits": (["-H", "16x4090"], ("at most",)),
    "one a machine": (["-H", "2xapple-m3"], ("one device a machine",)),
    "memory never sold": (["-H", "apple-m3-17gb"], ("not sold with 17 GB", "apple-m3-16gb")),
    "hardware missing": (["--users", "5"], ("--hardware is missing",)),
    "model typo": ([*H100, "-m", "qwen3-8bb"], ("unknown model", "qwen3-8b")),
    "model folder": ([*H100, "-m", "./nothing"], ("no such folder", "nothing")),
    "model gguf": ([*H100, "-m", "some.gguf"], ("no such file", "some.gguf")),
    "model empty": ([*H100, "-m", ""], ("model",)),
    "engine typo": ([*H100, "--engine", "vlm"], ("did you mean", "vllm")),
    "tgi on a Mac": (["-H", "apple-m3", "--engine", "tgi"], ("no build", "llama.cpp")),
    "tgi without containers": ([*H100, "--engine", "tgi", "--target", "systemd"], ("no build",)),
    "mirror alone": ([*H100, "--mirror", "registry.lan:5000"], ("--mirror needs --offline",)),
    "mirror an address": (
        [*H100, "--mirror", "https://x", "--offline", "/models"],
        ("offline.mirror", "https://x"),
    ),
    "offline relative": ([*H100, "--offline", "models"], ("offline.model_path",)),
    "exposure typo": ([*H100, "--exposure", "lam"], ("did you mean", "lan")),
    "exposure without host": ([*H100, "--exposure", "lan"], ("serve.host", "certificate")),
    "host on loopback": ([*H100, "--host", "a.lan"], ("serve.exposure", "lan or public")),
    "host with a scheme": (
        [*H100, "--exposure", "lan", "--host", "https://a.lan"],
        ("serve.host",),
    ),
    "tls typo": ([*H100, "--exposure", "lan", "--tls", "acne"], ("did you mean", "acme")),
    "gpu fraction zero": ([*H100, "--gpu-fraction", "0"], ("gpu_fraction",)),
    "gpu fraction above one": ([*H100, "--gpu-fraction", "1.5"], ("gpu_fraction",)),
    "nodes zero": ([*H100, "--nodes", "0"], ("hardware.nodes.count",)),
    "profile missing": (["-H", "./mine.yaml"], ("no such hardware profile", "detect")),
    "embeds, does not chat": ([*H100, "-m", "bge-m3"], ("embed", "--task embed")),
    "flag for ollama": (
        [*H100, "--engine", "ollama", "--set", "num-ctx=1"],
        ("has no flags", "num-ctx"),
    ),
    "variable misspelt": (
        [*H100, "--engine", "ollama", "--set", "OLLAMA_NUM_PARALEL=1"],
        ("does not read", "OLLAMA_NUM_PARALLEL"),
    ),
    "engine version": (
        [*H100, "--engine", "vllm", "--engine-version", "0.0.1"],
        ("0.0.1", "older than the flag tables", "any version from 0.8.5"),
    ),
    "engine version with a letter": (
        [*H100, "--engine", "vllm", "--engine-version", "v0.33.0"],
        ("not how a version of vllm is written", "write 0.33.0"),
    ),
    "engine version cut short": (
        [*H100, "--engine", "vllm", "--engine-version", "0.20"],
        ("0.20 is a line of releases", "0.20.2"),
    ),
    "no engine version": (
        [*H100, "--engine", "vllm", "--engine-version", ""],
        ("is no version of vllm",),
    ),
    "engine version in words": (
        [*H100, "--engine", "vllm", "--engine-version", "newest"],
        ("'newest' is no version of vllm", "write it as in"),
    ),
    "version alone": ([*H100, "--engine-version", "0.33.0"], ("needs --engine",)),
    "target typo": ([*H100, "--target", "compos"], ("did you mean", "compose")),
    "target later": ([*H100, "--target", "helm"], ("not built yet",)),
    "target later 2": ([*H100, "--target", "kubernetes"], ("not built yet",)),
    "compose on Metal": (["-H", "apple-m3", "--target", "compose"], ("Metal", "launchd")),
    "launchd on Linux": ([*H100, "--target", "launchd"], ("macOS only", "compose")),
    "systemd on a Mac": (["-H", "apple-m3", "--target", "systemd"], ("launchd",)),
    "vllm on Apple": (["-H", "apple-m3", "--engine", "vllm"], ("macos", "llama.cpp")),
    "workload typo": ([*H100, "--workload", "chatt"], ("did you mean", "chat")),
    "workload path": ([*H100, "--workload", "../../x"], ("unknown workload",)),
    "quantization typo": ([*H100, "--quantization", "fp88"], ("did you mean", "fp8")),
    "quantization not published": (
        [*H100, "-m", "qwen3-8b", "--quantization", "Q2_K"],
        ("Q2_K", "name the repository or folder"),
    ),
    "no users": ([*H100, "--users", "0"], ("at least one",)),
    "negative users": ([*H100, "--users", "-1"], ("at least one",)),
    "users a word": ([*H100, "--users", "many"], ("--users", "integer")),
    "users huge": ([*H100, "--users", "99999999999"], ("users", "1000000")),
    "context zero": ([*H100, "--context", "0"], ("not a number of tokens",)),
    "context tiny": ([*H100, "--context", "8"], ("at least 256",)),
    "context a word": ([*H100, "--context", "long"], ("not a number of tokens", "32k")),
    "context superscript": ([*H100, "--context", "²"], ("not a number of tokens",)),
    "context endless": ([*H100, "--context", "9" * 5000], ("not a number of tokens",)),
    "context beyond": ([*H100, "-m", "phi-4", "--context", "100k"], ("beyond", "16384")),
    "name": ([*H100, "--name", "My_Chat"], ("a-z, 0-9", "My_Chat")),
    "name empty": ([*H100, "--name", ""], ("name",)),
    "name long": ([*H100, "--name", "a" * 41], ("2 to 40",)),
    "name path": ([*H100, "--name", "../up"], ("a-z, 0-9",)),
    "port zero": ([*H100, "--port", "0"], ("serve.port", "or equal to 1")),
    "port low": ([*H100, "--port", "80"], ("serve.port", "1024")),
    "port high": ([*H100, "--port", "65536"], ("serve.port", "65535")),
    "port a word": ([*H100, "--port", "http"], ("integer",)),
    "image": ([*H100, "--image", "latest"], ("--image 'latest' is unknown",)),
    "storage relative": ([*H100, "--storage", "models"], ("absolute folder",)),
    "storage with line break": ([*H100, "--storage", "/a\nb"], ("control character",)),
    "ttft zero": ([*H100, "--ttft-ms", "0"], ("greater than 0",)),
    "ttft infinite": ([*H100, "--ttft-ms", "inf"], ("finite",)),
    "tpot nan": ([*H100, "--tpot-ms", "nan"], ("tpot_ms",)),
    "set without value": ([*H100, "--set", "max-num-seqs"], ("not FLAG=VALUE",)),
    "set without name": ([*H100, "--set", "=5"], ("not FLAG=VALUE",)),
    "set only dashes": ([*H100, "--set", "--=5"], ("not FLAG=VALUE",)),
    "set unknown": (
        [*H100, "--engine", "vllm", "--set", "max-num-seq=5"],
        ("no flag --max-num-seq", "did you mean", "--max-num-seqs"),
    ),
    "option unknown": ([*H100, "--user", "5"], ("--user",)),
}


@pytest.mark.parametrize("case", FLAGS_AND_WORDS)
def test_bad_flags(case: str, capsys: Printed) -> None:
    arguments, words = FLAGS_AND_WORDS[case]
    refused(capsys, ["new", *arguments], 1, *words)


@pytest.mark.parametrize("command", ["new", "plan"])
def test_both_commands_refuse_alike(command: str, capsys: Printed) -> None:
    refused(capsys, [command, *H100, "--set", "max-num-seq=5", "--engine", "vllm"], 1, "no flag")


@pytest.mark.parametrize("point", ["1", "1:2", "1:2:3:4", "0:1:1", "a:1:1", "-1:1:1", "²:1:1"])
def test_bad_points(point: str, capsys: Printed) -> None:
    refused(capsys, ["plan", *H100, f"--point={point}"], 1, "CONCURRENCY:INPUT:OUTPUT")


def test_context_beyond_some_models_leaves_the_others(capsys: Printed) -> None:
    """`auto` must not take a model whose context ends earlier."""
    small = ["-H", "rtx-3060-12gb", "--engine", "llama.cpp"]
    assert run(["plan", *small, "--json"]) == 0
    usual = json.loads(capsys.readouterr().out)["model"]["id"]
    ends = store.load("models", usual, ModelPreset).architecture.max_context
    assert run(["plan", *small, "--context", str(ends + 1), "--json"]) in (0, 5)
    said = capsys.readouterr()
    assert f'"id": "{usual}"' not in said.out
    assert "its context ends at" in said.out + said.err


def test_spec_and_flags_exclude_each_other(capsys: Printed) -> None:
    Path("infra-gen.yaml").write_text(SPEC, "utf-8")
    refused(capsys, ["new", "out", "--spec", "infra-gen.yaml", *H100], 1, "exclude each other")
    refused(capsys, ["plan", ".", *H100], 1, "exclude each other")


BOMB = SPEC + "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + previous] * 9)}]\n"
    for previous, name in zip("abcdefgh", "bcdefghi", strict=True)
)  # fmt: skip
BAD_SPECS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "empty": ("", ("not a mapping",)),
    "only a comment": ("# soon\n", ("not a mapping",)),
    "a list": ("- a\n", ("not a mapping",)),
    "a word": ("chat\n", ("not a mapping",)),
    "not UTF-8": (b"name: \xff\xfe\n", ("not UTF-8",)),
    "NUL byte": (b"version: 1\nname: a\0b\n", ("not valid YAML", "special characters")),
    "huge": (b"a" * 200_000, ("larger",)),
    "bomb": (BOMB, ("unfold to more",)),
    "endless": (SPEC + "model: &a [*a]\n", (":4", "model")),
    "endless mapping": (SPEC + "load: &a {users: *a}\n", (":4", "load.users")),
    "deep": (SPEC + "model: " + "[" * 3000, (":4", "nested too deeply")),
    "deep lists": (SPEC + "model:\n  " + "- " * 3000 + "x\n", (":5", "nested too deeply")),
    "deep mappings": (SPEC + "model: " + "{a: " * 3000, (":4", "nested too deeply")),
    "deep lines": (
        SPEC + "".join(" " * depth + "x:\n" for depth in range(400)),
        ("not readable",),
    ),
    "deep brackets": (SPEC + "model:\n" + " [\n" * 3000, (":505", "nested too deeply")),
    "syntax": ("version: 1\nname: [\nx: }\n", ("not valid YAML", ":3")),
    "tab": ("version: 1\n\tname: x\n", ("not valid YAML", ":2")),
    "twice": (SPEC + "name: other\n", ("duplicate key", ":4")),
    "two documents": (SPEC + "---\n" + SPEC, ("not valid YAML",)),
    "unknown key": (SPEC + "monitorin: true\n", (":4", "'monitorin'", "monitoring?")),
    "unknown inner key": (
        SPEC + "load:\n  users: 1\n  worklod: chat\n",
        (":6", "load.worklod", "workload?"),
    ),
    "unknown key of engine": (
        SPEC + "engine:\n  name: vllm\n  versoin: 1\n",
        (":6", "engine.versoin", "version?"),
    ),
    "unknown key in a list": (
        SPEC + "allow:\n  - {ruel: x, reason: long enough}\n",
        (":5", "allow.0.ruel", "rule?"),
    ),
    "wrong type": (SPEC + "load:\n  users: many\n", (":5", "load.users", "'many'")),
    "a list for a word": (SPEC + "model: [qwen3-8b]\n", (":4", "model")),
    "number out of range": (SPEC + "serve: {port: 1}\n", (":4", "serve.port", "1024")),
    "engine typo": (SPEC + "engine: vlm\n", (":4", "engine", "'llama.cpp' or 'ollama'")),
    "newer": ("version: 2\nname: chat\nnew-key: 1\n", (":1", "newer", "upgrade")),
    "version a boolean": ("version: true\nname: chat\nhardware: h100\n", (":1", "version")),
    "conflict": (SPEC + "<<<<<<< ours\nmodel: a\n=======\n", (":4", "merge conflict")),
    "no name": ("version: 1\nhardware: h100\n", ("name is missing",)),
    "no hardware": ("version: 1\nname: chat\n", ("hardware is missing",)),
    "bad name": (SPEC.replace("chat", "My Chat"), (":2", "a-z, 0-9")),
    "python tag": (SPEC + "model: !!python/object/apply:os.mkdir [hacked]\n", ("model",)),
    "python tag, new": (SPEC + "model: !!python/name:os.system\n", ("model",)),
    "exposure lan": (SPEC + "serve:\n  exposure: lan\n", ("serve.host", "certificate")),
    "exposure public": (SPEC + "serve: {exposure: public}\n", (":4", "serve.host")),
    "host and tls": (
        SPEC + "serve:\n  port: 9000\n  host: a.lan\n",
        ("serve.exposure", "lan or public"),
    ),
    "certificate without key": (
        SPEC + "serve:\n  exposure: lan\n  tls: {certificate: /c.pem}\n",
        (":6", "serve.tls.key"),
    ),
    "nodes: one": (SPEC.replace("h100", "{nodes: {count: 1, each: h100}}"), ("count",)),
    "nodes: no machine": (SPEC.replace("h100", "{nodes: {count: 2}}"), ("hardware",)),
    "profile inline, both": (
        SPEC.replace("h100", "{hardware: h100, device: {name: x, vendor: nvidia, arch: x86_64}}"),
        ("hardware",),
    ),
    "target helm": (SPEC + "target: helm\n", ("not build yet",)),
    "target kubernetes": (SPEC + "target: kubernetes\n", ("not build yet",)),
    "offline": (SPEC + "offline: {mirror: x}\n", (":4", "offline.model_path is missing")),
    "kubernetes": (SPEC + "kubernetes: {namespace: x}\n", ("not build yet",)),
    "a patch that is a word": (SPEC + "patches: [x]\n", (":4", "patches.0", "'x'")),
    "a patch without its value": (
        SPEC + "patches:\n  - {file: compose.yaml, op: add, path: /x}\n",
        (":5", "patches.0", "add needs it"),
    ),
    "tls": (SPEC + "serve: {tls: x}\n", (":4", "serve.tls")),
    "storage too small": (
        SPEC + "model: qwen3-32b\nstorage: {size: 5}\n",
        (":5: storage.size", "5 GiB", "alone is"),
    ),
    "reason too short": (SPEC + "allow: [{rule: x, reason: no}]\n", ("reason",)),
    "engine argument a list": (SPEC + "engine_args: {a: [1]}\n", ("engine_args",)),
}


@pytest.mark.parametrize("case", BAD_SPECS)
def test_bad_specs(case: str, capsys: Printed) -> None:
    text, words = BAD_SPECS[case]
    Path("infra-gen.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    started = time.monotonic()
    refused(capsys, ["new", "out", "--spec", "infra-gen.yaml"], 4, "infra-gen.yaml", *words)
    assert time.monotonic() - started < 5
    refused(capsys, ["plan", "."], 4)


def test_a_spec_that_is_no_file(capsys: Printed) -> None:
    refused(capsys, ["plan", "."], 4, "no such file")
    Path("infra-gen.yaml").mkdir()
    refused(capsys, ["plan", "."], 4, "infra-gen.yaml")
    Path("infra-gen.yaml").rmdir()
    os.mkfifo("infra-gen.yaml")  # must not wait for a writer
    refused(capsys, ["plan", "."], 4, "not a regular file")


def changed_lock(text: str, keys: str, value: object) -> str:
    """The lock with one value changed; `keys` are separated by `:`."""
    document = json.loads(text)
    node = document
    *above, last = keys.split(":")
    for key in above:
        node = node[key]
    node[last] = value
    return json.dumps(document)


def spoiled_lock(text: str, case: str) -> bytes:
    a_file = {"sha256": "0" * 64, "class": "managed"}
    changes: dict[str, tuple[str, object]] = {
        "newer": ("schema", 2),
        "bad sha": ("files:README.md:sha256", "abc"),
        "traversal": ("files:../../outside", a_file),
        "absolute": ("files:/etc/passwd", a_file),
        "number as text": ("resolved:max_num_seqs", "many"),
        "files a list": ("files", []),
        "unknown key": ("extra", 1),
        "unknown engine version": ("resolved:engine_version", "0.0.1"),
        "unknown model": ("resolved:model", "qwen3-8bb"),
        "unknown hardware": ("resolved:hardware", "rtx-4900"),
    }
    raw: dict[str, bytes] = {
        "truncated": text[: len(text) // 2].encode(),
        "not UTF-8": b"\xff" + text.encode(),
        "deep": b"[" * 100_000,
        "not a mapping": b"[]",
        "empty": b"",
        "huge": b" " * 6_000_000,
    }
    return raw[case] if case in raw else changed_lock(text, *changes[case]).encode()


BAD_LOCKS: dict[str, tuple[str, ...]] = {
    "truncated": ("not valid JSON", "version control"),
    "not UTF-8": ("not UTF-8",),
    "deep": ("nested too deeply",),
    "newer": ("newer", "upgrade"),
    "bad sha": ("README.md.sha256",),
    "traversal": ("unsafe path", "outside"),
    "absolute": ("unsafe path", "/etc/passwd"),
    "number as text": ("resolved.max_num_seqs",),
    "files a list": ("files",),
    "unknown key": ("extra",),
    "unknown engine version": ("0.0.1", "--replan"),
    "unknown model": ("qwen3-8bb", "--replan"),
    "unknown hardware": ("rtx-4900", "--replan"),
    "not a mapping": ("infra-gen.lock",),
    "empty": ("not valid JSON",),
    "huge": ("larger",),
}


@pytest.mark.parametrize("case", BAD_LOCKS)
@pytest.mark.parametrize("command", ["check", "update"])
def test_bad_locks(case: str, command: str, chat: Path, capsys: Printed) -> None:
    lock = chat / "infra-gen.lock"
    lock.write_bytes(spoiled_lock(lock.read_text("utf-8"), case))
    refused(capsys, [command, str(chat)], 4, "infra-gen.lock", *BAD_LOCKS[case])


def test_missing_lock(chat: Path, capsys: Printed) -> None:
    (chat / "infra-gen.lock").unlink()
    for command in ("check", "validate", "update"):
        refused(capsys, [command, str(chat)], 4, "infra-gen.lock", "no such file")
    refused(capsys, ["explain", "--dir", str(chat)], 4, "no such file")


def test_explain_of_nothing_known(chat: Path, capsys: Printed) -> None:
    refused(capsys, ["explain", "--dir", str(chat), "contxt"], 1, "did you mean", "context")


QWEN = ["--hardware", "rtx-3090", "--model", "qwen3-8b"]


def test_every_path_in_the_way_is_listed(capsys: Printed) -> None:
    out = Path("out")
    (out / "bin").mkdir(parents=True)
    for mine in ("README.md", "compose.yaml", "bin/smoke-test"):
        (out / mine).write_text("mine", "utf-8")
    refused(
        capsys, ["new", "out", *QWEN], 1,
        "3 of the files", "README.md", "compose.yaml", "bin/smoke-test", "infra-gen update",
    )  # fmt: skip


def test_a_deployment_is_not_written_twice(chat: Path, capsys: Printed) -> None:
    refused(capsys, ["new", "chat", *QWEN], 1, "infra-gen.yaml", "infra-gen update")


def test_a_file_in_place_of_a_folder(capsys: Printed) -> None:
    out = Path("out")
    out.mkdir()
    (out / "bin").write_text("mine", "utf-8")
    refused(capsys, ["new", "out", *QWEN], 1, "bin/smoke-test")


@pytest.mark.parametrize("kind", ["file", "dangling link", "link to a file", "loop", "fifo"])
def test_something_else_where_the_folder_should_be(kind: str, capsys: Printed) -> None:
    out = Path("out")
    if kind == "file":
        out.write_text("mine", "utf-8")
    elif kind == "fifo":
        os.mkfifo(out)
    elif kind == "link to a file":
        Path("real").write_text("mine", "utf-8")
        out.symlink_to("real")
    else:
        out.symlink_to("out" if kind == "loop" else "nowhere")
    refused(capsys, ["new", "out", *QWEN], 1, "out", "not a folder")


def test_a_file_above_the_folder(capsys: Printed) -> None:
    Path("file").write_text("mine", "utf-8")
    refused(capsys, ["new", "file/out", *QWEN], 1, "cannot write")


def test_a_name_too_long_for_the_disk(capsys: Printed) -> None:
    refused(capsys, ["new", "a" * 300, *QWEN], 1, "File name too long")


def test_new_does_not_follow_links_out_of_the_folder(capsys: Printed) -> None:
    Path("outside").mkdir()
    Path("out").mkdir()
    Path("out/bin").symlink_to("../outside")
    refused(capsys, ["new", "out", *QWEN], 1, "bin/smoke-test")


def test_update_does_not_follow_links_out_of_the_folder(chat: Path, capsys: Printed) -> None:
    outside = Path("outside")
    (chat / "bin").rename(outside)
    (outside / "smoke-test").unlink()
    (chat / "bin").symlink_to("../outside")
    refused(capsys, ["update", "chat"], 1, "leads out of the folder")


def test_update_does_not_write_its_state_through_a_link(chat: Path, capsys: Printed) -> None:
    (chat / ".infra-gen").rename("outside")
    (chat / ".infra-gen").symlink_to("../outside")
    (chat / "README.md").unlink()
    refused(capsys, ["update", "chat"], 1, "is a link")


def test_a_folder_in_place_of_a_managed_file(chat: Path, capsys: Printed) -> None:
    (chat / "README.md").unlink()
    (chat / "README.md").mkdir()
    refused(capsys, ["update", "chat"], 2, "README.md", "edited by hand")
    update = ["update", "chat", "--discard-edits"]
    refused(capsys, update, 1, "README.md", "a folder is in the place of a file")


@pytest.mark.parametrize(
    "journal",
    [
        "",
        "[]",
        '{"steps": [{"path": "../mine", "was": null, "staged": null}]}',
        '{"steps": [{"path": "/etc/hostname", "was": null, "staged": null}]}',
        '{"steps": [{"path": "link/mine", "was": null, "staged": null}]}',
        '{"steps": [{"path": "x", "was": null, "staged": "../../../mine"}]}',
        '{"steps": [{"path": "../x", "was": null, "staged": "00000"}]}',
        '{"steps": [{"path": "link/x", "was": null, "staged": "00000"}]}',
        '{"steps": [{"path": "x", "was": 5, "staged": "00000"}]}',
        '{"steps": 5}',
    ],
)
def test_a_forged_journal_moves_and_deletes_nothing(
    journal: str, chat: Path, capsys: Printed
) -> None:
    """A pull request may hold any file, this one too."""
    Path("mine").write_text("mine", "utf-8")
    (chat / "link").symlink_to("..")
    (chat / ".infra-gen" / "journal.json").write_text(journal, "utf-8")
    pending = chat / ".infra-gen" / "pending"
    pending.mkdir()
    (pending / "00000").write_text("forged", "utf-8")
    refused(capsys, ["check", "chat"], 4, "journal.json", "damaged")


def test_two_services_on_one_port(tmp_path: Path, capsys: Printed) -> None:
    refused(
        capsys,
        ["new", str(tmp_path / "chat"), "--hardware", "cpu", "--port", "9090"],
        1,
        "port 9090 is wanted by engine and by prometheus",
    )
    assert not (tmp_path / "chat").exists()
