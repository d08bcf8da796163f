"""How people name hardware in sentences (`NVIDIA H100 80GB HBM3`, `8 x RTX 4090 24GB`), as a preset's word.

Words are compared as sets: a preset is meant when what is said, less the vendor's name and the
memory size, is exactly one of its names. Nothing is guessed from a part of a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from infra_gen.knowledge import store

_COUNT_FIRST = re.compile(r"^(\d{1,4})\s*[x\u00d7*]\s*(?=\D)|^(?:a\s+)?(single|one)\s+(?=\D)")
_COUNT_LAST = re.compile(r"(?:\s+[x\u00d7*]\s*|(?<=[a-z0-9])x(?=\d{1,2}$)|:)(\d{1,4})$")
_MEMORY = re.compile(r"^(\d+(?:\.\d+)?)\s*g(?:i?b)?$")
_SPLIT = re.compile(r"[\s\-_/,]+")
# Say who made or packed it, not which one it is.
_NOISE = frozenset(
    {
        "nvidia", "amd", "apple", "intel", "geforce", "radeon", "instinct", "tesla", "gpu", "gpus",
        "card", "cards", "a", "hbm2", "hbm2e", "hbm3", "hbm3e", "gddr6", "gddr6x", "gddr7",
        "graphics", "blackwell", "nvl72", "core", "unified", "memory", "ram",
    }
)  # fmt: skip
_CORES = re.compile(r"^\d+-?core$")
_CLOSE = 0.07  # of the size: 268 and 270 GB, or 80 and 79.6 GiB, are one card's


def spoken(text: str) -> str | None:
    """The word that `resolve_machine` knows for `text`, None where no preset or more than one is meant."""
    plain = " ".join(text.strip().lower().split())
    for part in _parts(plain):
        count, rest = _counted(part)
        found = _meant(rest)
        if found:
            return found if count == 1 else f"{found}:{count}"
    return None


def _parts(plain: str) -> Iterator[str]:
    """What is said, then without what is in brackets, then what is in them."""
    yield plain
    outside = re.sub(r"\([^)]*\)", " ", plain).strip()
    if outside != plain:
        yield outside
        for inside in re.findall(r"\(([^)]*)\)", plain):
            yield from (piece.strip() for piece in inside.split(","))


def _counted(part: str) -> tuple[int, str]:
    if _meant(part):  # `7900 xtx` is a card, not 7,900 of something
        return 1, part
    first = _COUNT_FIRST.match(part)
    if first:
        return int(first[1] or 1), part[first.end() :]
    last = _COUNT_LAST.search(part)
    return (int(last[1]), part[: last.start()]) if last else (1, part)


def _meant(part: str) -> str | None:
    exact = store.canonical("hardware", "-".join(filter(None, _SPLIT.split(part))))
    if exact:
        return exact
    tokens, sizes = _tokens(part)
    found = _of(tokens, sizes)
    if found is None and not sizes:
        # `A100-40`: a number that is no part of a name is a size.
        numbers = [t for t in tokens if t.isdigit()]
        if len(numbers) == 1 and len(tokens) > 1:
            found = _of([t for t in tokens if t not in numbers], [float(numbers[0])])
    return found


def _tokens(text: str) -> tuple[list[str], list[float]]:
    """Words that tell devices apart, and sizes in GB."""
    said, sizes = [], []
    for token in _SPLIT.split(re.sub(r"(\d)\s+(g(?:i?b)\b)", r"\1\2", text.replace("(", " "))):
        size = _MEMORY.match(token.strip("()"))
        if size:
            sizes.append(float(size[1]))
        elif token and token not in _NOISE and not _CORES.match(token) and not token.isspace():
            said.append(token.strip("()"))
    # `32-core` came apart at its dash.
    return [t for i, t in enumerate(said) if not (t.isdigit() and _before_core(text, t))], sizes


def _before_core(text: str, number: str) -> bool:
    return re.search(rf"\b{number}[\s-]cores?\b", text) is not None


def _of(tokens: list[str], sizes: list[float]) -> str | None:
    if not tokens or len(sizes) > 1:
        return None
    found = set(_names().get("".join(sorted(tokens)), ())) | set(
        _names().get("=" + "".join(tokens), ())
    )
    if sizes:
        named = {_sized(name, sizes[0]) for name in found} - {None}
    else:
        exact = store.canonical("hardware", "-".join(tokens))
        named = {exact} if exact else _plain(found, tokens)
    return named.pop() if len(named) == 1 else None


def _plain(found: set[str], tokens: list[str]) -> set[str | None]:
    """Of presets that share a name but for the size, those that have it without one."""
    wanted = sorted(tokens)
    without = {
        name
        for name in found
        if any(sorted(_tokens(a)[0]) == wanted and not _tokens(a)[1] for a in _aliases(name))
    }
    return set(without or found)


def _sized(name: str, size: float) -> str | None:
    """The preset's word with that memory, None where it is not sold with it."""
    document = store.index()["hardware"][name]
    options = [option["gib"] for option in document.get("memory_options", ())]
    if options:
        return f"{name}-{int(size)}gb" if size in options else None
    seen = [document["nominal_gib"]["value"], (document.get("visible_gib") or {}).get("value")]
    return name if any(s and abs(s - size) <= _CLOSE * s for s in seen) else None


def _aliases(name: str) -> list[str]:
    return [name, *store.index()["hardware"][name].get("aliases", ())]


@lru_cache(maxsize=1)
def _names() -> dict[str, tuple[str, ...]]:
    """Presets by the sorted words of each of their names, and by `=` and the words run together."""
    found: dict[str, set[str]] = {}
    for name in store.index()["hardware"]:
        for alias in _aliases(name):
            tokens = _tokens(alias)[0]
            for said in (tokens, _bare(tokens)):
                if said:
                    found.setdefault("".join(sorted(said)), set()).add(name)
                    found.setdefault("=" + "".join(said), set()).add(name)
    return {key: tuple(sorted(names)) for key, names in found.items()}


def _bare(tokens: list[str]) -> list[str]:
    """`rtx 5070 ti` is called `5070 ti` too; a workstation card (`rtx 4000 ada`) not `4000` alone."""
    series = tokens[:1] in (["rtx"], ["rx"], ["gtx"])
    return tokens[1:] if series and len(tokens) > 1 and tokens[1].isdigit() else []
