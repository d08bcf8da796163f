#!/usr/bin/env bash
# The gguf package, which writes the tiny random model that llama-server loads.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

new_venv -r "$(dirname "${BASH_SOURCE[0]}")/gguf.txt"
