#!/usr/bin/env bash
# The registry of the Distribution project from Debian sid: one plain binary.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

unpack_debs sid root docker-registry
