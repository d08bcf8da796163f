"""Reading releases of vLLM."""
