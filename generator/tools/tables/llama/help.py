"""The flags of llama.cpp's server, read from the help page of a real one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.tables.records import Record, compact

HELP_COLUMN = 40
# Read as fractions by common/arg.cpp although the help prints no fraction.
LLAMA_FLOATS = {
    "--defrag-thold",
    "--rope-freq-base",
    "--rope-freq-scale",
    "--rope-scale",
    "--spec-synth-len",
}
LLAMA_SPECIAL = {
    "--flash-attn": ["1", "0", "true", "false", "enabled", "disabled"],
    "--gpu-layers": ["auto", "all"],
    "--log-colors": ["1", "0", "true", "false", "enabled", "disabled"],
    "--reasoning": ["1", "0", "true", "false", "enabled", "disabled"],
    "--spec-draft-ngl": ["auto", "all"],
}
LLAMA_COMMA = {"--spec-type"}  # several of the values, joined by commas
LLAMA_OPEN = {"--chat-template", "--reasoning-effort", "--tools"}
LLAMA_PATH_HINTS = {"FNAME", "FILE", "PATH", "DIR", "JINJA_TEMPLATE_FILE"}
WORDS = {"enabled": True, "disabled": False, "true": True, "false": False}
# Printed in a shape of their own.
LLAMA_DEFAULTS: dict[str, Record] = {
    "--api-prefix": {"default": ""},
    "--cors-methods": {"default": "GET, POST, DELETE, OPTIONS"},
    "--split-mode": {"default": "layer"},
}
TOMBSTONE = "argument has been removed"


def help_entries(text: str) -> Iterator[tuple[str, str]]:
    """Split a help page into (spellings and value, description)."""
    head = ""
    body: list[str] = []
    for line in text.splitlines():
        if line.startswith("-") and not line.startswith("-----"):
            if head:
                yield head, "\n".join(body)
            head, first = _split_help_line(line)
            body = [first] if first else []
        elif head and line.startswith(" "):
            body.append(line.strip())
    if head:
        yield head, "\n".join(body)


def _split_help_line(line: str) -> tuple[str, str]:
    left = line[:HELP_COLUMN]
    if len(line) > HELP_COLUMN and left.endswith(" ") and not line[HELP_COLUMN].isspace():
        return left.strip(), line[HELP_COLUMN:].strip()
    return line.strip(), ""


def split_head(head: str) -> tuple[list[str], str]:
    """Split `-a, --alias STRING` into its spellings and the value's hint."""
    names: list[str] = []
    rest = head
    while match := re.match(r"(--?[A-Za-z][\w.-]*)(?:,\s*|\s+|$)", rest):
        names.append(match.group(1))
        rest = rest[match.end() :]
    return names, rest.strip()


def split_negatives(names: list[str]) -> tuple[list[str], list[str]]:
    """Part the spellings that switch off from those that switch on."""
    first = next((i for i, name in enumerate(names) if re.match(r"--no-", name)), None)
    if not first or all(n.startswith("--no-") for n in names if n.startswith("--")):
        return names, []
    while not names[first - 1].startswith("--"):
        first -= 1
    return names[:first], names[first:]


def llama_choices(name: str, hint: str, body: str) -> list[str]:
    """Read the values a flag takes, whichever way the page prints them."""
    listed = re.search(r"allowed values: (.*)", body)
    if listed:
        return [item.strip() for item in listed.group(1).split(",")]
    if re.fullmatch(r"[\[{<][\w+]+([|,][\w+]+)+[\]}>]", hint):
        return re.split(r"[|,]", hint[1:-1])
    if name in LLAMA_COMMA:
        return hint.split(",")
    built_in = re.search(r"built-in templates:\n(.*?)(?:\n\(env|$)", body, re.DOTALL)
    if built_in:
        return re.findall(r"[\w.-]+", built_in.group(1))
    bullets = re.findall(r"^- ([a-z][\w+-]*)(?: \(default\))?:", body, re.MULTILINE)
    return bullets if hint.isupper() else []


def llama_default_text(body: str) -> str | None:
    """Return the default as printed."""
    flat = " ".join(body.split())
    match = re.search(r"\(default: (\"\"|'[^']*'|[^(),]*?)\s?[,()]", flat)
    match = match or re.search(r"default: ('[^']*'|[^(),]+?)(?:[,)]|$| \()", flat)
    return match.group(1).strip() if match else None


def llama_default(flag: Record, body: str) -> Record:
    """Turn the printed default into a value of the flag's type, or say that it is unknown."""
    text = llama_default_text(body)
    bare = text.strip("'\"") if text else ""
    if flag["kind"] in ("switch", "bool_pair"):
        word = bare.split(" ")[-1]
        fallback = False if flag["kind"] == "switch" and text is None else None
        known = WORDS.get(word, fallback)
        return {"default_known": False} if known is None else {"default": known}
    if bare in ("none", "unset", "unused", "disabled", "no tools") and bare not in flag["choices"]:
        return {"default": None}
    number = re.match(r"-?\d+(\.\d+)?", bare)
    if number and flag["type"] in ("int", "float"):
        return {"default": {"int": int, "float": float}[flag["type"]](number.group())}
    if text is None or " " in bare or bare.startswith(("-", "<")) or not bare:
        return {"default_known": False}
    return {"default": bare}


def llama_type(name: str, kind: str, hint: str, body: str) -> str:
    """Name the type of the flag's value."""
    if kind in ("switch", "bool_pair"):
        return "bool"
    if hint in LLAMA_PATH_HINTS:
        return "path"
    if hint in ("JSON", "SCHEMA") or name == "--chat-template-kwargs":
        return "json"
    if hint not in ("N", "PORT", "INDEX", "SEED", "SECONDS", "P", "L", "SIMILARITY", "<0...100>"):
        return "str"
    fraction = re.fullmatch(r"-?\d+\.\d+", llama_default_text(body) or "")
    return "float" if fraction or name in LLAMA_FLOATS else "int"


def llama_flag(head: str, body: str) -> Record:
    """Turn one entry of the help page into a record."""
    names, hint = split_head(head)
    positives, negatives = split_negatives(names)
    name = next((n for n in positives if n.startswith("--")), positives[0])
    plain = "bool_pair" if negatives else "switch"
    kind = plain if not hint else "value"
    env = re.search(r"\(env: (\w+)\)", body)
    flag: Record = {
        "name": name,
        "aliases": sorted(n for n in positives if n != name),
        "negatives": sorted(negatives),
        "kind": kind,
        "type": llama_type(name, kind, hint, body),
        "nargs": 2 if hint == "START END" else None,
        "env": env.group(1) if env else None,
        "special_values": LLAMA_SPECIAL.get(name),
        "choices": llama_choices(name, hint, body) if hint and hint not in LLAMA_PATH_HINTS else [],
        "deprecated": "DEPRECATED" in body,
    }
    default = llama_default(flag, body) | LLAMA_DEFAULTS.get(name, {})
    value = default.get("default")
    if flag["choices"] and isinstance(value, str) and value not in flag["choices"]:
        flag["choices"] = [value, *flag["choices"]]
    if name in LLAMA_OPEN | LLAMA_COMMA:
        flag["known_values"] = flag.pop("choices")
    if "default" in default:
        return compact(flag | {"default": value})
    return compact(flag) | {"default_known": False}
