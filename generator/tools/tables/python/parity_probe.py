"""Import an engine's own argument parser and write down what it holds, as JSON.

Run by another Python, in a process of its own: this runs the code of a release. What is not
installed there is replaced by a stand-in that has every attribute.

    python parity_probe.py {sglang,mlx-lm} ROOT OUT [MODULE...]

A MODULE named is replaced although it is there: another version of it may not fit the release.
"""

from __future__ import annotations

import argparse
import contextlib
import enum
import importlib
import importlib.abc
import importlib.machinery
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

# Imported before any stand-in, for this library looks at what else is installed.
_FIRST = ("AutoConfig", "AutoImageProcessor", "AutoModel", "AutoProcessor", "AutoTokenizer")


class _Anything(type):
    """The type of stand-ins: classes that can be inherited from, called, asked and annotated with."""

    def __getattr__(cls, name: str) -> Any:
        if (name.startswith("__") and name != "__func__") or name == "active":  # no driver is
            raise AttributeError(name)
        return _anything(name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls.__dict__.get("_stands_in"):
            # As a decorator it leaves what it decorates as it is.
            return args[0] if len(args) == 1 and callable(args[0]) else cls
        return super().__call__(*args, **kwargs)

    def __getitem__(cls, _item: Any) -> Any:
        return cls

    def __setitem__(cls, _item: Any, _value: Any) -> None:
        pass

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __contains__(cls, _item: Any) -> bool:
        return False


class _Base(metaclass=_Anything):
    def __init_subclass__(cls, **_kwargs: Any) -> None:
        """Take whatever a class says of itself."""


def _anything(name: str) -> Any:
    return _Anything(name, (_Base,), {"_stands_in": True})


class _StandIn(types.ModuleType):
    """A module that has whatever it is asked for."""

    __path__: list[str] = []  # noqa: RUF012 - a package, so that its parts can be imported
    __version__ = "0.0.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = _anything(name)
        setattr(self, name, found)
        return found


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what nobody else found, when the engine asks; libraries know how to do without."""

    def __init__(self, own: str) -> None:
        self.own = own
        self.stood_in: set[str] = set()

    def find_spec(self, fullname: str, _path: Any, _target: Any = None) -> Any:
        """Offer a stand-in."""
        first = fullname.split(".", maxsplit=1)[0]
        if first == self.own or first in sys.stdlib_module_names or not self._asked_by_own():
            return None
        parent = sys.modules.get(fullname.rpartition(".")[0])
        if parent is not None and not isinstance(parent, _StandIn):
            return None  # a part that an installed package does not have
        self.stood_in.add(first)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def _asked_by_own(self) -> bool:
        frame = sys._getframe(2)
        while frame.f_back is not None and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        asking = str(frame.f_globals.get("__name__"))
        return asking.split(".", maxsplit=1)[0] == self.own

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Make the stand-in."""
        return _StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


class _Caught(Exception):  # noqa: N818 - the way out of a main() that would start a server
    """The parser, once it is complete."""


def _catch(parser: argparse.ArgumentParser, *_args: Any, **_kwargs: Any) -> NoReturn:
    raise _Caught(parser)


def _sglang() -> argparse.ArgumentParser:
    module = importlib.import_module("sglang.srt.server_args")
    parser = argparse.ArgumentParser()
    module.ServerArgs.add_cli_args(parser)
    return parser


def _mlx_lm() -> argparse.ArgumentParser:
    argparse.ArgumentParser.parse_args = _catch  # type: ignore[assignment,method-assign]
    module = importlib.import_module("mlx_lm.server")
    try:
        module.main()
    except _Caught as caught:
        parser: argparse.ArgumentParser = caught.args[0]
        return parser
    raise SystemExit("main() did not parse its arguments")


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; what it cannot, by its repr."""
    if isinstance(value, set | frozenset | tuple | list):
        items = [_plain(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    return value if isinstance(value, str | int | float | bool | None) else f"?{value!r}"


def _told(action: argparse.Action) -> dict[str, Any]:
    return {
        "names": list(action.option_strings),
        "action": type(action).__name__,
        "nargs": action.nargs,
        "choices": None if action.choices is None else _plain(list(action.choices)),
        "default": None if action.default is argparse.SUPPRESS else _plain(action.default),
        "type": getattr(action.type, "__name__", None),
    }


def main(kind: str, root: str, out: str, *replaced: str) -> None:
    """Import the parser below `root` and write its actions to `out`."""
    sys.argv = [kind]
    sys.path.insert(0, root)
    finder = _Finder(kind.replace("-", "_"))
    for name in replaced:
        sys.modules[name] = _StandIn(name)
    for name in _FIRST if not replaced else ():
        with contextlib.suppress(ImportError):
            getattr(importlib.import_module("transformers"), name)
    sys.meta_path.append(finder)
    parser = {"sglang": _sglang, "mlx-lm": _mlx_lm}[kind]()
    actions = [_told(action) for action in parser._actions if "--help" not in action.option_strings]
    found = {
        "actions": actions,
        "stood_in": sorted(finder.stood_in | set(replaced)),
        "python": sys.version.split()[0],
    }
    Path(out).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
