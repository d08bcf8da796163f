"""The digest of a tag, asked of its registry over the OCI distribution protocol.

A small client on `requests`, which every install has. The two libraries for this protocol were
weighed: oras 0.2.43 sets no time limit, tries an answer of 500 for two minutes and gives no digest;
python-dxf 12.1.1 takes no token from a registry on loopback, and bounds neither size nor the whole
time. Neither compares a digest with the content.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from infra_gen import __version__
from infra_gen.knowledge.deadline import within
from infra_gen.knowledge.registry_answers import (
    ACCEPT,
    LOOPBACK,
    Challenge,
    Reference,
    RegistryError,
    challenge_of,
    checked_digest,
    stated_digest,
    token_of,
)

LIMIT_S = 30.0  # for one image, all questions together
READ_S = 10.0
LARGEST = 4 * 2**20  # the specification's own limit for a manifest
_REDIRECTS = 5
_LONGEST_WAIT_S = 5
_MOVED = (301, 302, 303, 307, 308)

Login = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Client:
    """One conversation about one tag."""

    reference: Reference
    session: Any
    login: Login
    authorization: str | None = field(default=None, repr=False)

    def ask(self, method: str, name: str) -> _Answer:
        """A manifest by tag or digest; logs in when it is told to."""
        url = f"{self.reference.url}/manifests/{quote(name, safe=':')}"
        answer = self._patient(method, url)
        if answer.status == 401 and self.authorization is None:
            self.authorization = self._logged_in(answer)
            answer = self._patient(method, url)
        return answer

    def _logged_in(self, refused: _Answer) -> str:
        plain = self.reference.url.startswith("http:")
        challenge = challenge_of(refused.headers.get("WWW-Authenticate", ""), plain=plain)
        login = self.login(self.reference.registry)
        if challenge.basic:
            if login is None:
                raise RegistryError(_no_login(self.reference))
            return f"Basic {login}"
        return f"Bearer {self._token(challenge, login)}"

    def _token(self, challenge: Challenge, login: str | None) -> str:
        url = challenge.token_url(self.reference)
        answer = self._send("GET", url, f"Basic {login}" if login else None)
        if answer.status in (401, 403):
            raise RegistryError(
                "refuses the login in Docker's config.json" if login else _no_login(self.reference)
            )
        if answer.status != 200:
            raise RegistryError(f"its login answers {answer.status}")
        return token_of(answer.body)

    def _patient(self, method: str, url: str) -> _Answer:
        """The answer; a registry that names a short time to wait is asked again after it."""
        answer = self._send(method, url, self.authorization)
        if answer.status == 429:
            wait = answer.headers.get("Retry-After", "").strip()
            if wait.isdecimal() and len(wait) < 4 and int(wait) <= _LONGEST_WAIT_S:
                time.sleep(int(wait))
                answer = self._send(method, url, self.authorization)
        return answer

    def _send(self, method: str, url: str, authorization: str | None) -> _Answer:
        """One question. What identifies the user goes to that host alone, not where it points to."""
        for _ in range(_REDIRECTS + 1):
            answer = self._one(method, url, authorization)
            place = answer.headers.get("Location")
            if answer.status not in _MOVED or not place:
                return answer
            there = urljoin(url, place)
            if _origin(there) != _origin(url):
                authorization = None
            if not _may_go(url, there):
                raise RegistryError("points to a place without TLS")
            url = there
        raise RegistryError("points from place to place without end")

    def _one(self, method: str, url: str, authorization: str | None) -> _Answer:
        headers = {
            "Accept": ACCEPT,
            "Accept-Encoding": "identity",
            "User-Agent": f"infra-gen/{__version__}",
        }
        if authorization:
            headers["Authorization"] = authorization
        with self.session.request(
            method, url, headers=headers, stream=True, allow_redirects=False, timeout=READ_S,
            auth=lambda request: request,  # else a login of ~/.netrc takes the place of ours
        ) as response:  # fmt: skip
            body = b""
            if response.status_code == 200 and method != "HEAD":
                for piece in response.raw.stream(2**16, decode_content=False):
                    body += piece
                    if len(body) > LARGEST:
                        raise RegistryError(f"sends more than {LARGEST // 2**20} MiB")
            return _Answer(response.status_code, response.headers, body)


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)


def _may_go(url: str, there: str) -> bool:
    """TLS is not left; without it, the way stays on this machine."""
    target = urlsplit(there)
    if target.scheme == "https":
        return True
    return url.startswith("http:") and target.scheme == "http" and target.hostname in LOOPBACK


def _no_login(reference: Reference) -> str:
    return f"wants a login: docker login {reference.registry}"


def _refusal(answer: _Answer, reference: Reference) -> str:
    if answer.status == 404:
        return "has no such tag"
    if answer.status == 401:
        return _no_login(reference)
    if answer.status == 403:
        return "refuses access"
    if answer.status == 429:
        wait = answer.headers.get("Retry-After", "").strip()
        told = f"; it asks to wait {wait} s" if wait.isdecimal() and len(wait) < 7 else ""
        return f"answers that there were too many requests{told}"
    return f"answers {answer.status}"


def _asked(client: _Client, platform: str, known: str | None) -> str:
    tag = client.reference.tag
    head = client.ask("HEAD", tag)
    if head.status not in (200, 405):
        raise RegistryError(_refusal(head, client.reference))
    stated = stated_digest(head.headers) if head.status == 200 else None
    if stated is not None and stated == known:
        return stated  # it was looked into when it was pinned, and Docker Hub counts downloads
    got = client.ask("GET", stated or tag)
    if got.status != 200:
        raise RegistryError(_refusal(got, client.reference))
    stated = stated or stated_digest(got.headers)
    return checked_digest(got.body, stated, got.headers.get("Content-Type", ""), platform)


def _explained(error: Exception) -> str:
    """What went wrong on the way, by the names of the classes in requests and urllib3."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "SSLError" in names:
        return "speaks no TLS that can be trusted"
    if names & {"Timeout", "TimeoutError", "ReadTimeoutError"}:
        return f"does not answer within {LIMIT_S:.0f} s"
    if "ProxyError" in names:
        return "cannot be reached through the proxy that the environment names"
    if names & {"ConnectionError", "ProtocolError"}:
        return "cannot be reached, or ends the connection"
    return f"gives an answer that is none ({type(error).__name__})"


def digest_of(reference: Reference, platform: str, known: str | None, login: Login) -> str:
    """The digest of the tag: of the index where there is one, which must hold the `platform`.

    A tag that still is what was `known` is not looked into again. Raises RegistryError.
    """
    import requests  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 - slow to import
    import urllib3  # noqa: PLC0415

    session = requests.Session()
    try:
        return within(LIMIT_S, lambda: _asked(_Client(reference, session, login), platform, known))
    except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:  # requests' are OSErrors
        raise RegistryError(_explained(error)) from None
    finally:
        session.close()
