"""launchd property lists: an agent as the same record as a compose service."""

from __future__ import annotations

import plistlib
import posixpath
from xml.parsers.expat import ExpatError

from infra_gen.rules.reading.yaml_text import UnreadableError
from infra_gen.rules.service import Service

_OURS = "infra-gen."


def is_plist(path: str) -> bool:
    """Whether that path is a property list."""
    return path.endswith(".plist")


def plist_service(text: str, path: str) -> Service:
    """The agent in `text`. Raises UnreadableError."""
    try:
        document = plistlib.loads(text.encode())
    except (plistlib.InvalidFileException, ExpatError, ValueError, AttributeError) as error:
        raise UnreadableError(str(error), getattr(error, "lineno", None)) from error
    if not isinstance(document, dict):
        raise UnreadableError("the property list is no dictionary", None)
    label = str(document.get("Label") or posixpath.basename(path).removesuffix(".plist"))
    arguments = document.get("ProgramArguments")
    words = [str(word) for word in arguments] if isinstance(arguments, list) else []
    program = str(document.get("Program") or (words[0] if words else ""))
    env = document.get("EnvironmentVariables")
    stop = document.get("ExitTimeOut")
    return Service(
        name=_name(label),
        file=path,
        key_path="",
        words=tuple(words[1:]),
        env={str(k): str(v) for k, v in env.items()} if isinstance(env, dict) else {},
        native=True,
        program=(program,),
        stop_s=float(stop) if isinstance(stop, int | float) else None,
        restart="always" if document.get("KeepAlive") else "no",
        at_boot=bool(document.get("RunAtLoad") or document.get("KeepAlive")),
    )


def _name(label: str) -> str:
    """`infra-gen.chat` is the engine of `chat`; what stands beside it adds its own name."""
    if not label.startswith(_OURS):
        return "engine"
    return label.removeprefix(_OURS).partition(".")[2] or "engine"
