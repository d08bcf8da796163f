"""What the proxy's file lets through: which requests, with which key, over TLS or not."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass

from infra_gen.rules.reading.caddyfile import Directive, read_caddyfile
from infra_gen.rules.reading.values import duration_s

_STOPS = ("error", "respond", "abort", "redir")
_HTTP_PORT, _HTTPS_PORT = 80, 443
_KEYED = ("basic_auth", "basicauth", "forward_auth")


@dataclass(frozen=True, slots=True)
class Upstream:
    """One `reverse_proxy` with the directives around it, outermost first, itself last."""

    directive: Directive
    around: tuple[Directive, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it sends requests to."""
        more = self.directive.child("to")
        words = (*self.directive.words[1:], *(more.words[1:] if more else ()))
        return tuple(word for word in words if word[0] not in "/@*")

    def option(self, *names: str) -> str | None:
        """The value of a directive inside, by its path; empty when it stands alone."""
        found: Directive | None = self.directive
        for name in names:
            found = found.child(name) if found else None
        return None if found is None else " ".join(found.words[1:])

    def before(self) -> Iterator[Directive]:
        """What is taken before it: directives that stand above it in one of the blocks around."""
        for block, inner in zip(self.around, self.around[1:], strict=False):
            for one in block.body:
                if one is inner:
                    break
                yield one


@dataclass(frozen=True, slots=True)
class Site:
    """One site: its addresses, where it binds, and what it passes on."""

    directive: Directive
    upstreams: tuple[Upstream, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """As written, commas dropped."""
        return tuple(word.rstrip(",") for word in self.directive.words)

    @property
    def ports(self) -> frozenset[int]:
        """The ports that its addresses name or mean."""
        return frozenset(_port(address) for address in self.addresses)

    @property
    def encrypted(self) -> bool:
        """Whether no address of it is plain HTTP."""
        return all(_port(one) != _HTTP_PORT and "http://" not in one for one in self.addresses)

    @property
    def binds(self) -> tuple[str, ...]:
        """The addresses that it binds, empty for all of the machine."""
        found = self.directive.child("bind")
        return found.words[1:] if found else ()

    @property
    def asks_for_key(self) -> bool:
        """Whether every way to an upstream comes after a test of the Authorization header."""
        return all(_is_keyed(self.directive, one) for one in self.upstreams)

    def passes(self, method: str, path: str) -> bool:
        """Whether that request, with the right key, reaches an upstream."""
        return any(_reaches(self.directive, one, method, path) for one in self.upstreams)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The proxy's file. `options` is the block of global options."""

    file: str
    options: Directive
    sites: tuple[Site, ...]

    @property
    def grace_s(self) -> float:
        """How long running answers may take on a stop, 0 when it does not say."""
        found = self.options.child("grace_period")
        return (duration_s(found.words[1]) or 0.0) if found and len(found.words) > 1 else 0.0

    def for_clients(self, internal: int) -> tuple[Site, ...]:
        """All sites but the one for measurements, which has the port `internal`."""
        return tuple(site for site in self.sites if site.ports != {internal})


def gateway(text: str, file: str) -> Gateway:
    """The file in `text`. Raises UnreadableError."""
    options, sites = Directive((), 1), []
    for block in read_caddyfile(text):
        if not block.words:
            options = block
        elif not block.name.startswith("("):
            sites.append(Site(block, tuple(_upstreams(block, (block,)))))
    return Gateway(file, options, tuple(sites))


def _upstreams(block: Directive, around: tuple[Directive, ...]) -> Iterator[Upstream]:
    for one in block.body:
        if one.name == "reverse_proxy":
            yield Upstream(one, (*around, one))
        elif one.name != "handle_errors":
            yield from _upstreams(one, (*around, one))


def _port(address: str) -> int:
    scheme, split, rest = address.rpartition("://")
    port = rest.partition("/")[0].rpartition(":")[2]
    if port.isdigit():
        return int(port)
    return _HTTP_PORT if split and scheme == "http" else _HTTPS_PORT


def _matchers(site: Directive) -> dict[str, Directive]:
    return {one.name: one for one in site.walk() if one.name.startswith("@")}


def _is_keyed(site: Directive, upstream: Upstream) -> bool:
    named = _matchers(site)
    for one in upstream.before():
        if one.name in _KEYED:
            return True
        if one.name in _STOPS and len(one.words) > 1:
            matcher = named.get(one.words[1])
            said = matcher and (" ".join(matcher.words), *(" ".join(d.words) for d in matcher.body))
            if said and any("Authorization" in words for words in said):
                return True
    return False


def _reaches(site: Directive, upstream: Upstream, method: str, path: str) -> bool:
    """Whether nothing stops the request, and the blocks around are for its path."""
    named = _matchers(site)
    for block in upstream.around[1:]:
        of = next((word for word in block.words[1:] if word[0] in "/@"), None)
        if of is None:
            continue
        matcher = named.get(of)
        paths = _paths(matcher) if matcher else (of,) if of.startswith("/") else None
        if paths is not None and not _among(paths, path):
            return False
    return not any(
        one.name in _STOPS
        and len(one.words) > 1
        and _stops(site, named, one.words[1], method, path)
        for one in upstream.before()
    )


def _stops(site: Directive, named: dict[str, Directive], of: str, method: str, path: str) -> bool:
    """Whether the matcher of a refusal holds for the request; what it cannot tell does not."""
    matcher = named.get(of)
    if matcher is None:
        return of.startswith("/") and _among((of,), path)
    words = matcher.words[1:]
    if not words and len(matcher.body) == 1:
        words = matcher.body[0].words
    turned = words[:1] == ("not",)
    words = words[1:] if turned else words
    if words[:1] == ("path",):
        return _among(words[1:], path) != turned
    if words[:1] == ("vars",) and len(words) > 2:
        value = _mapped(site, words[1], f"{method} {path}")
        return value is not None and (value in words[2:]) != turned
    return False


def _paths(matcher: Directive) -> tuple[str, ...] | None:
    """The paths that a matcher is for, None when it goes by something else."""
    lines = [matcher.words[1:], *(one.words for one in matcher.body)]
    found = next((words for words in lines if words[:1] == ("path",)), None)
    return found[1:] if found else None


def _among(patterns: tuple[str, ...], path: str) -> bool:
    return any(fnmatch.fnmatchcase(path.lower(), one.lower()) for one in patterns)


def _mapped(site: Directive, variable: str, request: str) -> str | None:
    """What `map` makes of `METHOD /path` for that variable, None when no map sets it."""
    for one in site.walk():
        if one.name != "map" or len(one.words) < 3 or one.words[2] != variable:
            continue
        value = None
        for row in one.body:
            if len(row.words) < 2:
                continue
            if row.name == "default":
                value = row.words[1]
            elif _row_matches(row.name, request):
                return row.words[1]
        return value
    return None


def _row_matches(pattern: str, request: str) -> bool:
    if not pattern.startswith("~"):
        return pattern == request
    try:
        return re.search(pattern[1:], request) is not None
    except re.error:
        return True  # Caddy's expressions are others than Python's; take no chances
