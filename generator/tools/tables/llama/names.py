"""The lists of names that llama.cpp keeps in its code: cache types, formats, templates, samplers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.tables.llama.cpp_tokens import function_text, has_function
from tools.tables.llama.cpp_values import Constant, Function, UnknownValueError
from tools.tables.records import TableError

_COMPARED = r'==\s*"([^"]*)"\s*\)\s*\{?\s*return\s+(\w+)'
_CASES = r"case\s+(\w+)\s*:\s*return\s+[\"']([^\"']*)[\"']"
_ENTRIES = r'\{\s*"([^"]*)"\s*,\s*(\w+)\s*\}'
_GGML_TYPES = r'\[(GGML_TYPE_\w+)\]\s*=\s*\{\s*\.type_name\s*=\s*"([^"]*)"'
# Where functions and maps are written; each release has them in one of these.
_FILES = (
    "common/arg.cpp",
    "common/common.cpp",
    "common/chat.cpp",
    "common/speculative.cpp",
    "common/sampling.cpp",
    "src/llama.cpp",
    "src/llama-chat.cpp",
)
# The map that a function of common/speculative.cpp looks its names up in.
_SPECULATIVE = "common_speculative_type_from_name_map"


class Files:
    """The files of one llama.cpp source tree."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def text(self, *names: str) -> str:
        """The first of these files that is there; TableError for none of them."""
        found = self.maybe(*names)
        if found is None:
            raise TableError(f"{' or '.join(names)} is not there")
        return found

    def maybe(self, *names: str) -> str | None:
        """The first of these files that is there."""
        for name in names:
            path = self.root / name
            if path.is_file():
                return path.read_text(encoding="utf-8")
        return None

    def server(self) -> Mapping[str, str]:
        """The C++ sources of the server, by file name; its libraries and tests left out."""
        folder = next((self.root / name for name in ("tools/server", "examples/server")
                       if (self.root / name).is_dir()), None)  # fmt: skip
        paths = sorted(path for path in folder.glob("*.[ch]pp")) if folder else []
        found = {path.name: path.read_text("utf-8") for path in paths if path.name != "httplib.h"}
        if "server.cpp" not in found:
            raise TableError("neither tools/server nor examples/server has a server.cpp")
        return found


