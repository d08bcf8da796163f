"""Configure vLLM's engine for `vllm serve` command lines, with vLLM's own code and without a GPU.

Reads a JSON list from standard input, each item {words, env, model}, and writes a JSON list of what
each came to: null where the configuration is accepted, else the error. `model` is a config.json.

Two things are stood in for. The platform is that of an NVIDIA GPU of capability 8.9 that nobody has;
and what a model's class can do is said here, for the class cannot be imported without the compiled
part of vLLM. Run by the Python that `setup/vllm-parser.sh` sets up. One process for the import, a
child of it for each command line, for configuring leaves traces.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import types
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

COMPILED = ("vllm._C", "vllm._C_stable_libtorch", "vllm._moe_C", "vllm._moe_C_stable_libtorch")
ABLE: dict[str, Any] = {
    "is_text_generation_model": True,
    "attn_type": "decoder",
    "default_seq_pooling_type": "LAST",
    "default_tok_pooling_type": "ALL",
    "score_type": "bi-encoder",
    "supports_pp": True,
    "supports_lora": True,
    "supported_video_pruning_methods": (),
}


def stand_in_platform() -> None:
    """The platform of a GPU, with as many devices as anybody asks for."""
    for name in COMPILED:
        sys.modules[name] = types.ModuleType(name)
    from vllm import platforms  # type: ignore[import-not-found]  # noqa: PLC0415
    from vllm.platforms.cuda import NonNvmlCudaPlatform  # type: ignore  # noqa: PLC0415
    from vllm.platforms.interface import DeviceCapability  # type: ignore  # noqa: PLC0415

    said: dict[str, Any] = {
        "get_device_capability": DeviceCapability(8, 9),
        "get_device_name": "NVIDIA GeForce RTX 4090",
        "get_device_total_memory": 24 * 2**30,
        "device_count": 64,
        "is_fully_connected": True,
        "log_warnings": None,
        "num_compute_units": 128,
    }
    methods = {name: classmethod(lambda *_, _v=value, **__: _v) for name, value in said.items()}
    platforms._current_platform = type("StandIn", (NonNvmlCudaPlatform,), methods)()


def stand_in_models() -> None:
    """What a class can do, without importing it."""
    from vllm.model_executor.models import registry  # type: ignore  # noqa: PLC0415

    def inspect(_: Any, architectures: Any, __: Any) -> tuple[Any, str]:
        name = architectures if isinstance(architectures, str) else architectures[0]
        known = {**ABLE, "architecture": name}
        names = [field.name for field in fields(registry._ModelInfo)]
        return registry._ModelInfo(**{one: known.get(one, False) for one in names}), name

    type(registry.ModelRegistry).inspect_model_cls = inspect


def make_configure() -> Callable[[list[str]], None]:
    """What `vllm serve` does before it starts a process, as a function; imports take a while."""
    from vllm.engine.arg_utils import AsyncEngineArgs  # type: ignore  # noqa: PLC0415
    from vllm.entrypoints.cli.serve import ServeSubcommand  # type: ignore  # noqa: PLC0415
    from vllm.usage.usage_lib import UsageContext  # type: ignore  # noqa: PLC0415
    from vllm.utils.argparse_utils import FlexibleArgumentParser  # type: ignore  # noqa: PLC0415

    def configure(words: list[str]) -> None:
        parser = FlexibleArgumentParser()
        command = ServeSubcommand()
        command.subparser_init(parser.add_subparsers(dest="subparser"))
        arguments = parser.parse_args(["serve", *words])
        command.validate(arguments)
        if arguments.model_tag:
            arguments.model = arguments.model_tag
        made = AsyncEngineArgs.from_cli_args(arguments)
        made.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)

    return configure


def outcome(
    case: dict[str, Any], folder: str, configure: Callable[[list[str]], None]
) -> str | None:
    """The error of one case, from a child of this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            os.environ.update(case["env"])
            Path(folder, "config.json").write_text(json.dumps(case["model"]))
            configure([*([folder] if case["named"] else []), *case["words"]])
        except SystemExit as error:
            said = f"the parser ended with {error}"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:60000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said or None


def main() -> None:
    """Read cases, write what they came to."""
    cases = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_LOGGING_LEVEL": "ERROR",
            "VLLM_CACHE_ROOT": scratch,
            "VLLM_CONFIG_ROOT": scratch,
            "HF_HOME": scratch,
            "HF_HUB_OFFLINE": "1",
        }
        stand_in_platform()
        stand_in_models()
        model = Path(scratch, "model")
        model.mkdir()
        configure = make_configure()
        results = [outcome(case, str(model), configure) for case in cases]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
