#!/usr/bin/env bash
# Prometheus 3 and promtool from Debian sid: plain binaries that run on a stable machine too.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

unpack_debs sid root prometheus promtool