class Names:
    """Lists of names, read when they are asked for."""

    def __init__(self, files: Files) -> None:
        self._files = files

    @cached_property
    def _sources(self) -> list[str]:
        return [text for text in map(self._files.maybe, _FILES) if text is not None]

    def _function(self, name: str) -> str:
        for source in self._sources:
            if has_function(source, name):
                return function_text(source, name)
        raise TableError(f"no function {name}")

    @cached_property
    def helpers(self) -> dict[str, list[str]]:
        """The functions that know words for on, off and automatic, with the words."""
        found: dict[str, list[str]] = {}
        for name in ("is_truthy", "is_falsey", "is_autoy"):
            if any(has_function(source, name) for source in self._sources):
                found[name] = re.findall(r'value == "([^"]+)"', self._function(name))
                if not found[name]:
                    raise TableError(f"{name} knows no words")
        return found

    @cached_property
    def ggml_types(self) -> dict[str, str]:
        """Constant -> name, of the types of tensors."""
        return _some(
            dict(re.findall(_GGML_TYPES, self._files.text("ggml/src/ggml.c"))), "ggml type"
        )

    @cached_property
    def cache_types(self) -> dict[str, str]:
        """Name -> constant, of the types that a KV cache can have."""
        source = self._files.text("common/arg.cpp")
        listed = re.search(r"kv_cache_types\s*=\s*\{([^}]*)\}", source)
        if listed:
            types = re.findall(r"\bGGML_TYPE_\w+", listed.group(1))
            return _some({self.ggml_types[name]: name for name in types}, "cache type")
        found = re.findall(_COMPARED, self._function("kv_cache_type_from_str"))
        return _some(dict(found), "cache type")

    @cached_property
    def reasoning_formats(self) -> dict[str, str]:
        """Name -> constant."""
        found = re.findall(_COMPARED, self._function("common_reasoning_format_from_name"))
        return _some(dict(found), "reasoning format")

    @cached_property
    def speculative_types(self) -> dict[str, str]:
        """Name -> constant."""
        text = self._files.text("common/speculative.cpp")
        start = text.find(f"{_SPECULATIVE} = {{")
        return _some(dict(re.findall(_ENTRIES, text[start : text.find("};", start)])), "type")

    @cached_property
    def chat_templates(self) -> list[str]:
        """The names of the chat templates that are built in."""
        source = self._files.text("src/llama-chat.cpp", "src/llama.cpp")
        start = source.find("LLM_CHAT_TEMPLATES = {")
        found = re.findall(_ENTRIES, source[start : source.find("};", start)]) if start > 0 else []
        return sorted(_some(dict(found), "chat template"))

    def words(self, function: str) -> dict[str, str] | None:
        """Word -> constant of a function that reads one of a list of words."""
        match function:
            case "kv_cache_type_from_str":
                return self.cache_types
            case "common_reasoning_format_from_name":
                return self.reasoning_formats
            case "common_speculative_type_from_name" | "common_speculative_types_from_names":
                return self.speculative_types
        return None

    def sampler_names(self, samplers: Any) -> dict[str, str]:
        """What the parser's local variables hold: the samplers by name and by letter."""
        prefix = (
            "common" if any("common_sampler_type_to_str" in s for s in self._sources) else "gpt"
        )
        texts = dict(re.findall(_CASES, self._function(f"{prefix}_sampler_type_to_str")))
        letters = dict(re.findall(_CASES, self._function(f"{prefix}_sampler_type_to_chr")))
        if not isinstance(samplers, list):
            raise TableError("no list of samplers")
        names = [sampler.name for sampler in samplers if isinstance(sampler, Constant)]
        return {
            "sampler_type_names": ";".join(_some(texts, "sampler")[name] for name in names),
            "sampler_type_chars": "".join(_some(letters, "sampler")[name] for name in names),
        }

    @property
    def functions(self) -> Mapping[str, Function]:
        """The functions that help pages print constants with."""
        return {
            "ggml_type_name": lambda values: _looked_up(self.ggml_types, values),
            "get_all_kv_cache_types": lambda _: ", ".join(self.cache_types),
            "list_builtin_chat_templates": lambda _: ", ".join(self.chat_templates),
            "common_reasoning_format_name": lambda v: _word(self.reasoning_formats, v),
            "llama_flash_attn_type_name": self._flash_attention,
            "common_speculative_all_types_str": lambda _: ",".join(self.speculative_types),
            "common_speculative_type_to_str": lambda v: _word(self.speculative_types, v),
            "common_speculative_type_name_str": self._speculative,
        }

    def _flash_attention(self, values: list[Any]) -> str:
        cases = dict(re.findall(_CASES, self._function("llama_flash_attn_type_name")))
        return _looked_up(cases, values)

    def _speculative(self, values: list[Any]) -> str:
        types = values[0] if values and isinstance(values[0], list) else values
        return ",".join(_word(self.speculative_types, [type_]) for type_ in types)


def _some(found: dict[str, str], what: str) -> dict[str, str]:
    if not found:
        raise TableError(f"no {what} found")
    return found


def _looked_up(names: Mapping[str, str], values: list[Any]) -> str:
    if len(values) == 1 and isinstance(values[0], Constant) and values[0].name in names:
        return names[values[0].name]
    raise UnknownValueError(repr(values))


def _word(words: Mapping[str, str], values: list[Any]) -> str:
    return _looked_up({constant: word for word, constant in words.items()}, values)


def constants(files: Files) -> dict[str, int]:
    """The macros and enumerators that fields begin with and that limits name, as numbers."""
    seed = re.search(
        r"#define\s+LLAMA_DEFAULT_SEED\s+(0x[0-9A-Fa-f]+)", files.text("include/llama.h")
    )
    if seed is None:
        raise TableError("no LLAMA_DEFAULT_SEED in llama.h")
    found = {"LLAMA_DEFAULT_SEED": int(seed.group(1), 16)}
    header = files.text("ggml/include/ggml.h")
    start = header.find("enum ggml_sched_priority {")
    value = -1
    for match in re.finditer(
        r"(\w+)(?:\s*=\s*(-?\d+))?\s*,?", header[start : header.find("}", start)]
    ):
        if match.group(1).startswith("GGML_SCHED_PRIO_"):
            value = int(match.group(2)) if match.group(2) else value + 1
            found[match.group(1)] = value
    return found
