"""Releases from a package index: a stand-in on loopback, with a good file and bad ones."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools.tables import package_index
from tools.tables.records import TableError

FILES: dict[str, bytes] = {}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = FILES.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Tests print nothing."""


def wheel() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr("e/a.py", "A = 1\n")
        package.writestr("e/lib.so", b"\0" * 100)
    return out.getvalue()


def row(name: str, digest: str | None = None, **more: object) -> dict[str, object]:
    body = FILES.get(f"/files/{name}", b"")
    hashes = {"sha256": digest or hashlib.sha256(body).hexdigest()}
    return {"filename": name, "url": f"{BASE[0]}/files/{name}", "hashes": hashes, **more}


BASE = [""]


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    BASE[0] = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("PIP_INDEX_URL", f"{BASE[0]}/simple")
    FILES.clear()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def publish(*rows: dict[str, object]) -> None:
    FILES["/simple/e/"] = json.dumps({"files": rows}).encode()


@pytest.mark.usefixtures("index")
def test_final_releases_in_the_order_of_versions() -> None:
    publish(
        row("e-0.10.0-py3-none-any.whl", size=5),
        row("e-0.9.0.tar.gz"),
        row("e-0.9.0.post1-py3-none-any.whl"),
        row("e-0.11.0rc1-py3-none-any.whl"),
        row("e-0.8.0-py3-none-any.whl", yanked="broken"),
        row("e-0.9.0-py2.7.egg"),
    )
    found = package_index.files_of("e")
    assert [(f.version, f.is_wheel, f.size) for f in found] == [
        ("0.9.0", False, None),
        ("0.9.0.post1", True, None),
        ("0.10.0", True, 5),
    ]


@pytest.mark.usefixtures("index")
def test_a_file_is_brought_and_unpacked_in_part(tmp_path: Path) -> None:
    FILES["/files/e-1.0-py3-none-any.whl"] = wheel()
    publish(row("e-1.0-py3-none-any.whl"))
    [file] = package_index.files_of("e")
    path = package_index.download(file, tmp_path / "new")
    package_index.unpack(path, tmp_path / "out", lambda name: name.endswith(".py"))
    assert [p.name for p in sorted((tmp_path / "out").rglob("*")) if p.is_file()] == ["a.py"]


@pytest.mark.usefixtures("index")
def test_a_file_that_is_another_one_is_not_kept(tmp_path: Path) -> None:
    FILES["/files/e-1.0.tar.gz"] = b"something else"
    publish(row("e-1.0.tar.gz", digest="0" * 64))
    [file] = package_index.files_of("e")
    with pytest.raises(TableError, match=r"e-1.0.tar.gz: its SHA-256 is not"):
        package_index.download(file, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("index")
def test_a_file_without_a_digest_is_refused() -> None:
    publish({"filename": "e-1.0.tar.gz", "url": "x", "hashes": {}})
    with pytest.raises(TableError, match="no SHA-256"):
        package_index.files_of("e")


def test_an_archive_cannot_write_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "e-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as package:
        for name in ("e-1.0/good.py", "e-1.0/../../bad.py"):
            member = tarfile.TarInfo(name)
            member.size = 1
            package.addfile(member, io.BytesIO(b"1"))
    with pytest.raises(TableError, match="out of the archive"):
        package_index.unpack(path, tmp_path / "out", lambda _: True)
    assert not (tmp_path.parent / "bad.py").exists()


def test_an_sdist_gives_only_what_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "e-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as package:
        for name in ("e-1.0/common/arg.cpp", "e-1.0/big.bin"):
            member = tarfile.TarInfo(name)
            member.size = 1
            package.addfile(member, io.BytesIO(b"1"))
    out = package_index.unpack(path, tmp_path / "out", lambda name: name.endswith("arg.cpp"))
    assert [p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()] == [
        "e-1.0/common/arg.cpp"
    ]
