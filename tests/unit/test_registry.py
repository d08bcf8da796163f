"""Asking registries for digests, against a stand-in on loopback; no test leaves the machine."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.registry_stand_in import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    LOGIN,
    OCI_INDEX,
    OCI_MANIFEST,
    Asked,
    RegistryStandIn,
    Reply,
    digest,
    index,
    manifest,
)

from infra_gen.knowledge import registry
from infra_gen.knowledge.registry import digest_of
from infra_gen.knowledge.registry_answers import (
    ACCEPT,
    Reference,
    RegistryError,
    challenge_of,
    checked_digest,
    reference_of,
    token_of,
)
from infra_gen.knowledge.registry_logins import basic_login

INDEX = index("linux/amd64", "linux/arm64/v8")
AMD64 = "linux/amd64"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryStandIn]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = RegistryStandIn()
    server.tags["team/app:v1"] = INDEX
    yield server
    server.close()


def ask(
    server: RegistryStandIn,
    *,
    platform: str = AMD64,
    known: str | None = None,
    login: str | None = None,
    tag: str = "v1",
) -> str:
    reference = Reference(server.host, "team/app", tag)
    return digest_of(reference, platform, known, lambda _: login)


def refusal(server: RegistryStandIn, **how: str) -> str:
    with pytest.raises(RegistryError) as caught:
        ask(server, **how)  # type: ignore[arg-type]
    return str(caught.value)


def only(method: str, reply: Reply) -> registry.Callable[[Asked], Reply | None]:
    return lambda asked: reply if asked.method == method else None


class TestNames:
    @pytest.mark.parametrize(
        ("name", "host", "repository", "tag"),
        [
            ("vllm/vllm-openai:v0.33.0", "registry-1.docker.io", "vllm/vllm-openai", "v0.33.0"),
            ("docker.io/library/caddy:2.11.7", "registry-1.docker.io", "library/caddy", "2.11.7"),
            ("caddy:2", "registry-1.docker.io", "library/caddy", "2"),
            ("docker.io/caddy:2", "registry-1.docker.io", "library/caddy", "2"),
            ("nvcr.io/nvidia/k8s/x:1-a", "nvcr.io", "nvidia/k8s/x", "1-a"),
            ("registry.lan:5000/ai/x:1", "registry.lan:5000", "ai/x", "1"),
            ("localhost/x:1", "localhost", "x", "1"),
        ],
    )
    def test_where_an_image_is_asked_for(
        self, name: str, host: str, repository: str, tag: str
    ) -> None:
        found = reference_of(name)
        assert (found.host, found.repository, found.tag) == (host, repository, tag)

    @pytest.mark.parametrize(
        ("registry_name", "start"),
        [
            ("localhost:5000", "http://localhost:5000/v2/x"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/x"),
            ("127.0.0.1.evil.example", "https://127.0.0.1.evil.example/v2/x"),
            ("ghcr.io", "https://ghcr.io/v2/x"),
        ],
    )
    def test_only_this_machine_is_asked_without_tls(self, registry_name: str, start: str) -> None:
        assert Reference(registry_name, "x", "1").url == start


class TestDigests:
    @pytest.mark.parametrize(
        "content",
        [
            INDEX,
            index(media_type=DOCKER_LIST),
            manifest(DOCKER_MANIFEST),
            manifest(OCI_MANIFEST),
        ],
        ids=["oci index", "docker list", "docker manifest", "oci manifest"],
    )
    def test_the_digest_is_that_of_the_tag(self, stand_in: RegistryStandIn, content: bytes) -> None:
        stand_in.tags["team/app:v1"] = content
        assert ask(stand_in) == digest(content)

    def test_every_kind_of_manifest_is_accepted(self, stand_in: RegistryStandIn) -> None:
        ask(stand_in)
        for asked in stand_in.asked:
            accepted = asked.headers["Accept"].split(", ")
            assert {OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST} == set(accepted)
            assert asked.headers["Accept"] == ACCEPT

    def test_a_known_digest_is_not_downloaded_again(self, stand_in: RegistryStandIn) -> None:
        assert ask(stand_in, known=digest(INDEX)) == digest(INDEX)
        assert [asked.method for asked in stand_in.asked] == ["HEAD"]

    def test_a_tag_that_moved_is_seen(self, stand_in: RegistryStandIn) -> None:
        assert ask(stand_in, known="sha256:" + "1" * 64) == digest(INDEX)

    def test_a_registry_without_the_header(self, stand_in: RegistryStandIn) -> None:
        headers = {"Content-Type": OCI_INDEX}
        stand_in.behave = lambda _: Reply(200, INDEX, headers)
        assert ask(stand_in) == digest(INDEX)

    def test_a_registry_without_head(self, stand_in: RegistryStandIn) -> None:
        stand_in.behave = only("HEAD", Reply(405))
        assert ask(stand_in) == digest(INDEX)

    def test_the_platform_must_be_in_the_index(self, stand_in: RegistryStandIn) -> None:
        assert ask(stand_in, platform="linux/arm64") == digest(INDEX)
        told = refusal(stand_in, platform="linux/riscv64")
        assert told == (
            "has no image for linux/riscv64 under this tag (has linux/amd64, linux/arm64/v8)"
        )

    def test_attachments_are_no_platform(self, stand_in: RegistryStandIn) -> None:
        stand_in.tags["team/app:v1"] = index("linux/amd64", "unknown/unknown")
        assert "has linux/amd64)" in refusal(stand_in, platform="linux/arm64")

    def test_a_wrong_digest_is_refused(self, stand_in: RegistryStandIn) -> None:
        wrong = {"Docker-Content-Digest": "sha256:" + "0" * 64, "Content-Type": OCI_INDEX}
        stand_in.behave = lambda _: Reply(200, INDEX, wrong)
        assert refusal(stand_in) == (
            f"states the digest sha256:{'0' * 64}, but what it sends has {digest(INDEX)}"
        )

    @pytest.mark.parametrize("header", ["latest", "sha512:" + "0" * 128, "sha256:" + "G" * 64, ""])
    def test_a_digest_that_is_none_is_refused(self, stand_in: RegistryStandIn, header: str) -> None:
        stand_in.behave = only("HEAD", Reply(200, b"", {"Docker-Content-Digest": header}))
        assert refusal(stand_in) == "states a digest that is no SHA-256"

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"{", "the manifest is no JSON"),
            (b"\xff\xfe", "the manifest is no JSON"),
            (b"[" * 100_000, "the manifest is no JSON"),
            (b"[]", "the manifest is no JSON object"),
            (b"{}", "sends no image that infra-gen knows"),
            (b'{"schemaVersion": 1}', "sends no image that infra-gen knows"),
            (
                json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX}).encode(),
                "without manifests",
            ),
            (
                json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST}).encode(),
                "without a config",
            ),
            (
                json.dumps(
                    {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [1, {}]}
                ).encode(),
                "has no image for linux/amd64 under this tag (has none)",
            ),
            (
                b'{"schemaVersion": 2, "mediaType": {"a": 1}}',
                "sends no image that infra-gen knows",
            ),
        ],
    )
    def test_content_that_is_no_image(
        self, stand_in: RegistryStandIn, content: bytes, told: str
    ) -> None:
        stand_in.tags["team/app:v1"] = content
        assert told in refusal(stand_in)

    def test_names_from_the_registry_are_not_printed_raw(self) -> None:
        entry = {"platform": {"os": "linux\x1b[31m", "architecture": "x"}}
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
        with pytest.raises(RegistryError, match=r"\(has none\)"):
            checked_digest(body.encode(), None, "", AMD64)


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "told"),
        [
            (404, "has no such tag"),
            (403, "refuses access"),
            (500, "answers 500"),
            (503, "answers 503"),
            (302, "answers 302"),  # without saying where to
        ],
    )
    def test_status(self, stand_in: RegistryStandIn, status: int, told: str) -> None:
        stand_in.behave = lambda _: Reply(status)
        assert refusal(stand_in) == told
        assert len(stand_in.asked) == 1

    def test_no_such_tag(self, stand_in: RegistryStandIn) -> None:
        assert refusal(stand_in, tag="v9") == "has no such tag"

    def test_too_many_requests_with_a_short_wait(self, stand_in: RegistryStandIn) -> None:
        first = iter([Reply(429, b"", {"Retry-After": "1"})])
        stand_in.behave = lambda _: next(first, None)
        start = time.monotonic()
        assert ask(stand_in) == digest(INDEX)
        assert time.monotonic() - start >= 1

    @pytest.mark.parametrize(
        ("wait", "told"),
        [
            ("3600", "too many requests; it asks to wait 3600 s"),
            ("Wed, 21 Oct 2026 07:28:00 GMT", "too many requests"),
            ("-1", "too many requests"),
            ("9" * 30, "too many requests"),
        ],
    )
    def test_too_many_requests(self, stand_in: RegistryStandIn, wait: str, told: str) -> None:
        stand_in.behave = lambda _: Reply(429, b"", {"Retry-After": wait})
        assert refusal(stand_in) == f"answers that there were {told}"
        assert len(stand_in.asked) == 1

    def test_a_second_refusal_is_final(self, stand_in: RegistryStandIn) -> None:
        stand_in.behave = lambda _: Reply(429, b"", {"Retry-After": "0"})
        assert "too many requests" in refusal(stand_in)
        assert len(stand_in.asked) == 2

    def test_a_huge_answer(self, stand_in: RegistryStandIn) -> None:
        stand_in.behave = only("GET", Reply(200, b" " * (registry.LARGEST + 1)))
        assert refusal(stand_in) == "sends more than 4 MiB"

    def test_a_compressed_answer_is_not_blown_up(self, stand_in: RegistryStandIn) -> None:
        headers = {"Content-Encoding": "gzip", "Content-Type": OCI_INDEX}
        stand_in.behave = only("GET", Reply(200, b"\x1f\x8b" + b"x" * 100, headers))
        assert "what it sends has" in refusal(stand_in)

    @pytest.mark.parametrize("reply", [Reply(delay_s=3), Reply(body=INDEX, piece_s=0.2)])
    def test_a_slow_answer(
        self, stand_in: RegistryStandIn, monkeypatch: pytest.MonkeyPatch, reply: Reply
    ) -> None:
        monkeypatch.setattr(registry, "LIMIT_S", 0.5)
        stand_in.behave = only("GET", reply)
        start = time.monotonic()
        assert "does not answer within" in refusal(stand_in)
        assert time.monotonic() - start < 2

    def test_a_connection_that_ends(self, stand_in: RegistryStandIn) -> None:
        cut = Reply(200, b"short", {"Content-Length": "5000", "Connection": "close"})
        stand_in.behave = only("GET", cut)
        assert "ends the connection" in refusal(stand_in)

    def test_nobody_there(self) -> None:
        reference = Reference("127.0.0.1:1", "team/app", "v1")
        with pytest.raises(RegistryError, match="cannot be reached"):
            digest_of(reference, AMD64, None, lambda _: None)


class TestRedirects:
    @pytest.fixture
    def elsewhere(self) -> Iterator[RegistryStandIn]:
        server = RegistryStandIn()
        server.tags["team/app:v1"] = INDEX
        yield server
        server.close()

    def test_the_login_does_not_travel(
        self, stand_in: RegistryStandIn, elsewhere: RegistryStandIn
    ) -> None:
        stand_in.auth, stand_in.login = "basic", LOGIN
        inside = stand_in.reply

        def pointing(asked: Asked) -> Reply | None:
            if "Authorization" not in asked.headers:
                return inside(asked)
            return Reply(307, b"", {"Location": f"{elsewhere.url}{asked.path}"})

        stand_in.behave = pointing
        assert ask(stand_in, login=LOGIN) == digest(INDEX)
        assert [
            a.headers.get("Authorization") for a in stand_in.asked if "Authorization" in a.headers
        ]
        assert [a.headers.get("Authorization") for a in elsewhere.asked] == [None, None]

    def test_nor_does_the_token(
        self, stand_in: RegistryStandIn, elsewhere: RegistryStandIn
    ) -> None:
        stand_in.auth = "bearer"
        inside = stand_in.reply

        def pointing(asked: Asked) -> Reply | None:
            if "Authorization" not in asked.headers:
                return inside(asked)
            return Reply(302, b"", {"Location": f"{elsewhere.url}{asked.path}"})

        stand_in.behave = pointing
        assert ask(stand_in) == digest(INDEX)
        assert all("Authorization" not in asked.headers for asked in elsewhere.asked)

    def test_within_the_registry_it_does(self, stand_in: RegistryStandIn) -> None:
        stand_in.auth, stand_in.login = "basic", LOGIN
        stand_in.tags["team/new:v1"] = INDEX
        inside = stand_in.reply

        def pointing(asked: Asked) -> Reply | None:
            if "Authorization" not in asked.headers or "/team/new/" in asked.path:
                return inside(asked)
            return Reply(301, b"", {"Location": asked.path.replace("/team/app/", "/team/new/")})

        stand_in.behave = pointing
        assert ask(stand_in, login=LOGIN) == digest(INDEX)

    def test_without_end(self, stand_in: RegistryStandIn) -> None:
        stand_in.behave = lambda asked: Reply(302, b"", {"Location": asked.path})
        assert refusal(stand_in) == "points from place to place without end"
        assert len(stand_in.asked) == 6

    @pytest.mark.parametrize(
        "place", ["http://example.com/v2/", "ftp://127.0.0.1/", "file:///etc/passwd"]
    )
    def test_to_a_place_without_tls(self, stand_in: RegistryStandIn, place: str) -> None:
        stand_in.behave = lambda _: Reply(302, b"", {"Location": place})
        assert refusal(stand_in) == "points to a place without TLS"

    def test_to_no_address(self, stand_in: RegistryStandIn) -> None:
        stand_in.behave = lambda _: Reply(302, b"", {"Location": "http://127.0.0.1:9x9/"})
        assert "gives an answer that is none" in refusal(stand_in)


class TestLogins:
    def test_a_token_for_everybody(self, stand_in: RegistryStandIn) -> None:
        stand_in.auth = "bearer"
        assert ask(stand_in) == digest(INDEX)
        tokens = [asked for asked in stand_in.asked if asked.path.startswith("/token")]
        assert len(tokens) == 1
        assert "Authorization" not in tokens[0].headers
        assert "scope=repository%3Ateam%2Fapp%3Apull" in tokens[0].path  # no more than it needs
        assert "service=stand-in" in tokens[0].path

    def test_a_token_for_a_user(self, stand_in: RegistryStandIn) -> None:
        stand_in.auth, stand_in.login = "bearer", LOGIN
        assert ask(stand_in, login=LOGIN) == digest(INDEX)

    def test_basic(self, stand_in: RegistryStandIn) -> None:
        stand_in.auth, stand_in.login = "basic", LOGIN
        assert ask(stand_in, login=LOGIN) == digest(INDEX)

    @pytest.mark.parametrize("kind", ["basic", "bearer"])
    def test_without_a_login(self, stand_in: RegistryStandIn, kind: str) -> None:
        stand_in.auth, stand_in.login = kind, LOGIN
        assert refusal(stand_in) == f"wants a login: docker login {stand_in.host}"

    @pytest.mark.parametrize("kind", ["basic", "bearer"])
    def test_a_wrong_login_is_not_printed(self, stand_in: RegistryStandIn, kind: str) -> None:
        stand_in.auth, stand_in.login = kind, "another"
        told = refusal(stand_in, login=LOGIN)
        assert "login" in told
        assert LOGIN not in told
        assert "s3cret-word" not in told

    def test_a_login_of_netrc_is_not_sent(
        self, stand_in: RegistryStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password mine\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        ask(stand_in)
        assert all("Authorization" not in asked.headers for asked in stand_in.asked)

    @pytest.mark.parametrize(
        ("reply", "told"),
        [
            (Reply(500), "its login answers 500"),
            (Reply(200, b"<html>"), "its login is no JSON"),
            (Reply(200, b"{}"), "its login answers without a token"),
            (Reply(200, b'{"token": 5}'), "its login answers without a token"),
            (Reply(200, b'{"token": "a\\r\\nX-Evil: 1"}'), "its login answers without a token"),
            (Reply(200, b" " * (registry.LARGEST + 1)), "sends more than 4 MiB"),
        ],
    )
    def test_a_token_service_in_trouble(
        self, stand_in: RegistryStandIn, reply: Reply, told: str
    ) -> None:
        stand_in.auth = "bearer"
        stand_in.behave = lambda asked: reply if asked.path.startswith("/token") else None
        assert refusal(stand_in) == told

    def test_a_token_that_is_not_taken(self, stand_in: RegistryStandIn) -> None:
        stand_in.auth = "bearer"
        wrong = Reply(200, b'{"token": "wrong"}')
        stand_in.behave = lambda asked: wrong if asked.path.startswith("/token") else None
        assert "wants a login" in refusal(stand_in)
        assert len(stand_in.asked) == 3  # no endless asking

    def test_access_token_is_a_token(self) -> None:
        assert token_of(b'{"access_token": "abc"}') == "abc"

    @pytest.mark.parametrize(
        ("header", "told"),
        [
            ("", "a kind that infra-gen does not know"),
            ("Negotiate", "a kind that infra-gen does not know"),
            ('Bearer service="x"', "sends a login address that is none"),
            ('Bearer realm="https://u:p@evil.example/t"', "sends a login address that is none"),
            ('Bearer realm="file:///etc/passwd"', "sends a login address that is none"),
            ('Bearer realm="https://[broken/t"', "sends a login address that is none"),
            ('Bearer realm="http://auth.example/t"', "without TLS"),
        ],
    )
    def test_odd_challenges(self, header: str, told: str) -> None:
        with pytest.raises(RegistryError, match=told):
            challenge_of(header, plain=False)

    @pytest.mark.parametrize(
        "header",
        [
            'Bearer realm="https://a.example/t",service="s",scope="x"',
            'bearer service="s" , realm="https://a.example/t"',
            'Basic realm="b", Bearer realm="https://a.example/t",service=s',
        ],
    )
    def test_spellings_of_a_challenge(self, header: str) -> None:
        found = challenge_of(header, plain=False)
        assert (found.basic, found.realm, found.service) == (False, "https://a.example/t", "s")

    def test_a_realm_with_a_query(self) -> None:
        found = challenge_of('Bearer realm="https://a.example/t?x=1"', plain=False)
        url = found.token_url(Reference("a.example", "team/app", "1"))
        assert url == "https://a.example/t?x=1&scope=repository%3Ateam%2Fapp%3Apull"


class TestKeptLogins:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        return tmp_path

    def keep(self, folder: Path, document: object) -> None:
        (folder / "config.json").write_text(json.dumps(document))

    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("https://index.docker.io/v1/", "docker.io"),
            ("ghcr.io", "ghcr.io"),
            ("https://ghcr.io", "ghcr.io"),
            ("registry.lan:5000", "registry.lan:5000"),
        ],
    )
    def test_auths(self, folder: Path, key: str, name: str) -> None:
        self.keep(folder, {"auths": {key: {"auth": LOGIN}}})
        assert basic_login(name) == LOGIN
        assert basic_login("other.example") is None

    @pytest.mark.parametrize(
        "document",
        [
            [],
            {"auths": []},
            {"auths": {"ghcr.io": None}},
            {"auths": {"ghcr.io": {"auth": "not base64 "}}},
            {"auths": {"ghcr.io": {"auth": base64.b64encode(b"nocolon").decode()}}},
            {"auths": {"ghcr.io": {"identitytoken": "x"}}},
            {"credsStore": "../../bin/sh"},
            {"credsStore": "surely-not-installed"},
            {"credHelpers": {"ghcr.io": 5}},
        ],
    )
    def test_what_is_no_login(self, folder: Path, document: object) -> None:
        self.keep(folder, document)
        assert basic_login("ghcr.io") is None

    def test_no_file_and_a_damaged_one(self, folder: Path) -> None:
        assert basic_login("ghcr.io") is None
        (folder / "config.json").write_bytes(b"\xff{")
        assert basic_login("ghcr.io") is None

    def helper(self, folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
        program = folder / "docker-credential-test"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")
        self.keep(folder, {"credHelpers": {"ghcr.io": "test"}})

    def test_a_credential_helper(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = '{"ServerURL": "x", "Username": "ann", "Secret": "s3cret-word"}'
        self.helper(folder, monkeypatch, f"read -r name; [ $name = ghcr.io ] && echo '{answer}'")
        assert basic_login("ghcr.io") == LOGIN
        assert basic_login("quay.io") is None

    @pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "echo '{}'", "echo '[1]'"])
    def test_a_helper_without_one(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, script: str
    ) -> None:
        self.helper(folder, monkeypatch, script)
        assert basic_login("ghcr.io") is None


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_a_certificate_of_nobody_is_refused(
    stand_in: RegistryStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    stand_in.server.socket = context.wrap_socket(stand_in.server.socket, server_side=True)
    url = f"https://{stand_in.host}/v2/team/app"
    monkeypatch.setattr(Reference, "url", property(lambda _: url))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    assert refusal(stand_in) == "speaks no TLS that can be trusted"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert ask(stand_in) == digest(INDEX)
