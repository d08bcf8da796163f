"""The reader: deployment files in all their spellings to one kind of record."""

from __future__ import annotations

from typing import Any

import pytest

from infra_gen.knowledge.engines import engine_info
from infra_gen.rules.command_line import CommandLine, command_line
from infra_gen.rules.deployment import Deployment, read_deployment
from infra_gen.rules.promql import metric_names
from infra_gen.rules.reading.dockerfile import read_dockerfile
from infra_gen.rules.reading.values import duration_s, resolve, size_mib, variables, words
from infra_gen.rules.reading.yaml_text import UnreadableError, parse_yaml
from infra_gen.rules.service import Mount, PublishedPort, Reservation, Service


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("64m", 64),
        ("2gb", 2048),
        ("2G", 2048),
        ("1.5g", 1536),
        ("1048576", 1),
        (1048576, 1),
        ("512 KiB", 0.5),
        ("1t", 2**20),
        ("0", 0),
        ("many", None),
        ("", None),
        ("-1g", None),
        ("${SHM}", None),
    ],
)
def test_size_mib(text: object, mib: float | None) -> None:
    assert size_mib(text) == mib


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("1m30s", 90),
        ("2h", 7200),
        ("1h1m1s", 3661),
        ("500ms", 0.5),
        ("1.5m", 90),
        ("90", None),
        (90, None),
        ("soon", None),
        ("1m 30s", None),
        ("", None),
    ],
)
def test_duration_s(text: object, seconds: float | None) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("${PORT:-8000}", "8000"),
        ("127.0.0.1:${PORT-8000}:8000", "127.0.0.1:8000:8000"),
        ("${KEY:?is not set}", "${KEY:?is not set}"),
        ("$KEY", "$KEY"),
        ("$${NOT:-this}", "$${NOT:-this}"),
    ],
)
def test_resolve(text: str, resolved: str) -> None:
    assert resolve(text) == resolved


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["--a", 1, "x y"], ("--a", "1", "x y")),
        ("--a 1 --b 'x y'", ("--a", "1", "--b", "x y")),
        ("--a\n  --b=2\n", ("--a", "--b=2")),
        ("--a 'unfinished", ("--a", "'unfinished")),
        (["$$HOME"], ("$HOME",)),
        (None, ()),
        ("", ()),
    ],
)
def test_words(value: object, expected: tuple[str, ...]) -> None:
    assert words(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"A": "1", "B": None, "C": 2, "D": True}, {"A": "1", "B": "", "C": "2", "D": "true"}),
        (["A=1", "B", "C=x=y"], {"A": "1", "B": "", "C": "x=y"}),
        (None, {}),
    ],
)
def test_variables(value: object, expected: dict[str, str]) -> None:
    assert variables(value) == expected


def compose(body: str) -> Deployment:
    indented = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return read_deployment({"compose.yaml": f"services:\n  engine:\n{indented}\n"})


def engine(body: str) -> Service:
    found = compose(body).engine
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("written", "container", "host", "address"),
    [
        ("'8000'", 8000, None, None),
        ("8000", 8000, None, None),
        ("'80:8000'", 8000, 80, None),
        ("'127.0.0.1:80:8000'", 8000, 80, "127.0.0.1"),
        ("'127.0.0.1::8000'", 8000, None, "127.0.0.1"),
        ("'[::1]:80:8000/tcp'", 8000, 80, "::1"),
        ("'::1:80:8000'", 8000, 80, "::1"),
        ("'127.0.0.1:${PORT:-80}:8000'", 8000, 80, "127.0.0.1"),
        ("'3000-3005:4000-4005'", None, None, None),
        ("{target: 8000, published: '80', host_ip: 127.0.0.1}", 8000, 80, "127.0.0.1"),
        ("{target: 8000}", 8000, None, None),
    ],
)
def test_ports(written: str, container: int | None, host: int | None, address: str | None) -> None:
    (port,) = engine(f"ports: [{written}]").ports
    assert (port.container, port.host, port.address) == (container, host, address)
    assert isinstance(port, PublishedPort)


@pytest.mark.parametrize(
    ("written", "mount"),
    [
        ("volumes: ['models:/models']", Mount("/models", "models", "volume")),
        ("volumes: ['models:/models:ro']", Mount("/models", "models", "volume", True)),
        ("volumes: ['./bin/x:/x:ro,z']", Mount("/x", "./bin/x", "bind", True)),
        ("volumes: ['/srv/m:/models']", Mount("/models", "/srv/m", "bind")),
        ("volumes: ['/cache']", Mount("/cache", "", "volume")),
        ("volumes: [{type: tmpfs, target: /t}]", Mount("/t", "", "tmpfs")),
        (
            "volumes: [{type: bind, source: /srv, target: /models, read_only: true}]",
            Mount("/models", "/srv", "bind", True),
        ),
        ("tmpfs: /tmp:exec,mode=1777", Mount("/tmp", "", "tmpfs")),
        ("tmpfs: [/run]", Mount("/run", "", "tmpfs")),
    ],
)
def test_mounts(written: str, mount: Mount) -> None:
    assert engine(written).mounts == (mount,)


