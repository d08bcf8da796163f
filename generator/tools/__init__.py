"""Maintainers' tools: run in a checkout, not shipped."""
