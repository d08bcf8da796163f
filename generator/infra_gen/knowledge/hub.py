"""Any model of the Hugging Face Hub by its id, through huggingface_hub.

The Hub is asked only for an id that is no preset, and within ten seconds a question. HF_TOKEN,
HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE mean what they mean to huggingface_hub.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from infra_gen.errors import UsageError
from infra_gen.knowledge.deadline import within
from infra_gen.knowledge.hf_fields import one_line
from infra_gen.knowledge.hub_repository import (
    CONFIG_FILE,
    RepoFile,
    Repository,
    gguf_files,
    preset_of,
)
from infra_gen.model.llm import ModelPreset

T = TypeVar("T")

HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
TIMEOUT_S = 10.0  # for one answer, whatever the library retries meanwhile
_LARGEST_FILE = 4 * 2**20  # bytes of a file that is read here
_UNDATED = date(1970, 1, 1)
_ALTERNATIVE = "download its config.json into a folder and name that folder"


class HubUnreadError(UsageError):
    """The Hub did not show the repository: no library, no network, no token, no answer in time."""


def _library() -> ModuleType:
    try:
        import huggingface_hub.constants  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError as error:
        raise HubUnreadError(
            "reading a model from Hugging Face needs the huggingface_hub package",
            hint=f"pip install 'infra-gen[hub]', or {_ALTERNATIVE}",
        ) from error
    return huggingface_hub  # type: ignore[no-any-return,unused-ignore]


def _status(error: BaseException) -> int | None:
    found = getattr(getattr(error, "response", None), "status_code", None)
    return found if isinstance(found, int) else None


def _explained(error: BaseException, hf_id: str) -> UsageError | None:
    """What went wrong, in the user's terms; None when it is none of the Hub's answers.

    By class name, because huggingface_hub has changed its HTTP library and so those classes.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    status, page = _status(error), f"https://huggingface.co/{hf_id}"
    if "GatedRepoError" in names or (
        status in (401, 403) and "RepositoryNotFoundError" not in names
    ):
        return HubUnreadError(
            "the model is gated: its files need a token", where=hf_id,
            hint=f"accept its licence at {page}, set HF_TOKEN, and try again",
        )  # fmt: skip
    if "RevisionNotFoundError" in names:
        return UsageError("the Hub has no such revision", where=hf_id)
    if "RepositoryNotFoundError" in names:
        return UsageError(
            "the Hub has no such model, or it is private", where=hf_id,
            hint=f"check the spelling at {page}; for a private one set HF_TOKEN",
        )  # fmt: skip
    if status == 429:
        return HubUnreadError(
            "the Hub answers that there were too many requests", where=hf_id,
            hint="try again in some minutes; HF_TOKEN raises the limit",
        )  # fmt: skip
    if status is not None:
        return HubUnreadError(
            f"the Hub answers {status}", where=hf_id, hint=f"try again later, or {_ALTERNATIVE}"
        )
    if names & {"OfflineModeIsEnabled"}:
        return HubUnreadError(
            "HF_HUB_OFFLINE is set and the model is not in the cache", where=hf_id,
            hint=f"unset it, or {_ALTERNATIVE}",
        )  # fmt: skip
    if names & {"TimeoutException", "Timeout", "TimeoutError"}:
        return HubUnreadError(
            f"the Hub does not answer within {TIMEOUT_S:.0f} s", where=hf_id,
            hint=f"try again, or {_ALTERNATIVE}",
        )  # fmt: skip
    if names & {"TransportError", "ConnectionError", "LocalEntryNotFoundError", "SSLError"}:
        return HubUnreadError(
            "the Hub cannot be reached", where=hf_id,
            hint=f"check the network, or {_ALTERNATIVE}",
        )  # fmt: skip
    return None


def _ask(hf_id: str, call: Callable[[], T]) -> T:
    try:
        return within(TIMEOUT_S, call)
    except UsageError:
        raise
    except Exception as error:
        told = _explained(error, hf_id)
        if told is None:
            raise
        raise told from error


def _reader(library: ModuleType, hf_id: str, commit: str, sizes: dict[str, RepoFile]) -> Any:
    def read(name: str) -> bytes:
        entry = sizes.get(name)
        if entry is None:
            raise UsageError(f"no {name}", where=hf_id, hint="name another repository")
        if (entry.size or 0) > _LARGEST_FILE:
            raise UsageError(f"{name} has {entry.size} bytes", where=hf_id)
        path = _ask(
            hf_id,
            lambda: library.hf_hub_download(hf_id, name, revision=commit, etag_timeout=TIMEOUT_S),
        )
        with Path(path).open("rb") as stream:
            return stream.read(_LARGEST_FILE)

    return read


def _license(info: Any) -> str | None:
    card = info.card_data or {}
    named = card.get("license")
    if named == "other":
        named = card.get("license_name") or named
    tags = [tag[8:] for tag in info.tags or () if tag.startswith("license:")]
    found = named if isinstance(named, str) else next(iter(tags), None)
    return one_line(found) if found else None


