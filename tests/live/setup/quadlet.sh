#!/usr/bin/env bash
# Podman's generator for Quadlet, twice: the oldest release that the deployments are written for
# (Debian 13) and the newest one (sid). It is a plain binary; no podman is installed or run.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

unpack_debs trixie oldest podman
unpack_debs sid newest podman
