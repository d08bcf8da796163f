"""Reading releases of llama."""