def _base(info: Any) -> str | None:
    """The one model that these weights were made from."""
    named = (info.card_data or {}).get("base_model")
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or len(names) != 1 or not HUB_ID.match(str(names[0])):
        return None
    return str(names[0])


def _template(info: Any, files: dict[str, RepoFile]) -> str | None:
    if "chat_template.jinja" in files:
        return "chat_template.jinja"
    tokenizer = (info.config or {}).get("tokenizer_config")
    has = isinstance(tokenizer, dict) and tokenizer.get("chat_template")
    return "tokenizer_config.json" if has else None


def _repository(library: ModuleType, hf_id: str, revision: str | None) -> Repository:
    api = library.HfApi()
    info = _ask(
        hf_id,
        lambda: api.model_info(hf_id, revision=revision, files_metadata=True, timeout=TIMEOUT_S),
    )
    if not info.sha:
        raise UsageError("the Hub does not say its commit", where=hf_id)
    files = {
        entry.rfilename: RepoFile(entry.size, entry.lfs.sha256 if entry.lfs else None)
        for entry in info.siblings or ()
    }
    return Repository(
        id=info.id,
        commit=info.sha,
        url=f"{library.constants.ENDPOINT}/{info.id}/tree/{info.sha}",
        checked=info.last_modified.date() if info.last_modified else _UNDATED,
        files=files,
        read=_reader(library, info.id, info.sha, files),
        license=_license(info),
        gated=None if info.gated is None else bool(info.gated),
        created=info.created_at.strftime("%Y-%m") if info.created_at else None,
        pipeline=info.pipeline_tag,
        base=_base(info),
        params=info.safetensors.parameters if info.safetensors else None,
        template=_template(info, files),
    )


def _cached(library: ModuleType, hf_id: str, revision: str | None) -> Repository:
    """The repository as far as the cache has it."""
    path = library.try_to_load_from_cache(hf_id, CONFIG_FILE, revision=revision)
    if not isinstance(path, str):
        raise HubUnreadError(
            "HF_HUB_OFFLINE is set and the model is not in the cache", where=hf_id,
            hint=f"unset it, or {_ALTERNATIVE}",
        )  # fmt: skip
    folder = Path(path).parent
    files = {
        found.relative_to(folder).as_posix(): RepoFile(found.stat().st_size)
        for found in sorted(folder.rglob("*"))
        if found.is_file()
    }
    return Repository(
        id=hf_id,
        commit=folder.name,
        url=f"{library.constants.ENDPOINT}/{hf_id}/tree/{folder.name}",
        checked=_UNDATED,
        files=_whole(files),
        read=lambda name: (folder / name).read_bytes(),
    )


_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.safetensors$")


def _whole(files: dict[str, RepoFile]) -> dict[str, RepoFile]:
    """The cached files; shards that are not all there have no size, so that none is summed up."""
    shards = {name: match for name in files if (match := _SHARD.search(name))}
    if not shards or all(int(match[1]) == len(shards) for match in shards.values()):
        return files
    return {name: RepoFile(None) if name in shards else file for name, file in files.items()}


def _ident(hf_id: str, taken: Callable[[str], bool]) -> str:
    """An id that no preset has."""
    owner, name = (
        re.sub(r"[^a-z0-9.-]+", "-", part).strip("-.") for part in hf_id.lower().split("/")
    )
    return f"{owner}-{name}" if taken(name) or not name else name


def read_hub(hf_id: str, taken: Callable[[str], bool], revision: str | None = None) -> ModelPreset:
    """The model `owner/name` at its newest commit, or at `revision`.

    `taken` says whether a preset has an id. Raises UsageError: the extra is missing, no such model,
    gated, rate limited, unreachable, too slow, or not a model that can be read.
    """
    library = _library()
    offline = bool(library.constants.HF_HUB_OFFLINE)
    find = _cached if offline else _repository
    repo = find(library, hf_id, revision)
    base = None
    if CONFIG_FILE not in repo.files:
        if not gguf_files(repo.files) or repo.base is None:
            raise UsageError(
                "no config.json in the repository", where=repo.url,
                hint="download a GGUF file from it and name that file, or name another repository",
            )  # fmt: skip
        base = find(library, repo.base, None)
    return preset_of(repo, base, _ident(repo.id, taken))


def newest(repo: str) -> Repository:
    """The repository at the newest commit of its default branch; UsageError says why there is none."""
    library = _library()
    if library.constants.HF_HUB_OFFLINE:
        raise UsageError("HF_HUB_OFFLINE is set", where=repo)
    try:
        found = _repository(library, repo, None)
    except UsageError:
        raise
    except Exception as error:  # whatever the library makes of an answer, or of HF_ENDPOINT
        kind = type(error).__name__
        raise UsageError(f"the Hub gives an answer that is none ({kind})", where=repo) from error
    if not re.fullmatch(r"[0-9a-f]{40}", found.commit):
        raise UsageError("the Hub names a commit that is none", where=repo)
    return found
