"""What every release of vLLM must show to be believed, and the jumps that were looked at."""

from __future__ import annotations

from tools.tables.records import Guard

GUARD = Guard(
    sentinels={
        "flags": (
            "model_tag",
            "--api-key",
            "--chat-template",
            "--config",
            "--dtype",
            "--enable-auto-tool-choice",
            "--enable-chunked-prefill",
            "--enable-lora",
            "--enable-prefix-caching",
            "--no-enable-prefix-caching",
            "--enforce-eager",
            "--gpu-memory-utilization",
            "--host",
            "--kv-cache-dtype",
            "--load-format",
            "--max-model-len",
            "--max-num-batched-tokens",
            "--max-num-seqs",
            "--pipeline-parallel-size",
            "-pp",
            "--port",
            "--quantization",
            "-q",
            "--reasoning-parser",
            "--served-model-name",
            "--speculative-config",
            "--tensor-parallel-size",
            "-tp",
            "--tool-call-parser",
            "--trust-remote-code",
        ),
        "fields": ("CompilationConfig.backend", "SpeculativeConfig.num_speculative_tokens"),
        "env": ("VLLM_API_KEY", "VLLM_HOST_IP", "VLLM_LOGGING_LEVEL", "VLLM_PORT"),
        "metrics": (
            "vllm:e2e_request_latency_seconds",
            "vllm:generation_tokens_total",
            "vllm:num_requests_running",
            "vllm:num_requests_waiting",
            "vllm:prompt_tokens_total",
            "vllm:request_success_total",
            "vllm:time_to_first_token_seconds",
        ),
        "quantization": ("awq", "compressed-tensors", "fp8", "gptq", "quark", "torchao"),
        "kv_cache_dtypes": ("auto", "fp8", "fp8_e4m3", "fp8_e5m2"),
        "tool_call_parsers": ("granite", "hermes", "llama3_json", "mistral"),
        "reasoning_parsers": ("deepseek_r1", "granite"),
        "endpoints": ("chat", "completions", "embeddings", "health", "metrics", "models"),
    },
    at_least={
        "flags": 130,
        "fields": 45,
        "env": 100,
        "metrics": 30,
        "quantization": 20,
        "kv_cache_dtypes": 4,
        "tool_call_parsers": 10,
        "reasoning_parsers": 2,
        "endpoints": 15,
        "facts": 8,
    },
    # Each was compared with the dataclasses, lists and loggers of both releases, and the fields also
    # with those of the imported releases (`parity.py`).
    known_jumps={
        # --kv-events-config is new, with the eight fields of KVEventsConfig; what CompilationConfig
        # meant to keep to itself is private now.
        "0.9.0": ("fields",),
        # --structured-outputs-config and --pooler-config take the place of single flags.
        "0.11.0": ("fields",),
        # --ec-transfer-config with its ten fields; what 0.11.0 deprecated is gone. The V1 engine
        # tells of its external and its multi-modal cache, of sleep, and of NIXL transfers.
        "0.11.1": ("fields", "metrics"),
        # --attention-config and --profiler-config are new; the old names in PassConfig are gone.
        "0.13.0": ("fields",),
        # The shorthands of online quantization become methods.
        "0.20.0": ("quantization",),
    },
)
