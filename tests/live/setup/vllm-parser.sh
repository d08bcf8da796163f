#!/usr/bin/env bash
# The argument parser of vLLM itself. It is imported from the official wheel; the GPU libraries in
# there and in the wheel's requirements are left out, for they are never called while parsing.
# torch is one minor version older than the wheel asks for: its 2.13 wheels for CPU are at hand,
# and the parser behaves the same. Where pip finds only a CUDA build of torch, add an index with
# CPU builds to pip's configuration (PIP_EXTRA_INDEX_URL).
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

new_venv --no-deps -r "$(dirname "${BASH_SOURCE[0]}")/vllm-parser.txt"
step 900 venv/bin/pip install --quiet --no-input --retries 3 torch==2.13.0
step 900 venv/bin/pip install --quiet --no-input --retries 3 --no-cache-dir --no-deps vllm==0.33.0
packages=$(venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
find "$packages/vllm" -type f \( -name '*.so' -o -name vllm-rs \) -size +1M -delete
