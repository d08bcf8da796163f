"""Reads presets, config.json and GGUF names: the only reads before a tree is written."""
