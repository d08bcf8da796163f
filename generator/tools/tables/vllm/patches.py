"""What vLLM's sources do not say by themselves, each entry with where it was read."""

from __future__ import annotations

# Flags whose text is a path; for argparse they are texts like all others.
PATHS = frozenset({
    "--allowed-local-media-path",
    "--config",
    "--download-dir",
    "--hf-config-path",
    "--log-config-file",
    "--mm-encoder-fp8-scale-path",
    "--mm-encoder-fp8-scale-save-path",
    "--reasoning-parser-plugin",
    "--ssl-ca-certs",
    "--ssl-certfile",
    "--ssl-keyfile",
    "--tool-parser-plugin",
    "--uds",
})  # fmt: skip

# The functions that turn a flag's text into its value, by name.
CONVERTERS = {
    "human_readable_int": "size",
    "human_readable_int_or_auto": "size",
    "loads": "json",
    "union_dict_and_str": "json",
    "from_cli": "json",
    "from_json": "json",
    "parse_dataclass": "json",
    "parse_reasoning_parser": "str",  # `none` becomes an empty text
}
# Unnamed ones, by what they do.
LAMBDAS = {
    "s.lower().replace('-', '_')": "str",
    "[int(device_id) if device_id.isdigit() else device_id "
    "for device_id in (part.strip() for part in s.split(','))]": "str",
    "f(**json.loads(x))": "json",
    "f(x)": "json",
}
# Beside a number: read in human_readable_int_or_auto.
SPECIAL = {"human_readable_int_or_auto": ["auto", "-1"]}

# JSON flags that argparse takes for free dictionaries, and the class that the engine makes of them
# (`create_speculative_config` and its like in engine/arg_utils.py).
CONFIGS = {
    "--speculative-config": "SpeculativeConfig",
    "--diffusion-config": "DiffusionConfig",
    "--watermark-config": "WatermarkConfig",
}

# What has to be switched on for a metric to appear, by its name or by the module that makes it.
METRIC_NEEDS_BY_NAME = {
    "vllm:corrupted_requests_total": "VLLM_COMPUTE_NANS_IN_LOGITS",
    "vllm:diffusion_num_canvas_positions_total": "a diffusion model",
    "vllm:diffusion_num_committed_tokens_total": "a diffusion model",
    "vllm:diffusion_num_denoising_steps_total": "a diffusion model",
    "vllm:kv_block_idle_before_evict_seconds": "--kv-cache-metrics",
    "vllm:kv_block_lifetime_seconds": "--kv-cache-metrics",
    "vllm:kv_block_reuse_gap_seconds": "--kv-cache-metrics",
    "vllm:lora_requests_info": "--enable-lora",
    "vllm:num_requests_kv_fetch_by_stage": "--kv-transfer-config",
    "vllm:watermark_requests_total": "--watermark-config",
}
METRIC_NEEDS_BY_PATH = (
    ("vllm/distributed/kv_transfer/", "--kv-transfer-config"),
    ("vllm/engine/metrics.py", "VLLM_USE_V1=0"),
    ("vllm/entrypoints/serve/dev/sleep/", "--enable-sleep-mode"),
    ("vllm/v1/kv_offload/", "--kv-transfer-config"),
    ("vllm/v1/simple_kv_offload/", "--kv-transfer-config"),
    ("vllm/v1/spec_decode/", "--speculative-config"),
    ("vllm/parser/", "--tool-call-parser"),
    ("vllm/v1/metrics/perf.py", "--enable-mfu-metrics"),
)
# Literals that only begin a metric's name: clients of /metrics filter by the first two, the others
# are completed in a loop.
METRIC_STARTS = frozenset({"vllm:spec_decode", "vllm:diffusion", "vllm:hisparse_"})
