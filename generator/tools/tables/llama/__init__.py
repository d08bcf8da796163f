"""Reading builds of llama.cpp."""
