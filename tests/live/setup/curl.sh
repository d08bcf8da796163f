#!/usr/bin/env bash
# The machine's own curl: every CI image has one, and a copy would not be more real.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need curl
ln -s "$(command -v curl)" curl