def test_the_deepest_mount_holds_a_path() -> None:
    service = engine("volumes: ['a:/data', 'b:/data/models', 'c:/database']")
    assert [
        m and m.source for m in map(service.mount_of, ("/data/x", "/data/models/y", "/db"))
    ] == [
        "a",
        "b",
        None,
    ]


DEVICES = "deploy: {{resources: {{reservations: {{devices: [{}]}}}}}}"


@pytest.mark.parametrize(
    ("written", "entry", "granted"),
    [
        (
            DEVICES.format("{driver: nvidia, count: 2, capabilities: [gpu]}"),
            Reservation("nvidia", 2, None, ("gpu",)),
            2,
        ),
        (
            DEVICES.format("{device_ids: ['0', '3'], capabilities: [gpu]}"),
            Reservation(None, None, ("0", "3"), ("gpu",)),
            2,
        ),
        (
            DEVICES.format("{driver: nvidia, count: all}"),
            Reservation("nvidia", -1, None, ()),
            -1,
        ),
        ("gpus: all", Reservation("nvidia", -1, None, ("gpu",)), -1),
        (
            "gpus: [{driver: nvidia, count: 1}]",
            Reservation("nvidia", 1, None, ("gpu",)),
            1,
        ),
    ],
)
def test_reserved_devices(written: str, entry: Reservation, granted: int) -> None:
    service = engine(written)
    assert service.reservations == (entry,)
    assert service.gpus == granted


@pytest.mark.parametrize(
    ("written", "restart"),
    [
        ("restart: unless-stopped", "unless-stopped"),
        ("restart: 'no'", "no"),
        ("restart: false", "no"),
        ("deploy: {restart_policy: {condition: any}}", "always"),
        ("deploy: {restart_policy: {condition: none}}", "no"),
        ("image: x", None),
    ],
)
def test_restart(written: str, restart: str | None) -> None:
    assert engine(written).restart == restart


def test_the_rest_of_a_service() -> None:
    service = engine(
        """
image: repo/name:${TAG:-1.0}
user: 2000
read_only: true
shm_size: 2gb
ipc: host
network_mode: host
mem_limit: 8g
stop_grace_period: 1m35s
security_opt: [no-new-privileges:true]
devices: [/dev/kfd:/dev/kfd, {source: /dev/dri, target: /dev/dri}]
group_add: [video, 44]
healthcheck: {test: curl http://localhost:8000/health, start_period: 2m}
"""
    )
    assert service.image == "repo/name:1.0"
    assert (service.user, service.read_only) == ("2000", True)
    assert (service.shm_mib, service.memory_mib) == (2048, 8192)
    assert (service.ipc, service.network_mode, service.stop_s) == ("host", "host", 95)
    assert service.security_opt == ("no-new-privileges:true",)
    assert service.devices == ("/dev/kfd", "/dev/dri")
    assert service.group_add == ("video", "44")
    assert service.health is not None
    assert service.health.test == ("curl", "http://localhost:8000/health")
    assert service.health.start_s == 120


@pytest.mark.parametrize("written", ["{disable: true}", "{test: [NONE]}"])
def test_a_health_check_that_is_off(written: str) -> None:
    health = engine(f"healthcheck: {written}").health
    assert health is not None
    assert health.disabled


def test_flags_of_the_entrypoint_count_but_not_those_of_a_shell() -> None:
    assert engine("entrypoint: [vllm, serve, --port, '1']\ncommand: [--x]").words == (
        "--port",
        "1",
        "--x",
    )
    assert engine("entrypoint: [/bin/sh, -c, exec it]\ncommand: [--x]").words == ("--x",)


def test_what_a_file_without_services_gives() -> None:
    for text in ("", "x: 1\n", "services: 5\n", "services: {engine: 5}\n", "- a\n"):
        assert read_deployment({"compose.yaml": text}).services == ()


# Command lines


def vllm(*line: str, env: dict[str, str] | None = None) -> CommandLine:
    return _read("vllm", line, env)


def llama(*line: str, env: dict[str, str] | None = None) -> CommandLine:
    return _read("llama.cpp", line, env)


def _read(engine_name: str, line: tuple[str, ...], env: dict[str, str] | None) -> CommandLine:
    service = Service("engine", "compose.yaml", "services.engine", line, env or {}, native=False)
    return command_line(service, engine_info(engine_name).table, service.env)


