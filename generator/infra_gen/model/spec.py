"""Spec: `infra-gen.yaml`, what the user asks for. Strict: an unknown key is an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from infra_gen.model.names import RESERVED_TARGETS, EngineName, TargetName
from infra_gen.model.pack import Pack
from infra_gen.model.patch import Patch
from infra_gen.model.profile import Profile
from infra_gen.model.sourced import Record

DEPLOYMENTS = "deployments"  # where `new --repo` puts them in a repository

_ABSOLUTE = r"^/[^\x00-\x1f]*$"
_HOST = r"^[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)*$"
_MIRROR = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9._/-]+)?$"
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


def is_file_word(word: str) -> bool:
    """Whether the word names a profile file rather than a preset."""
    return word.startswith(("/", "./", "../", "~")) or word.lower().endswith((".yaml", ".yml"))


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
            raise ValueError("context: at least 256 tokens")
        return self


class CertificateFiles(Record):
    """A certificate of your own: absolute files of the host, PEM."""

    certificate: str = Field(pattern=_ABSOLUTE)
    key: str = Field(pattern=_ABSOLUTE)


def _form(*records: type[Record]) -> Discriminator:
    """Which form was written: a word, or the record that has the first key that was written.

    Then a mistake in it is told as one of that form, not as "this is no word".
    """

    def tag(value: Any) -> str:
        if isinstance(value, Record):
            return type(value).__name__
        if not isinstance(value, Mapping):
            return "str"
        fitting = (r for r in records if any(key in r.model_fields for key in value))
        return next(fitting, records[-1]).__name__

    return Discriminator(tag)


Tls = Annotated[
    Annotated[Literal["off", "internal", "acme"], Tag("str")]
    | Annotated[CertificateFiles, Tag("CertificateFiles")],
    _form(CertificateFiles),
]


class Serve(Record):
    """How clients reach the server.

    `loopback`: this machine only. `lan`: every interface, for a network you trust. `public`: the
    internet. Beyond loopback a proxy with an allow-list of routes and TLS stands in front; `tls`
    null means a certificate of the proxy's own authority for lan, and one of a public authority
    (ACME, needs `host`) for public.
    """

    exposure: Literal["loopback", "lan", "public"] = "loopback"
    port: Annotated[int, Field(ge=1, le=65535)] | Literal["auto"] = "auto"
    name: str = Field(default="auto", pattern=r"^[\w./:-]+$", description="model name in the API")
    host: str | None = Field(
        default=None, pattern=_HOST, max_length=253, description="name that clients use"
    )
    tls: Tls | None = None
    api_key: Literal["env", "none"] = "env"

    @model_validator(mode="after")
    def _port_is_free_to_take(self) -> Serve:
        if self.port != "auto" and self.port < 1024 and self.exposure == "loopback":
            raise ValueError("port: below 1024 only with exposure lan or public")
        return self

    @model_validator(mode="after")
    def _tls_fits_exposure(self) -> Serve:
        if self.exposure == "loopback" and (self.tls not in (None, "off") or self.host):
            raise ValueError("exposure: host and tls are for lan or public")
        made_out = self.exposure != "loopback" and self.tls in (None, "internal", "acme")
        if made_out and not self.host:
            raise ValueError(
                "host: a certificate needs it, the name or address that clients use; or set tls"
            )
        return self


class Storage(Record):
    """Where model files live: a volume the target makes, or an absolute folder of the host.

    `size` is how much they may take there, GiB; auto: the model and a fifth more.
    """

    path: str = Field(default="auto")
    size: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] | Literal["auto"] = (
        Field(default="auto")
    )

    @model_validator(mode="after")
    def _path_is_absolute(self) -> Storage:
        if self.path != "auto" and not self.path.startswith("/"):
            raise ValueError("path: an absolute folder of the host, or auto")
        if any(ord(letter) < 32 for letter in self.path):
            raise ValueError("path: holds a control character")
        return self


class Monitoring(Record):
    """Which measuring services stand beside the engine, and their ports on loopback."""

    dashboards: bool = Field(default=True, description="Grafana")
    gpu: bool = Field(default=True, description="the vendor's GPU exporter, where there is one")
    prometheus_port: int = Field(default=9090, ge=1024, le=65535)
    grafana_port: int = Field(default=3000, ge=1024, le=65535)


class Offline(Record):
    """A machine without a network: where images and the model come from instead.

    `mirror` is the registry that holds copies of the images, `model_path` the folder of the host
    with the model's files.
    """

    mirror: str | None = Field(default=None, pattern=_MIRROR)
    model_path: str = Field(pattern=_ABSOLUTE)


class Nodes(Record):
    """Several equal machines; each runs the same deployment."""

    count: int = Field(ge=2, le=256)
    each: str = Field(min_length=1, max_length=200)


class HardwareNodes(Record):
    """`hardware: {nodes: {count: 2, each: h100:8}}`."""

    nodes: Nodes


Word = Annotated[str, Field(min_length=1, max_length=200)]
Hardware = Annotated[
    Annotated[Word, Tag("str")]
    | Annotated[HardwareNodes, Tag("HardwareNodes")]
    | Annotated[Profile, Tag("Profile")],
    _form(HardwareNodes, Profile),
]


class Allow(Record):
    """A rule that this deployment may break, and why."""

    rule: str
    reason: str = Field(min_length=8)


def _bases_may_hold_the_rest(schema: dict[str, Any]) -> None:
    """For editors: a spec that extends another need not repeat what every spec must say."""
    required = schema.pop("required")
    schema["anyOf"] = [{"required": required}, {"required": ["extends"]}]


class Spec(Record):
    """The whole spec. See docs/reference/spec.md for every key."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        title="infra-gen.yaml",
        json_schema_extra=_bases_may_hold_the_rest,
    )

    version: Literal[1] = 1
    extends: str | None = Field(
        default=None, description="another spec, as seen from this file, that this one is laid over"
    )
    name: Name
    hardware: Hardware
    model: str = Field(default="auto", min_length=1, max_length=400)
    engine: EngineName | Literal["auto"] | EngineChoice = "auto"
    target: TargetName | Literal["auto"] = "auto"
    load: Load = Load()
    quantization: str = Field(default="auto", pattern=r"^[A-Za-z0-9_-]+$")
    image: Literal["build", "official"] = "build"
    serve: Serve = Serve()
    storage: Storage = Storage()
    monitoring: bool | Monitoring = True
    offline: Offline | None = None
    gpu_fraction: float | None = Field(
        default=None, gt=0.05, le=1, description="share of each GPU; null: all of it"
    )
    engine_args: dict[str, str | int | float | bool] = Field(default_factory=dict)
    patches: tuple[Patch, ...] = ()
    allow: tuple[Allow, ...] = ()
    packs: tuple[Pack, ...] = Field(
        default=(), max_length=10, description="templates of yours, rendered with the deployment"
    )

    @property
    def measuring(self) -> Monitoring | None:
        """What measures the engine, None when nothing does."""
        if isinstance(self.monitoring, Monitoring):
            return self.monitoring
        return Monitoring() if self.monitoring else None

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
    "kubernetes": "the kubernetes and helm targets",
}


def reserved(path: str, value: Any) -> str | None:
    """What a reserved key or value is for, or None when `path` is not reserved."""
    if path == "target" and value in RESERVED_TARGETS:
        return f"the target {value}"
    return RESERVED_KEYS.get(path)
