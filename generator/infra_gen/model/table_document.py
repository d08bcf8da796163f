"""The document that presets/engines/<engine>/table.json is: what others may rely on.

`infra-gen` itself reads it without this record, which exists for the published JSON Schema and for
the tests that hold every table to it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from infra_gen.model.sourced import Record

Kind = Literal["positional", "value", "list", "optional_value", "switch", "bool_pair"]
ValueType = Literal["int", "float", "str", "bool", "json", "path", "size", "list", "duration"]


class Source(Record):
    """What one version was read from."""

    version: str
    artifact: str = Field(description="name of the wheel or sdist, or owner/repository@commit")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="digest of that file")
    method: str | None = Field(None, description="how it was read, where not as the others")


class Interval(Record):
    """A record that holds from `since` until, but not at, `until`.

    Without `since`: from the table's first version. Without `until`: to its last. A name may have
    several records; at most one of them holds at any version.
    """

    name: str
    since: str | None = Field(None, description="first version of the table that has the record")
    until: str | None = Field(None, description="first later version that has it no more")


class Setting(Interval):
    """What a flag, a field or a variable takes."""

    type: ValueType = "str"
    choices: tuple[Any, ...] | None = Field(None, description="the only values that are taken")
    known_values: tuple[Any, ...] | None = Field(
        None, description="the values that this version knows; its parser takes others too"
    )
    special_values: tuple[str, ...] | None = Field(None, description="words beside a number")
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    nullable: bool = False
    deprecated: bool = False
    default: Any = Field(None, description="absent where `default_known` is false")
    default_known: bool = Field(True, description="false: the default is code that nobody ran")


class Flag(Setting):
    """One flag with all its spellings."""

    aliases: tuple[str, ...] = ()
    negatives: tuple[str, ...] = Field((), description="spellings that switch it off")
    kind: Kind
    repeatable: bool = Field(False, description="may be given several times; values add up")
    nargs: int | None = Field(None, description="values that follow, where more than one")
    env: str | None = Field(None, description="variable that stands for the flag")
    config: str | None = Field(None, description="class in `fields` that a JSON value is one of")
    platforms: tuple[str, ...] | None = None


class ConfigField(Setting):
    """A field of a nested configuration, named Class.field."""

    kind: Kind = "value"
    config: str | None = Field(None, description="class in `fields` that a value is one of")


class Variable(Setting):
    """An environment variable."""

    flag: str | None = Field(None, description="flag that it stands for")
    on_bad_value: str | None = Field(None, description="what is made of a value that is none")


class Metric(Interval):
    """A metric by its exposed name; histograms by the name without suffix."""

    type: Literal["counter", "gauge", "histogram", "summary"]
    labels: tuple[str, ...] | None = None
    conditional: bool = Field(False, description="not on every server's page")
    needs: str | None = Field(None, description="what must be on for it to be there")


class Quantization(Interval):
    """A method by the name that the engine's flag takes."""

    min_compute_capability: float | None = Field(None, description="of CUDA devices")
    deprecated: bool = False
    platforms: tuple[str, ...] | None = None


class Route(Interval):
    """A route by what it is for; null where the engine has none."""

    path: str | None


class Fact(Interval):
    """How the engine reads its command line and environment."""

    value: Any


class Word(Setting):
    """A command or a parameter of Ollama's Modelfile."""

    required: bool = False
    applies: Literal["load", "request"] | None = None


class Hint(Record):
    """What stands in the place of a removed name. Written by people, with its source."""

    section: Literal["flags", "env", "metrics", "fields", "modelfile_parameters"]
    name: str
    instead: str | None = None
    source: str | None = None
    last_seen: str | None = Field(None, description="for a name gone before the first version")
    gone_by: str | None = Field(None, description="for a name gone before the first version")


class TableDocument(Record):
    """All that is known of one engine through its versions, oldest first."""

    json_schema: str = Field(alias="$schema", description="this schema, beside the tables")
    schema_: Literal[2] = Field(alias="schema", description="version of the form")
    engine: str
    versions: tuple[str, ...]
    method: str = Field(description="how they were read")
    sources: tuple[Source, ...]
    flags: tuple[Flag, ...] = ()
    fields: tuple[ConfigField, ...] = ()
    env: tuple[Variable, ...] = ()
    metrics: tuple[Metric, ...] = ()
    quantization: tuple[Quantization, ...] = ()
    kv_cache_dtypes: tuple[Interval, ...] = ()
    tool_call_parsers: tuple[Interval, ...] = ()
    reasoning_parsers: tuple[Interval, ...] = ()
    endpoints: tuple[Route, ...] = ()
    facts: tuple[Fact, ...] = ()
    modelfile_commands: tuple[Word, ...] = ()
    modelfile_parameters: tuple[Word, ...] = ()
    hints: tuple[Hint, ...] = ()
