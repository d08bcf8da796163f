"""Spec: `infra-gen.yaml`, what the user asks for. Strict: an unknown key is an error."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from infra_gen.model.sourced import Record

SPEC_VERSION = 1
SPEC_FILE = "infra-gen.yaml"
LOCK_FILE = "infra-gen.lock"

EngineName = Literal["vllm", "llama.cpp"]
TargetName = Literal["compose", "launchd"]
# Names that later releases will take; said apart so that the error can tell "not yet" from a typo.
RESERVED_ENGINES = ("tgi", "ollama")
RESERVED_TARGETS = ("helm", "kubernetes", "systemd", "quadlet")

_NAME = re.compile(r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")


def _dns_name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError("2 to 40 of a-z, 0-9 and -, starting with a letter, not ending with -")
    return value


Name = Annotated[str, AfterValidator(_dns_name)]


class EngineChoice(Record):
    """An engine and, if not the pinned default, the version the tables must know."""

    name: EngineName
    version: str | None = None


class Load(Record):
    """Who uses the server. A user is a person in an active session.

    `ttft_ms` and `tpot_ms` are targets only when written here; without them the plan states what is
    reached. `context` is tokens of prompt and answer together.
    """

    users: int = Field(default=1, gt=0, le=1_000_000)
    workload: str = "chat"
    context: int | Literal["auto"] = Field(default="auto")
    ttft_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tpot_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _context_is_sane(self) -> Load:
        if self.context != "auto" and self.context < 256:
            raise ValueError("context must be at least 256 tokens")
        return self


class Serve(Record):
    """How clients reach the server. Only loopback until the proxy is built."""

    exposure: Literal["loopback"] = "loopback"
    port: Annotated[int, Field(ge=1024, le=65535)] | Literal["auto"] = "auto"
    name: str = Field(default="auto", pattern=r"^[\w./:-]+$", description="model name in the API")
    api_key: Literal["env", "none"] = "env"


class Storage(Record):
    """Where model files live: a volume the target makes, or an absolute folder of the host."""

    path: str = Field(default="auto")

    @model_validator(mode="after")
    def _path_is_absolute(self) -> Storage:
        if self.path != "auto" and not self.path.startswith("/"):
            raise ValueError("storage.path is an absolute folder of the host, or auto")
        if any(ord(letter) < 32 for letter in self.path):
            raise ValueError("storage.path holds a control character")
        return self


class Allow(Record):
    """A rule that this deployment may break, and why."""

    rule: str
    reason: str = Field(min_length=8)


class Spec(Record):
    """The whole spec. See docs/reference/spec.md for every key."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="infra-gen.yaml")

    version: Literal[1] = 1
    name: Name
    hardware: str = Field(min_length=1, max_length=200)
    model: str = Field(default="auto", min_length=1, max_length=400)
    engine: EngineName | Literal["auto"] | EngineChoice = "auto"
    target: TargetName | Literal["auto"] = "auto"
    load: Load = Load()
    quantization: str = Field(default="auto", pattern=r"^[A-Za-z0-9_-]+$")
    image: Literal["build", "official"] = "build"
    serve: Serve = Serve()
    storage: Storage = Storage()
    monitoring: bool = True
    engine_args: dict[str, str | int | float | bool] = Field(default_factory=dict)
    allow: tuple[Allow, ...] = ()

    @property
    def engine_name(self) -> str:
        """The engine asked for, or auto."""
        return self.engine.name if isinstance(self.engine, EngineChoice) else self.engine

    @property
    def engine_version(self) -> str | None:
        """The engine version asked for, or None for the pinned default."""
        return self.engine.version if isinstance(self.engine, EngineChoice) else None


# Keys of the design that no release reads yet: refused with this word, never ignored.
RESERVED_KEYS: dict[str, str] = {
    "offline": "air-gapped deployments",
    "kubernetes": "the kubernetes and helm targets",
    "patches": "patches on rendered documents",
    "extends": "specs that extend another",
    "gpu_fraction": "two deployments on one card",
    "serve.host": "the proxy and public exposure",
    "serve.tls": "the proxy and public exposure",
    "storage.size": "sized volumes",
}


def reserved(path: str, value: Any) -> str | None:
    """What a reserved key or value is for, or None when `path` is not reserved."""
    if path == "serve.exposure" and value in ("lan", "public"):
        return "exposure beyond loopback, which needs the allow-list proxy"
    if path in ("engine", "engine.name") and value in RESERVED_ENGINES:
        return f"the engine {value}"
    if path == "target" and value in RESERVED_TARGETS:
        return f"the target {value}"
    return RESERVED_KEYS.get(path)
