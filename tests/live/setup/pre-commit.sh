#!/usr/bin/env bash
# pre-commit, and wheels of all that infra-gen is built with and depends on: with them pre-commit and
# pip install infra-gen from a clone without a network.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
new_venv -r "$here/pre-commit.txt"
"$PYTHON" "$here/needed_packages.py" "$here/../../../pyproject.toml" >needed.txt
step 600 venv/bin/pip wheel --quiet --no-input --retries 3 --wheel-dir wheels -r needed.txt
