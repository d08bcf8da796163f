#!/usr/bin/env bash
# hadolint, shellcheck, yamllint and check-jsonschema: linters for what the generator writes.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

new_venv -r "$(dirname "${BASH_SOURCE[0]}")/linters.txt"
