"""The one Jinja2 environment: prose and code files (README, scripts, Dockerfile) as text.

Templates loop and test truth, nothing else: a view arrives with every value decided and formatted.
"""

from __future__ import annotations

import json
import shlex
import textwrap
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from infra_gen.resources import data_dir

if TYPE_CHECKING:
    import jinja2


class View(Protocol):
    """What a template is given: a frozen dataclass whose fields are the template's names."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def render(template: str, view: View) -> str:
    """The text of `templates/<template>` filled from `view`; an unknown name is an error."""
    context = {field.name: getattr(view, field.name) for field in fields(view)}
    return _environment().get_template(template).render(context)


def shquote(value: object) -> str:
    """`value` as one word of a POSIX shell."""
    return shlex.quote(str(value))


def pyquote(value: object) -> str:
    """`value` as a string of Python."""
    return json.dumps(str(value), ensure_ascii=False)


def comment_lines(text: str, width: int = 98, prefix: str = "# ") -> str:
    """`text` wrapped into comment lines; words are never broken, so flags and URLs stay whole."""
    lines = textwrap.wrap(text, width - len(prefix), break_long_words=False, break_on_hyphens=False)
    return "\n".join(prefix + line for line in lines)


def cell(value: object) -> str:
    """`value` as one cell of a Markdown table."""
    return " ".join(str(value).split()).replace("|", "\\|")


@cache
def _environment() -> jinja2.Environment:
    import jinja2  # noqa: PLC0415 - 60 ms that commands without rendering need not pay

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_dir("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        autoescape=False,  # noqa: S701 - shell, Markdown and Dockerfiles, never HTML
    )
    environment.filters["shquote"] = shquote
    environment.filters["pyquote"] = pyquote
    environment.filters["cell"] = cell
    return environment
