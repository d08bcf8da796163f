"""The one place that knows where templates and presets are: in the wheel or in a checkout."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal


def in_checkout() -> bool:
    """Whether templates and presets are those of a checkout, where people edit them."""
    return data_dir("presets").parent.name != "_data"


@cache
def data_dir(kind: Literal["templates", "presets"]) -> Path:
    """The folder of that kind. A wheel carries it inside the package, a checkout at its top."""
    inside = Path(str(files("infra_gen"))) / "_data" / kind
    return inside if inside.is_dir() else Path(__file__).parents[2] / kind
