"""Prometheus beside the engine."""

from __future__ import annotations

from infra_gen.model.stack import Arg, Image, Mount, Port, Service

_IMAGE = Image(
    repository="prom/prometheus",
    tag="v3.5.0",
    digest=None,
    verified="never",
    user="nobody",
    source="https://github.com/prometheus/prometheus/releases (3.5 is a long-term support line)",
)
_DAYS = "15d"


def prometheus(needs: tuple[str, ...]) -> Service:
    """Scrapes the engine, keeps fifteen days, evaluates the alert rules.

    `needs` are services that must have succeeded first: while a model downloads nobody is down.
    """
    return Service(
        role="metrics",
        name="prometheus",
        program=("/bin/prometheus",),
        argv=(
            Arg("--config.file", "/etc/prometheus/prometheus.yml", "written by infra-gen"),
            Arg("--storage.tsdb.path", "/prometheus", "the volume"),
            Arg("--storage.tsdb.retention.time", _DAYS, "disk stays bounded"),
        ),
        image=_IMAGE,
        ports=(Port("web", 9090, 9090),),
        mounts=(Mount("metrics", "/prometheus", False, "fifteen days of measurements"),),
        equals_dialect=True,
        stop_seconds=30,
        needs=needs,
    )
