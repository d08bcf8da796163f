"""A tiny tree of sources in the shape of vLLM's, for the tests of its extractor."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

SERVE = """
    from vllm.entrypoints.cli_args import make_arg_parser

    class ServeSubcommand:
        def __init__(self):
            self.name = "serve"

        def subparser_init(self, subparsers):
            serve_parser = subparsers.add_parser(self.name, help="...")
            return make_arg_parser(serve_parser)
    """
CUDA = """
    from vllm.platforms.interface import Platform

    class CudaPlatformBase(Platform):
        device_type: str = "cuda"
    """
INTERFACE = """
    class Platform:
        device_type: str = ""

        @classmethod
        def pre_register_and_update(cls, parser=None):
            pass
    """
# A get_kwargs of the kind that vLLM has, small.
ARG_UTILS = """
    import argparse
    import json
    from dataclasses import MISSING, fields, is_dataclass
    from typing import Literal, Union, get_args, get_origin

    def optional_type(return_type):
        def _optional_type(val):
            return None if val == "None" else return_type(val)
        return _optional_type

    def human_readable_int_or_auto(value):
        return int(value)

    def hints_of(hint):
        return set(get_args(hint)) if get_origin(hint) is Union else {hint}

    def get_kwargs(cls):
        kwargs = {}
        for field in fields(cls):
            hints = hints_of(field.type)
            default = field.default
            if field.default_factory is not MISSING:
                default = field.default_factory()
            name = field.name
            kwargs[name] = {"default": default, "help": get_attr_docs(cls).get(name, "")}
            literal = next((h for h in hints if get_origin(h) is Literal), None)
            config = next((h for h in hints if is_dataclass(h)), None)
            if config is not None:
                def parse_dataclass(val, cls=config):
                    return cls(**json.loads(val))
                kwargs[name]["type"] = parse_dataclass
            elif bool in hints:
                kwargs[name]["action"] = argparse.BooleanOptionalAction
            elif literal is not None:
                key = "metavar" if str in hints else "choices"
                kwargs[name].update({"type": str, key: sorted(get_args(literal))})
            elif name == "max_len":
                kwargs[name]["type"] = human_readable_int_or_auto
            elif int in hints:
                kwargs[name]["type"] = int
            else:
                kwargs[name]["type"] = str
            if type(None) in hints and bool not in hints:
                kwargs[name]["type"] = optional_type(kwargs[name]["type"])
        return kwargs
    """
CONFIG = """
    import enum
    from dataclasses import dataclass, field
    from typing import TYPE_CHECKING, Any, Literal, Optional, Union

    from pydantic import Field
    from typing_extensions import Annotated

    if TYPE_CHECKING:
        from vllm.methods import Methods
    else:
        Methods = Any

    def config(cls):
        return cls

    class Mode(enum.IntEnum):
        OFF = 0
        ON = 1

    class Backend(enum.Enum):
        FAST = "vllm.fast.Backend"
        SLOW = "vllm.slow.Backend"

    @config
    @dataclass
    class InnerConfig:
        size: Annotated[int, Field(gt=0, le=9)] = 3
        mode: Mode = Mode.ON
        backend: Optional[Backend] = None
        names: list[str] = field(default_factory=lambda: ["a"])
        _hidden: int = 1

    @config
    @dataclass
    class ModelConfig:
        dtype: Literal["half", "auto"] = "auto"
        method: Optional[Union[Methods, str]] = None
        eager: bool = False
        max_len: Optional[int] = None
        inner: InnerConfig = field(default_factory=InnerConfig)
        \"\"\"Deprecated: say something else.\"\"\"
    """
CLI_ARGS = """
    import argparse
    import json

    from vllm.config import ModelConfig
    from vllm.engine.arg_utils import get_kwargs
    from vllm.platforms import current_platform

    def make_arg_parser(parser):
        parser.add_argument("model_tag", type=str, nargs="?", help="...")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--flag", action="store_true")
        group = parser.add_argument_group(title="Model")
        for name, options in get_kwargs(ModelConfig).items():
            group.add_argument(f"--{name.replace('_', '-')}", **options)
        parser.add_argument("--device", choices=["auto", current_platform.device_type])
        parser.add_argument("--tags", "-t", type=json.loads, default=argparse.SUPPRESS)
        current_platform.pre_register_and_update(parser)
        return parser
    """
UTILS = """
    from argparse import ArgumentParser, BooleanOptionalAction

    class EnableDisableAction(BooleanOptionalAction):
        _inverse_prefixes = {"--enable-": "--disable-", "--disable-": "--enable-"}

    class FlexibleArgumentParser(ArgumentParser):
        def parse_args(self, args=None, namespace=None):
            def create_nested_dict(keys, value):
                return {}
            processed = [arg.replace("_", "-") for arg in args]
            if "-O" in processed:
                processed.append("--optimization-level")
            return super().parse_args(processed, namespace)
    """
FILES = {
    "vllm/__init__.py": "",
    "vllm/methods.py": "from typing import Literal\nMethods = Literal['awq', 'fp8']\n",
    "vllm/config.py": CONFIG,
    "vllm/engine/__init__.py": "",
    "vllm/engine/arg_utils.py": ARG_UTILS,
    "vllm/entrypoints/__init__.py": "",
    "vllm/entrypoints/cli_args.py": CLI_ARGS,
    "vllm/entrypoints/cli/serve.py": SERVE,
    "vllm/platforms/cuda.py": CUDA,
    "vllm/platforms/interface.py": INTERFACE,
    "vllm/utils/argparse_utils.py": UTILS,
}


def write(root: Path, **changed: str) -> Path:
    """Write the tree below `root`.

    `changed` replaces or adds files: `a__b` is `vllm/a/b.py`, `a__package` is `vllm/a/__init__.py`.
    """
    for name, text in (FILES | {_path(name): text for name, text in changed.items()}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), "utf-8")
    return root


def _path(name: str) -> str:
    path = Path("vllm", *name.split("__"))
    return (
        path.with_name("__init__.py") if path.name == "package" else path.with_suffix(".py")
    ).as_posix()
