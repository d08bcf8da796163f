#!/usr/bin/env bash
# Caddy from Debian sid: a plain binary that runs on a stable machine too.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

unpack_debs sid root caddy
