"""Every file that services read: Prometheus' and Grafana's, the proxy's, an engine's own."""

from __future__ import annotations

from collections.abc import Callable

from infra_gen.model.filetree import File
from infra_gen.model.stack import Gate, Service, Stack
from infra_gen.targets.grafana import grafana_files
from infra_gen.targets.monitoring import monitoring_files
from infra_gen.targets.names import HEADER
from infra_gen.targets.placement import Placement
from infra_gen.targets.proxy import Place, caddyfile


def config_files(
    stack: Stack,
    address: Callable[[Service], str],
    proxy_place: Callable[[Service, Gate], Place],
    placement: Callable[[Stack, Service], Placement],
) -> dict[str, File]:
    """The files by path.

    `address` is where a service's metrics are found (host:port), `proxy_place` where the proxy
    runs, `placement` where a service finds its files.
    """
    files: dict[str, File] = {}
    if stack.has("metrics"):
        files |= monitoring_files(stack, address)
    if stack.has("dashboard"):
        files |= grafana_files(stack, address)
    for service in stack.services:
        for written in service.files:
            lines = [placement(stack, service).line(line) for line in written.lines]
            files[written.path] = File("\n".join([f"# {HEADER}", *lines, ""]))
        if service.gate:
            text = caddyfile(service.gate, proxy_place(service, service.gate))
            files[service.configs[0].source] = File(text)
    return files
