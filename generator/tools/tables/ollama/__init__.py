"""Reading releases of Ollama."""
