"""The systemd units of a stack, one a service that runs on the host, each line with its reason."""

from __future__ import annotations

from collections.abc import Iterator

from infra_gen.model.filetree import File
from infra_gen.model.stack import Service, Stack
from infra_gen.targets.names import downloads_model, engine_of
from infra_gen.targets.native import native_of, program_path
from infra_gen.targets.placement import Word, words
from infra_gen.targets.systemd.beside import GPU, drop_in, gpu_unit, needs_gpu_unit
from infra_gen.targets.systemd.hardening import hardening
from infra_gen.targets.systemd.places import (
    ONCE,
    credential_name,
    env_file,
    folders,
    in_file,
    unit_name,
    unit_placement,
    user_name,
    volume_folder,
)
from infra_gen.targets.unit_file import Line, Section, command, path, unit_file, variable

_HOST_ROLES = ("engine", "proxy", "fetch", "warmup")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
_PURPOSE = {
    "engine": "The inference server.",
    "proxy": "The only way in: listed routes, the key, limits, measurements.",
    "fetch": "Downloads the model, once; the engine starts only after it succeeded.",
    "warmup": "Loads the model into memory once the engine is up.",
}


def host_services(stack: Stack) -> tuple[Service, ...]:
    """The services that run as units; what measures runs in containers."""
    return tuple(service for service in stack.services if service.role in _HOST_ROLES)


def units(stack: Stack) -> dict[str, File]:
    """Every unit, by path."""
    files = {
        f"systemd/{unit_name(stack, service.name)}.service": File(_unit(stack, service))
        for service in host_services(stack)
    }
    if needs_gpu_unit(stack):
        files[f"systemd/{unit_name(stack, GPU)}.service"] = File(gpu_unit(stack))
    engine = engine_of(stack)
    own = native_of(engine).service_unit
    if own:
        files[f"systemd/{own}.d/infra-gen.conf"] = File(drop_in(stack, engine, own))
    return files


def _unit(stack: Stack, service: Service) -> str:
    purpose = _PURPOSE[service.role]
    if service.role == "fetch" and not downloads_model(stack):
        purpose = "Gives the model's file to the engine, which starts only after it succeeded."
    return unit_file(
        purpose,
        [
            Section("Unit", tuple(_order(stack, service))),
            Section("Service", (*_run(stack, service), *hardening(stack, service))),
            *([] if service.role == "fetch" else [_INSTALL]),
        ],
    )


_INSTALL = Section("Install", (Line("WantedBy", "multi-user.target", "Starts with the machine"),))


def _order(stack: Stack, service: Service) -> Iterator[Line]:
    plan = stack.plan
    what = {"engine": f"{plan.model_name} ({plan.weights.quantization}) on {plan.engine} "
            f"{plan.engine_version}", "proxy": f"Proxy of {plan.served_name}",
            "fetch": f"{'Download' if downloads_model(stack) else 'Copy'} of {plan.model_name}",
            "warmup": f"Loads {plan.model_name}"}  # fmt: skip
    yield Line("Description", what[service.role].replace("%", "%%"))
    yield Line("Wants", "network-online.target", "Addresses are there before it starts")
    yield Line("After", "network-online.target")
    if service.role == "engine" and needs_gpu_unit(stack):
        gpu = f"{unit_name(stack, GPU)}.service"
        yield Line("Wants", gpu, "The files of the GPU are there before it starts")
        yield Line("After", gpu)
    for name in service.needs:
        needed = next(one for one in stack.services if one.name == name)
        unit = f"{unit_name(stack, name)}.service"
        if needed.role in ONCE or service.role == "warmup":
            yield Line("Requires", unit, f"Not without {name}")
        else:
            yield Line(
                "Wants",
                unit,
                f"Comes after {name}, so it stops before it: running answers end well",
            )
        yield Line("After", unit)
        if service.role == "warmup":
            yield Line("PartOf", unit, "Runs again whenever that starts again")
    if service.role in ONCE:
        yield Line(
            "StartLimitIntervalSec",
            "1h",
            "After ten failures in an hour it stays down: bin/start tries again",
        )
        yield Line("StartLimitBurst", "10")
    else:
        yield Line(
            "StartLimitIntervalSec",
            "0",
            "It is started again for as long as it takes; an alert says when it is down",
        )


