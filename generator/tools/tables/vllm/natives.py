"""What the evaluator may call: pure builtins, and stand-ins for what vLLM imports from elsewhere."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import posixpath
import types
import typing
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from tools.tables.vllm.values import (
    Bounded,
    Function,
    Instance,
    Member,
    Named,
    UnclearError,
    Unknown,
    is_source_class,
)

MISSING = dataclasses.MISSING
ABSENT = object()
LIMITS = ("ge", "gt", "le", "lt")

# Nothing here reaches out of the evaluator: no files, no imports, no code that is run as such.
_BUILTINS: tuple[Any, ...] = (
    bool, int, float, str, bytes, list, dict, tuple, set, frozenset, object, type, len, sorted, any,
    all, next, iter, max, min, sum, range, enumerate, zip, reversed, callable, map, filter, abs,
    round, repr, ValueError, TypeError, AssertionError, KeyError, ImportError, AttributeError,
    RuntimeError, NotImplementedError, Exception, Ellipsis,
)  # fmt: skip


def _field(default: Any = MISSING, *, default_factory: Any = MISSING, **rest: Any) -> Bounded:
    return Bounded(default, default_factory, {}, False, rest.get("init") is not False)


def _pydantic_field(default: Any = MISSING, *, default_factory: Any = None, **rest: Any) -> Bounded:
    default = MISSING if default is ... else default
    limits = {key: rest[key] for key in LIMITS if rest.get(key) is not None}
    return Bounded(default, default_factory, limits, True, rest.get("init") is not False)


def _getenv(_name: str, default: Any = None) -> Any:
    return default


class Environment(dict[str, str]):
    """`os.environ` of a machine where nothing is set."""


class Parametrised:
    """A generic that only wraps its argument: `SkipValidation[int]` is an int."""

    def __getitem__(self, item: Any) -> Any:
        return item


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | set):
        return type(value)(_copied(item) for item in value)
    return value


def _same(value: Any, *_rest: Any, **_named: Any) -> Any:
    return value


def _partial(function: Any, *args: Any, **kwargs: Any) -> Any:
    return lambda *more, **named: function(*args, *more, **{**kwargs, **named})


def is_enum(value: Any) -> bool:
    """Tell whether it stands for an enumeration."""
    if not is_source_class(value):
        return False
    for base in value.info.bases:
        if (isinstance(base, Named) and base.name.startswith("enum.")) or is_enum(base):
            return True
    return False


def is_typed_dict(value: Any) -> bool:
    """Tell whether it stands for a TypedDict."""
    return is_source_class(value) and any(
        base is typing.TypedDict or is_typed_dict(base) for base in value.info.bases
    )


def is_dataclass(value: Any) -> bool:
    """Tell whether it stands for a dataclass, or an object of one."""
    if isinstance(value, Instance):
        return is_dataclass(value.cls)
    if not is_source_class(value):
        return False
    return _decorated(value) or any(is_dataclass(base) for base in value.info.bases)


def _decorated(value: Any) -> bool:
    for node in value.info.node.decorator_list:
        target = getattr(node, "func", node)
        name = getattr(target, "attr", getattr(target, "id", ""))
        if name in ("dataclass", "config"):  # `config` of vllm.config.utils makes a dataclass
            return True
    return False


def is_model(value: Any) -> bool:
    """Tell whether it stands for a pydantic model."""
    return is_source_class(value) and any(
        base is Named("pydantic.BaseModel") or is_model(base) for base in value.info.bases
    )


_TYPING = (
    "Any", "Optional", "Union", "Literal", "Annotated", "List", "Dict", "Tuple", "Set", "Type",
    "Callable", "Sequence", "Mapping", "Iterable", "TypedDict", "ClassVar", "Final", "get_args",
    "NamedTuple", "FrozenSet", "Protocol", "Generic", "TypeVar", "TypeAlias",
)  # fmt: skip


def externals() -> Mapping[str, Any]:
    """What the evaluator knows of other packages, by dotted name; all else is a `Named`."""
    known: dict[str, Any] = {f"typing.{name}": getattr(typing, name) for name in _TYPING}
    known |= {f"typing_extensions.{name}": getattr(typing, name) for name in _TYPING}
    known |= {
        f"collections.abc.{n}": getattr(typing, n) for n in ("Callable", "Sequence", "Mapping")
    }
    known |= {f"typing{e}.get_origin": typing.get_origin for e in ("", "_extensions")}
    known |= {f"typing{e}.is_typeddict": is_typed_dict for e in ("", "_extensions")}
    return known | {
        "typing.TYPE_CHECKING": False,
        "typing.cast": lambda _type, value: value,
        "types.UnionType": types.UnionType,
        "argparse.BooleanOptionalAction": argparse.BooleanOptionalAction,
        "argparse.SUPPRESS": argparse.SUPPRESS,
        "itertools.permutations": itertools.permutations,
        "json.loads": json.loads,
        "json.dumps": json.dumps,
        "dataclasses.MISSING": MISSING,
        "dataclasses.field": _field,
        "dataclasses.is_dataclass": is_dataclass,
        "pydantic.Field": _pydantic_field,
        "pydantic.fields.Field": _pydantic_field,
        "pydantic.fields.FieldInfo": Bounded,
        "pydantic.SkipValidation": Parametrised(),
        "pydantic.dataclasses.Field": _pydantic_field,
        "copy.deepcopy": _copied,
        "functools.partial": _partial,
        "functools.lru_cache": _same,
        "functools.cache": _same,
        "collections.defaultdict": defaultdict,
        "ssl.CERT_NONE": 0,
        "sys.argv": ["vllm", "serve"],
        "sys.modules": {},
        "sys.maxsize": 2**63 - 1,
        "math.inf": math.inf,
        "os.getenv": _getenv,
        "os.environ": Environment(),
        # A path below the home folder is told with its `~`.
        "os.path.expanduser": _same,
        "os.path.join": posixpath.join,
    }


def builtins() -> dict[str, Any]:
    """The builtins that the evaluator knows."""
    named = {function.__name__: function for function in _BUILTINS if hasattr(function, "__name__")}
    return named | {"isinstance": is_instance, "Ellipsis": ..., "globals": dict}


def is_instance(value: Any, kind: Any) -> Any:
    """Stand in for `isinstance`, as far as it can be known."""
    if isinstance(kind, tuple):
        return any(is_instance(value, one) for one in kind)
    if isinstance(value, Unknown):
        # A field is always understood as one, whatever is unknown inside.
        return False if kind is Bounded else Unknown(f"isinstance({value.why})")
    if isinstance(value, Member | Instance):
        return is_source_class(kind) and subclass(value.cls, kind)
    if isinstance(kind, Named) or is_source_class(kind):
        return False
    if kind is type and isinstance(value, Named):
        return True  # it is asked of type hints, where other packages give classes
    return isinstance(value, kind)


def subclass(value: Any, kind: Any) -> bool:
    """Stand in for `issubclass` among vLLM's classes."""
    value = typing.get_origin(value) or value  # `class Options(dict[str, int])`
    if value is kind:
        return True
    if is_source_class(value):
        return any(subclass(base, kind) for base in value.info.bases)
    return isinstance(value, type) and isinstance(kind, type) and issubclass(value, kind)


def call_native(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Call something that is no code of vLLM."""
    if function is type:
        return args[0].cls if isinstance(args[0], Member | Instance) else type(args[0])
    if isinstance(function, Named):
        return Unknown(f"{function.name}()")
    unknown = next((a for a in [*args, *kwargs.values()] if isinstance(a, Unknown)), None)
    if unknown is not None and not _keeps(function):
        return unknown
    try:
        return function(*args, **kwargs)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, StopIteration) as error:
        name = getattr(function, "__name__", function)
        raise UnclearError(f"{name}: {type(error).__name__} {error}") from error


def _keeps(function: Callable[..., Any]) -> bool:
    """Whether it only stores its arguments: a container's method, a field."""
    holder = getattr(function, "__self__", None)
    if getattr(holder, "keeps_unknown", False):
        return True
    stores = (_field, _pydantic_field, is_instance, defaultdict)
    return (
        isinstance(holder, list | dict | set)
        or function in stores
        or isinstance(function, Function)
    )
