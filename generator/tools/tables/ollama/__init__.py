"""Reading releases of ollama."""
