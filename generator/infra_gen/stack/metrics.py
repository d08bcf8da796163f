"""Prometheus beside the engine."""

from __future__ import annotations

from infra_gen.model.plan import Plan
from infra_gen.model.spec import Monitoring
from infra_gen.model.stack import (
    Arg,
    ConfigMount,
    ConfigPath,
    Image,
    Mount,
    Panel,
    Port,
    Query,
    Service,
)

_IMAGE = Image(
    repository="docker.io/prom/prometheus",
    tag="v3.5.0",
    digest=None,
    verified="never",
    user="nobody",
    source="https://github.com/prometheus/prometheus/releases (3.5 is a long-term support line)",
)
_DAYS = "15d"
_PORT = 9090
_SCRAPED = Panel(
    "Errors",
    "Answers to Prometheus",
    "1: the program answered the last scrape. 0: it did not, and its other charts have a gap.",
    "none",
    (Query("min by (job) (up)", "{{job}}"),),
)


def on_host_network(plan: Plan) -> bool:
    """Whether what measures shares the network of a Linux host, where the engine runs natively.

    Then a container's port is the host's, and programs must bind loopback themselves. On a Mac
    containers have a network of their own and reach the host by a name.
    """
    return plan.runtime == "native" and plan.machine.os == "linux"


def prometheus(wanted: Monitoring, plan: Plan, needs: tuple[str, ...]) -> Service:
    """Scrapes the engine, keeps fifteen days, evaluates the alert rules.

    `needs` are services that must have succeeded first: while a model downloads nobody is down.
    """
    host = on_host_network(plan)
    inside = wanted.prometheus_port if host else _PORT
    address = Arg("--web.listen-address", f"127.0.0.1:{inside}", "nobody beyond this machine")
    return Service(
        role="metrics",
        name="prometheus",
        program=("/bin/prometheus",),
        argv=(
            Arg("--config.file", ConfigPath("monitoring/prometheus.yml"), "written by infra-gen"),
            Arg("--storage.tsdb.path", "/prometheus", "the volume"),
            Arg("--storage.tsdb.retention.time", _DAYS, "disk stays bounded"),
            *((address,) if host else ()),
        ),
        image=_IMAGE,
        ports=(Port("web", inside, wanted.prometheus_port),),
        mounts=(Mount("metrics", "/prometheus", False, "fifteen days of measurements"),),
        configs=(ConfigMount("monitoring", "/etc/prometheus", "what to read, when to warn"),),
        equals_dialect=True,
        stop_seconds=30,
        needs=needs,
        panels=(_SCRAPED,),
    )