@pytest.mark.parametrize(
    ("line", "flag", "value"),
    [
        (("--port=8000",), "--port", "8000"),
        (("--port", "8000"), "--port", "8000"),
        (("--port", "1", "--port", "2"), "--port", "2"),
        (("--max_model_len", "5k"), "--max-model-len", "5k"),
        (("--max-model-len", "-1"), "--max-model-len", "-1"),
        (("-tp", "2"), "--tensor-parallel-size", "2"),
        (("--served-model-name", "a", "b", "--port", "1"), "--served-model-name", "a b"),
        (("--compilation-config", '{"a": "b=c"}'), "--compilation-config", '{"a": "b=c"}'),
        (('--compilation-config={"a": "b=c"}',), "--compilation-config", '{"a": "b=c"}'),
        (("--port", "--host", "x"), "--port", None),
        (("--port",), "--port", None),
    ],
)
def test_flags_of_vllm(line: tuple[str, ...], flag: str, value: str | None) -> None:
    assert vllm(*line).text(flag) == value


def test_positionals_and_switches_of_vllm() -> None:
    line = vllm("--trust-remote-code", "Qwen/Qwen3-8B", "--no-enable-prefix-caching")
    assert line.positionals == ("Qwen/Qwen3-8B",)
    assert line.on("--trust-remote-code") is True
    assert line.on("--enable-prefix-caching") is False
    assert line.on("--enable-expert-parallel") is None


def test_a_part_of_a_json_flag_is_not_the_flag() -> None:
    line = vllm("--compilation-config.mode", "3")
    (used,) = line.used
    assert (used.spec is not None, used.part, used.values) == (True, "mode", ("3",))
    assert line.text("--compilation-config") is None


@pytest.mark.parametrize(
    ("line", "flag", "value"),
    [
        (("-c", "4096"), "--ctx-size", 4096),
        (("-ngl", "-1"), "--n-gpu-layers", -1),
        (("--ctx-size", "4096"), "-c", 4096),
        (("-c", "-ngl", "999"), "--ctx-size", None),
    ],
)
def test_flags_of_llama_cpp(line: tuple[str, ...], flag: str, value: float | None) -> None:
    assert llama(*line).number(flag) == value


def test_a_value_is_taken_whatever_it_looks_like_by_llama_cpp() -> None:
    assert llama("-c", "-ngl", "999").text("-c") == "-ngl"


def test_variables_fill_in_for_flags_and_flags_win() -> None:
    env = {"LLAMA_ARG_CTX_SIZE": "${CTX:-2048}", "LLAMA_ARG_ENDPOINT_METRICS": "1"}
    assert llama(env=env).number("--ctx-size") == 2048
    assert llama(env=env).on("--metrics") is True
    assert llama("-c", "1", env=env).number("--ctx-size") == 1


# Property lists

PLIST = """<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0">
<dict>
    <key>Label</key><string>infra-gen.chat</string>
    <key>ProgramArguments</key>
    <array>
        <string>/opt/llama-server</string>
        <!-- its port -->
        <string>--port</string>
        <string>9931</string>
    </array>
    <key>EnvironmentVariables</key><dict><key>PATH</key><string>/usr/bin</string></dict>
    <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
    <key>ExitTimeOut</key><integer>85</integer>
</dict>
</plist>
"""


def test_property_lists() -> None:
    read = read_deployment({"launchd/infra-gen.chat.plist": PLIST})
    service = read.engine
    assert service is not None
    assert service.native
    assert service.program == ("/opt/llama-server",)
    assert service.words == ("--port", "9931")
    assert (service.restart, service.stop_s) == ("always", 85)
    assert dict(service.env) == {"PATH": "/usr/bin"}
    assert read.line_of_word(service, "--port") == 9


def test_companions_of_the_engine_have_their_own_names() -> None:
    text = PLIST.replace("infra-gen.chat<", "infra-gen.chat.awake<")
    assert [s.name for s in read_deployment({"launchd/x.plist": text}).services] == ["awake"]


# Dockerfiles

DOCKERFILE = """\
# syntax=docker/dockerfile:1
ARG BASE=vllm/vllm-openai
FROM golang:1.22 AS build
USER nobody
FROM --platform=linux/amd64 ${BASE}:v0.33.0
COPY --from=build /x /x
ENV HOME=/cache/home \\
    # a comment between
    XDG_CACHE_HOME="/cache/my files"
ENV OLD form of it
USER 2000:0
HEALTHCHECK --interval=10s --start-period=7m \\
    CMD ["curl", "http://127.0.0.1:8000/health"]
ENTRYPOINT ["vllm", "serve"]
"""


