"""Grafana beside Prometheus: the dashboard of this deployment, nothing that phones home."""

from __future__ import annotations

from infra_gen.model.plan import Plan
from infra_gen.model.spec import Monitoring, Spec
from infra_gen.model.stack import (
    ConfigMount,
    ConfigPath,
    EnvVar,
    Image,
    Mount,
    Port,
    Probe,
    Resources,
    Secret,
    Service,
)
from infra_gen.stack.metrics import on_host_network

_IMAGE = Image(
    repository="docker.io/grafana/grafana",
    tag="13.2.3",
    digest=None,
    verified="never",
    user="472:0",
    open_folders=("/var/lib/grafana",),  # the image owns it as that user, and so do new volumes
    source=(
        "https://www.npmjs.com/package/@grafana/data (13.2.3 is the newest release); "
        "https://grafana.com/docs/grafana/v13.2/setup-grafana/configure-docker/ (tags, Alpine)"
    ),
)
_PORT = 3000
_FOLDER = "monitoring/grafana"
PASSWORD = Secret(
    "GRAFANA_ADMIN_PASSWORD",
    "GF_SECURITY_ADMIN_PASSWORD",
    "the password of Grafana's user admin; it counts at the first start only",
    made=True,
)


def _env(spec: Spec, plan: Plan, port: int) -> tuple[EnvVar, ...]:
    home = ConfigPath(f"{_FOLDER}/dashboards/{spec.name}.json")
    address = (
        EnvVar("GF_SERVER_HTTP_ADDR", "127.0.0.1", "nobody beyond this machine"),
        EnvVar("GF_SERVER_HTTP_PORT", str(port), "the port of the host"),
    )
    return (
        *(address if on_host_network(plan) else ()),
        EnvVar("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH", home, "what is shown first"),
        EnvVar("GF_AUTH_ANONYMOUS_ENABLED", "false", "nobody looks without the password"),
        EnvVar("GF_USERS_ALLOW_SIGN_UP", "false", "nobody makes an account"),
        EnvVar("GF_LOG_MODE", "console", "no log file beside the container's log"),
        EnvVar("GF_ANALYTICS_REPORTING_ENABLED", "false", "no usage reports"),
        EnvVar("GF_ANALYTICS_CHECK_FOR_UPDATES", "false", "no question to grafana.com"),
        EnvVar("GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "false", "nor for plugins"),
        EnvVar("GF_ANALYTICS_FEEDBACK_LINKS_ENABLED", "false", "no links for feedback"),
        EnvVar("GF_NEWS_NEWS_FEED_ENABLED", "false", "no news are fetched"),
        EnvVar("GF_SECURITY_DISABLE_GRAVATAR", "true", "no pictures of users are fetched"),
        EnvVar("GF_SNAPSHOTS_EXTERNAL_ENABLED", "false", "nothing is published elsewhere"),
        EnvVar("GF_PLUGINS_PREINSTALL_DISABLED", "true", "downloads no plugins when it starts"),
        EnvVar("GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED", "true", "nor keys to check them"),
    )


def grafana(spec: Spec, plan: Plan, wanted: Monitoring, metrics: Service) -> Service:
    """Shows what `metrics` has measured. Its settings come from files and environment alone."""
    port = wanted.grafana_port if on_host_network(plan) else _PORT
    return Service(
        role="dashboard",
        name="grafana",
        program=("/run.sh",),
        argv=(),
        env=_env(spec, plan, port),
        image=_IMAGE,
        ports=(Port("web", port, wanted.grafana_port),),
        probe=Probe("/api/health", port, 15, 5, 3, 60, "wget"),
        mounts=(Mount("grafana", "/var/lib/grafana", False, "accounts and what people save"),),
        configs=(
            ConfigMount(
                f"{_FOLDER}/datasource.yaml",
                "/etc/grafana/provisioning/datasources/infra-gen.yaml",
                "where Prometheus is",
            ),
            ConfigMount(
                f"{_FOLDER}/provider.yaml",
                "/etc/grafana/provisioning/dashboards/infra-gen.yaml",
                "where dashboards are",
            ),
            ConfigMount(f"{_FOLDER}/dashboards", "/etc/grafana/dashboards", "the dashboard"),
        ),
        secrets=(PASSWORD,),
        resources=Resources(memory_mib=512),
        stop_seconds=10,
        needs=(metrics.name,),
    )
