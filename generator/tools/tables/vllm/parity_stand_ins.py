"""What lets any release of vLLM be imported where only one release's requirements are installed."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.metadata
import sys
import types
from typing import Any

# What some release imports on the way to its parser, and the parser itself never calls.
STAND_INS = frozenset({
    "anthropic", "blake3", "compressed_tensors", "cupy", "cv2", "depyf", "diskcache", "einops",
    "gguf", "httpx", "ijson", "lark", "lmformatenforcer", "mcp", "mistral_common",
    "model_hosting_container_standards", "msgpack", "numba", "openai_harmony", "outlines",
    "outlines_core", "pandas", "prometheus_fastapi_instrumentator", "ray", "scipy", "setproctitle",
    "triton",
})  # fmt: skip


class _AnyClass(type):
    """A class of which every attribute is such a class again."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(name)


class _Stand(metaclass=_AnyClass):
    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **_kwargs: Any) -> Any:
        return args[0] if args else self

    def __class_getitem__(cls, _item: Any) -> Any:
        return cls


def stand_in(name: str) -> Any:
    """Return a class that can be called, inherited from and indexed, and does nothing."""
    return _AnyClass(name, (_Stand,), {})


class _Module(types.ModuleType):
    __path__: list[str] = []  # noqa: RUF012 - as a module has it
    __version__ = "1.0.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(self, name, stand_in(name))
        return getattr(self, name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Comes last: fills in for a listed package that this Python does not have."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:  # noqa: ARG002
        if name.partition(".")[0] not in STAND_INS:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> Any:
        return _Module(spec.name)

    def exec_module(self, module: Any) -> None:
        """Leave the module as it is."""


def soften() -> None:
    """Let an older vLLM live with today's packages, and take this machine for a CPU one."""
    sys.meta_path.append(_Finder())
    import torch  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    for name in ("_is_avx512_supported", "_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        if not hasattr(torch._C._cpu, name):
            setattr(torch._C._cpu, name, lambda: False)
    real = importlib.metadata.version

    def version(distribution_name: str) -> str:
        return real(distribution_name) + ("+cpu" if distribution_name == "vllm" else "")

    importlib.metadata.version = version
    from transformers import AutoConfig  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    register = AutoConfig.register
    AutoConfig.register = lambda *args, **kwargs: register(*args, **{**kwargs, "exist_ok": True})