def test_dockerfiles() -> None:
    read = read_dockerfile(DOCKERFILE, "image/Dockerfile")
    assert read.bases == (("golang:1.22", 3), ("vllm/vllm-openai:v0.33.0", 5))
    assert read.user == "2000:0"
    assert read.env == {
        "HOME": "/cache/home",
        "XDG_CACHE_HOME": "/cache/my files",
        "OLD": "form of it",
    }
    assert read.health is not None
    assert read.health.start_s == 420
    assert read.health.test == ("curl", "http://127.0.0.1:8000/health")
    assert read.entrypoint == ("vllm", "serve")


@pytest.mark.parametrize(
    ("text", "disabled"), [("FROM x\nHEALTHCHECK NONE", True), ("FROM x\nHEALTHCHECK CMD y", False)]
)
def test_health_checks_of_dockerfiles(text: str, disabled: bool) -> None:
    health = read_dockerfile(text, "Dockerfile").health
    assert health is not None
    assert health.disabled is disabled


def test_a_stage_is_no_image() -> None:
    text = "FROM a:1 AS one\nFROM one AS two\nFROM scratch\nUSER x"
    assert read_dockerfile(text, "Dockerfile").bases == (("a:1", 1),)


def test_services_find_the_dockerfile_that_makes_their_image() -> None:
    read = read_deployment(
        {
            "compose.yaml": "services:\n"
            "  engine: {build: {context: ./image}, image: mine:1, environment: {HOME: /a}}\n"
            "  fetch: {image: mine:1}\n"
            "  other: {image: theirs:1}\n",
            "image/Dockerfile": DOCKERFILE,
        }
    )
    built = {s.name: read.is_built_here(s) for s in read.services}
    assert built == {"engine": True, "fetch": True, "other": False}
    assert read.engine is not None
    assert read.environment(read.engine)["HOME"] == "/a"
    assert read.environment(read.engine)["OLD"] == "form of it"


# Places


def test_lines_of_paths() -> None:
    document = parse_yaml("a:\n  b:\n    - c\n    - d: 1\n# x\ne: {f: 2}\n")
    assert document.lines == {
        "a": 1,
        "a.b": 2,
        "a.b.0": 3,
        "a.b.1": 4,
        "a.b.1.d": 4,
        "e": 6,
        "e.f": 6,
    }


def test_aliases_have_a_value_and_one_place() -> None:
    document = parse_yaml("a: &x {b: 1}\nc:\n  <<: *x\n  d: *x\n")
    assert document.value["c"] == {"b": 1, "d": {"b": 1}}
    assert document.lines["c.d"] == 4


def test_an_empty_file_is_a_document() -> None:
    assert parse_yaml("# nothing\n").value is None


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2\n", "a: b: c\n", "x: &y 1\nz: *q\n"])
def test_what_is_no_yaml(text: str) -> None:
    with pytest.raises(UnreadableError) as error:
        parse_yaml(text)
    assert error.value.line is not None
    assert "\n" not in error.value.problem


def test_a_missing_key_is_shown_at_its_parent() -> None:
    read = compose("image: x\ncommand:\n  - --a\n")
    assert read.line_at("compose.yaml", "services.engine.image") == 3
    assert read.line_at("compose.yaml", "services.engine.shm_size") == 2
    assert read.line_at("nowhere.yaml", "a") is None


def test_words_are_found_whole_and_outside_comments() -> None:
    read = compose("labels: {x: --max}\ncommand:\n  # --max is\n  - --max-len=1\n  - --max=2\n")
    assert read.engine is not None
    assert read.line_of_word(read.engine, "--max") == 7
    assert read.line_of_word(read.engine, "--min") is None


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up == 0", ("up",)),
        ("sum by (le) (rate(a:b_bucket[5m]))", ("a:b_bucket",)),
        ('max(a:b{job="x", y=~"z.*"}) > 0.95', ("a:b",)),
        ("a / on (x) group_left (y) b", ("a", "b")),
        ('{__name__="a:b", job="x"}', ("a:b",)),
        ("a offset 5m > bool 1e3", ("a",)),
        ("avg without(x) (a) or vector(0)", ("a",)),
        ("a[$__rate_interval] and $b > 1 # c", ("a",)),
        ("min_over_time(sum(a:b)[15m:1m]) >= 4", ("a:b",)),
        ('label_replace(a, "x", "$1", "y", "(.*)")', ("a",)),
        ("3 * 4", ()),
        ("NaN", ()),
    ],
)
def test_metric_names(expression: str, names: tuple[str, ...]) -> None:
    assert metric_names(expression) == names


def test_a_yaml_value_may_be_anything() -> None:
    values: Any = ["5", "true", "null", "text", "[a]", "{command: {a: 1}, ports: 5, volumes: x}"]
    for value in values:
        read_deployment({"compose.yaml": f"services:\n  engine: {value}\n"})
