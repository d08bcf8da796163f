#!/usr/bin/env bash
# Microsoft's SARIF Multitool from npm: it knows the standard's schema and what GitHub requires.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need npm
step 300 npm install --prefix . --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
  @microsoft/sarif-multitool-linux@5.7.0
chmod +x node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool
