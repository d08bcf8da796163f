"""Reading releases of vllm."""
