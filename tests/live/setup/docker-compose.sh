#!/usr/bin/env bash
# Docker's command line and its compose plugin from Debian sid, enough for `docker compose config`,
# which asks no daemon. Unpacked even where the machine has a docker: one version for everybody.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

unpack_debs sid root docker-cli docker-compose
mkdir -p config/cli-plugins # given to docker as DOCKER_CONFIG
ln -s ../../root/usr/libexec/docker/cli-plugins/docker-compose config/cli-plugins/docker-compose