def _run(stack: Stack, service: Service) -> Iterator[Line]:
    user = user_name(stack, service)
    yield Line("User", user, "Made by bin/install: a user of its own that nobody can log in as")
    yield Line("Group", user)
    if service.role in ONCE:
        yield Line("Type", "oneshot")
        yield Line("RemainAfterExit", "yes", "Done is done, until the machine starts again")
    else:
        yield Line("Type", "exec")
    yield from _secrets(stack, service)
    yield from _environment(stack, service)
    yield Line("ExecStart", _command(stack, service))
    yield from _times(service)
    resources = service.resources
    if resources.memory_mib:
        yield Line(
            "MemoryMax",
            f"{resources.memory_mib}M",
            "Host memory; beyond it the kernel ends it, and no other program",
        )
        yield Line("OOMPolicy", "kill", "Then all of it ends and starts again, not a part")
    if service.role not in ONCE:
        yield Line("LimitNOFILE", "65536", "Every connection is an open file")


def _secrets(stack: Stack, service: Service) -> Iterator[Line]:
    in_variables = False
    for secret in service.secrets:
        if not in_file(service, secret):
            in_variables = True
            continue
        name = credential_name(secret)
        yield Line(
            "LoadCredential",
            f"{name}:{folders(stack).config}/{name}",
            f"{secret.because.rstrip('.')}. systemd reads it as root and shows it to this unit alone",
        )
    gate = service.gate
    if gate and gate.tls == "files":
        yield Line(
            "LoadCredential",
            f"tls.crt:{path(gate.certificate or '')}",
            "Your certificate and its key, read at each start",
        )
        yield Line("LoadCredential", f"tls.key:{path(gate.certificate_key or '')}")
    if in_variables:
        yield Line(
            "EnvironmentFile",
            f"-{env_file(stack, service)}",
            "Secrets that are read as variables; root alone reads the file",
        )


def _environment(stack: Stack, service: Service) -> Iterator[Line]:
    places = unit_placement(stack, service)
    own = {variable.name for variable in service.env}
    writable = [m for m in service.mounts if not m.read_only]
    if "HOME" not in own:
        home = volume_folder(stack, writable[0].volume) if writable else "/tmp"  # noqa: S108 - PrivateTmp
        yield Line("Environment", variable("HOME", home), "Libraries write what they keep here")
    folder = f"{folders(stack).programs}/engine/bin"
    engine = engine_of(stack)
    if native_of(engine).method == "python" and service.role != "proxy":
        yield Line(
            "Environment",
            variable("PATH", f"{folder}:{_SYSTEM_PATH}"),
            "Tools of the engine's own first",
        )
    for one in service.env:
        yield Line("Environment", variable(one.name, places.text(one.value)), one.because)


def _command(stack: Stack, service: Service) -> str:
    places = unit_placement(stack, service)
    base = folders(stack).programs
    if service.download:
        return command([f"{base}/bin/fetch-model"], ())
    own = program_path(stack, service)
    program = f"{base}/{own}" if own else service.program[0]
    flags: list[Word] = []
    for secret in service.secrets:
        if secret.file_flag:
            because = (
                "the file that LoadCredential makes; an argument would show in the process list"
            )
            place = places.secret_files[secret.name]
            if service.equals_dialect:
                flags.append(Word(f"{secret.file_flag}={place}", because))
            else:
                flags += [Word(secret.file_flag, because), Word(place)]
    return command([program, *service.program[1:]], [*words(service, places), *flags])


def _times(service: Service) -> Iterator[Line]:
    if service.role in ONCE:
        yield Line(
            "TimeoutStartSec",
            "infinity",
            "It takes as long as connection and disk need"
            if service.download
            else "Large models load slowly",
        )
        yield Line("Restart", "on-failure", "What was cut off is taken up again after a minute")
        yield Line("RestartSec", "60")
        yield Line(
            "RestartMode",
            "direct",
            "What waits for this goes on waiting. systemd before 254 passes over this line: there "
            "bin/start begins it again",
        )
        return
    probe = service.probe
    if probe:
        url = f"http://127.0.0.1:{probe.port}{probe.path}"
        yield Line(
            "ExecStartPost",
            _wait(url),
            "Up means that it answers: nothing that comes after it starts before",
        )
        yield Line(
            "TimeoutStartSec",
            str(probe.start_s),
            "The longest that a start may take; then it is ended and started again",
        )
    yield Line(
        "TimeoutStopSec",
        str(service.stop_seconds),
        "Seconds between SIGTERM and SIGKILL, for answers that are still running",
    )
    yield Line(
        "KillMode",
        "mixed",
        "SIGTERM goes to the main process, which ends its others when answers are done",
    )
    yield Line("Restart", "always")
    yield Line("RestartSec", "10")


def _wait(url: str) -> str:
    ask = f"curl --fail --silent --output /dev/null --noproxy '*' --max-time 5 {url}"
    return f'/bin/sh -c "until {ask}; do kill -0 $$MAINPID || exit 1; sleep 1; done"'
